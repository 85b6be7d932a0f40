#!/usr/bin/env python3
"""make_operator_cases.py: tiny models of one or two operators, with what LiteRT's reference kernels answer.

usage: make_operator_cases.py [OUT_DIR]      (default: operators/ beside this file)
needs: pip install ai-edge-litert==2.3.0 numpy flatbuffers

Writes OUT_DIR/<OPERATOR>.cases, one file an operator, the same bytes on every run. Layout, all integers little-endian:
  "THC1", u32 count of cases; then for each case
  u16 length, name (UTF-8) · u32 length, the .tflite file · u8 count of inputs, each u32 length and bytes ·
  u8 count of outputs, each u32 length and bytes
Inputs and outputs are in the model's order and in the tensors' own types. The answers come from the BUILTIN_REF kernels, which
define TFLite's arithmetic.
"""
import os, struct, sys, tempfile, zlib
import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

TYPES = {np.dtype(d): t for d, t in [(np.float32, 0), (np.int32, 2), (np.uint8, 3), (np.int64, 4), (np.bool_, 6), (np.int8, 9)]}
U8, I8, F32, I32, I64 = np.uint8, np.int8, np.float32, np.int32, np.int64
BYTES = [("u8", U8), ("i8", I8)]
SAME, VALID = 0, 1
NONE, RELU, RELU1, RELU6 = 0, 1, 2, 3
CASES = {}


