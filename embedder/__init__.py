"""Texts -> vectors. `load` gives an Encoder; nothing here knows files to search, Qdrant or settings."""

import os
from collections.abc import Callable
from functools import partial

# torch-npu installed without CANN makes a plain `import torch` raise; we import it ourselves
os.environ.setdefault("TORCH_DEVICE_BACKEND_AUTOLOAD", "0")

import embedder.npu  # noqa: F401 before anybody imports transformers
from embedder.catalog import CATALOG
from embedder.encoder import Encoder, ModelCard, Vectors
from embedder.errors import EncoderError
from embedder.fitting import fit

__all__ = [
    "CATALOG",
    "Encoder",
    "EncoderError",
    "ModelCard",
    "Vectors",
    "connect",
    "fit",
    "load",
    "tokenizer",
]


def load(
    name_or_folder: str,
    device: str = "auto",
    precision: str = "auto",
    *,
    threads: int | None = None,
    allow_download: bool = False,
) -> Encoder:
    """Load a model: "fake", a catalog name, a folder, or a hub id.

    Never takes another model than the one asked for, and only what is on this machine unless
    `allow_download`. `device` and `precision` (fp32, bf16, int8 or auto): see `device.choose`. `threads`
    limits the CPU threads of a forward pass. Raises EncoderError.
    """
    if name_or_folder == "fake":
        from embedder.fake import FakeEncoder

        return FakeEncoder()

    from embedder.kalm import KalmEncoder
    from embedder.locate import locate

    entry, folder = locate(name_or_folder, allow_download=allow_download)
    return KalmEncoder(folder, entry, device, precision, threads=threads)


def tokenizer(name_or_folder: str) -> Callable[[str], list[tuple[int, int]]]:
    """`token_spans` of a model, without its weights. Raises EncoderError as `load` does."""
    if name_or_folder == "fake":
        return load(name_or_folder).token_spans

    from embedder.layout import read_layout
    from embedder.locate import locate
    from embedder.tokens import load_tokenizer, spans_of

    entry, folder = locate(name_or_folder)
    return partial(spans_of, load_tokenizer(read_layout(folder, entry)))


def connect(url: str, model: str, *, api_key: str | None = None) -> Encoder:
    """Use an encoder on another machine, by OpenAI's `/v1/embeddings`. Raises EncoderError."""
    from embedder.remote import RemoteEncoder

    return RemoteEncoder(url, model, api_key=api_key)
