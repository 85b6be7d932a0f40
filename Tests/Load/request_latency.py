#!/usr/bin/env python3
"""request_latency.py: what the way through the socket adds to an inference, and how many requests a second there can be.

usage: request_latency.py BINARY [options]

Starts a daemon with MobileNetV2 (150,528 bytes of input) and a tiny network, asks it with load_client.c, which it compiles, and compares what
clients wait with the time of the inference alone, which the daemon's statistics say for the same requests: binary tensors, a registered shared memory region, JSON.
A bare socket is one whose other end only reads the same bytes.
Then a flood: one client with the first priority beside eight with the last. Each figure is the median of --rounds.
"""
import argparse, contextlib, json, os, pathlib, shutil, statistics, subprocess, sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "Budget"))
from thimble import PROJECT, Client, Daemon, Program, announce

LARGE, TINY = "tf2_mobilenet_v2_1.0_224_ptq", "ad01_int8"
FLOOD_CLIENTS = 8
REGION = "thimble-request-latency"


def request(path, head, body=b""):
    """A whole POST request: `head` as JSON, then tensors."""
    text = json.dumps(head).encode() if not isinstance(head, bytes) else head
    lines = [f"POST {path} HTTP/1.1", "Host: thimble", f"Content-Length: {len(text) + len(body)}"]
    if body:
        lines += ["Content-Type: application/octet-stream", f"Inference-Header-Content-Length: {len(text)}"]
    return "\r\n".join([*lines, "", ""]).encode() + text + body


def inference(model, place, priority=0):
    """A request of one random input: in binary, as JSON, or in shared memory."""
    tensor, content = model.inputs[0], model.random_inputs(0)[0]
    described = {"name": tensor["name"], "shape": tensor["shape"], "datatype": tensor["datatype"]}
    outputs = [{"name": output["name"], "parameters": {"binary_data": True}} for output in model.outputs]
    head = {"inputs": [described], "outputs": outputs}
    if priority:
        head["parameters"] = {"priority": priority}
    if place == "shared":
        described["parameters"] = {"shared_memory_region": REGION, "shared_memory_byte_size": len(content)}
    elif place == "json":
        described["data"] = [byte - 256 * (byte > 127 and tensor["datatype"] == "INT8") for byte in content]
    else:
        described["parameters"] = {"binary_data_size": len(content)}
    return head, content if place == "binary" else b""


