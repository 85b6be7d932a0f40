#!/usr/bin/env python3
"""What gRPC adds to a request: the same inference over HTTP to the daemon and over gRPC to thimble-grpc, by turns.

usage: grpc_time.py THIMBLE THIMBLE_GRPC MODEL [--count N]

MODEL is a .tflite or .thimble file. The clients are as small as can be: sockets, and frames made beforehand. Times are µs.
"""
import argparse
import json
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time

SIZES = {"BOOL": 1, "UINT8": 1, "INT8": 1, "INT16": 2, "INT32": 4, "INT64": 8, "FP32": 4}


def connected(path):
    client = socket.socket(socket.AF_UNIX)
    client.connect(path)
    return client


class HTTP:
    def __init__(self, path):
        self.socket = connected(path)

    def exchange(self, request):
        self.socket.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self.socket.recv(65536)
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), answer
        length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")][0]
        while len(body) < int(length.split(b":")[1]):
            body += self.socket.recv(65536)
        return body

    def infer(self, inputs, data):
        tensors = [{**tensor, "parameters": {"binary_data_size": len(bytes_)}} for tensor, bytes_ in zip(inputs, data)]
        head = json.dumps({"parameters": {"binary_data_output": True}, "inputs": tensors}).encode()
        body = head + b"".join(data)
        request = (f"POST /v2/models/model/infer HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
                   f"Inference-Header-Content-Length: {len(head)}\r\n\r\n").encode() + body
        return lambda: self.exchange(request)


def frame(kind, flags, stream, data=b""):
    return struct.pack(">I", len(data))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + data


def literal(name, value):
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def varint(value):
    out = b""
    while value >= 128:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


class GRPC:
    HEAD = b"\x83\x86" + literal(":path", "/inference.GRPCInferenceService/ModelInfer") + literal(":authority", "x") \
        + literal("content-type", "application/grpc") + literal("te", "trailers")

    def __init__(self, path):
        self.socket, self.received, self.stream = connected(path), b"", -1
        self.window = self.first_stream_window = 65535
        self.stream_window, self.frame_size = 0, 16384
        # What the server may send is without bound.
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, struct.pack(">HI", 4, 2**31 - 1))
                            + frame(8, 0, 0, struct.pack(">I", 2**31 - 65536)))

    def next(self):
        while len(self.received) < 9 or len(self.received) < 9 + int.from_bytes(self.received[:3], "big"):
            self.received += self.socket.recv(262144)
        length = int.from_bytes(self.received[:3], "big")
        kind, flags, stream = self.received[3], self.received[4], int.from_bytes(self.received[5:9], "big")
        data, self.received = self.received[9:9 + length], self.received[9 + length:]
        if kind == 4 and not flags & 1:
            for start in range(0, length, 6):
                setting, value = struct.unpack(">HI", data[start:start + 6])
                if setting == 4:
                    self.stream_window += value - self.first_stream_window
                    self.first_stream_window = value
                if setting == 5:
                    self.frame_size = value
            self.socket.sendall(frame(4, 1, 0))
        if kind == 8:
            if stream == 0:
                self.window += struct.unpack(">I", data)[0]
            elif stream == self.stream:
                self.stream_window += struct.unpack(">I", data)[0]
        assert kind not in (3, 7), (kind, data)
        return kind, flags, stream, data

    def exchange(self, body):
        self.stream += 2
        self.stream_window = self.first_stream_window
        pieces, sent = [frame(1, 4, self.stream, self.HEAD)], 0
        while sent < len(body):
            while (size := min(self.frame_size, len(body) - sent, self.window, self.stream_window)) > 0:
                end = 1 if sent + size == len(body) else 0
                pieces.append(frame(0, end, self.stream, body[sent:sent + size]))
                sent += size
                self.window -= size
                self.stream_window -= size
            self.socket.sendall(b"".join(pieces))
            pieces = []
            if sent < len(body):
                self.next()
        answer = b""
        while True:
            kind, flags, stream, data = self.next()
            if stream != self.stream:
                continue
            if kind == 0:
                answer += data
            if kind in (0, 1) and flags & 1:
                assert answer, "the call failed"
                return answer

    def infer(self, inputs, data):
        message = field(1, b"model")
        for tensor in inputs:
            shape = b"".join(varint(size) for size in tensor["shape"])
            message += field(5, field(1, tensor["name"].encode()) + field(2, tensor["datatype"].encode()) + field(3, shape))
        for bytes_ in data:
            message += field(7, bytes_)
        return lambda: self.exchange(b"\0" + struct.pack(">I", len(message)) + message)


def measured(call, count):
    times = []
    for _ in range(count):
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1e6)
    return sorted(times)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("thimble")
    parser.add_argument("gateway")
    parser.add_argument("model")
    parser.add_argument("--count", type=int, default=300)
    options = parser.parse_args()
    folder = tempfile.mkdtemp()
    version = folder + "/models/model/1"
    os.makedirs(version)
    if options.model.endswith(".tflite"):
        subprocess.run([options.thimble, "import", options.model, "-o", version + "/model.thimble"], check=True,
                       stdout=subprocess.DEVNULL)
    else:
        shutil.copy(options.model, version + "/model.thimble")
    daemon = subprocess.Popen([options.thimble, "serve", "--models", folder + "/models", "--socket", folder + "/socket", "--quiet"])
    gateway = subprocess.Popen([options.gateway, "--socket", folder + "/grpc", "--server", folder + "/socket"])
    try:
        while not (os.path.exists(folder + "/socket") and os.path.exists(folder + "/grpc")):
            time.sleep(0.05)
        http = HTTP(folder + "/socket")
        inputs = json.loads(http.exchange(b"GET /v2/models/model HTTP/1.1\r\nHost: x\r\n\r\n"))["inputs"]
        data = []
        for tensor in inputs:
            size = SIZES[tensor["datatype"]]
            for dimension in tensor["shape"]:
                size *= dimension
            data.append(bytes(index * 7 % 251 for index in range(size)))
        calls = {"HTTP": http.infer(inputs, data), "gRPC": GRPC(folder + "/grpc").infer(inputs, data)}
        for call in calls.values():
            measured(call, 20)
        times = {name: [] for name in calls}
        for _ in range(5):
            for name, call in calls.items():
                times[name] += measured(call, max(1, options.count // 5))
        for name in calls:
            each = sorted(times[name])
            print(f"{name}: least {each[0]:.0f} µs, median {each[len(each) // 2]:.0f} µs, "
                  f"{1e6 * len(each) / sum(each):.0f} requests/s over one connection")
        print(f"gRPC adds {sorted(times['gRPC'])[0] - sorted(times['HTTP'])[0]:.0f} µs to {sum(map(len, data))} bytes")
    finally:
        gateway.terminate()
        daemon.terminate()
        gateway.wait()
        daemon.wait()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
