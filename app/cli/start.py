"""`kalm up`, `kalm serve`, `kalm ui`: start what runs."""

import os


def up(*, sample: bool = False) -> None:
    """Start the service and the page, and stop both with Ctrl-C.

    Args:
        sample: Also ingest the small multilingual library that comes with kalm-rag.
    """
    from app.settings import Settings
    from app.up import run

    run(Settings(), sample=sample)


def serve() -> None:
    """Run the service alone."""
    from app.api import serve as run
    from app.settings import Settings

    run(Settings())


def ui() -> None:
    """Run the page alone; it finds the service by KALM_URL."""
    from app.settings import Settings
    from app.ui.launch import command

    settings = Settings()
    argv = command(address=settings.host, port=settings.ui_port, max_upload_mb=settings.max_upload_mb)
    os.execv(argv[0], argv)  # noqa: S606 our own command
