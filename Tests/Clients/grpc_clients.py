#!/usr/bin/env python3
"""tritonclient and grpcio against thimble-grpc in front of a running daemon.

usage: grpc_clients.py THIMBLE_GRPC DAEMON_SOCKET MODELS_DIR

The daemon serves the `digits` model of MODELS_DIR and listens at DAEMON_SOCKET.
"""
import asyncio
import concurrent.futures
import json
import os
import queue
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

import grpc
import grpc_time
import httpx
import numpy as np
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
import tritonclient.utils.shared_memory as shm
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

from grpc_daemon import FakeDaemon, reply, tensor_reply

GATEWAY, DAEMON, MODELS = os.path.abspath(sys.argv[1]), sys.argv[2], sys.argv[3]
FOLDER = tempfile.mkdtemp()
SOCKET = FOLDER + "/grpc"
# Channels of one process share a connection unless told not to.
OWN = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]

with open(f"{MODELS}/digits/heldout.bin", "rb") as file:
    raw = file.read()
count, height, width = struct.unpack("<3I", raw[8:20])
pictures = np.frombuffer(raw, np.uint8, count * height * width, 20).reshape(count, 1, height, width, 1)


class Gateway:
    def __init__(self, server, path=SOCKET, *options):
        self.path = path
        self.process = subprocess.Popen([GATEWAY, "--socket", path, "--server", server, *options])
        for _ in range(200):
            if os.path.exists(path):
                break
            time.sleep(0.02)
        os.chmod(path, 0o666)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(40) == 0, self.process.returncode

    def client(self):
        return triton.InferenceServerClient("unix:" + self.path, channel_args=OWN)

    def stub(self, **options):
        return service_pb2_grpc.GRPCInferenceServiceStub(grpc.insecure_channel("unix:" + self.path, OWN, **options))


class Faked:
    """A gateway in front of a stand-in for the daemon."""

    def __init__(self, answer, *options):
        self.daemon = FakeDaemon(FOLDER + "/fake", answer)
        self.gateway = Gateway(self.daemon.path, FOLDER + "/fake-grpc", *options)

    def __enter__(self):
        return self.gateway.client(), self.gateway.stub(), self.daemon

    def __exit__(self, *error):
        self.gateway.__exit__(*error)
        self.daemon.close()


def picture_input(picture):
    tensor = triton.InferInput("image", [1, 8, 8, 1], "UINT8")
    tensor.set_data_from_numpy(picture)
    return tensor


def bytes_request(data, request_id="", **parameters):
    request = service_pb2.ModelInferRequest(model_name="fake", id=request_id)
    request.inputs.add(name="x", datatype="UINT8", shape=[len(data)])
    request.raw_input_contents.append(data)
    for name, value in parameters.items():
        if isinstance(value, bool):
            request.parameters[name].bool_param = value
        else:
            request.parameters[name].int64_param = value
    return request


def http():
    return httpx.Client(transport=httpx.HTTPTransport(uds=DAEMON), base_url="http://localhost", timeout=30)


def http_infer(client, picture):
    reply = client.post("/v2/models/digits/infer", content=picture.tobytes(), headers={"Inference-Header-Content-Length": "0"})
    assert reply.status_code == 200, reply.text
    return reply.content[int(reply.headers["Inference-Header-Content-Length"]):]


def refusal(function):
    """Code and message of a call that fails."""
    try:
        function()
    except grpc.RpcError as error:
        return error.code(), error.details()
    raise AssertionError("the call did not fail")


def eventually(condition):
    for _ in range(500):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come to pass")


# --- the daemon's answers

