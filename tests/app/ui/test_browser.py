"""The page in a real browser: a file goes in through one language's page and is found in another's."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from tests.app.conftest import free_port

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]

ROOT = Path(__file__).parents[3]
WAIT_S = 60


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    driver = shutil.which("chromedriver")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not driver or not chromium:
        pytest.skip("no Chromium with its driver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--no-first-run", "--lang=en",
        "--window-size=1280,900", f"--user-data-dir={tmp_path / 'profile'}",
    ):  # fmt: skip
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=Service(driver))
    yield browser
    browser.quit()


@pytest.fixture
def page(tmp_path: Path) -> Iterator[str]:
    """`kalm up` as a process; yields the page's address."""
    port = free_port()
    up = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "up"],
        env={
            **os.environ,
            "KALM_DATA_DIR": str(tmp_path / "data"),
            "KALM_PORT": str(free_port()),
            "KALM_UI_PORT": str(port),
        },
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert up.stdout is not None
    assert any("Ctrl-C" in line for line in up.stdout)
    yield f"http://localhost:{port}"
    up.terminate()
    up.wait(30)
    up.stdout.close()


def find(browser: webdriver.Chrome, xpath: str) -> WebElement:
    return WebDriverWait(browser, WAIT_S).until(lambda one: one.find_element(By.XPATH, xpath))


def test_a_file_goes_in_is_found_in_another_languages_page_and_opens(
    browser: webdriver.Chrome, page: str, tmp_path: Path
) -> None:
    file = tmp_path / "Hütte.md"
    file.write_text(
        "# Mountain hut\n\nThe hut is open from June to September. Dogs stay on the ground floor.\n"
        "\n# Hostile\n\n&lt;script&gt;document.title='owned'&lt;/script&gt; ![x](http://127.0.0.1:9/x.png)"
    )

    browser.get(f"{page}/ingest")
    find(browser, "//input[@type='file']").send_keys(str(file))
    find(browser, "//button[contains(., 'Ingest 1 files')]").click()
    find(browser, "//*[contains(text(), '1 of 1 documents')]")

    browser.get(f"{page}/?lang=de")
    box = find(browser, "//input[@placeholder='Wonach suchen Sie?']")
    box.send_keys("When can I stay at the hut?" + Keys.ENTER)
    hit = find(browser, "//div[contains(@class, 'kalm-text') and contains(., 'open from June')]")
    assert "stay" in [mark.text for mark in hit.find_elements(By.TAG_NAME, "mark")]
    assert "q=When" in browser.current_url
    assert find(browser, "//*[contains(text(), 'kann nur Englisch')]").is_displayed()

    find(browser, "//a[contains(., 'Öffnen')]").click()
    opened = find(browser, "//div[contains(@class, 'opened')]")
    assert "Dogs stay on the ground floor." in opened.text
    assert "<script>" in find(browser, "//body").text
    assert "document=" in browser.current_url
    assert find(browser, "//*[contains(text(), 'all-MiniLM-L6-v2')]").is_displayed()
    assert browser.title != "owned"
    assert not browser.find_elements(By.XPATH, "//img[contains(@src, '127.0.0.1:9')]")
