"""Post-training quantization: real = scale · (stored − zero point) (Jacob et al. 2018, section 2.1).

Activations are int8 with one scale and zero point a tensor; convolution weights are int8, symmetric, with a scale for
each output channel; biases are int32 with the scale of the accumulator they start. The rules are LiteRT's:
https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_spec
"""

from typing import NamedTuple

import numpy as np
import torch

from network import DigitsNetwork
from tflite_writer import Affine

WEIGHT_MAX = 127  # −128 is unused, so that weights are symmetric
ACTIVATION_MIN, ACTIVATION_MAX = -128, 127


class Weights(NamedTuple):
    values: np.ndarray  # (outputs, …) int8
    scales: np.ndarray  # (outputs,) or (1,) float32
    biases: np.ndarray  # (outputs,) int32
    bias_scales: np.ndarray  # as scales


def calibrate(network: DigitsNetwork, x: torch.Tensor) -> dict[str, Affine]:
    """The map of every activation `network` shows its observer, from its range over the images `x` (n, 1, 8, 8)."""
    ranges: dict[str, tuple[float, float]] = {}
    with torch.no_grad():
        network(x, lambda name, value: ranges.update({name: (value.min().item(), value.max().item())}))
    return {name: affine(low, high) for name, (low, high) in ranges.items()}


def affine(low: float, high: float) -> Affine:
    """The map that spreads [low, high], widened to hold 0, over int8, with 0 exact."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = float(np.float32((high - low) / (ACTIVATION_MAX - ACTIVATION_MIN)))
    return Affine(scale, round(ACTIVATION_MIN - low / scale))


def quantize_weights(weight: torch.Tensor, bias: torch.Tensor, input_scale: float, per_channel: bool) -> Weights:
    """Rounds `weight` (outputs, …) and `bias` (outputs,).

    The weights' scale is max |w| / 127, over an output channel or the whole tensor; the bias's is that × `input_scale`.
    """
    w, b = weight.detach().double().numpy(), bias.detach().double().numpy()
    rows = w.reshape(len(w) if per_channel else 1, -1)
    scales = (np.abs(rows).max(axis=1) / WEIGHT_MAX).astype(np.float32)
    bias_scales = np.float32(input_scale) * scales
    values = np.rint(rows / scales[:, None]).clip(-WEIGHT_MAX, WEIGHT_MAX).reshape(w.shape)
    biases = np.rint(b / bias_scales)
    if not np.abs(biases).max() < 2**31:
        raise ValueError("a bias does not fit int32: the weights of its channel are all but zero")
    return Weights(values.astype(np.int8), scales, biases.astype(np.int32), bias_scales)