class Load:
    """load_client's runs against one daemon."""

    def __init__(self, folder, socket):
        self.socket = socket
        self.program, self.folder = folder / "load_client", folder
        source = pathlib.Path(__file__).with_name("load_client.c")
        subprocess.run(["cc", "-O2", "-o", self.program, source, "-lpthread"], check=True)
        self.files = {}

    def begin(self, name, model, place, count, clients, priority=0, socket=None):
        key = (name, place, priority)
        if key not in self.files:
            self.files[key] = self.folder / f"request{len(self.files)}"
            self.files[key].write_bytes(request(f"/v2/models/{name}/infer", *inference(model, place, priority)))
        words = [self.program, socket or self.socket, self.files[key], count, clients]
        return subprocess.Popen(list(map(str, words)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, *arguments, **more):
        return self.end(self.begin(*arguments, **more))

    @staticmethod
    def end(process):
        output, _ = process.communicate(timeout=300)
        if process.returncode != 0:
            raise SystemExit("load_client failed")
        return json.loads(output)


def computed(client, name):
    """(inferences, nanoseconds that they took) of a model so far."""
    body = client.request("GET", f"/v2/models/{name}/stats")[2]
    statistics_ = json.loads(body)["model_stats"][0]["inference_stats"]["compute_infer"]
    return statistics_["count"], statistics_["ns"]


def compute_microseconds(load, daemon, *arguments):
    """A run, and how long its inferences took on average."""
    with Client(daemon.socket) as client:
        before = computed(client, arguments[0])
    result = load.run(*arguments)
    with Client(daemon.socket) as client:
        after = computed(client, arguments[0])
    return result, (after[1] - before[1]) / (after[0] - before[0]) / 1e3


def measure(load, daemon, large, tiny, rounds):
    """{figure: each round's number}"""
    found = {}
    note = lambda figure, number: found.setdefault(figure, []).append(number)
    for _ in range(rounds):
        for place, count in [("binary", 60), ("shared", 60), ("json", 30)]:
            result, compute = compute_microseconds(load, daemon, LARGE, large, place, count, 1)
            note(f"{place}: added to the inference, mean, µs", result["mean"] - compute)
            note(f"{place}: at the client, p50, µs", result["p50"])
            note(f"{place}: the inference, mean, µs", compute)
            note(f"{place}: a bare socket, p50, µs", load.run(LARGE, large, place, 400, 1, socket="-")["p50"])
        result, compute = compute_microseconds(load, daemon, TINY, tiny, "binary", 4000, 1)
        note("tiny network: added to the inference, mean, µs", result["mean"] - compute)
        note("tiny network: a bare socket, p50, µs", load.run(TINY, tiny, "binary", 4000, 1, socket="-")["p50"])
        note("tiny network, 4 clients: requests a second", load.run(TINY, tiny, "binary", 20_000, 4)["per_second"])
        note("tiny network, kept answer: at the client, p50, µs", load.run("cached", tiny, "binary", 4000, 1)["p50"])
        note("150,528 bytes, kept answer: at the client, p50, µs", load.run("cached_large", large, "binary", 1000, 1)["p50"])
        alone = load.run(LARGE, large, "binary", 300, 1, priority=1)
        flood = load.begin(LARGE, large, "binary", 0, FLOOD_CLIENTS, priority=3)
        beside = load.run(LARGE, large, "binary", 300, 1, priority=1)
        load.end(flood)
        run = statistics.median(found["binary: the inference, mean, µs"])
        note("interactive alone: p99, µs", alone["p99"])
        note(f"interactive beside {FLOOD_CLIENTS} bulk clients: p50, µs", beside["p50"])
        note(f"interactive beside {FLOOD_CLIENTS} bulk clients: p99, µs", beside["p99"])
        note("bound: twice the inference and its own p99, µs", 2 * run + alone["p99"])
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--shared", default=os.environ.get("THIMBLE_TEST_MODELS", PROJECT.parent / "shared"),
                        help="the folder with models/ (default: $THIMBLE_TEST_MODELS, else ../shared)")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--serve-options", default="", help='more options of `serve`, e.g. "--threads 1"')
    parser.add_argument("--json", action="store_true")
    options = parser.parse_intermixed_args()
    models = pathlib.Path(options.shared) / "models"
    if not models.is_dir() or shutil.which("cc") is None:
        print(f"SKIPPED: needs {models} and a C compiler")
        return 0
    if not options.json:
        announce("What the way to the daemon takes")
    with Program(options.binary) as program, contextlib.ExitStack() as stack:
        large, tiny = (program.model(models / f"{name}.tflite") for name in (LARGE, TINY))
        repository = program.repository([large, tiny])
        for name, model in [("cached", tiny), ("cached_large", large)]:
            shutil.copytree(repository / model.name, repository / name)
            (repository / name / "config.json").write_text('{"response_cache": {"enable": true}}')
        shared = pathlib.Path("/dev/shm") / REGION
        shared.write_bytes(large.random_inputs(0)[0])
        stack.callback(shared.unlink)
        words = ["--response-cache", "1M", *options.serve_options.split()]
        with contextlib.redirect_stdout(sys.stderr):
            daemon = stack.enter_context(Daemon(program, repository, "64M", words))
        with Client(daemon.socket) as client:
            body = json.dumps({"key": f"/{REGION}", "offset": 0, "byte_size": shared.stat().st_size}).encode()
            status, _, answer = client.request("POST", f"/v2/systemsharedmemory/region/{REGION}/register", body)
            if status != 200:
                raise SystemExit(answer.decode())
        found = measure(Load(program.folder, daemon.socket), daemon, large, tiny, options.rounds)
    if options.json:
        print(json.dumps({figure: statistics.median(numbers) for figure, numbers in found.items()}))
        return 0
    print("| figure | median | least | most |\n| --- | --- | --- | --- |")
    for figure, numbers in found.items():
        print(f"| {figure} | {statistics.median(numbers):.1f} | {min(numbers):.1f} | {max(numbers):.1f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
