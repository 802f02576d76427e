"""A language model behind any OpenAI-compatible server, through llama-index's interface."""

from collections.abc import Iterator

import httpx

LOCAL_KEY = "none"
"""Servers without keys still want the header."""
TIMEOUT_S = 120.0
CONTEXT_TOKENS = 8192
"""Assumed of the model: room for the sources of one answer."""


class LanguageModelError(Exception):
    """The server or the model failed; the message says what to check."""


class LanguageModel:
    """One model on one server."""

    def __init__(self, url: str, name: str = "", api_key: str | None = None) -> None:
        """`url` with or without `/v1`. Without a name the server is asked, and must have just one model."""
        self.url = url.rstrip("/").removesuffix("/v1") + "/v1"
        self._api_key = api_key or LOCAL_KEY
        self._name = name

    @property
    def name(self) -> str:
        """As the server knows it; "?" while it was not asked yet."""
        return self._name or "?"

    def stream(self, system: str, user: str) -> Iterator[str]:
        """Pieces of the answer as they come. Raises LanguageModelError, also amid the stream."""
        import openai  # 3 s with llama-index: paid only where a model is configured
        from llama_index.core.llms import ChatMessage
        from llama_index.llms.openai_like import OpenAILike

        self._name = self._name or self._only_model()
        model = OpenAILike(
            model=self._name,
            api_base=self.url,
            api_key=self._api_key,
            is_chat_model=True,
            context_window=CONTEXT_TOKENS,
            temperature=0.0,
            max_retries=0,
            timeout=TIMEOUT_S,
        )
        messages = [ChatMessage(role="system", content=system), ChatMessage(role="user", content=user)]
        try:
            for part in model.stream_chat(messages):
                yield part.delta or ""
        except openai.AuthenticationError as error:
            raise LanguageModelError(f"{self.url} refuses the key: check KALM_LLM_API_KEY") from error
        except openai.NotFoundError as error:
            raise LanguageModelError(
                f"{self.url} has no model {self._name!r}: set KALM_LLM_MODEL to one of {self._listed()}"
            ) from error
        except openai.RateLimitError as error:
            raise LanguageModelError(f"{self.url} is overloaded or out of quota; try again later") from error
        except openai.APIConnectionError as error:
            raise LanguageModelError(
                f"no answer from {self.url}: check that the server runs and KALM_LLM_URL is right"
            ) from error
        except (openai.OpenAIError, httpx.HTTPError) as error:
            raise LanguageModelError(f"{self.url} broke off: {error}; ask again") from error

    def _only_model(self) -> str:
        models = self.models()
        if len(models) != 1:
            raise LanguageModelError(
                f"{self.url} has {len(models)} models; "
                f"set KALM_LLM_MODEL to one of {', '.join(models) or '?'}"
            )
        return models[0]

    def _listed(self) -> str:
        try:
            return ", ".join(self.models()) or "?"
        except LanguageModelError:
            return "?"

    def models(self) -> list[str]:
        """Ids of what the server offers. Raises LanguageModelError if it can't be asked."""
        try:
            response = httpx.get(
                f"{self.url}/models", headers={"Authorization": f"Bearer {self._api_key}"}, timeout=10
            )
            response.raise_for_status()
            return [model["id"] for model in response.json()["data"]]
        except (httpx.HTTPError, ValueError, KeyError) as error:
            raise LanguageModelError(
                f"{self.url}/models can't be read ({error}): check KALM_LLM_URL, or set KALM_LLM_MODEL"
            ) from error