def test_documents(gateway):
    client = gateway.client()
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("digits") and client.is_model_ready("digits", "1") and not client.is_model_ready("none")
    with http() as web:
        server = web.get("/v2").json()
        metadata = client.get_server_metadata()
        assert (metadata.name, metadata.version, list(metadata.extensions)) == tuple(server.values())
        model = web.get("/v2/models/digits").json()
        assert client.get_model_metadata("digits", as_json=True)["versions"] == model["versions"]
        found = client.get_model_metadata("digits")
        for ports, expected in [(found.inputs, model["inputs"]), (found.outputs, model["outputs"])]:
            assert [{"name": p.name, "datatype": p.datatype, "shape": list(p.shape)} for p in ports] == expected
        config = client.get_model_config("digits").config
        expected = web.get("/v2/models/digits/config").json()
        assert (config.name, config.backend) == ("digits", "thimble") and config.version_policy.latest.num_versions == 1
        assert list(config.input[0].dims) == expected["input"][0]["dims"] and config.output[0].name == "probabilities"


def test_every_answer_is_that_of_http(gateway):
    client = gateway.client()
    with http() as web:
        for index in range(count):
            answer = client.infer("digits", [picture_input(pictures[index])], request_id=str(index))
            response = answer.get_response()
            assert response.raw_output_contents[0] == http_infer(web, pictures[index])
            assert (response.id, response.model_name, response.model_version) == (str(index), "digits", "1")


def test_typed_contents(gateway):
    request = service_pb2.ModelInferRequest(model_name="digits")
    tensor = request.inputs.add(name="image", datatype="UINT8", shape=[1, 8, 8, 1])
    tensor.contents.uint_contents.extend(pictures[3].flatten().tolist())
    with http() as web:
        assert gateway.stub().ModelInfer(request).raw_output_contents[0] == http_infer(web, pictures[3])
    tensor.contents.uint_contents[0] = 256
    code, message = refusal(lambda: gateway.stub().ModelInfer(request))
    assert code == grpc.StatusCode.INVALID_ARGUMENT and "UINT8" in message


def test_classification(gateway):
    output = triton.InferRequestedOutput("probabilities", class_count=2)
    answer = gateway.client().infer("digits", [picture_input(pictures[0])], outputs=[output]).as_numpy("probabilities")
    assert answer.shape == (1, 2) and answer[0][0].decode().count(":") == 2


def test_aio_client(gateway):
    async def run():
        async with triton_aio.InferenceServerClient("unix:" + gateway.path) as client:
            answers = await asyncio.gather(*[client.infer("digits", [picture_input(p)]) for p in pictures[:20]])
            with http() as web:
                for picture, answer in zip(pictures, answers):
                    assert answer.as_numpy("probabilities").tobytes() == http_infer(web, picture)
    asyncio.run(run())


def test_stream_answers_in_order(gateway):
    client, answers = gateway.client(), queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    for index in range(60):
        model = "none" if index == 30 else "digits"
        client.async_stream_infer(model, [picture_input(pictures[index])], request_id=str(index))
    with http() as web:
        for index in range(60):
            result, error = answers.get(timeout=20)
            if index == 30:
                assert "none" in str(error), error
            else:
                assert error is None and result.get_response().id == str(index), (index, error)
                assert result.get_response().raw_output_contents[0] == http_infer(web, pictures[index])
    client.async_stream_infer("digits", [picture_input(pictures[0])], enable_empty_final_response=True)
    result, error = answers.get(timeout=20)
    assert result.get_response().parameters["triton_final_response"].bool_param
    client.stop_stream()


def test_repository(gateway):
    client = gateway.client()
    index = client.get_model_repository_index()
    assert [(m.name, m.version, m.state) for m in index.models if m.name == "digits"] == [("digits", "1", "READY")]
    client.unload_model("digits")
    assert not client.is_model_ready("digits")
    client.load_model("digits")
    assert client.is_model_ready("digits")
    code, message = refusal(lambda: gateway.stub().RepositoryModelLoad(
        service_pb2.RepositoryModelLoadRequest(model_name="nöne%")))
    assert code == grpc.StatusCode.NOT_FOUND and "nöne%" in message, message


def test_statistics(gateway):
    client = gateway.client()
    before = client.get_inference_statistics("digits").model_stats[0]
    client.infer("digits", [picture_input(pictures[0])])
    after = client.get_inference_statistics().model_stats
    after = [stats for stats in after if stats.name == "digits"][0]
    assert after.inference_count == before.inference_count + 1
    assert after.inference_stats.success.count == before.inference_stats.success.count + 1
    assert after.inference_stats.success.ns > 0 and after.memory_usage[0].byte_size > 0


