"""What every command needs: a client of the service, and lines for people."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.client import Client

LIBRARY = "library"


def connect() -> "Client":
    """A client of the service that the settings name."""
    from app.client import Client
    from app.settings import Settings, reveal

    settings = Settings()
    return Client(settings.service_url, reveal(settings.api_key))


def encoder_line(client: "Client") -> str:
    """The encoder in use and what it speaks, in words."""
    encoder = client.status().encoder
    return f"{encoder.name} ({encoder.languages})"


def given(value: str, noun: str) -> str:
    if not value:
        raise ValueError(f"which {noun}? `kalm {noun}s` lists them")
    return value


def line(text: str, most_chars: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most_chars else text[: most_chars - 1] + "…"


def note(text: str) -> None:
    print(text, file=sys.stderr)
