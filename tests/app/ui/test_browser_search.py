"""The search page in a real browser: the keyboard, what unfolds, what is like it, a link that is shared."""

import io

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from app.client import Client
from app.schemas import Labelled
from tests.app.conftest import wait
from tests.app.ui.browsing import WAIT_S, find, see

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]

HUT = "# Mountain hut\n\n" + "\n\n".join(
    f"# Rule {n}\n\nThe hut is open in month {n}. " + "Guests of the hut bring a lamp and warm clothes. " * 12
    for n in range(4)
)
BOAT = "# Boat\n\nThe boat leaves the pier every hour, and guests bring a coat."


@pytest.fixture(scope="module")
def page(empty_page: tuple[str, Client]) -> str:
    page, client = empty_page
    client.create_collection("library")
    for name, text, kind in (("hut.md", HUT, "house"), ("boat.md", BOAT, "ship")):
        said = Labelled.model_validate({"labels": {"kind": kind}})
        wait(client, client.upload("library", [(name, io.BytesIO(text.encode()))], said).id)
    return page


def until(browser: webdriver.Chrome, part: str) -> None:
    """Once the URL has it."""
    WebDriverWait(browser, WAIT_S).until(lambda one: part in one.current_url)


def test_a_search_from_the_keyboard_to_a_shared_link(browser: webdriver.Chrome, page: str) -> None:
    browser.get(page)
    box = find(browser, "//input[@placeholder='What are you looking for?']")
    find(browser, "//*[contains(text(), 'Ask in your own words')]")
    ActionChains(browser).send_keys("/").perform()
    WebDriverWait(browser, WAIT_S).until(lambda one: one.switch_to.active_element == box)
    ActionChains(browser).send_keys("when is the hut open?", Keys.ENTER).perform()
    see(browser, "//div[contains(@class, 'kalm-text') and contains(., 'The hut is open in month')]")
    titles = [title.text for title in browser.find_elements(By.CLASS_NAME, "kalm-title")]
    assert sorted(titles) == ["Boat", "Mountain hut"]  # each document once

    find(browser, "//summary[contains(., 'More passages here (')]").click()
    see(browser, "//details//div[contains(@class, 'kalm-passage')]")

    find(browser, "(//button[contains(., 'More like this')])[1]").click()
    find(browser, "//*[contains(text(), 'Passages like this one from')]")
    until(browser, "like=")
    shared = browser.current_url

    find(browser, "//button[contains(., 'Back to the search')]").click()
    find(browser, "//summary[contains(., 'More passages here (')]")
    browser.get(shared)
    find(browser, "//*[contains(text(), 'Passages like this one from')]")


def test_filters_of_a_shared_link_hold_in_every_language_and_width(
    browser: webdriver.Chrome, page: str
) -> None:
    browser.set_window_size(390, 900)
    browser.get(f"{page}/?q=guests&label.kind=ship&explain=true&lang=de")
    see(browser, "//div[contains(@class, 'kalm-text') and contains(., 'The boat leaves')]")
    assert [title.text for title in browser.find_elements(By.CLASS_NAME, "kalm-title")] == ["Boat"]
    find(browser, "//summary[contains(., 'Filter (1 aktiv)')]")
    assert "label.kind=ship" in browser.current_url
    width = browser.execute_script(
        "const main = document.querySelector('.stMain'); return [main.scrollWidth, main.clientWidth]"
    )
    assert width[0] <= width[1]  # nothing to scroll sideways

    find(browser, "//summary[contains(., 'Wie das gefunden wurde')]").click()
    see(browser, "//table[contains(@class, 'kalm-rows')]//*[contains(text(), 'kind=ship')]")
