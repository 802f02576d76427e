"""LoRA: small matrices beside the large ones, which stay as they are (arXiv:2106.09685)."""

import math

import torch
from torch import Tensor, nn


class LoraLinear(nn.Module):
    """A frozen linear layer plus `scale * B A`. Answers as the layer did until B is trained: it begins as
    zeros."""

    def __init__(self, layer: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.layer = layer
        self.down = nn.Parameter(torch.empty(rank, layer.in_features, device=layer.weight.device))
        self.up = nn.Parameter(torch.zeros(layer.out_features, rank, device=layer.weight.device))
        self.scale = alpha / rank
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))  # peft's

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layer(x)
        return out + nn.functional.linear(nn.functional.linear(x, self.down), self.up) * self.scale

    def merged(self) -> Tensor:
        """The weight of one layer that answers alike."""
        return self.layer.weight + self.scale * (self.up @ self.down)


def add(network: nn.Module, rank: int, alpha: float) -> None:
    """Freeze a network and put LoRA beside each of its linear layers."""
    network.requires_grad_(False)
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Linear:
                setattr(parent, name, LoraLinear(child, rank, alpha))


def merged(network: nn.Module) -> dict[str, Tensor]:
    """The weights of the network as it was before `add`, what was learned added in; without LoRA, its own."""
    weights = network.state_dict()
    for name, module in network.named_modules():
        if isinstance(module, LoraLinear):
            for part in ("down", "up", "layer.weight", "layer.bias"):
                weights.pop(f"{name}.{part}", None)
            weights[f"{name}.weight"] = module.merged()
            if module.layer.bias is not None:
                weights[f"{name}.bias"] = module.layer.bias
    return {name: value.detach() for name, value in weights.items()}