def test_settings(gateway):
    client = gateway.client()
    before = client.get_log_settings(as_json=True)["settings"]
    assert "log_verbose_level" in before, before
    changed = client.update_log_settings({"log_verbose_level": 1}, as_json=True)["settings"]
    assert changed["log_verbose_level"] != before["log_verbose_level"], changed
    client.update_log_settings({"log_verbose_level": 0})
    settings = client.update_trace_settings("digits", {"trace_level": ["TIMESTAMPS"]}).settings
    assert list(settings["trace_level"].value) == ["TIMESTAMPS"]
    settings = client.update_trace_settings("digits", {"trace_level": ["OFF"]}).settings
    assert list(settings["trace_level"].value) == ["OFF"], settings


def test_shared_memory(gateway):
    client = gateway.client()
    region = shm.create_shared_memory_region("tensors", f"/thimble-grpc-{os.getpid()}", 128)
    try:
        shm.set_shared_memory_region(region, [pictures[5]])
        client.register_system_shared_memory("tensors", f"/thimble-grpc-{os.getpid()}", 128)
        status = client.get_system_shared_memory_status().regions["tensors"]
        assert status.byte_size == 128 and status.key.endswith(str(os.getpid()))
        tensor = triton.InferInput("image", [1, 8, 8, 1], "UINT8")
        tensor.set_shared_memory("tensors", 64)
        output = triton.InferRequestedOutput("probabilities")
        output.set_shared_memory("tensors", 10, offset=64)
        answer = client.infer("digits", [tensor], outputs=[output])
        assert answer.get_response().raw_output_contents[0] == b""
        with http() as web:
            expected = http_infer(web, pictures[5])
        assert shm.get_contents_as_numpy(region, np.uint8, [10], offset=64).tobytes() == expected
        client.unregister_system_shared_memory("tensors")
        assert len(client.get_system_shared_memory_status().regions) == 0
    finally:
        shm.destroy_shared_memory_region(region)


def test_health(gateway):
    stub = health_pb2_grpc.HealthStub(grpc.insecure_channel("unix:" + gateway.path, OWN))
    assert stub.Check(health_pb2.HealthCheckRequest()).status == health_pb2.HealthCheckResponse.SERVING
    service = health_pb2.HealthCheckRequest(service="inference.GRPCInferenceService")
    assert stub.Check(service).status == health_pb2.HealthCheckResponse.SERVING
    code, _ = refusal(lambda: stub.Check(health_pb2.HealthCheckRequest(service="other")))
    assert code == grpc.StatusCode.NOT_FOUND


def test_errors_have_codes_and_words(gateway):
    stub = gateway.stub()
    request = service_pb2.ModelInferRequest(model_name="digits")
    assert refusal(lambda: stub.ModelInfer(request))[0] == grpc.StatusCode.INVALID_ARGUMENT
    request.model_name = ""
    assert refusal(lambda: stub.ModelInfer(request)) == (
        grpc.StatusCode.INVALID_ARGUMENT, "the request names no model")
    channel = grpc.insecure_channel("unix:" + gateway.path, OWN)
    prefix = "/inference.GRPCInferenceService/"
    assert refusal(lambda: channel.unary_unary(prefix + "Nothing")(b""))[0] == grpc.StatusCode.UNIMPLEMENTED
    for malformed in [b"\xff", b"\x0a\xff\xff\xff\xff\x0f", b"\x0b\x0c", b"\x0a\x01\xff"]:
        code, message = refusal(lambda: channel.unary_unary(prefix + "ModelMetadata")(malformed))
        assert code == grpc.StatusCode.INVALID_ARGUMENT and "malformed" in message, malformed
    code, message = refusal(lambda: gateway.stub(compression=grpc.Compression.Gzip).ModelMetadata(
        service_pb2.ModelMetadataRequest(name="digits" * 100)))
    assert code == grpc.StatusCode.UNIMPLEMENTED and "uncompressed" in message, (code, message)


