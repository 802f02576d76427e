"""The README's screenshots: `python -m tests.app.ui.screenshots`, with Chromium and its driver installed."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from app.client import Client
from tests.app.conftest import free_port

FOLDER = Path(__file__).parents[3] / "docs" / "screenshots"
SETTLE_S = 6
PAGES = {
    "search": "/?q=What happens if my bicycle is stolen?",
    "ask": "/ask?question=Which brake fluid do I use, and when are pads replaced?",
    "library": "/library",
    "ingest": "/ingest?lang=de",
    "jobs": "/jobs?job={job}",
    "collections": "/collections",
    "document": "/document?document={document}&passage=1",
    "search-zh": "/?q=How do I get my money back?&lang=zh",
}


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    port, ui_port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as data:
        environment = {
            **os.environ,
            "KALM_DATA_DIR": data,
            "KALM_PORT": str(port),
            "KALM_UI_PORT": str(ui_port),
        }
        up = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "up", "--sample"],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert up.stdout is not None
        assert any("Ctrl-C" in line for line in up.stdout)
        with Client(f"http://127.0.0.1:{port}") as client:
            job = client.jobs()[0].id
            manual = client.documents("library", text="maintenance").documents[0].id
        options = webdriver.ChromeOptions()
        for flag in (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--window-size=1280,1000",
            "--lang=en",
        ):
            options.add_argument(flag)
        browser = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        for name, path in PAGES.items():
            browser.get(f"http://localhost:{ui_port}" + path.format(document=manual, job=job))
            time.sleep(SETTLE_S)
            browser.save_screenshot(str(FOLDER / f"{name}.png"))
        browser.quit()
        up.terminate()
        up.wait()


if __name__ == "__main__":
    main()
