"""How long `kalm up` takes, warm, until the page can be used: python -m benchmarks.start

Warm: the sample library is ingested and the files are in the system's cache. The address is printed once
service and page answer; where a Chromium is installed, the page is also opened (the browser runs already)
and timed until its search field is there.
"""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import tyro

from benchmarks.machine import describe, up

_DRAWN_S = 60
_POLL_S = 0.02


def main(runs: int = 5) -> None:
    """Start and stop `runs` times, after once for the ingestion."""
    with tempfile.TemporaryDirectory() as name, browser() as chromium:
        with up(Path(name)) as first:
            print(f"cold, with ingestion: {max(first.seconds.values()):.1f} s")
        printed, drawn = [], []
        for _ in range(runs):
            with up(Path(name)) as warm:
                printed.append(warm.seconds_to("Ready:"))
                if chromium is not None:
                    ready = max(warm.seconds.values())
                    drawn.append(ready + seconds_to_draw(chromium, warm.page))
    print(f"{'warm':<24} {'median':>7} {'min':>6} {'max':>6}  seconds, {runs} runs")
    for what, seconds in (("address printed", printed), ("search field drawn", drawn)):
        if seconds:
            print(f"{what:<24} {median(seconds):>7.2f} {min(seconds):>6.2f} {max(seconds):>6.2f}")
    print(describe())


@contextmanager
def browser() -> Iterator[Any]:
    """A headless Chromium, or None where there is none."""
    binary = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        print("no Chromium: only the address is timed")
        yield None
        return
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    chromium = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield chromium
    chromium.quit()


def seconds_to_draw(chromium: Any, page: str) -> float:
    """From asking for the page to its search field."""
    begin = time.perf_counter()
    chromium.get(page)
    while not chromium.find_elements("css selector", "input[type=text]"):
        if time.perf_counter() - begin > _DRAWN_S:
            raise SystemExit(f"{page} has no search field after {_DRAWN_S} s")
        time.sleep(_POLL_S)
    return time.perf_counter() - begin


if __name__ == "__main__":
    tyro.cli(main)