def test_many_connections_and_calls_at_once(gateway):
    clients = [gateway.client() for _ in range(80)]
    with http() as web:
        expected = [http_infer(web, picture) for picture in pictures[:20]]
    with concurrent.futures.ThreadPoolExecutor(80) as pool:
        def run(client, index):
            return client.infer("digits", [picture_input(pictures[index % 20])]).as_numpy("probabilities").tobytes()
        for _ in range(3):
            answers = list(pool.map(run, clients, range(80)))
            assert all(answer == expected[index % 20] for index, answer in enumerate(answers))
        # The same over one connection: more calls than it may have at once wait in the client.
        answers = list(pool.map(run, [clients[0]] * 200, range(200)))
        assert all(answer == expected[index % 20] for index, answer in enumerate(answers))


# --- users

AS_OTHER = "import os\nos.setgroups([])\nos.setgid(65534)\nos.setuid(65534)\n"


def test_the_daemon_counts_the_user_who_calls(gateway):
    if os.getuid() != 0:
        print("  (not root: other users are left out)")
        return
    # Modules first, whose files the other user may not read; the client connects when it is first used.
    program = f"""
import numpy, grpc._channel, tritonclient.grpc as triton
tensor = triton.InferInput("image", [1, 8, 8, 1], "UINT8")
tensor.set_data_from_numpy(numpy.zeros((1, 8, 8, 1), numpy.uint8))
client = triton.InferenceServerClient("unix:{gateway.path}")
{AS_OTHER}
for _ in range(3): client.infer("digits", [tensor])
"""
    def inferences():
        with http() as web:
            found = re.search(r'thimble_client_inferences_total{user="65534"} (\d+)', web.get("/metrics").text)
        return int(found[1]) if found else 0
    before = inferences()
    os.chmod(FOLDER, 0o755)
    subprocess.run([sys.executable, "-c", program], check=True)
    assert inferences() == before + 3


def test_nobody_else_asks_for_others(gateway):
    if os.getuid() != 0:
        return
    program = "import socket\n" + AS_OTHER + f"""
import socket
for header in ["Thimble-Client-User: 0", "thimble-client-user: 65534", "Thimble-Client-User: 1000"]:
    daemon = socket.socket(socket.AF_UNIX)
    daemon.connect({DAEMON!r})
    daemon.sendall(("GET /v2/health/ready HTTP/1.1\\r\\nHost: x\\r\\n" + header + "\\r\\n\\r\\n").encode())
    answer = daemon.recv(4096).decode()
    assert answer.startswith("HTTP/1.1 403 "), answer
daemon = socket.socket(socket.AF_UNIX)
daemon.connect({DAEMON!r})
daemon.sendall(b"GET /v2/health/ready HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
assert daemon.recv(4096).startswith(b"HTTP/1.1 200 ")
"""
    mode = os.stat(DAEMON).st_mode
    folder = os.path.dirname(DAEMON)
    folder_mode = os.stat(folder).st_mode
    os.chmod(DAEMON, 0o666)
    os.chmod(folder, 0o755)
    try:
        subprocess.run([sys.executable, "-c", program], check=True)
    finally:
        os.chmod(DAEMON, mode)
        os.chmod(folder, folder_mode)


# --- a daemon that does what is wanted

def test_large_tensors_both_ways(_):
    def answer(request, _):
        return tensor_reply(request.tensors[::-1], request.json.get("id", ""))
    with Faked(answer) as (_, stub, _):
        for size in [0, 1, 65_535, 150_528, 1 << 20, 20_000_000]:
            data = os.urandom(size)
            assert stub.ModelInfer(bytes_request(data)).raw_output_contents[0] == data[::-1], size
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            blocks = [os.urandom(3_000_000) for _ in range(8)]
            for data, found in zip(blocks, pool.map(lambda data: stub.ModelInfer(bytes_request(data)), blocks)):
                assert found.raw_output_contents[0] == data[::-1]


