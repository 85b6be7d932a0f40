"""The float network: depthwise-separable convolutions (Howard et al. 2017) and a residual (He et al. 2015).

Activations are (n, channels, height, width) here, as PyTorch has them; the exported file is NHWC.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

SIDE = 8
CLASSES = 10

Observer = Callable[[str, torch.Tensor], None]


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's SAME padding along one axis, (before, after): an odd remainder goes after."""
    out = -(-size // stride)
    total = max((out - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class Convolution(nn.Module):
    """A square SAME convolution without bias, then batch normalization, then ReLU6 unless `relu6` is False.

    (n, inputs, size, size) → (n, outputs, size/stride, size/stride). Depthwise where `groups` equals `inputs`.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, size: int, stride=1, groups=1, relu6=True):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.relu6 = relu6
        self.out_size = size // stride
        self.padding = same_padding(size, kernel, stride) * 2

    @property
    def depthwise(self) -> bool:
        return self.conv.groups > 1

    @property
    def multiply_accumulates(self) -> int:
        return self.out_size**2 * self.conv.weight.numel()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.conv(F.pad(x, self.padding)))
        return F.relu6(x) if self.relu6 else x

    @torch.no_grad()
    def fold(self) -> None:
        """Moves the normalization into the weights and a bias: w·γ/σ and β − μ·γ/σ (Jacob et al. 2018, § 3.2)."""
        gain = self.norm.weight / torch.sqrt(self.norm.running_var + self.norm.eps)
        self.conv.weight.mul_(gain.view(-1, 1, 1, 1))
        self.conv.bias = nn.Parameter(self.norm.bias - self.norm.running_mean * gain)
        self.norm = nn.Identity()


class DigitsNetwork(nn.Module):
    """(n, 1, 8, 8) of 0 … 1 → (n, 10) logits."""

    def __init__(self):
        super().__init__()
        self.stem = Convolution(1, 16, 3, size=8)
        self.depthwise1 = Convolution(16, 16, 3, size=8, groups=16)
        self.pointwise1 = Convolution(16, 32, 1, size=8)
        self.depthwise2 = Convolution(32, 32, 3, size=8, stride=2, groups=32)
        self.pointwise2 = Convolution(32, 64, 1, size=4)
        self.depthwise3 = Convolution(64, 64, 3, size=4, groups=64)
        self.pointwise3 = Convolution(64, 64, 1, size=4, relu6=False)
        self.classifier = nn.Linear(64, CLASSES)

    def forward(self, x: torch.Tensor, observe: Observer = lambda name, value: None) -> torch.Tensor:
        """Calls `observe` with the name and the value of every activation that quantization will need a range for."""

        def run(name: str, value: torch.Tensor) -> torch.Tensor:
            result = getattr(self, name)(value)
            observe(name, result)
            return result

        for name in ("stem", "depthwise1", "pointwise1", "depthwise2", "pointwise2"):
            x = run(name, x)
        residual = x + run("pointwise3", run("depthwise3", x))
        observe("residual", residual)
        return run("classifier", residual.mean(dim=(2, 3)))

    def convolutions(self) -> list[Convolution]:
        return [module for module in self.children() if isinstance(module, Convolution)]

    def fold(self) -> None:
        for convolution in self.convolutions():
            convolution.fold()

    @property
    def multiply_accumulates(self) -> int:
        """Multiply-accumulates of one image."""
        return sum(c.multiply_accumulates for c in self.convolutions()) + self.classifier.weight.numel()
