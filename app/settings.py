"""Where things are. The only module that reads the environment: variables named `KALM_…`."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


def reveal(secret: SecretStr | None) -> str | None:
    """The text of a secret, for whoever must send it."""
    return None if secret is None else secret.get_secret_value()


class Settings(BaseSettings):
    """Built once in an entry point and passed on as plain arguments."""

    model_config = SettingsConfigDict(env_prefix="KALM_", frozen=True)

    data_dir: Path = Path.home() / ".local" / "share" / "kalm-rag"
    """Index, ledger and uploads."""
    model: str = "kalm-nano"
    """Catalog name, model folder, or hub id that was downloaded before. `kalm doctor` lists them."""
    device: str = "auto"
    """cuda, npu, mps, cpu or auto."""
    encoder_url: str | None = None
    """A server that runs `model`, by OpenAI's /v1/embeddings; None runs it in this process."""
    encoder_api_key: SecretStr | None = None
    precision: str = "auto"
    """fp32, bf16, int8 (CPU only) or auto: docs/encoder.md says what each costs and gives."""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads of the encoder; None leaves it to torch."""

    training_threads: int | None = Field(default=None, ge=1)
    """CPU threads of a training, which runs in a process of its own; None is half of the cores."""

    host: str = "127.0.0.1"
    """Address the service listens on; anything but loopback needs a key."""
    port: int = 8460
    """Of the service."""
    ui_port: int = 8461
    """Of the page."""
    url: str | None = None
    """Where the page and the command line find the service; None is this machine, `port`."""

    api_key: SecretStr | None = None
    """What the page and the command line present; the service takes it as an admin's."""
    api_keys: str = ""
    """More keys the service takes, `role:sha256hex` or `role:sha256hex:group+group`, with commas between
    (`kalm key` makes one)."""

    qdrant_url: str | None = None
    """A Qdrant server; None keeps the index in this process, in `data_dir`."""
    qdrant_api_key: SecretStr | None = None

    ray_address: str | None = None
    """A Ray cluster for `kalm ingest --engine ray`; None starts one on this machine for the run."""

    reranker: str | None = None
    """A cross-encoder's folder, or the URL of a `/rerank` server; None leaves hits as search ranks them."""
    reranker_api: Literal["jina", "cohere", "tei"] = "jina"
    """Whose requests that server understands."""
    reranker_model: str = ""
    reranker_api_key: SecretStr | None = None
    reranker_candidates: int = Field(default=30, ge=1, le=100)
    """That it reads for each search."""
    reranker_timeout_s: float = Field(default=10.0, gt=0)
    """Of the server; after it hits stay as they were, and the search says so."""

    llm_url: str | None = None
    """An OpenAI-compatible server (Ollama, vLLM, OpenAI); None answers by quoting."""
    llm_model: str = ""
    llm_api_key: SecretStr | None = None

    ingest_roots: list[Path] | None = None
    """Server folders that may be ingested; None is any while bound to loopback, else none."""
    allow_urls: bool = False
    """Whether pages and files of public addresses are fetched when somebody ingests their URL."""
    stores: list[str] = []
    """Stores that may be ingested, by fsspec's schemes: s3, gs, az, sftp, …; docs/deploy.md."""
    max_upload_mb: int = 200
    """Per file."""
    parse_timeout_s: float = 90.0
    """Reading one file."""
    parse_memory_mb: int = 2048
    """Address space of the process that reads files."""

    @property
    def service_url(self) -> str:
        return self.url or f"http://127.0.0.1:{self.port}"

    @property
    def is_loopback(self) -> bool:
        return self.host in {"127.0.0.1", "::1", "localhost"}
