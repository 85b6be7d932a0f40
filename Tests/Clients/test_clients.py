#!/usr/bin/env python3
"""Clients that nobody here wrote against a running daemon: curl, httpx and tritonclient's public helpers; and this project's
client for Python.

usage: test_clients.py SOCKET MODELS_DIR TCP_PORT

The daemon serves the `digits` model of MODELS_DIR; MODELS_DIR/digits/heldout.bin holds pictures and what they show.
"""
import asyncio
import doctest
import json
import pathlib
import struct
import subprocess
import sys

import httpx
import numpy as np
import tritonclient.http as triton
import tritonclient.utils.shared_memory as shm

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "Sources/ThimbleClient/python"))
import thimble_client

SOCKET, MODELS, PORT = sys.argv[1:4]
URL = "http://localhost"

with open(f"{MODELS}/digits/heldout.bin", "rb") as file:
    raw = file.read()
count, height, width = struct.unpack("<3I", raw[8:20])
pictures = np.frombuffer(raw, np.uint8, count * height * width, 20).reshape(count, 1, height, width, 1)
digits = np.frombuffer(raw, np.uint8, count, 20 + count * height * width)


def client():
    return httpx.Client(transport=httpx.HTTPTransport(uds=SOCKET), base_url=URL, timeout=30)


def curl(*arguments, input=None):
    command = ["curl", "--silent", "--show-error", "--max-time", "30", "--unix-socket", SOCKET, *arguments]
    return subprocess.run(command, input=input, capture_output=True, check=True).stdout


def json_request(picture, **more):
    data = picture.flatten().tolist()
    return {"inputs": [{"name": "image", "shape": [1, 8, 8, 1], "datatype": "UINT8", "data": data}], **more}


def triton_infer(http, picture, binary=True, outputs=None, request_id="", path="/v2/models/digits/infer", **parameters):
    """The way that serving.md documents for tritonclient over a Unix socket."""
    tensor = triton.InferInput("image", [1, 8, 8, 1], "UINT8")
    tensor.set_data_from_numpy(picture, binary_data=binary)
    body, header_length = triton.InferenceServerClient.generate_request_body(
        [tensor], outputs=outputs, request_id=request_id, **parameters)
    headers = {} if header_length is None else {"Inference-Header-Content-Length": str(header_length)}
    reply = http.post(path, content=body, headers=headers)
    assert reply.status_code == 200, reply.text
    length = reply.headers.get("Inference-Header-Content-Length")
    return triton.InferResult.from_response_body(reply.content, header_length=int(length) if length else None)


# --- curl

def test_curl_reads_documents():
    assert json.loads(curl(f"{URL}/v2/health/live")) == {"live": True}
    assert json.loads(curl(f"{URL}/v2/health/ready")) == {"live": True, "ready": True}
    assert json.loads(curl(f"{URL}/v2"))["name"] == "thimble"
    assert "digits" in json.loads(curl(f"{URL}/v2/models"))["models"]
    model = json.loads(curl(f"{URL}/v2/models/digits/versions/1"))
    assert model["inputs"] == [{"name": "image", "datatype": "UINT8", "shape": [1, 8, 8, 1]}]
    assert json.loads(curl(f"{URL}/v2/models/digits/ready")) == {"name": "digits", "ready": True}
    assert curl("--head", f"{URL}/v2").startswith(b"HTTP/1.1 200 OK\r\n")


def test_curl_infers():
    request = json.dumps(json_request(pictures[0])).encode()
    answer = json.loads(curl("--data-binary", "@-", f"{URL}/v2/models/digits/infer", input=request))
    assert np.argmax(answer["outputs"][0]["data"]) == digits[0]
    chunked = curl(
        "--data-binary", "@-", "-H", "Transfer-Encoding: chunked", f"{URL}/v2/models/digits/infer", input=request)
    assert json.loads(chunked) == answer
    # curl sends `Expect: 100-continue` by itself with bodies of over 1 MiB; here it is told to.
    expecting = curl(
        "--data-binary", "@-", "-H", "Expect: 100-continue", f"{URL}/v2/models/digits/infer", input=request)
    assert json.loads(expecting) == answer
    raw_answer = curl(
        "--data-binary", "@-", "-H", "Inference-Header-Content-Length: 0", f"{URL}/v2/models/digits/infer",
        input=pictures[0].tobytes())
    assert list(raw_answer[-10:]) == answer["outputs"][0]["data"]


