"""What is there and what is not, each with the line that mends it."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import httpx

from app.client import Client, ServiceError
from app.llm import LanguageModel, LanguageModelError
from app.settings import Settings, reveal

_FREE_BYTES = 1 << 30
_TORCH_S = 120
"""A first import of torch from a slow disk."""
_PAGE_S = 2
_PACKAGES = ("torch", "transformers", "lxml", "pypdfium2", "streamlit", "qdrant-edge-py", "llama-index-core")


@dataclass(frozen=True, slots=True)
class Finding:
    ok: bool
    what: str
    advice: str = ""
    """The line that mends it; empty where nothing is to be done."""
    needed: bool = True
    """Whether the main job can't work without it."""


def examine(settings: Settings) -> Iterator[Finding]:
    """All findings, each as soon as it is made; devices, which take seconds, near the end.

    Contacts only what the settings name.
    """
    parts: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
        _software, _formats, _model, _index, _language_model, _service, _page, _devices, _network,
    )  # fmt: skip
    return (finding for part in parts for finding in part(settings))


def _software(_: Settings) -> Iterator[Finding]:
    supported = (3, 11) <= sys.version_info < (3, 14)
    yield Finding(supported, f"Python {platform.python_version()}", "" if supported else "use 3.11 to 3.13")
    for package in _PACKAGES:
        try:
            yield Finding(True, f"{package} {version(package)}")
        except PackageNotFoundError:
            yield Finding(False, f"{package} is missing", "run bin/setup")


def _formats(_: Settings) -> Iterator[Finding]:
    from ingest.parse import FORMATS
    from ingest.parse.ocr import packs

    yield Finding(True, f"reads {', '.join(FORMATS)}; needs no other program for it")
    languages = ", ".join(sorted(packs() - {"osd"}))
    if languages:
        yield Finding(True, f"reads scanned pdf pages by tesseract, in {languages}")
    else:
        yield Finding(False, "scanned pdf pages are not read", "install tesseract", needed=False)


def _model(settings: Settings) -> Iterator[Finding]:
    """Where the model is; it is not loaded, `kalm up` does and probes it."""
    from embedder.catalog import CATALOG
    from embedder.errors import EncoderError
    from embedder.locate import locate

    if settings.encoder_url:
        yield Finding(True, f"model {settings.model}, run by {settings.encoder_url}")
        return
    try:
        entry, folder = (None, "no files") if settings.model == "fake" else locate(settings.model)
        spoken = f": {entry.languages}, {entry.licence}" if entry else ""
        checked = ", sha256 as published" if entry and entry.package else ""
        yield Finding(True, f"model {settings.model}{spoken} ({folder}{checked})")
        if entry and entry.language_codes == ("en",):
            advice = "for many languages: KALM_MODEL=kalm-nano"
            yield Finding(False, "the model knows English only", advice, needed=False)
    except EncoderError as error:
        yield Finding(False, f"model {settings.model}", str(error))
    known = ", ".join(name for name, one in CATALOG.items() if not one.refused)
    yield Finding(True, f"known models: {known}, or any folder of sentence-transformers")


def _devices(settings: Settings) -> Iterator[Finding]:
    """Asked of a process of its own: a broken torch must not take the doctor along."""
    code = (
        "import sys, embedder.device as d\n"
        "for name, why in d.missing().items(): print(name, why, sep='\\t')\n"
        "try: found = d.choose(*sys.argv[1:]); print(f'={found.description}: {found.why}')\n"
        "except Exception as error: print(f'!{error}')"
    )
    try:
        run = subprocess.run(  # noqa: S603 our own code
            [sys.executable, "-c", code, settings.device, settings.precision],
            capture_output=True,
            text=True,
            timeout=_TORCH_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        yield Finding(False, f"torch does not load within {_TORCH_S} s", "try again; if it stays, bin/setup")
        return
    if run.returncode:
        last = run.stderr.strip().splitlines()[-1:]
        yield Finding(False, "torch does not load", f"{' '.join(last)}; run bin/setup")
        return
    for line in run.stdout.splitlines():
        if line[0] in "=!":
            yield Finding(line[0] == "=", f"the encoder runs on {line[1:]}")
            continue
        name, _, why = line.partition("\t")
        yield Finding(not why, f"device {name}", why, needed=settings.device == name)


def _index(settings: Settings) -> Iterator[Finding]:
    if settings.qdrant_url:
        from ingest.errors import StoreError
        from ingest.index import Location, stored_contract

        try:
            stored_contract(
                "library", Location(settings.data_dir, settings.qdrant_url, reveal(settings.qdrant_api_key))
            )
            yield Finding(True, f"Qdrant server at {settings.qdrant_url}")
        except StoreError as error:
            yield Finding(False, f"Qdrant server at {settings.qdrant_url}", str(error))
    folder = settings.data_dir
    while not folder.exists():
        folder = folder.parent
    writable = folder.is_dir() and os.access(folder, os.W_OK)
    advice = "" if writable else "choose another by KALM_DATA_DIR"
    yield Finding(writable, f"data folder {settings.data_dir}", advice)
    free = shutil.disk_usage(folder).free
    enough = free > _FREE_BYTES
    yield Finding(enough, f"{free / 1e9:.0f} GB free there", "" if enough else "1 GB is kept free: make room")


def _language_model(settings: Settings) -> Iterator[Finding]:
    if not settings.llm_url:
        advice = "for written answers: KALM_LLM_URL=http://localhost:11434 (Ollama), KALM_LLM_MODEL=…"
        yield Finding(False, "no language model: answers are quotes", advice, needed=False)
        return
    model = LanguageModel(settings.llm_url, settings.llm_model, reveal(settings.llm_api_key))
    try:
        offered = model.models()
        there = settings.llm_model in offered or (not settings.llm_model and len(offered) == 1)
        advice = "" if there else f"set KALM_LLM_MODEL to one of {', '.join(offered)}"
        yield Finding(there, f"language model {settings.llm_model} at {model.url}", advice)
    except LanguageModelError as error:
        yield Finding(False, f"language model at {settings.llm_url}", str(error))


def _service(settings: Settings) -> Iterator[Finding]:
    try:
        with Client(settings.service_url, reveal(settings.api_key)) as client:
            encoder = client.status().encoder.name
        yield Finding(True, f"the service runs at {settings.service_url} with {encoder}")
    except ServiceError as error:
        yield Finding(False, "the service", str(error), needed=False)


def _page(settings: Settings) -> Iterator[Finding]:
    url = f"http://127.0.0.1:{settings.ui_port}"
    try:
        answer = httpx.get(f"{url}/_stcore/health", timeout=_PAGE_S, trust_env=False)
    except httpx.ConnectError:
        yield Finding(False, "the page", f"nothing at {url}: start it with `kalm up`", needed=False)
    except httpx.HTTPError:
        yield _taken(settings.ui_port)
    else:
        yield Finding(True, f"the page runs at {url}") if answer.is_success else _taken(settings.ui_port)


def _taken(port: int) -> Finding:
    return Finding(False, f"port {port} is taken, but not by the page", "choose another by KALM_UI_PORT")


def _network(settings: Settings) -> Iterator[Finding]:
    used = [url for url in (settings.url, settings.encoder_url, settings.qdrant_url, settings.llm_url) if url]
    yield Finding(True, f"network: nothing is contacted but {', '.join(used) if used else 'this machine'}")
