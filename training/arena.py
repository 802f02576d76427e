"""A network's trainable parameters laid end to end, so that clipping, summing over machines, updating and
casting are one operation each instead of one per layer."""

import torch
from torch import Tensor, nn
from torch.nn import Parameter


class Arena:
    """Owns the memory of the trainable parameters, of their gradients and of their low-precision copies.

    Matrices come first, in the order of `named_parameters()`, then vectors (biases, norms), which get no
    weight decay. The parameters stay the network's own: they become views.
    """

    def __init__(self, network: nn.Module, low: torch.dtype) -> None:
        """`low`: what the products are computed in; the parameters' own dtype for no copies."""
        trained = {name: p for name, p in network.named_parameters() if p.requires_grad}
        self.names = sorted(trained, key=lambda name: trained[name].ndim < 2)  # stable: matrices first
        parameters = [trained[name] for name in self.names]
        self.matrices = sum(p.numel() for p in parameters if p.ndim >= 2)
        """How many of the values belong to matrices."""
        self.values = torch.cat([p.detach().flatten() for p in parameters])
        self.grads = torch.zeros_like(self.values)
        self.low = self.values if low == self.values.dtype else self.values.to(low)
        self._offsets: dict[Parameter, int] = {}
        offset = 0
        for parameter in parameters:
            end = offset + parameter.numel()
            self._offsets[parameter] = offset
            parameter.data = self.values[offset:end].view_as(parameter)
            parameter.grad = self.grads[offset:end].view_as(parameter)
            offset = end

    def holds(self, *parameters: Parameter) -> bool:
        """Whether they are here, one right after the other."""
        offset = self._offsets.get(parameters[0])
        for parameter in parameters:
            if offset is None or self._offsets.get(parameter) != offset:
                return False
            offset += parameter.numel()
        return True

    def joined(self, *parameters: Parameter) -> tuple[Tensor, Tensor]:
        """Low copy and gradient of neighbours as one, stacked along their first dimension."""
        assert self.holds(*parameters)
        begin = self._offsets[parameters[0]]
        end = begin + sum(p.numel() for p in parameters)
        shape = (-1, *parameters[0].shape[1:])
        return self.low[begin:end].view(shape), self.grads[begin:end].view(shape)

    def updated(self) -> None:
        """The values have changed: cast them again."""
        if self.low is not self.values:
            self.low.copy_(self.values)

    def clip(self, largest: float) -> float:
        """Scale the gradient down to a norm of `largest`; returns what the norm was."""
        norm = float(torch.linalg.vector_norm(self.grads))
        if norm > largest > 0:
            self.grads.mul_(largest / norm)
        return norm
