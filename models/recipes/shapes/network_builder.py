"""Builds int8 networks layer by layer: random weights, and scales that let every layer's output use most of −128…127.

Weights are independent of what they multiply, so that an accumulator has the variance fan-in · E[w²] · E[x²] whatever x
is (He et al. 2015, section 2.2). Weights' scales are chosen to make that variance the one asked for, activations' scales
to hold some four deviations.
"""

import math
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tflite

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from moments import Moments
from random_weights import RandomWeights
from tflite_writer import Affine, GraphWriter

SAME, VALID = tflite.Padding.SAME, tflite.Padding.VALID
FUSED = {
    None: tflite.ActivationFunctionType.NONE,
    "relu": tflite.ActivationFunctionType.RELU,
    "relu6": tflite.ActivationFunctionType.RELU6,
}
DEVIATIONS_KEPT = 4.2  # beyond them values saturate
BIAS_DEVIATION = 0.25  # of the accumulator's


class Activation(NamedTuple):
    index: int
    shape: tuple[int, ...]  # (height, width, channels) or (features,)
    affine: Affine
    moments: Moments


class NetworkBuilder:
    """A network under construction. With `dry` it counts weights and multiply-accumulates, and makes none."""

    def __init__(self, seed: list[int], entropy_bits: float, dry: bool = False):
        self.graph = GraphWriter()
        self.dry = dry
        self.random = None if dry else RandomWeights(seed, entropy_bits)
        self.weight_count = 0
        self.multiply_accumulates = 0
        self.activation_bytes_max = 0
        self._count = 0

    # --- layers

    def input(self, shape: tuple[int, ...]) -> Activation:
        """Bytes of any value; evenly spread ones have variance 1."""
        return self._activation("input", shape, Affine(round_scale(1 / 73.9), 0), Moments(0, 1))

    def convolution(
        self, x: Activation, channels: int, kernel: int = 1, stride: int = 1, padding=SAME, activation="relu",
        deviation: float = 1.0,
    ) -> Activation:
        """CONV_2D with weights per channel, whose accumulators have `deviation` before the fused activation."""
        height, width, inputs = x.shape
        fan_in = kernel * kernel * inputs
        out = (*self._window(x, kernel, stride, padding), channels)
        self.multiply_accumulates += out[0] * out[1] * channels * fan_in
        name = self._name("conv")
        operands = self._weights(name, x, (channels, kernel, kernel, inputs), fan_in, channels, 0, deviation)
        y = self._output(name, out, deviation, activation)
        self.graph.operator(
            "CONV_2D", 3, [x.index, *operands], [y.index], "Conv2DOptions", Padding=padding, StrideW=stride,
            StrideH=stride, FusedActivationFunction=FUSED[activation],
        )
        return y

    def depthwise(self, x: Activation, stride: int = 1, activation="relu", deviation: float = 1.0) -> Activation:
        """DEPTHWISE_CONV_2D, 3 × 3."""
        channels = x.shape[2]
        out = (*self._window(x, 3, stride, SAME), channels)
        self.multiply_accumulates += out[0] * out[1] * channels * 9
        name = self._name("depthwise")
        operands = self._weights(name, x, (1, 3, 3, channels), 9, channels, 3, deviation)
        y = self._output(name, out, deviation, activation)
        self.graph.operator(
            "DEPTHWISE_CONV_2D", 3, [x.index, *operands], [y.index], "DepthwiseConv2DOptions", Padding=SAME,
            StrideW=stride, StrideH=stride, DepthMultiplier=1, FusedActivationFunction=FUSED[activation],
        )
        return y

    def dense(self, x: Activation, features: int, activation="relu", deviation: float = 1.0) -> Activation:
        """FULLY_CONNECTED with one scale."""
        (inputs,) = x.shape
        self.multiply_accumulates += inputs * features
        name = self._name("dense")
        operands = self._weights(name, x, (features, inputs), inputs, 1, 0, deviation)
        y = self._output(name, (features,), deviation, activation)
        self.graph.operator(
            "FULLY_CONNECTED", 4, [x.index, *operands], [y.index], "FullyConnectedOptions",
            FusedActivationFunction=FUSED[activation],
        )
        return y

    def add(self, x: Activation, y: Activation, activation="relu") -> Activation:
        assert x.shape == y.shape
        moments = x.moments.plus(y.moments)
        out = self._scaled(self._name("add"), x.shape, moments, activation)
        self.graph.operator(
            "ADD", 2, [x.index, y.index], [out.index], "AddOptions", FusedActivationFunction=FUSED[activation])
        return out

    def pad(self, x: Activation, margin: int) -> Activation:
        height, width, channels = x.shape
        name = self._name("pad")
        margins = self.graph.constant(f"{name}/margins", np.array([[0, 0], [margin] * 2, [margin] * 2, [0, 0]], np.int32))
        out = self._activation(name, (height + 2 * margin, width + 2 * margin, channels), x.affine, x.moments)
        self.graph.operator("PAD", 2, [x.index, margins], [out.index], "PadOptions")
        return out

    def pool(self, x: Activation, kind: str, size: int, stride: int, padding=VALID) -> Activation:
        """`kind` is "MAX_POOL_2D" or "AVERAGE_POOL_2D"; neither rescales."""
        moments = x.moments.greatest(size * size) if kind == "MAX_POOL_2D" else x.moments
        out = self._activation(
            self._name("pool"), (*self._window(x, size, stride, padding), x.shape[2]), x.affine, moments)
        self.graph.operator(
            kind, 2, [x.index], [out.index], "Pool2DOptions", Padding=padding, StrideW=stride, StrideH=stride,
            FilterWidth=size, FilterHeight=size, FusedActivationFunction=FUSED[None],
        )
        return out

    def mean(self, x: Activation) -> Activation:
        """(height, width, channels) → (channels,)."""
        name = self._name("mean")
        axes = self.graph.constant(f"{name}/axes", np.array([1, 2], np.int32))
        moments = x.moments  # deep down most of the variance is between channels, which stays
        scale = (moments.mean + DEVIATIONS_KEPT * math.sqrt(moments.variance)) / 255
        out = self._activation(name, (x.shape[2],), Affine(round_scale(scale), -128), moments)
        self.graph.operator("MEAN", 2, [x.index, axes], [out.index], "ReducerOptions", KeepDims=False)
        return out

    def reshape(self, x: Activation, shape: tuple[int, ...]) -> Activation:
        assert math.prod(shape) == math.prod(x.shape)
        name = self._name("reshape")
        target = self.graph.constant(f"{name}/shape", np.array([-1, *shape], np.int32))
        out = self._activation(name, shape, x.affine, x.moments)
        self.graph.operator("RESHAPE", 1, [x.index, target], [out.index])
        return out

    def softmax(self, x: Activation) -> Activation:
        out = self._activation(self._name("softmax"), x.shape, Affine(1 / 256, -128), Moments(0, 1))
        self.graph.operator("SOFTMAX", 2, [x.index], [out.index], "SoftmaxOptions", Beta=1.0)
        return out

    def serialize(self, x: Activation, output: Activation, description: str) -> bytes:
        return self.graph.serialize([x.index], [output.index], description)

    # --- parts of layers

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}{self._count}"

    @staticmethod
    def _window(x: Activation, size: int, stride: int, padding) -> tuple[int, int]:
        if padding == SAME:
            return tuple(-(-extent // stride) for extent in x.shape[:2])
        return tuple((extent - size) // stride + 1 for extent in x.shape[:2])

    def _weights(self, name, x: Activation, shape, fan_in, scale_count, axis, deviation) -> list[int]:
        """Adds weights and biases; returns their indices. Channels' scales differ by up to 30 %."""
        self.weight_count += math.prod(shape)
        if self.dry:
            return [0, 0]
        values = self.random.int8(shape)
        real_deviation = deviation / math.sqrt(fan_in * x.moments.mean_square)
        spread = 0.7 + 0.6 * self.random.uniform((scale_count,)) if scale_count > 1 else np.ones(1)
        scales = round_scales(real_deviation / self.random.deviation * spread)
        bias_scales = np.float32(x.affine.scale) * scales
        channels = shape[axis]
        biases = np.rint(self.random.normal((channels,)) * BIAS_DEVIATION * deviation / bias_scales.astype(np.float64))
        return [
            self.graph.constant(f"{name}/weights", values, scales, axis),
            self.graph.constant(f"{name}/bias", biases.astype(np.int32), bias_scales),
        ]

    def _output(self, name, shape, deviation, activation) -> Activation:
        """An accumulator's output: Gaussian around 0, then the activation."""
        return self._scaled(name, shape, Moments(0, deviation**2 * (1 + BIAS_DEVIATION**2)), activation)

    def _scaled(self, name, shape, moments: Moments, activation) -> Activation:
        """An output with `moments` before its fused activation."""
        high = moments.mean + DEVIATIONS_KEPT * math.sqrt(moments.variance)
        if activation is None:
            zero_point = self._count % 9 - 4
            low = DEVIATIONS_KEPT * math.sqrt(moments.variance) - moments.mean
            return self._activation(name, shape, Affine(round_scale(max(high, low) / 124), zero_point), moments)
        if activation == "relu6":
            high = min(high, 6)
        return self._activation(name, shape, Affine(round_scale(high / 255), -128), moments.rectified())

    def _activation(self, name, shape, affine: Affine, moments: Moments) -> Activation:
        self.activation_bytes_max = max(self.activation_bytes_max, math.prod(shape))
        return Activation(self.graph.activation(name, tuple(shape), affine), tuple(shape), affine, moments)


def round_scale(scale: float) -> float:
    """The nearest number of 10 significant bits, so that no C library's last digit shows."""
    mantissa, exponent = math.frexp(scale)
    return math.ldexp(round(mantissa * 1024) / 1024, exponent)


def round_scales(scales: np.ndarray) -> np.ndarray:
    return np.array([round_scale(float(scale)) for scale in scales], np.float32)