def test_curl_reuses_its_connection():
    output = curl("-w", "%{num_connects} ", *[f"{URL}/v2/health/live"] * 3, "-o", "/dev/null", "-o", "/dev/null",
                  "-o", "/dev/null")
    assert output.split() == [b"1", b"0", b"0"], output


def test_curl_is_refused_a_body_that_is_too_large():
    command = ["-o", "/dev/null", "-w", "%{http_code}", "--data-binary", "@-", f"{URL}/v2/models/digits/infer"]
    assert curl(*command, input=bytes((64 << 20) + 1)) == b"413"


# --- httpx

def test_httpx_infers_all_pictures():
    right = 0
    with client() as http:
        for index in range(count):
            answer = http.post("/v2/models/digits/infer", json=json_request(pictures[index], id=str(index))).json()
            assert answer["id"] == str(index) and answer["model_name"] == "digits" and answer["model_version"] == "1"
            right += np.argmax(answer["outputs"][0]["data"]) == digits[index]
    assert right >= 0.99 * count, right


def test_httpx_classifies():
    outputs = [{"name": "probabilities", "parameters": {"classification": 3}}]
    with client() as http:
        answer = http.post("/v2/models/digits/infer", json=json_request(pictures[0], outputs=outputs)).json()
    output = answer["outputs"][0]
    assert output["datatype"] == "BYTES" and output["shape"] == [1, 3]
    value, index, label = output["data"][0].split(":")
    assert int(index) == digits[0] and label == str(digits[0]) and int(value) > 128


def test_httpx_gets_errors_with_words():
    with client() as http:
        for status, reply in [
            (404, http.get("/v2/models/none")), (404, http.get("/nothing")),
            (404, http.get("/v2/models/..%2f..%2fetc")), (405, http.get("/v2/models/digits/infer")),
            (405, http.put("/v2/models/digits/infer", content=b"x" * 100_000)),
            (400, http.post("/v2/models/digits/infer", content=b"{")),
            (400, http.post("/v2/models/digits/infer", json={"inputs": []})),
            (404, http.post("/v2/models/none/infer", json=json_request(pictures[0]))),
            (404, http.post("/v2/repository/models/none/load", json={})),
        ]:
            assert reply.status_code == status and reply.json()["error"], (status, reply.status_code, reply.text)
        assert http.get("/v2/health/live").status_code == 200


def test_httpx_uses_the_repository():
    with client() as http:
        index = http.post("/v2/repository/index", json={"ready": True}).json()
        assert {"name": "digits", "version": "1", "state": "READY", "reason": ""} in index
        def reserved():
            lines = http.get("/metrics").text.splitlines()
            return sum(int(line.split()[-1]) for line in lines if line.startswith("thimble_memory_reserved_bytes"))
        assert http.post("/v2/repository/models/digits/load", json={}).status_code == 200
        loaded = reserved()
        assert http.post("/v2/repository/models/digits/unload", json={}).status_code == 200
        assert reserved() < loaded
        assert http.post("/v2/models/digits/infer", json=json_request(pictures[0])).status_code == 404
        index = http.post("/v2/repository/index").json()
        assert next(row for row in index if row["name"] == "digits")["state"] == "UNAVAILABLE"
        assert http.post("/v2/repository/models/digits/load").status_code == 200
        assert reserved() == loaded
        assert http.post("/v2/models/digits/infer", json=json_request(pictures[0])).status_code == 200


