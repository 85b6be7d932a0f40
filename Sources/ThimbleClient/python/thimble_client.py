"""A client of a Thimble daemon: one file, Python 3.9's standard library and NumPy. Copy it to where it is needed.

>>> import numpy as np
>>> from thimble_client import Client
>>> client = Client(socket_path)
>>> client.is_ready()
True
>>> digit = np.zeros((1, 8, 8, 1), np.uint8)
>>> digit[0, 1:7, 4] = 16
>>> outputs = client.infer("digits", {"image": digit})
>>> outputs["probabilities"].shape, int(outputs["probabilities"].argmax())
((1, 10), 1)
>>> client.classify("digits", {"image": digit}, count=1)["probabilities"][0].index
1

Tensors in memory that the daemon shares do not go through the socket. `share` makes such memory; arrays in it are used where they
stand, as inputs and, with `into`, as outputs. It needs Python 3.9 and Linux.

>>> memory = client.share("camera", 8192)
>>> image = memory.array((1, 8, 8, 1), np.uint8)
>>> result = memory.array((1, 10), np.uint8, offset=4096)
>>> image[:] = digit
>>> answer = client.infer("digits", {"image": image}, into={"probabilities": result})
>>> answer["probabilities"] is result, int(result.argmax())
(True, 1)
>>> client.close()
"""
import collections
import fcntl
import json
import mmap
import os
import socket
import urllib.parse

import numpy as np

__all__ = ["Client", "Class", "Memory", "ThimbleError"]

_NAMES = {"bool": "BOOL", "uint8": "UINT8", "int8": "INT8", "int16": "INT16", "int32": "INT32", "int64": "INT64",
          "float32": "FP32"}
_TYPES = {name: np.dtype(kind) for kind, name in _NAMES.items()}

Class = collections.namedtuple("Class", "value index label")
Class.__doc__ = "One of the highest elements of an output: its value as text, its index, and its label or None."