class Net:
    """A model under construction: tensors and operators in order."""

    def __init__(self, name):
        self.name, self.rng = name, np.random.default_rng(zlib.crc32(name.encode()))
        self.model = schema.ModelT()
        self.model.version, self.model.description = 3, b"thimble"
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators, self.graph.inputs, self.graph.outputs = [], [], [], []
        self.model.subgraphs, self.model.operatorCodes, self.model.buffers = [self.graph], [], [schema.BufferT()]
        self.limits = {}

    def tensor(self, shape, dtype, scale=None, zero=0, data=None, dimension=0, signature=None):
        t = schema.TensorT()
        t.name, t.shape, t.type, t.buffer = b"t%d" % len(self.graph.tensors), list(shape), TYPES[np.dtype(dtype)], 0
        t.shapeSignature = signature
        if scale is not None:
            q = schema.QuantizationParametersT()
            q.scale = [float(s) for s in np.atleast_1d(scale)]
            q.zeroPoint = [int(z) for z in np.broadcast_to(zero, len(q.scale))]
            q.quantizedDimension = dimension
            t.quantization = q
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = list(np.ascontiguousarray(data, dtype).tobytes())
            self.model.buffers.append(buffer)
            t.buffer = len(self.model.buffers) - 1
        self.graph.tensors.append(t)
        return len(self.graph.tensors) - 1

    def input(self, shape, dtype, scale=None, zero=0, signature=None):
        index = self.tensor(shape, dtype, scale, zero, signature=signature)
        self.graph.inputs.append(index)
        return index

    def output(self, shape, dtype, scale=None, zero=0):
        index = self.tensor(shape, dtype, scale, zero)
        self.graph.outputs.append(index)
        return index

    def constant(self, values, dtype=I32, **quantization):
        values = np.asarray(values, dtype)
        return self.tensor(values.shape, dtype, data=values, **quantization)

    def random(self, shape, dtype):
        if np.issubdtype(dtype, np.floating):
            return self.rng.standard_normal(shape).astype(dtype) * 3
        info = np.iinfo(dtype)
        return self.rng.integers(info.min, info.max + 1, shape, dtype)

    def op(self, kind, inputs, outputs, options=None, **fields):
        number = getattr(schema.BuiltinOperator, kind)
        codes = [c.builtinCode for c in self.model.operatorCodes]
        if number not in codes:
            code = schema.OperatorCodeT()
            code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), 1
            self.model.operatorCodes.append(code)
            codes.append(number)
        operator = schema.OperatorT()
        operator.opcodeIndex, operator.inputs, operator.outputs = codes.index(number), list(inputs), list(outputs)
        if options:
            value = getattr(schema, options + "T")()
            for key, field in fields.items():
                assert hasattr(value, key), key
                setattr(value, key, field)
            operator.builtinOptions, operator.builtinOptionsType = value, getattr(schema.BuiltinOptions, options)
        self.graph.operators.append(operator)

    def finish(self, group, inputs=None):
        """Runs the reference and stores the case."""
        for version in range(5, 0, -1):  # the newest version of the operators that this LiteRT has
            for code in self.model.operatorCodes:
                code.version = version
            builder = flatbuffers.Builder(1024)
            builder.Finish(self.model.Pack(builder), b"TFL3")
            data = bytes(builder.Output())
            try:
                interpreter = Interpreter(model_content=data, num_threads=1,
                                          experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
                break
            except ValueError as error:
                if "Didn't find op" not in str(error) or version == 1:
                    raise
        interpreter.allocate_tensors()
        given, answers = [], []
        for position, detail in enumerate(interpreter.get_input_details()):
            value = inputs[position] if inputs else self.random(detail["shape"], detail["dtype"])
            interpreter.set_tensor(detail["index"], np.asarray(value, detail["dtype"]).reshape(detail["shape"]))
            given.append(np.asarray(value, detail["dtype"]).tobytes())
        interpreter.invoke()
        for detail in interpreter.get_output_details():
            answers.append(np.ascontiguousarray(interpreter.get_tensor(detail["index"])).tobytes())
        CASES.setdefault(group, []).append((self.name, data, given, answers))


def middle(dtype):
    return 131 if dtype is U8 else 3


def attempt(group, name, build, inputs=None):
    """Adds a case; what the reference itself refuses is left out, and said."""
    net = Net(f"{group}.{name}")
    build(net)
    try:
        net.finish(group, inputs)
    except (RuntimeError, ValueError) as error:
        print("left out:", group, name, str(error).split("\n")[0][:150])


# ---- convolutions

def convolution(group, name, dtype, shape, channels, kernel, stride=(1, 1), dilation=(1, 1), padding=SAME, activation=NONE,
                per_channel=False, bias=True, multiplier=None, scales=(0.05, 0.01, 0.12)):
    def build(net):
        si, sw, so = scales
        depthwise = multiplier is not None
        out = shape[3] * multiplier if depthwise else channels
        filter_shape = (1, *kernel, out) if depthwise else (out, *kernel, shape[3])
        zero = middle(dtype)
        x = net.input(shape, dtype, si, zero)
        weight_scale = sw * net.rng.uniform(0.3, 1.7, out) if per_channel else sw
        w = net.constant(net.random(filter_shape, dtype), dtype, scale=weight_scale, zero=117 if dtype is U8 else 0,
                         dimension=3 if depthwise else 0)
        bias_scale = np.atleast_1d(si * np.asarray(weight_scale))
        operands = [x, w]
        if bias:
            operands.append(net.constant(net.rng.integers(-3000, 3000, out), I32, scale=bias_scale))
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation)]
        size = [-(-n // s) if padding == SAME else -(-(n - r + 1) // s) for n, s, r in zip(shape[1:3], stride, reach)]
        y = net.output((shape[0], *size, out), dtype, so * max(1, np.prod(filter_shape[:3]) ** 0.5), zero - 9)
        fields = dict(padding=padding, strideH=stride[0], strideW=stride[1], dilationHFactor=dilation[0],
                      dilationWFactor=dilation[1], fusedActivationFunction=activation)
        if depthwise:
            net.op("DEPTHWISE_CONV_2D", operands, [y], "DepthwiseConv2DOptions", depthMultiplier=multiplier, **fields)
        else:
            net.op("CONV_2D", operands, [y], "Conv2DOptions", **fields)
    attempt(group, name, build)


def convolutions():
    for t, dtype in BYTES:
        for channels in (False, True) if dtype is I8 else (False,):
            p = t + ("_per_channel" if channels else "")
            c = lambda name, *a, **k: convolution("CONV_2D", f"{p}_{name}", dtype, *a, per_channel=channels, **k)
            c("1x1", (1, 3, 5, 7), 19, (1, 1))
            c("1x1_stride", (1, 5, 5, 16), 16, (1, 1), stride=(2, 2), activation=RELU6)
            c("3x3_same", (1, 6, 7, 3), 5, (3, 3), activation=RELU)
            c("3x3_valid", (2, 6, 7, 4), 17, (3, 3), padding=VALID, activation=RELU1)
            c("3x3_stride", (1, 7, 8, 3), 16, (3, 3), stride=(2, 2))
            c("3x2_mixed", (1, 9, 6, 5), 3, (3, 2), stride=(1, 3))
            c("dilated", (1, 9, 8, 5), 6, (3, 3), dilation=(2, 2))
            c("dilated_x", (1, 5, 9, 3), 6, (1, 3), dilation=(1, 3), padding=VALID)
            c("dilated_y", (1, 9, 5, 6), 4, (3, 2), dilation=(3, 1))
            c("one_channel", (1, 10, 4, 1), 8, (10, 4), stride=(2, 2))
            c("wide_scale", (1, 3, 3, 8), 9, (1, 1), scales=(0.5, 0.9, 0.001))
            c("large", (1, 3, 3, 70), 37, (3, 3))
            d = lambda name, shape, m, *a, **k: convolution("DEPTHWISE_CONV_2D", f"{p}_{name}", dtype, shape, None, *a,
                                                            per_channel=channels, multiplier=m, **k)
            d("3x3", (1, 6, 5, 19), 1, (3, 3), activation=RELU6)
            d("3x3_valid", (2, 5, 5, 16), 1, (3, 3), padding=VALID)
            d("3x3_stride", (1, 7, 8, 33), 1, (3, 3), stride=(2, 2), activation=RELU)
            d("5x5", (1, 7, 7, 4), 1, (5, 5))
            d("multiplier2", (1, 5, 4, 7), 2, (3, 3))
            d("multiplier3", (1, 4, 4, 5), 3, (2, 3), stride=(2, 1))
            d("multiplier8_of_1", (1, 9, 8, 1), 8, (4, 3), stride=(2, 2))
            d("dilated", (1, 9, 9, 6), 1, (3, 3), dilation=(2, 2))
            d("no_bias", (1, 4, 4, 3), 1, (2, 2), bias=False)
            d("1x1", (1, 3, 3, 5), 1, (1, 1))


def fully_connected():
    for t, dtype in BYTES:
        for per_channel in (False, True) if dtype is I8 else (False,):
            for name, shape, units, keep, bias, activation, wz in [
                ("plain", (1, 37), 10, False, True, NONE, 0), ("rows", (5, 16), 17, False, True, RELU, 0),
                ("keep", (2, 3, 8), 5, True, True, RELU6, 0), ("flatten", (2, 2, 3, 4), 6, False, True, NONE, 0),
                ("no_bias", (3, 7), 4, False, False, RELU1, 0), ("asymmetric", (2, 13), 20, False, True, NONE, -11),
                ("one_unit", (1, 33), 1, False, True, NONE, 0), ("many", (60, 9), 33, False, True, NONE, 0)]:
                if per_channel and wz:
                    continue
                def build(net):
                    depth, zero = shape[-1], middle(dtype)
                    weight_scale = 0.02 * net.rng.uniform(0.3, 1.7, units) if per_channel else 0.02
                    x = net.input(shape, dtype, 0.07, zero)
                    w = net.constant(net.random((units, depth), dtype), dtype, scale=weight_scale,
                                     zero=128 + wz if dtype is U8 else wz)
                    b = net.constant(net.rng.integers(-9000, 9000, units), I32, scale=0.07 * np.atleast_1d(weight_scale)) if bias else -1
                    rows = int(np.prod(shape)) // depth
                    y = net.output((*shape[:-1], units) if keep else (rows, units), dtype, 0.15 * depth ** 0.5, zero + 5)
                    net.op("FULLY_CONNECTED", [x, w, b], [y], "FullyConnectedOptions", keepNumDims=keep,
                           fusedActivationFunction=activation)
                attempt("FULLY_CONNECTED", f"{t}{'_per_channel' if per_channel else ''}_{name}", build)


# ---- element by element

def arithmetic():
    options = {"ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions"}
    for kind in options:
        for t, dtype in BYTES:
            for name, a, b, constant, activation, scales in [
                ("same", (2, 5, 7), (2, 5, 7), 0, NONE, (0.02, 0.05, 0.06)), ("relu", (33,), (33,), 0, RELU, (0.11, 0.03, 0.1)),
                ("relu6", (1, 4, 4, 9), (1, 4, 4, 9), 0, RELU6, (0.07, 0.02, 0.05)), ("relu1", (40,), (40,), 0, RELU1, (0.01, 0.01, 0.01)),
                ("channel", (1, 3, 4, 5), (5,), 0, NONE, (0.3, 0.02, 0.2)), ("scalar", (1, 3, 4, 5), (1,), 0, NONE, (0.3, 0.02, 0.2)),
                ("outer", (2, 1, 5), (3, 1), 0, NONE, (0.02, 0.04, 0.05)), ("squeeze_excite", (2, 3, 4, 6), (2, 1, 1, 6), 0, NONE, (0.02, 0.004, 0.01)),
                ("constant_second", (1, 3, 4, 5), (5,), 2, NONE, (0.03, 0.02, 0.04)), ("constant_first", (6,), (2, 3, 6), 1, NONE, (0.03, 0.02, 0.04)),
                ("equal_scales", (4, 16), (4, 16), 0, NONE, (0.05, 0.05, 0.05)), ("far_scales", (4, 64), (4, 64), 0, NONE, (0.001, 0.5, 0.6)),
                ("all_pairs", (256, 1), (1, 256), 0, NONE, (0.0237, 0.0531, 0.0612))]:
                if name == "all_pairs" and kind == "MUL" and t == "i8":
                    continue
                def build(net):
                    zero = middle(dtype)
                    factor = 5.0 if kind == "MUL" else 1.0
                    make = lambda shape, s, z, is_constant: (
                        net.constant(net.random(shape, dtype), dtype, scale=s, zero=z) if is_constant else net.input(shape, dtype, s, z))
                    x = make(a, scales[0], zero, constant == 1)
                    y = make(b, scales[1], zero - 20, constant == 2)
                    out = net.output(np.broadcast_shapes(a, b), dtype, scales[2] * factor, zero + 7)
                    net.op(kind, [x, y], [out], options[kind], fusedActivationFunction=activation)
                pairs = None
                if name == "all_pairs":
                    pairs = [np.arange(256).astype(U8).view(dtype), np.arange(256).astype(U8).view(dtype)]
                attempt(kind, f"{t}_{name}", build, pairs)


def lookups():
    every = lambda dtype: [np.arange(256).astype(U8).view(dtype)]
    for t, dtype in BYTES:
        zero = middle(dtype)
        low = 0 if dtype is U8 else -128
        for kind in ("RELU", "RELU6", "RELU_N1_TO_1", "LOGISTIC", "TANH", "HARD_SWISH", "LEAKY_RELU"):
            for position, (si, zi, so, zo) in enumerate(
                [(0.05, zero, 0.05, zero), (0.031, zero - 40, 0.07, zero + 9), (0.11, low, 0.027, low), (0.004, zero + 30, 0.9, zero)]):
                if kind == "LOGISTIC":
                    so, zo = 1 / 256, low
                if kind == "TANH" and position % 2 == 0:
                    so, zo = 1 / 128, 128 if dtype is U8 else 0
                for alpha in (0.1, -0.7, 1.6) if kind == "LEAKY_RELU" else (None,):
                    def build(net):
                        x, y = net.input((1, 256), dtype, si, zi), net.output((1, 256), dtype, so, zo)
                        if alpha is None:
                            net.op(kind, [x], [y], *(["HardSwishOptions"] if kind == "HARD_SWISH" else []))
                        else:
                            net.op(kind, [x], [y], "LeakyReluOptions", alpha=alpha)
                    attempt(kind, f"{t}_{position}" + (f"_{alpha}" if alpha else ""), build, every(dtype))
        # softmax, quantize, dequantize
        for position, (shape, scale, beta) in enumerate(
            [((1, 10), 0.12, 1.0), ((7, 33), 0.05, 1.0), ((2, 3, 4, 5), 0.3, 0.5), ((3, 1), 0.1, 1.0), ((2, 1001), 0.17, 1.0),
             ((1, 256), 0.9, 2.0), ((1, 256), 0.0001, 1.0), ((2, 12), 25.0, 1.0)]):
            def build(net):
                x, y = net.input(shape, dtype, scale, zero), net.output(shape, dtype, 1 / 256, low)
                net.op("SOFTMAX", [x], [y], "SoftmaxOptions", beta=beta)
            attempt("SOFTMAX", f"{t}_{position}", build, every(dtype) if shape == (1, 256) else None)
        for position, (scale, zo) in enumerate([(0.05, zero), (0.007, low), (0.5, zero - 77)]):
            def build(net):
                net.op("QUANTIZE", [net.input((3, 50), F32)], [net.output((3, 50), dtype, scale, zo)], "QuantizeOptions")
            ties = (np.arange(150) - 75).astype(F32) * F32(0.5) * F32(scale)
            attempt("QUANTIZE", f"f32_{t}_{position}", build)
            attempt("QUANTIZE", f"f32_{t}_ties_{position}", build, [ties])
            def build(net):
                net.op("DEQUANTIZE", [net.input((1, 256), dtype, scale, zo)], [net.output((1, 256), F32)], "DequantizeOptions")
            attempt("DEQUANTIZE", f"{t}_{position}", build, every(dtype))
            for t2, other in BYTES:
                def build(net):
                    y = net.output((1, 256), other, scale * 1.37, middle(other) - 30)
                    net.op("QUANTIZE", [net.input((1, 256), dtype, scale, zo)], [y], "QuantizeOptions")
                attempt("QUANTIZE", f"{t}_{t2}_{position}", build, every(dtype))
        other = I8 if dtype is U8 else U8
        shift = -128 if dtype is U8 else 128
        def build(net):
            net.op("QUANTIZE", [net.input((1, 256), dtype, 0.1, zero)], [net.output((1, 256), other, 0.1, zero + shift)], "QuantizeOptions")
        attempt("QUANTIZE", f"{t}_identity", build, every(dtype))
        def build(net):
            x, y = net.input((2, 3, 4, 5), dtype, 0.1, zero), net.tensor((2, 3, 4, 5), other, 0.1, zero + shift)
            net.op("QUANTIZE", [x], [y], "QuantizeOptions")
            net.op("AVERAGE_POOL_2D", [y], [net.output((2, 2, 2, 5), other, 0.1, zero + shift)], "Pool2DOptions", padding=SAME,
                   strideW=2, strideH=2, filterWidth=2, filterHeight=3)
        attempt("QUANTIZE", f"{t}_identity_then_pool", build)
        def build(net):
            x, y = net.input((2, 3, 4, 5), dtype, 0.1, zero), net.tensor((2, 3, 4, 5), dtype, 0.1, zero)
            net.op("MAX_POOL_2D", [x], [y], "Pool2DOptions", padding=SAME, strideW=1, strideH=1, filterWidth=2, filterHeight=2)
            net.op("QUANTIZE", [y], [net.output((2, 3, 4, 5), other, 0.1, zero + shift)], "QuantizeOptions")
        attempt("QUANTIZE", f"{t}_pool_then_identity", build)


def pools():
    for t, dtype in BYTES:
        zero = middle(dtype)
        for kind in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
            for name, shape, kernel, stride, padding, activation in [
                ("2x2", (1, 6, 6, 5), (2, 2), (2, 2), VALID, NONE), ("3x3_same", (2, 5, 7, 19), (3, 3), (2, 2), SAME, RELU),
                ("global", (1, 7, 5, 33), (7, 5), (1, 1), VALID, NONE), ("3x2_relu6", (1, 5, 6, 4), (3, 2), (1, 2), SAME, RELU6),
                ("1x1", (1, 3, 3, 2), (1, 1), (2, 1), SAME, RELU1)]:
                def build(net):
                    size = [-(-n // s) if padding == SAME else -(-(n - k + 1) // s) for n, s, k in zip(shape[1:3], stride, kernel)]
                    x, y = net.input(shape, dtype, 0.05, zero), net.output((shape[0], *size, shape[3]), dtype, 0.05, zero)
                    net.op(kind, [x], [y], "Pool2DOptions", padding=padding, strideH=stride[0], strideW=stride[1], filterHeight=kernel[0],
                           filterWidth=kernel[1], fusedActivationFunction=activation)
                attempt(kind, f"{t}_{name}", build)
        for name, shape, axes, keep, out in [
            ("hw", (2, 7, 7, 19), [1, 2], True, 0.03), ("hw_drop", (1, 5, 6, 8), [1, 2], False, 0.05), ("same_scale", (1, 7, 7, 20), [1, 2], True, 0.05),
            ("channels", (2, 3, 4, 9), [-1], False, 0.02), ("first", (3, 4, 5), [0], True, 0.04), ("all", (3, 4, 5), [0, 1, 2], False, 0.01),
            ("ends", (3, 4, 5), [0, 2], False, 0.04), ("single", (6, 5), [1], True, 0.3), ("twice", (4, 6), [1, -1], True, 0.02)]:
            def build(net):
                shape_out = np.mean(np.zeros(shape), axis=tuple(set(a % len(shape) for a in axes)), keepdims=keep).shape
                x, y = net.input(shape, dtype, 0.05, zero), net.output(shape_out, dtype, out, zero if out == 0.05 else zero - 31)
                net.op("MEAN", [x, net.constant(axes)], [y], "ReducerOptions", keepDims=keep)
            attempt("MEAN", f"{t}_{name}", build)


def resizes():
    for t, dtype in BYTES:
        zero = middle(dtype)
        for kind, options in (("RESIZE_BILINEAR", "ResizeBilinearOptions"), ("RESIZE_NEAREST_NEIGHBOR", "ResizeNearestNeighborOptions")):
            for align, half in ((False, False), (True, False), (False, True), (True, True)):
                for position, (shape, size) in enumerate(
                    [((1, 3, 4, 5), (7, 9)), ((2, 8, 7, 3), (3, 4)), ((1, 1, 1, 4), (5, 6)), ((1, 5, 5, 2), (5, 10)), ((1, 33, 17, 1), (21, 40)),
                     ((1, 4, 4, 3), (1, 1))]):
                    def build(net):
                        y = net.output((shape[0], *size, shape[3]), dtype, 0.05, zero)
                        net.op(kind, [net.input(shape, dtype, 0.05, zero), net.constant(size)], [y], options, alignCorners=align,
                               halfPixelCenters=half)
                    attempt(kind, f"{t}_{position}{'_align' if align else ''}{'_half' if half else ''}", build)


def arg_extremes():
    for t, dtype in BYTES:
        for kind, options in (("ARG_MAX", "ArgMaxOptions"), ("ARG_MIN", "ArgMinOptions")):
            for position, (shape, axis, index) in enumerate(
                [((1, 4, 5, 21), 3, I64), ((2, 7, 3), 1, I32), ((9,), 0, I32), ((5, 6), -1, I64), ((5, 6), 0, I32), ((1, 300), 1, I32)]):
                def build(net):
                    y = net.output([n for i, n in enumerate(shape) if i != axis % len(shape)], index)
                    net.op(kind, [net.input(shape, dtype, 0.1, 3), net.constant(axis)], [y], options,
                           outputType=TYPES[np.dtype(index)])
                attempt(kind, f"{t}_{position}", build)


# ---- data movement

def movement():
    for t, dtype in BYTES + [("f32", F32), ("i32", I32), ("i64", I64)]:
        is_byte = dtype in (U8, I8)
        zero = middle(dtype) if is_byte else 0
        q = dict(scale=0.05, zero=zero) if is_byte else {}
        def one(kind, name, shape, shapes_out, make_operands, options=None, **fields):
            def build(net):
                x = net.input(shape, dtype, **q)
                ys = [net.output(s, dtype, **q) for s in shapes_out]
                net.op(kind, make_operands(net, x), ys, options, **fields)
            attempt(kind, f"{t}_{name}", build)
        one("RESHAPE", "operand", (2, 3, 4), [(6, 4)], lambda n, x: [x, n.constant([6, -1])], "ReshapeOptions", newShape=[6, -1])
        if is_byte:
            one("RESHAPE", "options", (2, 3, 4), [(24,)], lambda n, x: [x], "ReshapeOptions", newShape=[-1])
        one("SQUEEZE", "listed", (1, 3, 1, 4), [(3, 1, 4)], lambda n, x: [x], "SqueezeOptions", squeezeDims=[0])
        one("SQUEEZE", "all", (1, 3, 1, 4), [(3, 4)], lambda n, x: [x], "SqueezeOptions", squeezeDims=[])
        one("EXPAND_DIMS", "front", (3, 4), [(1, 3, 4)], lambda n, x: [x, n.constant(0)], "ExpandDimsOptions")
        one("EXPAND_DIMS", "back", (3, 4), [(3, 4, 1)], lambda n, x: [x, n.constant(-1)], "ExpandDimsOptions")
        one("PAD", "hw", (1, 3, 4, 5), [(1, 5, 5, 5)], lambda n, x: [x, n.constant([[0, 0], [1, 1], [0, 1], [0, 0]])], "PadOptions")
        one("PAD", "all", (2, 3), [(5, 8)], lambda n, x: [x, n.constant([[1, 2], [3, 2]], I64 if is_byte else I32)], "PadOptions")
        one("TRANSPOSE", "nchw", (2, 3, 4, 5), [(2, 5, 3, 4)], lambda n, x: [x, n.constant([0, 3, 1, 2])], "TransposeOptions")
        one("TRANSPOSE", "2d", (7, 3), [(3, 7)], lambda n, x: [x, n.constant([1, 0])], "TransposeOptions")
        one("TRANSPOSE", "5d", (2, 1, 3, 2, 2), [(2, 3, 2, 1, 2)], lambda n, x: [x, n.constant([4, 2, 0, 1, 3])], "TransposeOptions")
        one("TILE", "2d", (3, 4), [(6, 12)], lambda n, x: [x, n.constant([2, 3])], "TileOptions")
        one("TILE", "4d", (1, 2, 1, 3), [(2, 2, 4, 3)], lambda n, x: [x, n.constant([2, 1, 4, 1])], "TileOptions")
        one("SPLIT", "channels", (2, 3, 6), [(2, 3, 2)] * 3, lambda n, x: [n.constant(-1), x], "SplitOptions", numSplits=3)
        one("SPLIT", "front", (4, 3), [(2, 3)] * 2, lambda n, x: [n.constant(0), x], "SplitOptions", numSplits=2)
        one("SPLIT_V", "sizes", (2, 7), [(2, 1), (2, 4), (2, 2)], lambda n, x: [x, n.constant([1, -1, 2]), n.constant(1)], "SplitVOptions",
            numSplits=3)
        one("SLICE", "part", (3, 4, 5), [(1, 2, 4)], lambda n, x: [x, n.constant([1, 2, 0]), n.constant([1, 2, 4])], "SliceOptions")
        one("SLICE", "rest", (3, 4), [(2, 1)], lambda n, x: [x, n.constant([1, 3]), n.constant([-1, -1])], "SliceOptions")
        for name, shape, begin, end, strides, out, masks in [
            ("part", (4, 5, 6), [1, 0, 2], [3, 5, 6], [1, 2, 3], (2, 3, 2), {}),
            ("negative", (4, 5), [3, -1], [0, -6], [-1, -2], (3, 3), {}),
            ("masks", (4, 5, 6), [2, 2, 2], [3, 3, 3], [1, 1, -1], (3, 3, 6), dict(beginMask=6, endMask=5 + 0)),
            ("shrink", (4, 5, 6), [-1, 1, 0], [0, 4, 6], [1, 1, 2], (3, 3), dict(shrinkAxisMask=1)),
            ("beyond", (4, 5), [-9, 1], [9, 99], [1, 1], (4, 4), {}),
            ("all_shrunk", (4, 5), [1, 2], [2, 3], [1, 1], (), dict(shrinkAxisMask=3))]:
            if name == "masks":
                out = tuple(np.zeros(shape)[2:, :3, ::-1].shape)
            one("STRIDED_SLICE", name, shape, [out], lambda n, x: [x, n.constant(begin), n.constant(end), n.constant(strides)],
                "StridedSliceOptions", **masks)
        one("UNPACK", "front", (3, 4), [(4,)] * 3, lambda n, x: [x], "UnpackOptions", num=3, axis=0)
        one("UNPACK", "back", (2, 3, 2), [(2, 3)] * 2, lambda n, x: [x], "UnpackOptions", num=2, axis=-1)
        def build(net):
            value = net.constant([-7] if dtype is I8 else [77], dtype, **q) if is_byte else net.constant([0], dtype)
            net.op("PADV2", [net.input((2, 3), dtype, **q), net.constant([[1, 0], [0, 2]]), value], [net.output((3, 5), dtype, **q)],
                   "PadV2Options")
        attempt("PADV2", t, build)
        for axis, shapes in ((-1, [(2, 3, 4), (2, 3, 1), (2, 3, 5)]), (0, [(2, 3), (1, 3)]), (1, [(2, 1, 3), (2, 4, 3)])):
            def build(net):
                xs = [net.input(s, dtype, **q) for s in shapes]
                out = np.concatenate([np.zeros(s) for s in shapes], axis).shape
                net.op("CONCATENATION", xs, [net.output(out, dtype, **q)], "ConcatenationOptions", axis=axis)
            attempt("CONCATENATION", f"{t}_axis{axis}", build)
        for axis in (0, -1):
            def build(net):
                xs = [net.input((2, 3), dtype, **q), net.constant(net.random((2, 3), dtype), dtype, **q), net.input((2, 3), dtype, **q)]
                net.op("PACK", xs, [net.output(np.stack([np.zeros((2, 3))] * 3, axis).shape, dtype, **q)], "PackOptions", valuesCount=3, axis=axis)
            attempt("PACK", f"{t}_axis{axis}", build)
    for position, (s1, z1, s2, z2, so, zo) in enumerate(
        [(0.05, 131, 0.02, 100, 0.07, 120), (0.05, 131, 0.05, 131, 0.05, 131), (0.3, 0, 0.003, 255, 0.05, 77), (0.1, 10, 0.05, 20, 0.05, 20)]):
        def build(net):
            xs = [net.input((1, 256), U8, s1, z1), net.input((1, 256), U8, s2, z2)]
            net.op("CONCATENATION", xs, [net.output((1, 512), U8, so, zo)], "ConcatenationOptions", axis=1)
        attempt("CONCATENATION", f"u8_rescaled_{position}", build, [np.arange(256), np.arange(256)])


def padded_convolutions():
    """PAD followed by a convolution, which may be lowered to one operator."""
    for t, dtype in BYTES:
        zero = middle(dtype)
        for kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            for name, amounts, stride, kernel, twice in [("tf2", [[0, 0], [0, 1], [0, 1], [0, 0]], 2, 3, False),
                                                         ("odd", [[0, 0], [2, 1], [1, 3], [0, 0]], 1, 3, False),
                                                         ("shared", [[0, 0], [1, 1], [1, 1], [0, 0]], 2, 3, True),
                                                         ("channels", [[0, 0], [1, 1], [1, 1], [0, 2]], 1, 3, False)]:
                def build(net):
                    x = net.input((1, 6, 7, 4), dtype, 0.05, zero)
                    padded = [n + sum(a) for n, a in zip((1, 6, 7, 4), amounts)]
                    p = net.tensor(padded, dtype, 0.05, zero)
                    net.op("PAD", [x, net.constant(amounts)], [p], "PadOptions")
                    depthwise = kind != "CONV_2D"
                    out = padded[3] if depthwise else 5
                    w = net.constant(net.random((1, kernel, kernel, out) if depthwise else (out, kernel, kernel, padded[3]), dtype), dtype,
                                     scale=0.02, zero=120 if dtype is U8 else 0)
                    b = net.constant(net.rng.integers(-500, 500, out), I32, scale=0.05 * 0.02)
                    size = [(n - kernel) // stride + 1 for n in padded[1:3]]
                    y = net.output((1, *size, out), dtype, 0.3, zero - 4)
                    if twice:
                        net.graph.outputs.append(p)
                    options = dict(padding=VALID, strideH=stride, strideW=stride, dilationHFactor=1, dilationWFactor=1)
                    if depthwise:
                        options["depthMultiplier"] = 1
                    net.op(kind, [p, w, b], [y], "DepthwiseConv2DOptions" if depthwise else "Conv2DOptions", **options)
                attempt("PAD", f"{t}_then_{kind.lower()}_{name}", build)


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "operators")
    os.makedirs(out, exist_ok=True)
    for make in (convolutions, fully_connected, arithmetic, lookups, pools, resizes, arg_extremes, movement, padded_convolutions):
        make()
    total = 0
    for group, cases in CASES.items():
        data = b"THC1" + struct.pack("<I", len(cases))
        for name, model, inputs, outputs in cases:
            data += struct.pack("<H", len(name)) + name.encode() + struct.pack("<I", len(model)) + model
            for arrays in (inputs, outputs):
                data += struct.pack("<B", len(arrays)) + b"".join(struct.pack("<I", len(a)) + a for a in arrays)
        open(os.path.join(out, group + ".cases"), "wb").write(data)
        total += len(data)
    print(sum(map(len, CASES.values())), "cases,", total, "bytes")


main()
