"""A page of the real service, opened as a browser would."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from streamlit.testing.v1 import AppTest

from app.client import Client
from app.ui.session import client as cached_client
from tests.app.ui.browsing import SIZE, chromium, running_page

PAGES = Path(__file__).parents[3] / "app" / "ui"

Open = Callable[..., AppTest]


@pytest.fixture(scope="session")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """One for all tests: starting it takes seconds."""
    yield from chromium(tmp_path_factory.mktemp("profile"))


@pytest.fixture
def browser(chrome: webdriver.Chrome) -> Iterator[webdriver.Chrome]:
    """A browser that has been nowhere: each service has a port, and so an origin, of its own."""
    chrome.execute_cdp_cmd("Network.clearBrowserCookies", {})
    chrome.set_window_size(*SIZE)
    yield chrome
    chrome.get("about:blank")  # or it goes on asking a page that is gone


@pytest.fixture(scope="session")
def shared_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Client]]:
    """`kalm up` with the settings as they are, for all tests that want no others: the page's address, and a
    client of its service."""
    data = tmp_path_factory.mktemp("data")
    with running_page(data) as (page, service), Client(service) as client:
        yield page, client


@pytest.fixture(scope="module")
def empty_page(shared_page: tuple[str, Client]) -> tuple[str, Client]:
    """The same without any collection, at a module's first test."""
    for collection in shared_page[1].collections():
        shared_page[1].delete_collection(collection.name)
    return shared_page


@pytest.fixture
def open_page(client: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Opens a page with query parameters, as a browser in English would."""
    monkeypatch.setenv("KALM_URL", client.url)
    cached_client.clear()

    def open_it(page: str, **query: str) -> AppTest:
        app = AppTest.from_file(str(PAGES / "main.py"), default_timeout=30)
        for name, value in query.items():
            app.query_params[name] = value
        app.run()
        if page != "search":
            app.switch_page(f"views/{page}.py")
            for name, value in query.items():
                app.query_params[name] = value
            app.run()
        assert not app.exception, app.exception
        return app

    yield open_it
    cached_client().close()
    cached_client.clear()


def answered(app: AppTest) -> AppTest:
    """Once no answer is under way any more: a busy machine takes longer than the page waits at once."""
    deadline = time.monotonic() + 30
    while any(button.label == "Stop" for button in app.button):
        assert time.monotonic() < deadline
        app.run()
    return app


def html(app: AppTest) -> str:
    return " ".join(str(element.proto.body) for element in app.get("html"))
