"""The folded network as a quantized graph: uint8 pixels in, uint8 probabilities out, int8 between."""

import numpy as np
import tflite

from network import CLASSES, SIDE, Convolution, DigitsNetwork
from quantize import quantize_weights
from tflite_writer import Affine, GraphWriter

RELU6 = tflite.ActivationFunctionType.RELU6
NONE = tflite.ActivationFunctionType.NONE
IMAGE = Affine(1 / 255, -128)  # a byte b stands for b / 255
PROBABILITIES = Affine(1 / 256, -128)  # what LiteRT's int8 SOFTMAX requires


def export(network: DigitsNetwork, maps: dict[str, Affine]) -> bytes:
    """The .tflite of `network`, folded, with the activations' `maps` from `calibrate`."""
    graph = GraphWriter()
    image = graph.activation("image", (SIDE, SIDE, 1), _as_uint8(IMAGE), "uint8")
    x = graph.activation("image_int8", (SIDE, SIDE, 1), IMAGE)
    graph.operator("QUANTIZE", 1, [image], [x], "QuantizeOptions")
    x = _convolutions(graph, network, maps, x)
    x = _classifier(graph, network, maps, x)
    probabilities = graph.activation("probabilities", (CLASSES,), _as_uint8(PROBABILITIES), "uint8")
    graph.operator("QUANTIZE", 1, [x], [probabilities], "QuantizeOptions")
    return graph.serialize([image], [probabilities], "thimble digits")


def _as_uint8(affine: Affine) -> Affine:
    """The same real values when every stored integer grows by 128."""
    return Affine(affine.scale, affine.zero_point + 128)


def _convolutions(graph: GraphWriter, network: DigitsNetwork, maps: dict[str, Affine], x: int) -> int:
    """image (8, 8, 1) → residual (4, 4, 64); returns its index."""
    affine = IMAGE
    for name in ("stem", "depthwise1", "pointwise1", "depthwise2", "pointwise2"):
        x, affine = _convolution(graph, name, getattr(network, name), x, affine, maps[name]), maps[name]
    shortcut = x
    for name in ("depthwise3", "pointwise3"):
        x, affine = _convolution(graph, name, getattr(network, name), x, affine, maps[name]), maps[name]
    residual = graph.activation("residual", (4, 4, 64), maps["residual"])
    graph.operator("ADD", 2, [shortcut, x], [residual], "AddOptions", FusedActivationFunction=NONE)
    return residual


def _convolution(
    graph: GraphWriter, name: str, layer: Convolution, x: int, input_affine: Affine, affine: Affine
) -> int:
    weights = quantize_weights(layer.conv.weight, layer.conv.bias, input_affine.scale, per_channel=True)
    axis = 3 if layer.depthwise else 0
    order = (1, 2, 3, 0) if layer.depthwise else (0, 2, 3, 1)  # (C,1,h,w) → (1,h,w,C), (O,I,h,w) → (O,h,w,I)
    values = np.ascontiguousarray(weights.values.transpose(order))
    kernel = graph.constant(f"{name}/weights", values, weights.scales, axis)
    bias = graph.constant(f"{name}/bias", weights.biases, weights.bias_scales)
    channels = len(weights.biases)
    output = graph.activation(name, (layer.out_size, layer.out_size, channels), affine)
    stride = layer.conv.stride[0]
    fields = {
        "Padding": tflite.Padding.SAME,
        "StrideW": stride,
        "StrideH": stride,
        "FusedActivationFunction": RELU6 if layer.relu6 else NONE,
    }
    if layer.depthwise:
        graph.operator(
            "DEPTHWISE_CONV_2D", 3, [x, kernel, bias], [output], "DepthwiseConv2DOptions", DepthMultiplier=1, **fields
        )
    else:
        graph.operator("CONV_2D", 3, [x, kernel, bias], [output], "Conv2DOptions", **fields)
    return output


def _classifier(graph: GraphWriter, network: DigitsNetwork, maps: dict[str, Affine], residual: int) -> int:
    """residual (4, 4, 64) → probabilities (10) in int8; returns their index."""
    affine, channels = maps["residual"], network.classifier.in_features  # neither pooling nor RESHAPE rescales
    pool = graph.activation("pool", (1, 1, channels), affine)
    graph.operator(
        "AVERAGE_POOL_2D", 2, [residual], [pool], "Pool2DOptions",
        Padding=tflite.Padding.VALID, StrideW=4, StrideH=4, FilterWidth=4, FilterHeight=4, FusedActivationFunction=NONE,
    )
    shape = graph.constant("features/shape", np.array([-1, channels], np.int32))
    features = graph.activation("features", (channels,), affine)
    graph.operator("RESHAPE", 1, [pool, shape], [features])
    weights = quantize_weights(network.classifier.weight, network.classifier.bias, affine.scale, per_channel=False)
    matrix = graph.constant("classifier/weights", weights.values, weights.scales)
    bias = graph.constant("classifier/bias", weights.biases, weights.bias_scales)
    logits = graph.activation("logits", (CLASSES,), maps["classifier"])
    graph.operator(
        "FULLY_CONNECTED", 4, [features, matrix, bias], [logits], "FullyConnectedOptions", FusedActivationFunction=NONE
    )
    probabilities = graph.activation("probabilities_int8", (CLASSES,), PROBABILITIES)
    graph.operator("SOFTMAX", 2, [logits], [probabilities], "SoftmaxOptions", Beta=1.0)
    return probabilities
