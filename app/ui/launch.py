"""The command that runs the page: Streamlit with everything it would tell others switched off."""

import sys
from pathlib import Path

MAIN = Path(__file__).parent / "main.py"


def command(*, address: str, port: int, max_upload_mb: int) -> list[str]:
    """argv of the page's process."""
    hosts = ["localhost", "127.0.0.1"] if address in {"127.0.0.1", "localhost"} else []
    options = {
        "server.address": address,
        "server.port": port,
        "server.headless": "true",
        "server.showEmailPrompt": "false",
        "server.fileWatcherType": "none",
        "server.maxUploadSize": max_upload_mb,
        "server.enableXsrfProtection": "true",
        "browser.serverAddress": "localhost",  # else it asks a server outside for its own address
        "browser.gatherUsageStats": "false",
        "client.showErrorDetails": "none",
        "runner.magicEnabled": "false",  # it prints docstrings
        "client.toolbarMode": "minimal",
        "theme.primaryColor": "#0f766e",
        "theme.baseRadius": "medium",
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    flags += [f"--server.allowedHosts={host}" for host in hosts]
    return [sys.executable, "-m", "streamlit", "run", str(MAIN), *flags]
