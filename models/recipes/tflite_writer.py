"""Writes a graph of quantized tensors and operators as a TensorFlow Lite flatbuffer (schema version 3)."""

from typing import NamedTuple

import flatbuffers
import numpy as np
import tflite

SCHEMA_VERSION = 3
FILE_IDENTIFIER = b"TFL3"
BUFFER_ALIGNMENT = 16
ELEMENT_TYPES = {
    "uint8": tflite.TensorType.UINT8,
    "int8": tflite.TensorType.INT8,
    "int32": tflite.TensorType.INT32,
}


class Affine(NamedTuple):
    """real = scale · (stored − zero point)."""

    scale: float
    zero_point: int


class Tensor(NamedTuple):
    name: str
    shape: tuple[int, ...]
    element: str
    scales: np.ndarray | None  # (1,) or (channels,) float32
    zero_point: int
    channel_axis: int
    content: np.ndarray | None  # None for an activation, whose first dimension is the batch


class Operator(NamedTuple):
    kind: str  # a name in tflite.BuiltinOperator
    version: int
    inputs: list[int]
    outputs: list[int]
    options: str | None  # the name of an options table, "Conv2DOptions"
    fields: dict[str, object]  # its fields, named as in the `tflite` package


class GraphWriter:
    """Collects tensors and operators in the order they run, then serializes them."""

    def __init__(self):
        self.tensors: list[Tensor] = []
        self.operators: list[Operator] = []

    def activation(self, name: str, shape: tuple[int, ...], affine: Affine, element: str = "int8") -> int:
        """Adds an activation whose first dimension is a batch of any size; returns its index."""
        scales = np.array([affine.scale], np.float32)
        return self._add(Tensor(name, (1, *shape), element, scales, affine.zero_point, 0, None))

    def constant(self, name: str, content: np.ndarray, scales: np.ndarray | None = None, channel_axis: int = 0) -> int:
        """Adds a constant, symmetric where it has scales; returns its index."""
        return self._add(Tensor(name, content.shape, content.dtype.name, scales, 0, channel_axis, content))

    def operator(self, kind, version, inputs, outputs, options=None, **fields) -> None:
        self.operators.append(Operator(kind, version, inputs, outputs, options, fields))

    def serialize(self, inputs: list[int], outputs: list[int], description: str) -> bytes:
        """The file, of one subgraph that starts from `inputs` and answers `outputs`."""
        builder = flatbuffers.Builder(1 << 16)
        contents = [t.content for t in self.tensors if t.content is not None]
        codes = sorted({(op.kind, op.version) for op in self.operators})
        buffers = _table_vector(builder, [_buffer(builder, content) for content in [None, *contents]])
        subgraphs = _table_vector(builder, [self._subgraph(builder, inputs, outputs, codes)])
        operator_codes = _table_vector(builder, [_operator_code(builder, *code) for code in codes])
        text = builder.CreateString(description)
        tflite.ModelStart(builder)
        tflite.ModelAddVersion(builder, SCHEMA_VERSION)
        tflite.ModelAddOperatorCodes(builder, operator_codes)
        tflite.ModelAddSubgraphs(builder, subgraphs)
        tflite.ModelAddDescription(builder, text)
        tflite.ModelAddBuffers(builder, buffers)
        builder.Finish(tflite.ModelEnd(builder), file_identifier=FILE_IDENTIFIER)
        return bytes(builder.Output())

    def _add(self, tensor: Tensor) -> int:
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def _subgraph(self, builder, inputs, outputs, codes) -> int:
        constants = [i for i, tensor in enumerate(self.tensors) if tensor.content is not None]
        buffer_of = {tensor: buffer for buffer, tensor in enumerate(constants, start=1)}  # buffer 0 is the empty one
        tensors = [_tensor(builder, t, buffer_of.get(i, 0)) for i, t in enumerate(self.tensors)]
        operators = [_operator(builder, op, codes.index((op.kind, op.version))) for op in self.operators]
        fields = {
            "Tensors": _table_vector(builder, tensors),
            "Inputs": _int32_vector(builder, inputs),
            "Outputs": _int32_vector(builder, outputs),
            "Operators": _table_vector(builder, operators),
            "Name": builder.CreateString("main"),
        }
        return _table(builder, "SubGraph", fields)


def _table(builder, table: str, fields: dict[str, object]) -> int:
    """Builds a table with the functions the `tflite` package generated for it; offsets must exist already."""
    getattr(tflite, f"{table}Start")(builder)
    for field, value in fields.items():
        getattr(tflite, f"{table}Add{field}")(builder, value)
    return getattr(tflite, f"{table}End")(builder)


def _table_vector(builder, offsets: list[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


def _int32_vector(builder, values) -> int:
    return builder.CreateNumpyVector(np.array(values, np.int32))


def _buffer(builder, content: np.ndarray | None) -> int:
    if content is None:
        return _table(builder, "Buffer", {})
    data = content.astype(content.dtype.newbyteorder("<")).tobytes()
    builder.StartVector(1, len(data), BUFFER_ALIGNMENT)
    builder.head -= len(data)
    builder.Bytes[builder.head : builder.head + len(data)] = data
    return _table(builder, "Buffer", {"Data": builder.EndVector()})


def _operator_code(builder, kind: str, version: int) -> int:
    code = getattr(tflite.BuiltinOperator, kind)
    return _table(builder, "OperatorCode", {
        "DeprecatedBuiltinCode": min(code, 127),  # what readers older than schema 3a look at
        "BuiltinCode": code,
        "Version": version,
    })


def _tensor(builder, tensor: Tensor, buffer: int) -> int:
    fields = {
        "Name": builder.CreateString(tensor.name),
        "Shape": _int32_vector(builder, tensor.shape),
        "Type": ELEMENT_TYPES[tensor.element],
        "Buffer": buffer,
    }
    if tensor.content is None:
        fields["ShapeSignature"] = _int32_vector(builder, (-1, *tensor.shape[1:]))
    if tensor.scales is not None:
        zero_points = np.full(len(tensor.scales), tensor.zero_point, np.int64)
        fields["Quantization"] = _table(builder, "QuantizationParameters", {
            "Scale": builder.CreateNumpyVector(tensor.scales),
            "ZeroPoint": builder.CreateNumpyVector(zero_points),
            "QuantizedDimension": tensor.channel_axis,
        })
    return _table(builder, "Tensor", fields)


def _operator(builder, operator: Operator, code_index: int) -> int:
    fields = {
        "OpcodeIndex": code_index,
        "Inputs": _int32_vector(builder, operator.inputs),
        "Outputs": _int32_vector(builder, operator.outputs),
    }
    if operator.options is not None:
        fields["BuiltinOptions"] = _table(builder, operator.options, operator.fields)
        fields["BuiltinOptionsType"] = getattr(tflite.BuiltinOptions, operator.options)
    return _table(builder, "Operator", fields)
