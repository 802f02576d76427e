"""What a run says while it learns: a line of JSON per step in `log.jsonl`, TensorBoard's files if it is
installed, and a line for people now and then."""

import json
import logging
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    from training.train import Batch

log = logging.getLogger(__name__)


class Log:
    """Appends to `log.jsonl`; what an earlier run wrote after its last checkpoint is removed first."""

    def __init__(self, output: Path, start: int, *, enabled: bool) -> None:
        self._enabled = enabled
        self._tensorboard: Any = None
        self._since: list[tuple[float, int, float]] = []
        if not enabled:
            return
        path = output / "log.jsonl"
        kept = []
        if path.is_file():
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= start]
        path.write_text("".join(kept), encoding="utf-8")
        self._file = path.open("a", encoding="utf-8")
        if find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._tensorboard = SummaryWriter(str(output / "tensorboard"), purge_step=start)

    def __enter__(self) -> "Log":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._enabled:
            self._file.close()
        if self._tensorboard is not None:
            self._tensorboard.close()

    def step(
        self,
        step: int,
        total: int,
        batch: "Batch",
        loss: float,
        figures: dict[str, Tensor],
        rate: float,
        norm: float,
        seconds: float,
        every: int,
    ) -> None:
        """One step: loss, in-batch accuracy per task (this process's rows), tokens per second."""
        if not self._enabled:
            return
        correct: dict[str, list[float]] = defaultdict(list)
        for group, right in zip(batch.groups, figures.get("correct", []), strict=False):
            correct[group.task].append(float(right))
        accuracy = {task: sum(rights) / len(rights) for task, rights in correct.items()}
        line: dict[str, Any] = {
            "step": step,
            "loss": loss,
            "rate": rate,
            "gradient": norm,
            "tokens": batch.tokens,
            "seconds": seconds,
            "accuracy": accuracy,
        }
        self._write(line, {"loss": loss, "rate": rate, "gradient": norm, "tokens_s": batch.tokens / seconds})
        self._since.append((loss, batch.tokens, seconds))
        if step % every == 0 or step == total:
            losses, tokens, times = zip(*self._since, strict=True)
            speed = sum(tokens) / sum(times)
            mean = sum(losses) / len(losses)
            left_min = (total - step) * sum(times) / len(times) / 60
            log.info(
                "step %d of %d, loss %.4f, %.0f tokens/s, %.0f min left", step, total, mean, speed, left_min
            )
            self._since = []

    def evaluation(self, step: int, scores: dict[str, float]) -> None:
        """Name -> score, of the weights after `step`."""
        self._write({"step": step, "evaluation": scores}, scores)
        log.info("step %d: %s", step, ", ".join(f"{name} {score:.4f}" for name, score in scores.items()))

    def _write(self, line: dict[str, Any], scalars: dict[str, float]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        if self._tensorboard is not None:
            for name, value in scalars.items():
                self._tensorboard.add_scalar(name, value, line["step"])