def test_httpx_reads_metrics():
    with client() as http:
        def value(name):
            return next(float(line.split()[-1]) for line in http.get("/metrics").text.splitlines()
                        if line.startswith(name))
        before = value('nv_inference_request_success{model="digits"')
        http.post("/v2/models/digits/infer", json=json_request(pictures[0]))
        assert value('nv_inference_request_success{model="digits"') == before + 1
        assert value("thimble_memory_peak_resident_bytes") <= value("thimble_memory_budget_bytes")


def test_async_httpx_side_by_side():
    async def run():
        transport = httpx.AsyncHTTPTransport(uds=SOCKET, limits=httpx.Limits(max_connections=16))
        async with httpx.AsyncClient(transport=transport, base_url=URL, timeout=30) as http:
            replies = await asyncio.gather(
                *[http.post("/v2/models/digits/infer", json=json_request(pictures[i])) for i in range(200)])
        assert all(reply.status_code == 200 for reply in replies)
        found = [np.argmax(reply.json()["outputs"][0]["data"]) for reply in replies]
        assert np.mean(found == digits[:200]) > 0.98
    asyncio.run(run())


# --- tritonclient

def test_triton_binary_equals_json():
    with client() as http:
        for index in range(20):
            binary = triton_infer(http, pictures[index]).as_numpy("probabilities")
            plain = triton_infer(
                http, pictures[index], binary=False,
                outputs=[triton.InferRequestedOutput("probabilities", binary_data=False)]).as_numpy("probabilities")
            assert binary.dtype == np.uint8 and binary.shape == (1, 10)
            assert np.array_equal(binary, plain)


def test_triton_classifies():
    outputs = [triton.InferRequestedOutput("probabilities", class_count=2)]
    with client() as http:
        result = triton_infer(http, pictures[0], outputs=outputs, request_id="7")
        top = result.as_numpy("probabilities")
        assert top.shape == (1, 2) and top[0][0].decode().split(":")[1:] == [str(digits[0])] * 2
        assert result.get_response()["id"] == "7"


def test_triton_rows():
    """Many pictures in one request get what each gets alone."""
    with client() as http:
        batch = np.stack([pictures[index].reshape(8, 8, 1) for index in range(200)])
        tensor = triton.InferInput("image", list(batch.shape), "UINT8")
        singles = np.concatenate([triton_infer(http, pictures[index]).as_numpy("probabilities") for index in range(200)])
        for binary in True, False:
            tensor.set_data_from_numpy(batch, binary_data=binary)
            body, length = triton.InferenceServerClient.generate_request_body([tensor])
            headers = {} if length is None else {"Inference-Header-Content-Length": str(length)}
            reply = http.post("/v2/models/digits/infer", content=body, headers=headers)
            assert reply.status_code == 200, reply.text
            length = reply.headers.get("Inference-Header-Content-Length")
            result = triton.InferResult.from_response_body(reply.content, header_length=length and int(length))
            assert np.array_equal(result.as_numpy("probabilities"), singles)
        rows = http.post("/v1/models/digits:predict", json={"instances": batch[:9].tolist()}).json()["predictions"]
        assert np.array_equal(np.array(rows), singles[:9])


def test_triton_parameters():
    with client() as http:
        result = triton_infer(
            http, pictures[1], path="/v2/models/digits/versions/1/infer", priority=1, timeout=30_000_000,
            parameters={"anything": "goes"})
        assert np.argmax(result.as_numpy("probabilities")) == digits[1]