def test_messages_have_a_limit(_):
    with Faked(lambda request, _: tensor_reply(b""), "--body-limit", "1M", "--memory", "2M") as (_, stub, _):
        assert stub.ModelInfer(bytes_request(bytes(1_000_000))).model_name == "fake"
        code, message = refusal(lambda: stub.ModelInfer(bytes_request(bytes(1 << 20))))
        assert code == grpc.StatusCode.RESOURCE_EXHAUSTED and "1048576" in message, (code, message)


def test_memory_for_messages_is_bounded(_):
    held = threading.Event()

    def answer(request, _):
        held.wait(20)
        return tensor_reply(b"")
    with Faked(answer, "--body-limit", "1M", "--memory", "4M") as (_, stub, _):
        calls = [stub.ModelInfer.future(bytes_request(bytes(1_000_000))) for _ in range(12)]
        eventually(lambda: sum(call.done() for call in calls) >= 8)
        held.set()
        codes = [call.code() for call in calls]
        assert codes.count(grpc.StatusCode.RESOURCE_EXHAUSTED) == 8 and codes.count(grpc.StatusCode.OK) == 4, codes


def test_deadlines_and_cancellation_reach_the_daemon(_):
    with Faked(lambda request, connection: connection.recv(1) and None) as (_, stub, daemon):
        code, _ = refusal(lambda: stub.ModelInfer(bytes_request(b"x"), timeout=0.3))
        assert code == grpc.StatusCode.DEADLINE_EXCEEDED
        assert daemon.hung_up.acquire(timeout=10)
        call = stub.ModelInfer.future(bytes_request(b"x"))
        eventually(lambda: daemon.connections == 2)
        call.cancel()
        assert daemon.hung_up.acquire(timeout=10)


def test_a_daemon_that_is_not_there(_):
    with Gateway(FOLDER + "/nothing", FOLDER + "/lonely") as gateway:
        client = gateway.client()
        assert not client.is_server_live() and not client.is_server_ready()
        code, message = refusal(lambda: gateway.stub().ModelInfer(bytes_request(b"x")))
        assert code == grpc.StatusCode.UNAVAILABLE and "/nothing" in message
        stub = health_pb2_grpc.HealthStub(grpc.insecure_channel("unix:" + gateway.path, OWN))
        assert stub.Check(health_pb2.HealthCheckRequest()).status == health_pb2.HealthCheckResponse.NOT_SERVING


def test_a_kept_connection_that_the_daemon_closed(_):
    def answer(request, connection):
        connection.sendall(tensor_reply(request.tensors))
        return None  # without having said so
    with Faked(answer) as (_, stub, daemon):
        for index in range(20):
            assert stub.ModelInfer(bytes_request(b"%d" % index)).raw_output_contents[0] == b"%d" % index
        assert daemon.connections >= 20


