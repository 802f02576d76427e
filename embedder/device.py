"""Which device to run on, and why not a faster one."""

from dataclasses import dataclass

import torch

from embedder.errors import NoSuchDevice


@dataclass(frozen=True, slots=True)
class Device:
    name: str
    """As torch knows it: cuda, npu, mps or cpu."""
    dtype: torch.dtype
    """Of the weights: bf16 where it is native and memory is dear, fp32 on a CPU."""

    @property
    def description(self) -> str:
        """In words, as shown to people."""
        if self.name == "cuda":
            return f"cuda, {torch.cuda.get_device_name()}"
        return f"cpu, {torch.get_num_threads()} threads" if self.name == "cpu" else self.name


def missing() -> dict[str, str]:
    """Device -> why it can't be used here; an empty reason means that it can."""
    return {
        "cuda": "" if torch.cuda.is_available() else "this torch has no CUDA, or no GPU is visible",
        "npu": _npu_problem(),
        "mps": "" if torch.backends.mps.is_available() else "not an Apple GPU",
        "cpu": "",
    }


def choose(device: str) -> Device:
    """The device asked for; "auto" takes the fastest there is. Raises NoSuchDevice saying why not."""
    problems = missing()
    if device == "auto":
        device = next(name for name, problem in problems.items() if not problem)
    if device not in problems:
        raise NoSuchDevice(f"device {device!r}: know auto, {', '.join(problems)}")
    if problems[device]:
        raise NoSuchDevice(f"device {device!r} can't be used: {problems[device]}")
    return Device(device, torch.bfloat16 if device in {"cuda", "npu"} else torch.float32)


def _npu_problem() -> str:
    """torch-npu registers itself at import; without CANN that import fails, each time differently."""
    try:
        import torch_npu
    except ModuleNotFoundError:
        return "torch-npu is not installed: pip install 'kalm-rag[npu]' on a machine with CANN"
    except (ImportError, OSError, RuntimeError) as error:
        return f"torch-npu is installed but CANN is not: {error}"
    return "" if torch_npu.npu.is_available() else "torch-npu sees no NPU"
