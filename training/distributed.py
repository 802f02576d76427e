"""Several processes that train one model: torchrun's variables, negatives of all of them, exact gradients.

Each process scores its own queries against everybody's passages. The gradient of a gathered passage is the
sum over all processes, so that the sum of the parameters' gradients is that of one process with the whole
batch: no factor is left to correct. By `all_gather` and `all_reduce` alone, in dtypes that HCCL has: NCCL,
HCCL and gloo run the same lines.
"""

import os
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

_BACKENDS = {"cuda": "nccl", "npu": "hccl"}


@dataclass(frozen=True, slots=True)
class World:
    """Who else trains."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """Which of `count` rows are this process's; `count` must be a multiple of the size."""
        each = count // self.size
        return slice(self.rank * each, (self.rank + 1) * each)

    def gather(self, x: Tensor) -> Tensor:
        """Everybody's rows, in the order of ranks; shapes must agree. Gradients flow back to where they
        belong."""
        if self.size == 1:
            return x
        gathered: Tensor = _Gather.apply(x)  # type: ignore[no-untyped-call]
        return gathered

    def gather_padded(self, x: Tensor, rows: int) -> Tensor:
        """As `gather`, where numbers of rows differ: filled up with zeros to `rows`."""
        missing = rows - len(x)
        return self.gather(torch.cat([x, x.new_zeros(missing, *x.shape[1:])]) if missing else x)

    def most(self, count: int, device: torch.device) -> int:
        """The largest of everybody's counts."""
        if self.size == 1:
            return count
        counts = torch.tensor([count], dtype=torch.int32, device=device)
        return int(self.gather(counts).max())

    def sum_(self, x: Tensor) -> Tensor:
        """Replace by the sum over all."""
        if self.size > 1:
            dist.all_reduce(x)
        return x

    def wait(self) -> None:
        if self.size > 1:
            dist.barrier()


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.rows = len(x)
        parts = [torch.empty_like(x) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, x.contiguous())
        return torch.cat(parts)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        grad = grad.contiguous().clone()
        dist.all_reduce(grad)
        begin = dist.get_rank() * ctx.rows
        return grad[begin : begin + ctx.rows]


def join(device: str) -> World:
    """Meet the other processes if torchrun started several; `device`: cuda, npu, mps or cpu."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return World()
    if device in _BACKENDS:
        torch.get_device_module(device).set_device(int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group(_BACKENDS.get(device, "gloo"))
    return World(dist.get_rank(), dist.get_world_size())


def leave(world: World) -> None:
    if world.size > 1:
        dist.destroy_process_group()
