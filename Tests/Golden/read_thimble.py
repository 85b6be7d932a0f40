#!/usr/bin/env python3
"""read_thimble.py: reads a .thimble file as Sources/ModelFile/FORMAT.md describes it, and nothing else.

usage: read_thimble.py MODEL.thimble               lists tensors and operators
       read_thimble.py MODEL.thimble MODEL.tflite  also compares every convolution's unpacked weights with the source's
                                                   (needs: pip install tflite numpy)
Frames are decoded with the zstandard package or, without it, with the zstd program.
"""
import struct, subprocess, sys

MASK = (1 << 64) - 1
P1, P2, P3, P4, P5 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
TYPES = ["uint8", "int8", "int16", "int32", "int64", "float32", "bool"]


def xxh64(data):
    rotate = lambda x, n: (x << n | x >> (64 - n)) & MASK
    one = lambda a, lane: rotate((a + lane * P2) & MASK, 31) * P1 & MASK
    at, end = 0, len(data)
    if end >= 32:
        v = [(P1 + P2) & MASK, P2, 0, -P1 & MASK]
        for lanes in struct.iter_unpack("<4Q", data[:end // 32 * 32]):
            v = [one(a, lane) for a, lane in zip(v, lanes)]
        at = end // 32 * 32
        h = sum(rotate(a, n) for a, n in zip(v, (1, 7, 12, 18))) & MASK
        for a in v:
            h = ((h ^ one(0, a)) * P1 + P4) & MASK
    else:
        h = P5
    h = (h + end) & MASK
    while at + 8 <= end:
        h = (rotate(h ^ one(0, struct.unpack_from("<Q", data, at)[0]), 27) * P1 + P4) & MASK
        at += 8
    if at + 4 <= end:
        h = (rotate(h ^ struct.unpack_from("<I", data, at)[0] * P1 & MASK, 23) * P2 + P3) & MASK
        at += 4
    for byte in data[at:]:
        h = rotate(h ^ byte * P5 & MASK, 11) * P1 & MASK
    h = (h ^ h >> 33) * P2 & MASK
    h = (h ^ h >> 29) * P3 & MASK
    return h ^ h >> 32


def decode(frame, size):
    try:
        import zstandard
        data = zstandard.ZstdDecompressor().decompress(frame, max_output_size=size)
    except ImportError:
        data = subprocess.run(["zstd", "-dcq"], input=frame, stdout=subprocess.PIPE, check=True).stdout
    assert len(data) == size
    return data


class Records:
    """The metadata's values, in order."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def one(self, code):
        value, = struct.unpack_from("<" + code, self.data, self.at)
        self.at += struct.calcsize(code)
        return value

    def many(self, codes): return [self.one(c) for c in codes]
    def array(self, read): return [read() for _ in range(self.one("I"))]
    def numbers(self, code): return self.array(lambda: self.one(code))
    def optional(self, read): return read() if self.flag() else None

    def flag(self):
        value = self.one("B")
        assert value in (0, 1)
        return value == 1

    def text(self):
        count = self.one("H")
        self.at += count
        return self.data[self.at - count:self.at].decode()

    def tensor(self):
        return dict(name=self.text(), type=TYPES[self.one("B")], shape=self.numbers("I"),
                    quantization=self.optional(lambda: self.many("fi")), blob=self.optional(lambda: self.one("I")))

    def blob(self): return dict(size=self.one("Q"), tiles=self.array(lambda: self.many("BQIIQ")))

    def operator(self):
        name, code = self.text(), self.one("B")
        return dict(name=name, code=code, fields=self.fields(code), operands=self.numbers("I"), output=self.one("I"))

    def window(self):
        names = "batches input_height input_width input_channels output_height output_width output_channels kernel_height " \
            "kernel_width stride_height stride_width dilation_height dilation_width padding_top padding_left"
        return dict(zip(names.split(), self.many("I" * 15)))

    def fields(self, code):
        numbers, factor = self.numbers, lambda: self.many("ii")
        if code in (1, 2):
            return dict(window=self.window(), weights=self.one("I"), bias=numbers("i"), sums=numbers("i"), multipliers=numbers("i"),
                        shifts=numbers("b"), input_zero=self.one("B"), weight_zero=self.one("i"),
                        output_zero=self.one("B"), clamp=self.many("BB"), rounds_once=self.flag())
        if code == 3:
            return [self.one("B"), numbers("q"), numbers("q"), numbers("q"), self.many("iii"), factor(), factor(), factor(),
                    self.many("BB"), self.optional(lambda: self.many("fff"))]
        if code == 4: return [self.one("B"), self.window(), self.flag(), self.many("BB")]
        if code == 5: return [numbers("q"), numbers("q"), numbers("q"), numbers("q"), self.many("ii"), factor()]
        if code == 6: return [self.many("QQ"), numbers("i")]
        if code == 7: return numbers("B")
        if code in (8, 9): return self.many("fi")
        if code == 10: return [self.one("B"), self.many("IIIIII"), self.flag(), self.flag()]
        if code == 11: return [self.many("QQQ"), self.flag()]
        if code == 12: return [self.optional(lambda: self.one("B")), self.array(self.region)]
        assert code == 13
        return []

    def region(self):
        return [self.one("I"), self.many("QQ"), self.numbers("q"), self.numbers("q"), self.numbers("q"), self.one("Q")]


class Model:
    def __init__(self, path):
        self.data = data = open(path, "rb").read()
        magic, version, encoding, size, start, stored, decoded, checksum, header = struct.unpack_from("<8sIIQQQQQQ", data)
        assert magic == b"THIMBLE\n" and version == 1 and size == len(data)
        assert xxh64(data[:56]) == header and not any(data[64:4096])
        metadata = data[start:start + stored]
        assert start % 64 == 0 and xxh64(metadata) == checksum
        r = Records(decode(metadata, decoded) if encoding else metadata)
        self.name = r.text()
        self.tensors, self.blobs, self.operators = r.array(r.tensor), r.array(r.blob), r.array(r.operator)
        self.inputs, self.outputs = r.numbers("I"), r.numbers("I")
        assert r.at == len(r.data) == decoded

    def bytes(self, blob):
        out = b""
        for encoding, offset, stored, decoded, checksum in self.blobs[blob]["tiles"]:
            tile = self.data[offset:offset + stored]
            assert offset % 64 == 0 and xxh64(tile) == checksum
            out += decode(tile, decoded) if encoding else tile
        assert len(out) == self.blobs[blob]["size"]
        return out

    def weights(self, operator):
        """Signed weights [O][H][W][C] of a convolution (C = 1 for a depthwise one), and their zero point."""
        import numpy as np
        fields, g = operator["fields"], operator["fields"]["window"]
        o, h, w, c = g["output_channels"], g["kernel_height"], g["kernel_width"], g["input_channels"]
        up = lambda n: (n + 3) // 4 * 4
        if operator["code"] == 2: c, column, row, k = 1, 1, w, up(h * w)
        elif g["dilation_width"] == 1 or w == 1: column, row, k = c, up(w * c), h * up(w * c)
        else: column, row, k = up(c), w * up(c), h * w * up(c)
        packed = np.frombuffer(self.bytes(fields["weights"]), np.int8)
        assert len(packed) == (o + 15) // 16 * 16 * k
        O, Y, X, C = np.meshgrid(*map(np.arange, (o, h, w, c)), indexing="ij")
        K = Y * row + X * column + C
        return packed[O // 16 * (16 * k) + K // 4 * 64 + O % 16 * 4 + K % 4], fields["weight_zero"]


def compare(model, path):
    """Every convolution against the .tflite file's filters, in order: the same real numbers up to the scale."""
    import numpy as np, tflite
    source = tflite.Model.GetRootAsModel(open(path, "rb").read(), 0)
    graph = source.Subgraphs(0)
    filters = []
    for i in range(graph.OperatorsLength()):
        step = graph.Operators(i)
        entry = source.OperatorCodes(step.OpcodeIndex())
        code = max(entry.BuiltinCode(), entry.DeprecatedBuiltinCode())
        if code not in (3, 4, 9): continue  # CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED
        tensor = graph.Tensors(step.Inputs(1))
        shape = tensor.ShapeAsNumpy()
        unsigned = tensor.Type() == 3
        bytes_ = source.Buffers(tensor.Buffer()).DataAsNumpy()
        values = bytes_.astype(np.int32) if unsigned else bytes_.view(np.int8).astype(np.int32)
        values = values.reshape(shape)
        zero = int(tensor.Quantization().ZeroPoint(0)) if tensor.Quantization().ZeroPointLength() else 0
        if code == 4: values = values.transpose(3, 1, 2, 0)
        if code == 9: values = values.reshape(shape[0], 1, 1, shape[1])
        filters.append(values - zero)
    ours = [op for op in model.operators if op["code"] in (1, 2)]
    assert len(ours) == len(filters), (len(ours), len(filters))
    count = 0
    for op, expected in zip(ours, filters):
        weights, zero = model.weights(op)
        assert weights.shape == expected.shape and (weights.astype(np.int32) - zero == expected).all(), op["name"]
        assert (weights.astype(np.int64).sum(axis=(1, 2, 3)) == op["fields"]["sums"]).all()
        count += weights.size
    print(f"{len(ours)} convolutions, {count} weights: the same as {path}'s")


def main():
    if len(sys.argv) not in (2, 3): sys.exit(__doc__)
    model = Model(sys.argv[1])
    if len(sys.argv) == 3: return compare(model, sys.argv[2])
    print(model.name)
    for index, tensor in enumerate(model.tensors): print(f"  tensor {index}: {tensor['type']} {tensor['shape']} {tensor['name']}")
    for op in model.operators: print(f"  {op['name']} {op['operands']} → {op['output']}")


if __name__ == "__main__":
    main()
