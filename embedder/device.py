"""Which device to run on and in which precision, and why not a faster one."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch

from embedder import npu
from embedder.errors import NoSuchDevice

Precision = Literal["fp32", "bf16", "int8"]
"""Of the matrix products. int8: weights of one scale per output, inputs of one per token."""


@dataclass(frozen=True, slots=True)
class Device:
    name: str
    """As torch knows it: cuda, npu, mps or cpu."""
    precision: Precision
    why: str = "as asked for"
    """Of the precision, in words."""

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights as they are loaded: half the memory wherever the products are not in fp32."""
        return torch.float32 if self.precision == "fp32" else torch.bfloat16

    @property
    def description(self) -> str:
        """In words, as shown to people."""
        if self.name == "cuda":
            return f"cuda, {torch.cuda.get_device_name()}, {self.precision}"
        if self.name == "cpu":
            return f"cpu, {torch.get_num_threads()} threads, {self.precision}"
        return f"{self.name}, {self.precision}"


def missing() -> dict[str, str]:
    """Device -> why it can't be used here; an empty reason means that it can."""
    return {
        "cuda": "" if torch.cuda.is_available() else "this torch has no CUDA, or no GPU is visible",
        "npu": npu.PROBLEM,
        "mps": "" if torch.backends.mps.is_available() else "not an Apple GPU",
        "cpu": "",
    }


def choose(device: str, precision: str = "auto") -> Device:
    """The device and precision asked for; "auto" takes the fastest there is.

    Precision "auto" is the fastest that leaves vectors at a cosine of 0.9998 to those in fp32: bf16 where
    the device computes it, else fp32. Raises NoSuchDevice saying why not.
    """
    problems = missing()
    if device == "auto":
        device = next(name for name, problem in problems.items() if not problem)
    if device not in problems:
        raise NoSuchDevice(f"device {device!r}: know auto, {', '.join(problems)}")
    if problems[device]:
        raise NoSuchDevice(f"device {device!r} can't be used: {problems[device]}")
    if precision == "auto":
        if _computes_bf16(device):
            return Device(device, "bf16", "the fastest here at a cosine of 0.9998 to fp32")
        quicker = "; int8 is quicker, less exact" if device == "cpu" else ""
        return Device(device, "fp32", f"no instructions for bf16 here{quicker}")
    for known in get_args(Precision):
        if precision == known:
            if known == "int8" and device != "cpu":
                raise NoSuchDevice(f"precision 'int8' is for the cpu, on {device} take bf16")
            return Device(device, known)
    raise NoSuchDevice(f"precision {precision!r}: know auto, {', '.join(get_args(Precision))}")


def _computes_bf16(device: str) -> bool:
    """Whether it has instructions for it; a CPU that converts and computes in fp32 gains nothing."""
    if device == "cpu":
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return device in {"cuda", "npu"}
