"""Chromium and `kalm up` as processes, for the tests in a real browser."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support import expected_conditions
from selenium.webdriver.support.ui import WebDriverWait

from tests.app.conftest import free_port

ROOT = Path(__file__).parents[3]
WAIT_S = 60


SIZE = 1280, 1000
"""Of the window, in pixels."""


def chromium(profile: Path) -> Iterator[webdriver.Chrome]:
    """A browser in English; skips the test where none is installed."""
    driver = shutil.which("chromedriver")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if not driver or not program:
        pytest.skip("no Chromium with its driver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--no-first-run", "--lang=en",
        f"--window-size={SIZE[0]},{SIZE[1]}", f"--user-data-dir={profile}",
    ):  # fmt: skip
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=Service(driver))
    yield browser
    browser.quit()


@contextmanager
def running_page(data: Path, **settings: str) -> Iterator[tuple[str, str]]:
    """`kalm up`, with more in its environment; yields the addresses of the page and of the service."""
    port, ui_port = free_port(), free_port()
    up = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "up"],
        env={
            **os.environ,
            **settings,
            "KALM_DATA_DIR": str(data),
            "KALM_PORT": str(port),
            "KALM_UI_PORT": str(ui_port),
        },
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert up.stdout is not None
    assert any("Ctrl-C" in line for line in up.stdout)
    yield f"http://localhost:{ui_port}", f"http://127.0.0.1:{port}"
    up.terminate()
    up.wait(30)
    up.stdout.close()


def find(browser: webdriver.Chrome, xpath: str) -> WebElement:
    """Once it is there."""
    return WebDriverWait(browser, WAIT_S).until(lambda one: one.find_element(By.XPATH, xpath))


def see(browser: webdriver.Chrome, xpath: str) -> WebElement:
    """Once it is in sight: what unfolds is there before."""
    return WebDriverWait(browser, WAIT_S).until(
        expected_conditions.visibility_of_element_located((By.XPATH, xpath))
    )