class ThimbleError(Exception):
    """What the daemon refused, in its words. `status` is HTTP's; 503 may go well a little later."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Memory:
    """Bytes that this process and the daemon share: a memfd that cannot be cut off. Made by `Client.share`."""

    def __init__(self, name, byte_count):
        self.name, self.byte_count = name, byte_count
        self.descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.descriptor, byte_count)
        fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
        self.bytes = np.frombuffer(mmap.mmap(self.descriptor, byte_count), np.uint8)

    def __del__(self):
        if hasattr(self, "descriptor"):
            os.close(self.descriptor)

    def array(self, shape, dtype, offset=0):
        """An array that stands in the memory from `offset` on."""
        return np.ndarray(shape, dtype, buffer=self.bytes, offset=offset)

    def place(self, array):
        """The tensor parameters of an array in this memory; None where it lies elsewhere or has gaps."""
        offset = array.ctypes.data - self.bytes.ctypes.data
        if not array.flags.c_contiguous or offset < 0 or offset + array.nbytes > self.byte_count:
            return None
        return {"shared_memory_region": self.name, "shared_memory_byte_size": array.nbytes,
                "shared_memory_offset": offset}


class Client:
    """Keeps one connection; opens another where the daemon has closed it. Use it from one thread at a time."""

    def __init__(self, socket_path, timeout=60):
        self._path, self._timeout = socket_path, timeout
        self._socket, self._memories = None, {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Lets the daemon forget the connection and what was shared over it."""
        self._memories = {}
        self._disconnect()

    # --- asking

    def is_ready(self, model=None):
        """Whether the daemon, or a model, takes requests."""
        path = f"models/{_quoted(model)}/ready" if model else "health/ready"
        return self._exchange("GET", f"/v2/{path}")[0] == 200

    def models(self):
        return self._json("GET", "/v2/models")["models"]

    def metadata(self, model, version=None):
        """The names, shapes and datatypes of a model's inputs and outputs."""
        return self._json("GET", _model_path(model, version))

    def load(self, model):
        self._accepted("POST", f"/v2/repository/models/{_quoted(model)}/load", b"{}")

    def unload(self, model):
        self._accepted("POST", f"/v2/repository/models/{_quoted(model)}/unload", b"{}")

    # --- inference

    def infer(self, model, inputs, version=None, outputs=None, into=None, parameters=None):
        """Runs a model on arrays by name; returns its outputs by name, or those that `outputs` lists.

        `into` has arrays in shared memory, by name, that outputs are written to; with it only they and `outputs` are answered.
        `parameters` are the request's, such as {"timeout": microseconds}.
        """
        into = into or {}
        wanted = [{"name": name, "parameters": {"binary_data": True}} for name in outputs or [] if name not in into]
        wanted += [{"name": name, "parameters": self._place(array, name)} for name, array in into.items()]
        return self._infer(model, version, inputs, wanted, dict(parameters or {}, binary_data_output=True), into)

    def classify(self, model, inputs, count=5, version=None, outputs=None):
        """The `count` highest elements of each output, highest first, as `Class`es."""
        names = outputs or [output["name"] for output in self.metadata(model, version)["outputs"]]
        wanted = [{"name": name, "parameters": {"classification": count, "binary_data": False}} for name in names]
        return self._infer(model, version, inputs, wanted, {}, {})

    def _infer(self, model, version, inputs, wanted, parameters, into):
        tensors, parts = [], []
        for name, array in inputs.items():
            array = np.asarray(array)
            if array.dtype.name not in _NAMES:
                raise TypeError(f"{name}: {array.dtype} is no datatype of a tensor here")
            tensor = {"name": name, "shape": array.shape, "datatype": _NAMES[array.dtype.name]}
            place = self._find(array)
            if place is None:
                parts.append(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
                place = {"binary_data_size": array.nbytes}
            tensors.append(dict(tensor, parameters=place))
        request = {"inputs": tensors, "parameters": parameters}
        if wanted:
            request["outputs"] = wanted
        head, body = self._accepted("POST", _model_path(model, version) + "/infer", _dumped(request), parts)
        length = int(head.get("inference-header-content-length", len(body)))
        return _outputs(json.loads(body[:length]), memoryview(body)[length:], into)

    def _find(self, array):
        for memory in self._memories.values():
            place = memory.place(array)
            if place is not None:
                return place
        return None

    def _place(self, array, name):
        place = self._find(array)
        if place is None:
            raise ValueError(f"{name} is no contiguous array in shared memory: make it with share(…).array(…)")
        return place

    # --- shared memory

    def share(self, name, byte_count):
        """New memory that the daemon maps too, as long as this client has it. It is passed again with every new connection."""
        memory = Memory(name, byte_count)
        self._accepted("POST", *_registration(memory), descriptor=memory.descriptor)
        self._memories[name] = memory
        return memory

    def unshare(self, memory):
        self._memories.pop(memory.name, None)
        self._accepted("POST", f"/v2/thimble/memory/region/{_quoted(memory.name)}/unregister")

    # --- exchanges

    def _json(self, method, path):
        return json.loads(self._accepted(method, path)[1])

    def _accepted(self, method, path, body=b"", parts=(), descriptor=None):
        status, head, answer = self._exchange(method, path, body, parts, descriptor)
        if status != 200:
            try:
                message = json.loads(answer)["error"]
            except (ValueError, KeyError, TypeError):
                message = f"status {status}"
            raise ThimbleError(status, message)
        return head, answer

    def _exchange(self, method, path, body=b"", parts=(), descriptor=None):
        if self._socket is not None:
            try:
                return self._exchange_once(method, path, body, parts, descriptor)
            except ConnectionError:
                self._disconnect()  # closed meanwhile: once more
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.settimeout(self._timeout)
            self._socket.connect(self._path)
            for memory in self._memories.values():
                self._exchange_once("POST", *_registration(memory), (), memory.descriptor)
            return self._exchange_once(method, path, body, parts, descriptor)
        except BaseException:
            self._disconnect()
            raise

    def _exchange_once(self, method, path, body, parts, descriptor):
        length = len(body) + sum(len(part) for part in parts)
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n"
        if parts:
            head += f"Inference-Header-Content-Length: {len(body)}\r\n"
        rest = [memoryview(head.encode() + b"\r\n" + body), *map(memoryview, parts)]
        try:
            self._send(rest, descriptor)
        except BrokenPipeError:
            pass  # refused in its middle: the answer says why
        return self._receive()

    def _send(self, rest, descriptor):
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, np.int32(descriptor).tobytes())] if descriptor is not None else []
        while rest:
            sent = self._socket.sendmsg(rest[:16], rights)
            rights = []
            while rest and sent >= len(rest[0]):
                sent -= len(rest.pop(0))
            if sent:
                rest[0] = rest[0][sent:]

    def _receive(self):
        data = bytearray()
        while True:
            end = data.find(b"\r\n\r\n")
            if end >= 0:
                break
            self._receive_more(data)
        lines = data[:end].decode("latin-1").split("\r\n")
        head = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        del data[:end + 4]
        length = int(head.get("content-length", 0))
        while len(data) < length:
            self._receive_more(data)
        if head.get("connection", "").lower() == "close":
            self._disconnect()
        return int(lines[0].split()[1]), head, data

    def _receive_more(self, data):
        received = self._socket.recv(1 << 18)
        if not received:
            raise ConnectionResetError("the daemon closed the connection")
        data += received

    def _disconnect(self):
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _dumped(document):
    return json.dumps(document, separators=(",", ":")).encode()


def _quoted(name):
    return urllib.parse.quote(name, safe="")


def _model_path(model, version):
    return f"/v2/models/{_quoted(model)}" + (f"/versions/{_quoted(str(version))}" if version is not None else "")


def _registration(memory):
    return (f"/v2/thimble/memory/region/{_quoted(memory.name)}/register", _dumped({"byte_size": memory.byte_count}))


def _outputs(answer, binary, into):
    outputs, position = {}, 0
    for output in answer["outputs"]:
        name, parameters = output["name"], output.get("parameters", {})
        if "shared_memory_region" in parameters:
            outputs[name] = into[name]
        elif output["datatype"] == "BYTES":
            outputs[name] = [_class(text) for text in output["data"]]
        elif "binary_data_size" in parameters:
            size = parameters["binary_data_size"]
            array = np.frombuffer(binary[position:position + size], _TYPES[output["datatype"]])
            outputs[name] = array.reshape(output["shape"])
            position += size
        else:
            outputs[name] = np.array(output["data"], _TYPES[output["datatype"]]).reshape(output["shape"])
    return outputs


def _class(text):
    value, index, *label = text.split(":", 2)
    return Class(value, int(index), label[0] if label else None)
