"""A URL -> its bytes, from public addresses only: nobody reads this machine's network through us.

The name is resolved once, every address is checked, and the connection goes to the checked address
itself, so that a second answer of the name server changes nothing. Each redirect is a new URL and is
checked anew. No proxy, no cookies, no credentials; what the server says of itself decides nothing.
"""

import ipaddress
import mimetypes
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import PurePosixPath
from urllib.parse import unquote

import httpx

from ingest.errors import NotAllowedHere, SourceGone, UnreadableFile
from ingest.places import INSIDE

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], list[str]]
"""Host and port -> its addresses. Raises OSError."""

REDIRECTS = 3
CONNECT_S = 5.0
READ_S = 15.0
"""Between two pieces."""
TOTAL_S = 300.0
"""For all of it: a server may send a byte every ten seconds."""
URL_CHARS = 2000
_ENCODINGS = frozenset(("", "identity", "gzip", "deflate"))
_HEADERS = {"User-Agent": "kalm-rag", "Accept": "*/*", "Accept-Encoding": "gzip, deflate"}
_REFUSED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "100.64.0.0/10",  # carrier-grade NAT; Alibaba's metadata
        "168.63.129.16/32",  # Azure's host, a public address that is not
        "192.0.0.0/24",  # IETF protocols; Oracle's metadata
        "192.88.99.0/24",  # 6to4 relays
        "198.18.0.0/15",  # benchmarks
        "::/96",  # IPv4-compatible
        "::ffff:0:0/96",  # IPv4-mapped
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",  # NAT64, local
        "100::/64",  # discarded
        "2001::/23",  # Teredo and other protocols
        "2002::/16",  # 6to4
        "fc00::/7",  # unique local
        "fec0::/10",  # site-local
    )
)
"""What `is_global` takes for the internet in one version of Python or another, or what leads to IPv4."""


def is_public(address: Address) -> bool:
    """Whether an address is one of the internet's, so that fetching from it gives nothing away."""
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(address in network for network in _REFUSED if network.version == address.version)
    )


def resolve(host: str, port: int) -> list[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


@dataclass(frozen=True, slots=True)
class Page:
    """What a URL gave, not yet read."""

    name: str
    """From the last URL's path; its suffix from the content type where the path has none."""
    blocks: Iterator[bytes]
    modified: datetime | None = None
    """As its server says."""

    def read(self, _: int, /) -> bytes:
        """The next piece, of whatever size; b"" at the end."""
        return next(self.blocks, b"")


@dataclass(frozen=True, slots=True)
class Web:
    """How URLs are fetched. Tests name their own name server and let loopback pass."""

    resolve: Resolve = resolve
    is_allowed: Callable[[Address], bool] = is_public

    @contextmanager
    def fetch(self, url: str) -> Iterator[Page]:
        """Raises NotAllowedHere for what must not be fetched, SourceGone if it can't be."""
        deadline = time.monotonic() + TOTAL_S
        with httpx.Client(trust_env=False, timeout=httpx.Timeout(READ_S, connect=CONNECT_S)) as client:
            target = _parsed(url)
            for _ in range(REDIRECTS + 1):
                response = self._send(client, target)
                try:
                    if not response.has_redirect_location:
                        yield Page(
                            _name(target, response), _blocks(response, url, deadline), _modified(response)
                        )
                        return
                    target = _parsed(str(target.join(response.headers["location"])))
                finally:
                    response.close()
        raise SourceGone(f"{url}: more than {REDIRECTS} redirects")

    def _send(self, client: httpx.Client, url: httpx.URL) -> httpx.Response:
        """The answer's head, from an address that was checked."""
        address = self._address(url)
        request = client.build_request(
            "GET",
            url.copy_with(host=address),
            headers={**_HEADERS, "Host": url.netloc.decode("ascii")},
            extensions={
                "sni_hostname": url.raw_host.decode("ascii")
            },  # and the certificate must be this name's
        )
        try:
            response = client.send(request, stream=True)
        except httpx.HTTPError as error:
            raise SourceGone(f"{url}: no answer ({error or type(error).__name__})") from error
        if response.is_error:
            response.close()
            raise SourceGone(f"{url}: the server answered {response.status_code}")
        return response

    def _address(self, url: httpx.URL) -> str:
        """Where to connect: every address of the name must be allowed, or none is used."""
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            found = self.resolve(url.raw_host.decode("ascii"), port)
        except (OSError, UnicodeError) as error:
            raise SourceGone(f"{url}: the name {url.host!r} is unknown ({error})") from error
        for text in found:
            try:
                allowed = self.is_allowed(ipaddress.ip_address(text))
            except ValueError:
                allowed = False  # with a zone, say
            if not allowed:
                raise NotAllowedHere(
                    f"{url}: {url.host} is at {text}, which is not a public address; files of your own "
                    "network come in by folder, upload or store"
                )
        if not found:
            raise SourceGone(f"{url}: the name {url.host!r} has no address")
        return found[0]


def page_uri(url: str) -> str:
    """The identity of a page: its URL without the fragment. Raises NotAllowedHere for what is no web URL."""
    return str(_parsed(url).copy_with(fragment=None)).replace(INSIDE, "%21/")


def _parsed(url: str) -> httpx.URL:
    """The one place where a URL is taken apart: what is checked is what is fetched."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise NotAllowedHere(f"{url[:200]!r} is not a URL ({error})") from error
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise NotAllowedHere(f"{url[:200]}: only http:// and https:// can be fetched")
    if parsed.userinfo:
        raise NotAllowedHere(f"{parsed.copy_with(userinfo=b'')}: a URL with a password in it is not fetched")
    if len(url) > URL_CHARS:
        raise NotAllowedHere(f"{url[:200]}…: longer than {URL_CHARS} characters")
    return parsed


def _modified(response: httpx.Response) -> datetime | None:
    try:
        return parsedate_to_datetime(response.headers.get("last-modified", "")).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _blocks(response: httpx.Response, url: str, deadline: float) -> Iterator[bytes]:
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding not in _ENCODINGS:
        raise UnreadableFile(f"{url}: packed as {encoding!r}, which nobody asked for")
    try:
        for block in response.iter_bytes():
            if time.monotonic() > deadline:
                raise SourceGone(f"{url}: not finished after {TOTAL_S:.0f} s")
            if block:
                yield block
    except httpx.HTTPError as error:
        raise SourceGone(f"{url}: broke off ({error or type(error).__name__})") from error


def _name(url: httpx.URL, response: httpx.Response) -> str:
    name = PurePosixPath(unquote(url.path)).name or url.host
    if not PurePosixPath(name).suffix or name == url.host:
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        name += mimetypes.guess_extension(kind) or ""
    return name
