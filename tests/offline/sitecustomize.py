"""Put on PYTHONPATH, this refuses every Python process below all addresses but loopback's.

A violation raises in the process and is written to the file named in KALM_TEST_VIOLATIONS.
"""

import os
import sys

_LOOPBACK = ("127.", "::1", "localhost")
_log = os.environ.get("KALM_TEST_VIOLATIONS")


def _guard(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.connect":
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else "localhost"  # else a unix socket
    elif event == "socket.getaddrinfo":
        host = arguments[0] or "localhost"
    else:
        return
    host = host.decode() if isinstance(host, bytes) else str(host)
    if host.startswith(_LOOPBACK) or host == "0.0.0.0":
        return
    if _log:
        with open(_log, "a") as file:  # noqa: PTH123 nothing may be imported here
            file.write(f"{event} {host} {sys.argv}\n")
    raise PermissionError(f"{event} to {host}: only loopback is allowed here")


sys.addaudithook(_guard)
