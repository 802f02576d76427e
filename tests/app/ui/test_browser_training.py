"""The training page in a real browser: a training is started, watched, and its model put in service."""

from io import BytesIO
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from app.client import Client
from tests.app.adaptation.test_trainings import write_words
from tests.app.conftest import wait
from tests.app.ui.browsing import find, see

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def test_a_training_is_started_watched_and_put_in_service(
    browser: webdriver.Chrome,
    empty_page: tuple[str, Client],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tests.app.ui.browsing.WAIT_S", 300)
    write_words(tmp_path / "documents")
    page, client = empty_page
    client.create_collection("words")
    files = [(path.name, BytesIO(path.read_bytes())) for path in (tmp_path / "documents").iterdir()]
    wait(client, client.upload("words", files).id)

    browser.get(f"{page}/training")
    steps = find(browser, "//input[@aria-label='Steps at most']")
    steps.send_keys("3\t")
    see(browser, "//button[contains(., 'Start')]").click()
    find(browser, "//*[contains(text(), 'running') or contains(text(), 'waiting')]")
    browser.refresh()  # what is going on does not depend on the page

    see(browser, "//*[contains(text(), 'What it gained')]")
    assert "3 steps of" in browser.find_element(By.TAG_NAME, "body").text
    see(browser, "//button[contains(., 'Build its index')]").click()
    see(browser, "//button[contains(., 'Use it for searches')]").click()
    see(browser, "//*[contains(text(), 'Searches here use this model.')]")
    assert client.collections()[0].encoder == "words-1"
    see(browser, "//button[contains(., 'Back to the encoder before')]").click()
    find(browser, "//button[contains(., 'Use it for searches')]")
    assert client.collections()[0].encoder == "kalm-nano"