def test_triton_shared_memory():
    """tritonclient's shared memory helpers and request bodies, over the Unix socket."""
    region = shm.create_shared_memory_region("pictures", "/thimble-clients", 4096)
    try:
        with client() as http:
            def post(path, **body):
                reply = http.post(f"/v2/systemsharedmemory/{path}", json=body)
                assert reply.status_code == 200, reply.text
            post("region/pictures/register", key="/thimble-clients", offset=0, byte_size=4096)
            assert http.get("/v2/systemsharedmemory/status").json() == [
                {"name": "pictures", "key": "/thimble-clients", "offset": 0, "byte_size": 4096}]
            tensor = triton.InferInput("image", [1, 8, 8, 1], "UINT8").set_shared_memory("pictures", 64)
            output = triton.InferRequestedOutput("probabilities")
            output.set_shared_memory("pictures", 10, offset=1024)
            for index in range(20):
                shm.set_shared_memory_region(region, [pictures[index]])
                body, length = triton.InferenceServerClient.generate_request_body([tensor], outputs=[output])
                headers = {} if length is None else {"Inference-Header-Content-Length": str(length)}
                reply = http.post("/v2/models/digits/infer", content=body, headers=headers)
                assert reply.status_code == 200, reply.text
                result = triton.InferResult.from_response_body(reply.content).get_output("probabilities")
                assert result["parameters"]["shared_memory_region"] == "pictures", result
                found = shm.get_contents_as_numpy(region, np.uint8, result["shape"], offset=1024)
                assert np.array_equal(found, triton_infer(http, pictures[index]).as_numpy("probabilities"))
            post("region/pictures/unregister")
            assert http.get("/v2/systemsharedmemory/status").json() == []
    finally:
        shm.destroy_shared_memory_region(region)


def test_triton_over_tcp():
    """The whole client, unmodified."""
    region = shm.create_shared_memory_region("tcp", "/thimble-clients-tcp", 4096)
    triton_client = triton.InferenceServerClient(f"127.0.0.1:{PORT}")
    try:
        assert triton_client.is_server_ready() and triton_client.is_model_ready("digits")
        assert "system_shared_memory" in triton_client.get_server_metadata()["extensions"]
        plain = triton.InferInput("image", [1, 8, 8, 1], "UINT8")
        triton_client.unregister_system_shared_memory()
        triton_client.register_system_shared_memory("tcp", "/thimble-clients-tcp", 4096)
        assert [row["name"] for row in triton_client.get_system_shared_memory_status()] == ["tcp"]
        assert triton_client.get_system_shared_memory_status("tcp")[0]["byte_size"] == 4096
        shared = triton.InferInput("image", [1, 8, 8, 1], "UINT8").set_shared_memory("tcp", 64, offset=128)
        output = triton.InferRequestedOutput("probabilities")
        output.set_shared_memory("tcp", 10, offset=1024)
        for index in range(20):
            plain.set_data_from_numpy(pictures[index])
            expected = triton_client.infer("digits", [plain]).as_numpy("probabilities")
            assert np.argmax(expected) == digits[index] or index > 0
            shm.set_shared_memory_region(region, [pictures[index]], offset=128)
            triton_client.infer("digits", [shared], outputs=[output])
            assert np.array_equal(shm.get_contents_as_numpy(region, np.uint8, [1, 10], offset=1024), expected)
        triton_client.unregister_system_shared_memory("tcp")
        assert triton_client.get_system_shared_memory_status() == []
        assert triton_client.get_inference_statistics("digits")["model_stats"][0]["name"] == "digits"
    finally:
        triton_client.close()
        shm.destroy_shared_memory_region(region)


