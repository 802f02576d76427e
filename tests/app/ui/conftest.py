"""A page of the real service, opened as a browser would."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.client import Client
from app.ui.session import client as cached_client

PAGES = Path(__file__).parents[3] / "app" / "ui"

Open = Callable[..., AppTest]


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
