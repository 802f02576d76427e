"""A language model behind any OpenAI-compatible server, through llama-index's interface."""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from llama_index.llms.openai_like import OpenAILike

LOCAL_KEY = "none"
"""Servers without keys still want the header."""
TIMEOUT_S = 120.0
"""Between two pieces: a large model on a CPU reads a long prompt before it writes."""
LIST_TIMEOUT_S = 10.0
CONTEXT_TOKENS = 8192
"""Assumed of the model: room for the sources of one answer."""
_DETAIL_CHARS = 300
"""Of a server's own words, which may repeat the whole prompt."""
_CUT = {
    "length": "ran out of tokens: allow it a longer context or answer",
    "content_filter": "withheld the rest (its content filter): ask in other words",
}
"""Ends of a stream, in OpenAI's words, that leave the answer unfinished."""


class LanguageModelError(Exception):
    """The server or the model failed; the message says what to check."""


class LanguageModel:
    """One model on one server; several threads may ask it at once."""

    def __init__(
        self, url: str, name: str = "", api_key: str | None = None, timeout_s: float = TIMEOUT_S
    ) -> None:
        """`url` with or without `/v1`. Without a name the server is asked, and must have just one model."""
        self.url = url.rstrip("/").removesuffix("/v1") + "/v1"
        self._api_key = api_key or LOCAL_KEY
        self._name = name
        self._timeout_s = timeout_s

    @property
    def name(self) -> str:
        """As the server knows it; the server's address while it was not asked yet."""
        return self._name or self.url

    def stream(self, system: str, user: str, *, temperature: float = 0.0) -> Generator[str, None, None]:
        """Pieces of the answer as they come, the whole of it or an error.

        temperature: 0 writes what is likeliest. Closing the iterator ends the request. Raises
        LanguageModelError, also amid the stream.
        """
        import openai  # 3 s with llama-index: paid only where a model is configured
        from llama_index.core.llms import ChatMessage

        messages = [ChatMessage(role="system", content=system), ChatMessage(role="user", content=user)]
        ending, said = None, False
        try:
            with httpx.Client() as connection:  # closed on leaving: llama-index alone would let it run on
                for part in self._model(connection, temperature).stream_chat(messages):
                    ending = _ending(part.raw) or ending
                    said = said or bool(part.delta)
                    yield part.delta or ""
        except (openai.OpenAIError, httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise LanguageModelError(self._explain(error)) from error
        if ending is None:
            raise LanguageModelError(
                f"{self.url} broke off before the end: ask again; if it stays so, see the server's log"
            )
        if ending in _CUT:
            raise LanguageModelError(f"{self._name!r} at {self.url} {_CUT[ending]}")
        if not said:
            raise LanguageModelError(f"{self._name!r} at {self.url} answered nothing: try another model")

    def models(self) -> list[str]:
        """Ids of what the server offers. Raises LanguageModelError if it can't be asked."""
        headers = {"Authorization": f"Bearer {self._api_key}"}
        try:
            response = httpx.get(f"{self.url}/models", headers=headers, timeout=LIST_TIMEOUT_S)
            if response.status_code in {401, 403}:
                raise LanguageModelError(self._refused_key())
            response.raise_for_status()
            return [model["id"] for model in response.json()["data"]]
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
            raise LanguageModelError(
                f"{self.url}/models can't be read ({error}): check KALM_LLM_URL, or set KALM_LLM_MODEL"
            ) from error

    def _model(self, connection: httpx.Client, temperature: float) -> "OpenAILike":
        from llama_index.llms.openai_like import OpenAILike

        self._name = self._name or self._only_model()
        return OpenAILike(
            model=self._name,
            api_base=self.url,
            api_key=self._api_key,
            is_chat_model=True,
            context_window=CONTEXT_TOKENS,
            temperature=temperature,
            max_retries=0,  # a person waits: better told at once than after minutes
            timeout=self._timeout_s,
            http_client=connection,
        )

    def _only_model(self) -> str:
        models = self.models()
        if len(models) != 1:
            raise LanguageModelError(
                f"{self.url} has {len(models)} models; "
                f"set KALM_LLM_MODEL to one of {', '.join(models) or '?'}"
            )
        return models[0]

    def _explain(self, error: Exception) -> str:
        """What failed, and what to do about it."""
        import openai

        match error:
            case openai.AuthenticationError() | openai.PermissionDeniedError():
                return self._refused_key()
            case openai.NotFoundError():
                return self._unknown_model()
            case openai.RateLimitError():
                return f"{self.url} is overloaded or out of quota; try again later"
            case openai.APITimeoutError() | httpx.TimeoutException():
                return (
                    f"{self.url} said nothing for {self._timeout_s:g} s: "
                    "it may still be loading the model; ask again, or choose a smaller one"
                )
            case openai.APIConnectionError() | httpx.InvalidURL():
                return f"no answer from {self.url}: check that the server runs and KALM_LLM_URL is right"
            case openai.APIStatusError():
                said = error.message[:_DETAIL_CHARS]
                return f"{self.url} refuses to answer ({said}): see the server's log"
            case _:
                return f"{self.url} broke off ({str(error)[:_DETAIL_CHARS]}): ask again"

    def _refused_key(self) -> str:
        return f"{self.url} refuses the key: check KALM_LLM_API_KEY"

    def _unknown_model(self) -> str:
        try:
            offered = ", ".join(self.models()) or "those it has (none now)"
        except LanguageModelError as error:
            return str(error)
        return f"{self.url} has no model {self._name!r}: set KALM_LLM_MODEL to one of {offered}"


def _ending(chunk: Any) -> str | None:
    """Why the stream ends here, in OpenAI's words; None while it goes on."""
    choices = getattr(chunk, "choices", None)
    return choices[0].finish_reason if choices else None
