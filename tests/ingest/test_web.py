"""URLs: what is fetched, and all that is not. The servers are real and on loopback."""

import gzip
import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ingest import web
from ingest.errors import NotAllowedHere, SourceGone, UnreadableFile
from ingest.web import Web, is_public, page_uri

LOCAL = Web(resolve=lambda host, port: ["127.0.0.1"], is_allowed=lambda address: address.is_loopback)
Respond = Callable[[BaseHTTPRequestHandler], None]


class Site:
    """A server on loopback; `answers` says what it sends for a path."""

    def __init__(self) -> None:
        self.answers: dict[str, Respond] = {}
        self.hosts: list[str] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.hosts.append(self.headers["Host"])
                site.answers[self.path](self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def url(self, path: str, host: str = "site.example") -> str:
        return f"http://{host}:{self.port}{path}"


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.server.shutdown()
    site.server.server_close()


def sends(content: bytes, kind: str = "text/html", status: int = 200, **headers: str) -> Respond:
    def respond(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in {"Content-Type": kind, **headers}.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(content)

    return respond


def fetch(url: str, how: Web = LOCAL) -> tuple[str, bytes]:
    with how.fetch(url) as page:
        return page.name, b"".join(iter(lambda: page.read(1 << 20), b""))


def test_a_page_comes_with_a_name_and_its_host_is_told(site: Site) -> None:
    site.answers["/guides/Rad%20fahren"] = sends(b"<html>text</html>")
    site.answers["/"] = sends(gzip.compress(b"packed"), "text/plain", Content_Encoding="gzip")

    assert fetch(site.url("/guides/Rad%20fahren")) == ("Rad fahren.html", b"<html>text</html>")
    assert fetch(site.url("/")) == ("site.example.txt", b"packed")
    assert site.hosts == [f"site.example:{site.port}"] * 2


@pytest.mark.parametrize(
    "address",
    """0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254 168.63.129.16
    169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.192 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1
    198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255
    :: ::1 ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:8.8.8.8 ::ffff:169.254.169.254
    64:ff9b::7f00:1 64:ff9b::808:808 64:ff9b:1::1 100::1 2001::1 2001:db8::1 2002:7f00:1::1 2002:a00:1::
    fc00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1 ff0e::1""".split(),
)
def test_an_address_that_is_not_the_internet_s_is_refused(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    with pytest.raises(NotAllowedHere, match="which is not a public address"):
        fetch("http://innocent.example/", Web(resolve=lambda host, port: [address]))


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450::1"])
def test_an_address_of_the_internet_is_taken(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    """http://localhost/ http://127.0.0.1/ http://127.1/ http://2130706433/ http://0x7f.0.0.1/ http://0177.0.0.1/
    http://0/ http://[::1]/ http://[::ffff:127.0.0.1]/ http://[::ffff:7f00:1]/ http://169.254.169.254/latest
    http://①②⑦.⓪.⓪.①/ http://127。0。0。1/ http://[fe80::1%25lo]/""".split(),
)
def test_no_spelling_of_an_inner_address_gets_through(url: str) -> None:
    with pytest.raises(
        (NotAllowedHere, SourceGone)
    ):  # gone where this machine's resolver refuses it as a name
        fetch(url, Web())


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("file:///etc/passwd", "only http:// and https:// can be fetched"),
        ("ftp://x.example/a", "only http:// and https:// can be fetched"),
        ("gopher://x.example/", "only http:// and https:// can be fetched"),
        ("http:///nohost", "only http:// and https:// can be fetched"),
        ("https://user:secret@x.example/", "https://x.example/: a URL with a password in it is not fetched"),
        ("http://x.example\\@127.0.0.1/", "is not|only http|password|not a public"),
        ("http://x.example/" + "a" * 3000, "longer than 2000 characters"),
        ("http://x.example/\r\nHost: y", "is not a URL"),
    ],
)
def test_what_is_no_plain_web_url_is_refused(url: str, message: str) -> None:
    with pytest.raises(NotAllowedHere, match=message):
        fetch(url, Web(resolve=lambda host, port: ["127.0.0.1"]))


def test_one_inner_address_among_others_is_enough_to_refuse() -> None:
    with pytest.raises(NotAllowedHere, match=r"x\.example is at 10\.0\.0\.1"):
        fetch("http://x.example/", Web(resolve=lambda host, port: ["8.8.8.8", "10.0.0.1"]))


def test_a_name_that_changes_its_address_is_asked_once_per_hop(site: Site) -> None:
    site.answers["/"] = sends(b"first")
    answers = [["127.0.0.1"], ["10.0.0.1"]]

    how = Web(resolve=lambda host, port: answers.pop(0), is_allowed=LOCAL.is_allowed)

    assert fetch(site.url("/"), how)[1] == b"first"
    assert answers == [["10.0.0.1"]]


def test_every_redirect_is_checked_anew(site: Site) -> None:
    site.answers["/in"] = sends(b"", status=302, Location="http://inside.example/secret")
    site.answers["/file"] = sends(b"", status=301, Location="file:///etc/passwd")
    addresses = {"site.example": ["127.0.0.1"], "inside.example": ["10.0.0.1"]}
    how = Web(resolve=lambda host, port: addresses[host], is_allowed=LOCAL.is_allowed)

    with pytest.raises(NotAllowedHere, match=r"inside\.example is at 10\.0\.0\.1"):
        fetch(site.url("/in"), how)
    with pytest.raises(NotAllowedHere, match="only http://"):
        fetch(site.url("/file"), how)


def test_three_redirects_are_followed_and_a_fourth_is_not(site: Site) -> None:
    for hop in range(4):
        site.answers[f"/{hop}"] = sends(b"", status=307, Location=f"/{hop + 1}")
    site.answers["/4"] = sends(b"there", "text/markdown")

    assert fetch(site.url("/1")) == ("4.md", b"there")
    with pytest.raises(SourceGone, match="more than 3 redirects"):
        fetch(site.url("/0"))


def test_the_environment_s_proxy_is_not_used(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.answers["/"] = sends(b"direct")
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert fetch(site.url("/"))[1] == b"direct"


def test_what_goes_wrong_is_said(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.answers["/gone"] = sends(b"", status=404)
    site.answers["/br"] = sends(b"x", Content_Encoding="br")
    site.answers["/twice"] = sends(b"x", Content_Encoding="gzip, gzip")
    site.answers["/short"] = sends(b"x", Content_Length="10")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = f"http://site.example:{unused.getsockname()[1]}/"

    with pytest.raises(SourceGone, match="/gone: the server answered 404"):
        fetch(site.url("/gone"))
    for path in ("/br", "/twice"):
        with pytest.raises(UnreadableFile, match="which nobody asked for"):
            fetch(site.url(path))
    with pytest.raises(SourceGone, match="/short: broke off"):
        fetch(site.url("/short"))
    with pytest.raises(SourceGone, match="no answer"):
        fetch(closed)
    monkeypatch.setattr(web, "TOTAL_S", -1.0)
    site.answers["/slow"] = sends(b"x")
    with pytest.raises(SourceGone, match="not finished after"):
        fetch(site.url("/slow"))


def test_a_page_s_identity_is_its_url_without_the_fragment() -> None:
    assert page_uri("HTTPS://Example.org/a?b=1#part") == "https://example.org/a?b=1"
    assert page_uri("https://example.org/a.zip!/b") == "https://example.org/a.zip%21/b"
