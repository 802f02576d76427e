"""A language model behind any OpenAI-compatible server: a prompt and a JSON schema -> an object."""

import json
import threading
import time
from dataclasses import dataclass
from typing import Any

import httpx

from training.errors import LlmFailed

_TRIES = 4
_LATER = {408, 409, 429, 500, 502, 503, 504}
"""Worth asking again."""


@dataclass
class Spent:
    """What was used so far."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0

    def cost(self, prompt_price: float, completion_price: float) -> float:
        """In the prices' currency; they are per million tokens."""
        return (self.prompt_tokens * prompt_price + self.completion_tokens * completion_price) / 1e6


class Llm:
    """Safe to call from several threads."""

    def __init__(self, url: str, model: str, api_key: str = "", timeout_s: float = 120.0) -> None:
        """`url`: the server's, with or without /v1."""
        base = url.rstrip("/").removesuffix("/v1") + "/v1"
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = httpx.Client(base_url=base, headers=headers, timeout=timeout_s)
        self._model = model
        self._lock = threading.Lock()
        self.spent = Spent()

    def ask(self, system: str, prompt: str, schema: dict[str, Any], seed: int) -> dict[str, Any]:
        """What the model answers: an object with all that `schema` requires. Raises LlmFailed."""
        body = {
            "model": self._model,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": prompt}],
            "temperature": 1.0,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": schema, "strict": True},
            },
        }
        problem = ""
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(min(2.0**attempt, 30.0) * 0.1 if "JSON" in problem else 2.0**attempt)
            try:
                response = self._client.post("/chat/completions", json={**body, "seed": seed + attempt})
            except httpx.HTTPError as error:
                problem = str(error) or type(error).__name__
                continue
            if response.status_code in _LATER:
                problem = f"status {response.status_code}"
                continue
            if response.is_error:
                raise LlmFailed(
                    f"{self._client.base_url} refused: {response.status_code} {response.text[:200]}"
                )
            answer, problem = self._read(response, schema)
            if answer is not None:
                return answer
        raise LlmFailed(f"{self._client.base_url} failed {_TRIES} times, at last with: {problem}")

    def close(self) -> None:
        self._client.close()

    def _read(self, response: httpx.Response, schema: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
        """(the answer or None, what is wrong with it)."""
        try:
            content = response.json()
            usage = content.get("usage") or {}
            with self._lock:
                self.spent.requests += 1
                self.spent.prompt_tokens += int(usage.get("prompt_tokens") or 0)
                self.spent.completion_tokens += int(usage.get("completion_tokens") or 0)
                self.spent.seconds += response.elapsed.total_seconds()
            answer = json.loads(content["choices"][0]["message"]["content"])
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            return None, f"an answer that is not JSON: {error}"
        if not isinstance(answer, dict):
            return None, f"JSON that is no object: {str(answer)[:80]}"
        for name in schema["required"]:
            kind = {"string": str, "array": list, "integer": int}[schema["properties"][name]["type"]]
            if not isinstance(answer.get(name), kind) or not answer[name]:
                return None, f"JSON without {name!r}"
        return answer, ""
