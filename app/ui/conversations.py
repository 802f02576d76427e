"""Conversations of the page's visitors: answers are read in the background, whatever the page does meanwhile.

A page runs anew at every click and goes when its visitor does; a conversation stays in this process under
an id that nobody can guess, for whoever has it, until it has been idle for long or newer ones need the room.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from typing import Literal

from app.client import ServiceError
from app.schemas import Answer, AnswerEvent, AnswerRequest, Citation

log = logging.getLogger(__name__)

MOST = 200
"""Conversations kept; with all their turns full of long sources about 200 MB."""
MOST_TURNS = 30
"""Of a conversation: the oldest go."""
IDLE_S = 4 * 3600.0
"""After which a conversation is forgotten."""
AT_ONCE = 32
"""Answers under way, of all visitors: each is a thread here and one in the service."""
_ID_BYTES = 16

Ask = Callable[[AnswerRequest], Generator[AnswerEvent, None, None]]
"""Closing what it gives ends the request."""
State = Literal["running", "done", "stopped", "failed"]


class Turn:
    """A question and what has come of it so far. One thread writes, any may read."""

    def __init__(self, request: AnswerRequest) -> None:
        self.request = request
        self.state: State = "running"
        self.text = ""
        """As far as it streamed."""
        self.sources: Sequence[Citation] = ()
        """All that the answer may cite."""
        self.answer: Answer | None = None
        """The checked one, once it is done."""
        self.error = ""
        self._ended = threading.Event()
        self._lock = threading.Lock()

    def wait(self, timeout_s: float) -> bool:
        """Whether it has ended by then."""
        return self._ended.wait(timeout_s)

    def stop(self) -> None:
        """End it as it stands. The service notices when it sends the next piece."""
        self._end("stopped")

    def read(self, ask: Ask) -> None:
        """Follow the events to their end, or until somebody stops it."""
        try:
            with closing(ask(self.request)) as events:
                for event in events:
                    if not self._take(event):
                        return
            self._end("failed", "the answer broke off: ask again")
        except ServiceError as error:
            self._end("failed", str(error))
        except Exception:
            log.exception("an answer failed")
            self._end("failed", "the page failed to read the answer: see its log")

    def _take(self, event: AnswerEvent) -> bool:
        with self._lock:
            if self.state != "running":
                return False
            self.sources = event.sources or self.sources
            self.text += event.text or ""
            self.answer = event.answer
        if self.answer is not None:
            self._end("done")
        return self.state == "running"

    def _end(self, state: State, error: str = "") -> None:
        with self._lock:
            if self.state == "running":
                self.state, self.error = state, error
        self._ended.set()


class Conversation:
    """Questions in order; one is answered at a time."""

    def __init__(self, id_: str, ask: Ask, places: threading.Semaphore) -> None:
        self.id = id_
        self.turns: list[Turn] = []
        self._ask = ask
        self._places = places
        self._lock = threading.Lock()

    @property
    def running(self) -> bool:
        return bool(self.turns) and self.turns[-1].state == "running"

    def ask(self, request: AnswerRequest) -> Turn:
        """Begin an answer; one that is under way is stopped."""
        with self._lock:
            if self.running:
                self.turns[-1].stop()
            turn = Turn(request)
            self.turns = [*self.turns, turn][-MOST_TURNS:]
        self._begin(turn)
        return turn

    def again(self) -> Turn:
        """Answer the last question once more, differently where a language model writes."""
        with self._lock:
            last = self.turns[-1]
            last.stop()
            turn = Turn(last.request.model_copy(update={"vary": last.answer is not None}))
            self.turns = [*self.turns[:-1], turn]
        self._begin(turn)
        return turn

    def _begin(self, turn: Turn) -> None:
        if not self._places.acquire(blocking=False):
            turn._end("failed", f"{AT_ONCE} answers are under way already: ask again in a moment")
            return

        def read() -> None:
            try:
                turn.read(self._ask)
            finally:
                self._places.release()

        threading.Thread(target=read, name=f"answer-{self.id[:6]}", daemon=True).start()


class Conversations:
    """All of them, by id. Bounded: the one idle for longest goes first, those being answered last."""

    def __init__(self, ask: Ask, *, most: int = MOST, idle_s: float = IDLE_S, at_once: int = AT_ONCE) -> None:
        self._ask, self._most, self._idle_s = ask, most, idle_s
        self._places = threading.Semaphore(at_once)
        self._kept: dict[str, tuple[Conversation, float]] = {}
        """With when it was last looked at; oldest first."""
        self._lock = threading.Lock()

    def begin(self) -> Conversation:
        conversation = Conversation(secrets.token_urlsafe(_ID_BYTES), self._ask, self._places)
        with self._lock:
            self._sweep(room=1)
            self._kept[conversation.id] = conversation, time.monotonic()
        return conversation

    def find(self, id_: str) -> Conversation | None:
        """None for one that was never there or is forgotten."""
        with self._lock:
            self._sweep()
            found = self._kept.pop(id_, None)
            if found is None:
                return None
            self._kept[id_] = found[0], time.monotonic()
            return found[0]

    def _sweep(self, room: int = 0) -> None:
        since = time.monotonic() - self._idle_s
        for id_, (conversation, seen) in list(self._kept.items()):
            if seen < since and not conversation.running:
                del self._kept[id_]
        by_rank = sorted(self._kept, key=lambda id_: self._kept[id_][0].running)  # stable: oldest first
        for id_ in by_rank[: max(0, len(self._kept) + room - self._most)]:
            for turn in self._kept.pop(id_)[0].turns[-1:]:
                turn.stop()