def test_triton_settings_and_versions():
    """Log, traces and statistics of a version, by the client unmodified."""
    triton_client = triton.InferenceServerClient(f"127.0.0.1:{PORT}")
    try:
        assert {"logging", "trace", "statistics"} <= set(triton_client.get_server_metadata()["extensions"])
        before = triton_client.get_log_settings()
        assert triton_client.update_log_settings({"log_verbose_level": 2, "log_info": False})["log_verbose_level"] == 2
        assert triton_client.update_log_settings({"log_verbose_level": 0, "log_info": True}) == before
        standard = triton_client.get_trace_settings()
        assert standard["trace_level"] == ["OFF"] and standard["trace_count"] == "-1"
        settings = {"trace_level": ["TIMESTAMPS"], "trace_rate": "1", "trace_count": "2"}
        assert triton_client.update_trace_settings("digits", settings)["trace_rate"] == "1"
        plain = triton.InferInput("image", [1, 8, 8, 1], "UINT8")
        plain.set_data_from_numpy(pictures[0])
        for _ in range(3):
            triton_client.infer("digits", [plain], model_version="1")
        assert triton_client.get_trace_settings("digits")["trace_count"] == "0"
        cleared = triton_client.update_trace_settings("digits", dict.fromkeys(settings))
        assert cleared == standard == triton_client.get_trace_settings()
        with client() as http:
            events = http.get("/v2/thimble/trace").json()["traceEvents"]
        assert [event["name"] for event in events].count("request") == 2
        assert any(event.get("cat") == "operator" for event in events)
        row = triton_client.get_inference_statistics("digits", "1")["model_stats"][0]
        assert row["batch_stats"][0]["batch_size"] == 1
        # Of requests of several rows, too.
        batches = {batch["batch_size"]: batch["compute_infer"] for batch in row["batch_stats"]}
        assert 1 in batches and all(
            sum(batch[kind] for batch in batches.values()) == row["inference_stats"]["compute_infer"][kind] for kind in ("count", "ns"))
        # A load with another configuration; with a file it is refused.
        override = json.dumps({"version_labels": {"stable": 1}, "traffic": {"1": 1}})
        triton_client.load_model("digits", config=override)
        assert triton_client.infer("digits", [plain], model_version="stable").get_response()["model_version"] == "1"
        assert triton_client.is_model_ready("digits", "stable")
        try:
            triton_client.load_model("digits", config="{}", files={"file:1/model.onnx": b"x"})
            raise AssertionError("files are taken")
        except triton.InferenceServerException as error:
            assert "file:" in str(error)
        triton_client.load_model("digits")
    finally:
        triton_client.close()


# --- Thimble's own client

def test_the_example_of_thimble_client():
    results = doctest.testmod(thimble_client, extraglobs={"socket_path": SOCKET})
    assert results.attempted >= 10 and results.failed == 0, results


def test_thimble_client():
    with thimble_client.Client(SOCKET) as thimble, client() as http:
        assert "digits" in thimble.models() and thimble.is_ready("digits") and not thimble.is_ready("none")
        memory = thimble.share("work", 10_000)
        image, result = memory.array((1, 8, 8, 1), np.uint8, 5), memory.array((1, 10), np.uint8, 6000)
        for index in range(20):
            expected = triton_infer(http, pictures[index]).as_numpy("probabilities")
            assert np.array_equal(thimble.infer("digits", {"image": pictures[index]})["probabilities"], expected)
            image[:] = pictures[index]
            assert np.array_equal(thimble.infer("digits", {"image": image}, version=1)["probabilities"], expected)
            thimble.infer("digits", {"image": image}, into={"probabilities": result})
            assert np.array_equal(result, expected)
            result[:] = 0
            if index % 5 == 0:
                thimble._disconnect()  # what is shared is passed again
        top = thimble.classify("digits", {"image": pictures[0]}, count=2)["probabilities"]
        assert [entry.index for entry in top][0] == digits[0] and top[0].label == str(digits[0])
        for status, call in [
            (404, lambda: thimble.infer("none", {"image": image})),
            (400, lambda: thimble.infer("digits", {"image": image[:, :4]})),
            (400, lambda: thimble.share("work", 100)),
            (507, lambda: thimble.share("huge", 1 << 40)),
        ]:
            try:
                call()
                assert False, status
            except thimble_client.ThimbleError as error:
                assert error.status == status and str(error), error
        thimble.unshare(memory)
        assert http.get("/v2/thimble/memory/status").json() == []
        # Without the daemon's knowledge of it the array goes through the socket.
        assert np.array_equal(thimble.infer("digits", {"image": image})["probabilities"], expected)


passed = failed = 0
for name, test in list(globals().items()):
    if not name.startswith("test_"):
        continue
    try:
        test()
        passed += 1
    except Exception as error:  # each test by itself
        failed += 1
        print(f"FAILED {name}: {type(error).__name__}: {error}")
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
