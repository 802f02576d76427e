"""What `kalm up` starts: a command that ends when its parent does, however that ended."""

import os
import signal
import sys
import threading

from app import cli


def main() -> None:
    """Run the `kalm` command named in argv, and leave in good order when stdin closes."""
    threading.Thread(target=_watch, daemon=True).start()
    if sys.argv[1] == "ui":
        _page()
    else:
        cli.main()


def _watch() -> None:
    os.read(0, 1)  # the parent never writes: this returns when it is gone
    os.kill(os.getpid(), signal.SIGTERM)


def _page() -> None:
    """Streamlit in this process, so that the watcher stays with it."""
    import runpy

    from app.settings import Settings
    from app.ui.launch import command

    settings = Settings()
    argv = command(address=settings.host, port=settings.ui_port, max_upload_mb=settings.max_upload_mb)
    sys.argv = argv[2:]
    runpy.run_module("streamlit", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