def test_answers_that_are_none(_):
    answers = [b"nonsense\r\n\r\n", reply(b"{"), reply(b"[]"), reply(b'{"outputs":[{"parameters":{"binary_data_size":9}}]}'),
               reply(b"{}", header_length=99), b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", None]
    for answer in answers:
        with Faked(lambda request, _: answer) as (_, stub, _):
            code, _ = refusal(lambda: stub.ModelInfer(bytes_request(b"x")))
            assert code in [grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED], answer


def test_generations_stream(_):
    def answer(request, connection):
        assert request.path.endswith("/generate_stream") and request.json["parameters"]["steps"] == 5
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for index in range(5):
            event = json.dumps({"model_name": "fake", "outputs": [
                {"name": "y", "datatype": "INT32", "shape": [2], "data": [index, -index]}]}).encode()
            event = b"data: " + event + b"\n\n"
            # In two pieces, as they may come.
            for piece in [event[:9], event[9:]]:
                connection.sendall(b"%x\r\n" % len(piece) + piece + b"\r\n")
        return b"0\r\n\r\n"
    with Faked(answer) as (_, stub, _):
        def found(request):
            answers = list(stub.ModelStreamInfer(iter([request])))
            assert not any(answer.error_message for answer in answers), answers
            return [answer.infer_response for answer in answers]
        answers = found(bytes_request(b"x", steps=5))
        expected = [struct.pack("<2i", index, -index) for index in range(5)]
        assert [answer.raw_output_contents[0] for answer in answers] == expected
        answers = found(bytes_request(b"x", steps=5, triton_enable_empty_final_response=True))
        assert len(answers) == 6 and answers[5].parameters["triton_final_response"].bool_param


def test_a_client_that_does_not_read(_):
    """Of an answer that goes on for ever no more is remembered than the client takes."""
    sent = [0]

    def answer(request, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        text = b'data: {"model_name":"fake","outputs":[{"name":"y","datatype":"UINT8","shape":[20000],"data":[' \
            + b"0," * 19999 + b"0]}]}\n\n"
        while True:
            connection.sendall(b"%x\r\n" % len(text) + text + b"\r\n")
            sent[0] += 1
    with Faked(answer) as (client, _, daemon):
        # The client's own window is not to grow.
        options = OWN + [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65536)]
        channel = grpc.insecure_channel(f"unix:{FOLDER}/fake-grpc", options)
        call = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelStreamInfer(iter([bytes_request(b"x", steps=5)]))
        next(call)
        seen = -1
        while seen != sent[0]:
            seen = sent[0]
            time.sleep(0.4)
        assert 0 < seen < 200, seen
        for _ in range(seen + 50):
            next(call)
        call.cancel()
        assert daemon.hung_up.acquire(timeout=10)


# --- hostile clients

class RawCall:
    """A call as bytes: the connection's beginning, and the head of a call."""

    def __init__(self, path, window=2**31 - 1):
        self.socket = grpc_time.connected(path)
        self.socket.settimeout(20)
        settings = struct.pack(">HI", 4, window)
        self.head = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + grpc_time.frame(4, 0, 0, settings) \
            + grpc_time.frame(1, 4, 1, grpc_time.GRPC.HEAD)

    @staticmethod
    def message(data):
        return b"\0" + struct.pack(">I", len(data)) + data

    def received(self):
        """Everything up to the connection's end, or to the end of the call."""
        found = b""
        while True:
            try:
                piece = self.socket.recv(65536)
            except ConnectionResetError:
                piece = b""
            found += piece
            kinds = [kind for kind, flags, stream in frames(found) if stream == 1 and (kind == 3 or kind == 1 and flags & 1)]
            if not piece or kinds:
                return found


def frames(found):
    start = 0
    while start + 9 <= len(found):
        yield found[start + 3], found[start + 4], int.from_bytes(found[start + 5:start + 9], "big")
        start += 9 + int.from_bytes(found[start:start + 3], "big")


def test_clients_that_stall(_):
    with Faked(lambda request, _: tensor_reply(bytes(1_000_000)), "--patience", "1") as (client, stub, _):
        path = FOLDER + "/fake-grpc"
        request = RawCall.message(bytes_request(b"x").SerializeToString())
        # In the middle of a message: the call ends with headers alone, a status.
        call = RawCall(path)
        call.socket.sendall(call.head + grpc_time.frame(0, 0, 1, request[:9]))
        found = [kind for kind, flags, stream in frames(call.received()) if stream == 1]
        assert found[0] == 1 and 0 not in found, found
        # Without a window to send into: the call is reset.
        call = RawCall(path, window=100)
        call.socket.sendall(call.head + grpc_time.frame(0, 1, 1, request))
        assert (3, 0, 1) in list(frames(call.received()))
        # Without reading: the connection is closed.
        call = RawCall(path)
        call.socket.sendall(call.head + grpc_time.frame(8, 0, 0, struct.pack(">I", 2**30)) + grpc_time.frame(0, 1, 1, request))
        time.sleep(2.5)
        assert len(call.received()) < 1_000_000
        assert stub.ModelInfer(bytes_request(b"x")).model_name == "fake"


def test_mutated_calls(gateway):
    """Bytes of a good connection with some of them changed, cut off or repeated."""
    random_bytes = random.Random(8)
    request = service_pb2.ModelInferRequest(model_name="digits")
    request.inputs.add(name="image", datatype="UINT8", shape=[1, 8, 8, 1])
    request.raw_input_contents.append(pictures[0].tobytes())
    good = RawCall(gateway.path).head + grpc_time.frame(0, 1, 1, RawCall.message(request.SerializeToString()))
    for _ in range(400):
        bad = bytearray(good)
        for _ in range(random_bytes.randint(1, 6)):
            # The first 24 bytes are fixed.
            place = random_bytes.randrange(24, len(bad))
            match random_bytes.randrange(4):
                case 0: bad[place] = random_bytes.randrange(256)
                case 1: bad[place] ^= 1 << random_bytes.randrange(8)
                case 2: del bad[place:place + random_bytes.randint(1, 9)]
                case _: bad[place:place] = bad[place:place + random_bytes.randint(1, 40)]
            if len(bad) < 26:
                break
        with grpc_time.connected(gateway.path) as client:
            client.settimeout(0.01)
            try:
                client.sendall(bad)
                client.recv(65536)
                client.recv(65536)
            except OSError:
                pass
    assert gateway.process.poll() is None
    answer = gateway.client().infer("digits", [picture_input(pictures[0])]).as_numpy("probabilities").tobytes()
    with http() as web:
        assert answer == http_infer(web, pictures[0])
    with open(f"/proc/{gateway.process.pid}/status") as file:
        resident = int(re.search(r"VmHWM:\s+(\d+)", file.read())[1])
    assert resident < 100_000, f"{resident} KiB"


def test_nonsense_ends_only_its_own_connection(gateway):
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    frame = lambda kind, flags, stream, data: struct.pack(">I", len(data))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + data
    settings = frame(4, 0, 0, b"")
    for nonsense in [
        b"", b"\x00", b"GET / HTTP/1.1\r\n\r\n" * 10, os.urandom(5000), preface + os.urandom(5000),
        preface + settings + frame(0, 0, 1, b"data"), preface + settings + frame(1, 5, 1, os.urandom(100)),
        preface + settings + frame(1, 4, 1, b"\x82") * 3, preface + settings + frame(9, 0, 1, b"x") * 100,
        preface + settings + frame(8, 0, 0, b"\x00\x00\x00\x00"), preface + settings + b"\xff\xff\xff\x00\x00",
        preface + settings + frame(6, 0, 0, b"12345678") * 20_000, preface + frame(4, 0, 0, b"") * 20_000,
    ]:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            client.connect(gateway.path)
            try:
                client.sendall(nonsense)
                client.shutdown(socket.SHUT_WR)
                while client.recv(65536):
                    pass
            except OSError:
                pass
    assert gateway.process.poll() is None and gateway.client().is_server_ready()


def test_terminating_finishes_what_is_under_way(_):
    begun = threading.Event()

    def answer(request, _):
        begun.set()
        time.sleep(0.5)
        return tensor_reply(request.tensors)
    faked = Faked(answer)
    call = faked.gateway.stub().ModelInfer.future(bytes_request(b"x"))
    assert begun.wait(10)
    faked.gateway.process.send_signal(signal.SIGTERM)
    assert call.result(10).raw_output_contents[0] == b"x"
    assert faked.gateway.process.wait(10) == 0 and not os.path.exists(faked.gateway.path)
    faked.daemon.close()


def test_a_path_that_is_taken(gateway):
    second = subprocess.run([GATEWAY, "--socket", gateway.path, "--server", DAEMON], capture_output=True, text=True)
    assert second.returncode == 1 and gateway.path in second.stderr, second
    assert gateway.client().is_server_live()


if __name__ == "__main__":
    tests = [(name, test) for name, test in list(globals().items()) if name.startswith("test_")]
    only = sys.argv[4:]
    with Gateway(DAEMON) as main:
        for name, test in tests:
            if only and name not in only:
                continue
            start = time.monotonic()
            test(main)
            print(f"{name} ({time.monotonic() - start:.1f} s)", flush=True)
    print("thimble-grpc: all is well")
