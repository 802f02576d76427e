"""A conversation in a real browser, with a language model that writes slowly: one service for all tests."""

import time
from collections.abc import Callable, Iterator

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from app.client import Client
from app.schemas import NewJob
from tests.app.conftest import running, wait
from tests.app.test_llm import NORMAL, ChatServer
from tests.app.ui.browsing import find, running_page, see
from tests.app.ui.conftest import PAGES

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]

SAMPLE = PAGES.parent / "sample" / "library"
QUESTION = "Which brake fluid do I use?"
BOX = "//textarea[@placeholder='Your question']"
ANSWERED = "//*[contains(text(), 'Written by endless')]"
STOP = "//button[contains(., 'Stop')]"


@pytest.fixture(scope="module")
def server() -> ChatServer:
    return ChatServer()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, server: ChatServer) -> Iterator[str]:
    """The page's address; its service holds a manual about batteries."""
    folder = tmp_path_factory.mktemp("documents")
    for name in ("maintenance-manual.pdf", "rental-terms.md"):
        (folder / name).write_bytes((SAMPLE / name).read_bytes())
    data = tmp_path_factory.mktemp("data")
    with (
        running(server.app) as llm,
        running_page(data, KALM_LLM_URL=llm, KALM_LLM_MODEL="endless") as (page, service),
        Client(service) as client,
    ):
        client.create_collection("library")
        assert wait(client, client.ingest(NewJob(place=str(folder))).id) == {"added": 2}
        yield page


def ask(browser: webdriver.Chrome, page: str, question: str = QUESTION) -> None:
    browser.get(f"{page}/ask")
    find(browser, BOX).send_keys(question + Keys.ENTER)


def test_an_answer_survives_a_click_another_page_and_a_reload(
    browser: webdriver.Chrome, page: str, server: ChatServer
) -> None:
    server.pause_s = 0.3
    ask(browser, page)
    see(browser, STOP)
    see(browser, "//div[contains(@class, 'kalm-text') and contains(., 'Keep')]")
    asked = len(server.requests)

    find(browser, "//a[contains(., 'Search')]").click()
    see(browser, "//input[@placeholder='What are you looking for?']")
    find(browser, "//a[contains(., 'Ask')]").click()
    see(browser, STOP)
    see(browser, "//div[contains(@class, 'kalm-text') and contains(., 'cool')]")
    see(browser, ANSWERED)
    assert "conversation=" in browser.current_url
    browser.refresh()
    see(browser, ANSWERED)

    assert len(browser.find_elements(By.XPATH, ANSWERED)) == 1
    assert len(server.requests) == asked
    assert "[7]" not in find(browser, "//body").text


def test_an_answer_that_is_stopped_stays_and_can_be_asked_for_again(
    browser: webdriver.Chrome, page: str, server: ChatServer
) -> None:
    server.pause_s = 0.5
    sent = server.pieces_sent
    ask(browser, page)
    see(browser, "//div[contains(@class, 'kalm-text') and contains(., 'Keep')]")

    see(browser, STOP).click()
    see(browser, "//*[contains(text(), 'Stopped before the end')]")
    assert find(browser, "//div[contains(@class, 'kalm-text') and contains(., 'Keep')]").is_displayed()
    until_quiet(server)
    assert server.pieces_sent - sent < len(NORMAL) // 3  # it did not write to the end
    server.pause_s = 0.01
    see(browser, "//button[contains(., 'Try again')]").click()
    see(browser, ANSWERED)

    see(browser, "//button[contains(., 'Answer again')]").click()
    until(lambda: server.requests[-1]["temperature"] > 0)
    until_quiet(server)
    find(browser, f"//*[@data-test-script-state='notRunning'][not(.{STOP})]{ANSWERED}")
    see(browser, "//button[contains(., 'New conversation')]").click()
    see(browser, "//*[contains(text(), 'Every sentence of an answer')]")
    assert "conversation=" not in browser.current_url


def until_quiet(server: ChatServer) -> None:
    sent = -1
    while sent != server.pieces_sent:
        sent = server.pieces_sent
        time.sleep(3 * server.pause_s)


def until(so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not so():
        assert time.monotonic() < deadline
        time.sleep(0.05)
