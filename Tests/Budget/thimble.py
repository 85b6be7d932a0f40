"""What the measurements share: the program, its models, its daemon, and a client of raw HTTP over its Unix socket."""
import dataclasses, json, os, pathlib, random, re, shlex, shutil, socket, struct, subprocess, sys, tempfile, time

import cgroup

PROJECT = pathlib.Path(__file__).resolve().parents[2]
SIZES = {"UINT8": 1, "INT8": 1, "BOOL": 1, "INT16": 2, "INT32": 4, "FP32": 4, "INT64": 8}


def announce(what):
    """Says what is measured, and with which command."""
    print(f"{what}\n  command: {' '.join(map(shlex.quote, [sys.executable, *sys.argv]))}", flush=True)


def mebibytes(count):
    return f"{count / 2**20:.2f}"


def put(file, place):
    """The file under another name: the daemon follows no links out of its repository."""
    try:
        os.link(file, place)
    except OSError:
        shutil.copyfile(file, place)


class Failed(Exception):
    pass


@dataclasses.dataclass
class Model:
    name: str
    path: pathlib.Path
    inputs: list  # of {"name", "datatype", "shape"}
    outputs: list
    source: pathlib.Path  # the .tflite file, or the path

    @property
    def input_bytes(self):
        return [SIZES[tensor["datatype"]] * _product(tensor["shape"]) for tensor in self.inputs]

    @property
    def output_bytes(self):
        return sum(SIZES[tensor["datatype"]] * _product(tensor["shape"]) for tensor in self.outputs)

    def random_inputs(self, seed):
        """Any bytes; ordinary numbers where elements are floats."""
        generator = random.Random(f"{self.name} {seed}")
        return [struct.pack(f"<{size // 4}f", *(generator.gauss(0, 1) for _ in range(size // 4)))
                if tensor["datatype"] == "FP32" else generator.randbytes(size)
                for tensor, size in zip(self.inputs, self.input_bytes)]


class Program:
    """The binary under test and a folder for its files, removed at the end of the `with`."""

    def __init__(self, binary):
        self.binary = pathlib.Path(binary).resolve()
        if not os.access(self.binary, os.X_OK):
            sys.exit(f"{binary} is not a program: build it, e.g. bash targets/x86_64-linux/build.sh")
        self._folder = tempfile.TemporaryDirectory(prefix="thimble-budget-")
        self.folder = pathlib.Path(self._folder.name)
        self.commands = re.findall(r"^  (\w+)  ", self.run(["--help"]).output, re.M)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._folder.cleanup()

    def run(self, words, limit_bytes=None):
        return cgroup.run([self.binary, *words], limit_bytes)

    def json(self, words):
        result = self.run([*words, "--json"])
        if result.status != 0:
            raise Failed(f"{self.binary.name} {' '.join(map(str, words))}: {result.error.strip()}")
        return json.loads(result.output)

    def model(self, path, import_options=()):
        """The model at `path`, imported where it is a .tflite file."""
        source = path = pathlib.Path(path)
        name = path.stem if path.name != "model.thimble" else path.resolve().parents[1].name
        if path.suffix == ".tflite":
            path = self.folder / f"{name}.thimble"
            if not path.exists():
                self.json(["import", source, "-o", path, *import_options])
        facts = self.json(["inspect", path])
        return Model(name, path, facts["inputs"], facts["outputs"], source)

    def models(self, paths):
        """The models in files and folders; what does not import is said and left out."""
        found = []
        for path in map(pathlib.Path, paths):
            for file in sorted([*path.glob("*.tflite"), *path.glob("*.thimble")]) if path.is_dir() else [path]:
                try:
                    found.append(self.model(file))
                except Failed as error:
                    print(f"LEFT OUT: {error}", flush=True)
        return found

    def answer(self, model, inputs, options=(), limit_bytes=None):
        """(the outputs' bytes or None, peak resident bytes, the run's result) of `thimble run`."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            words = ["run", model.path, "--output-dir", f"{folder}/out", "--json", *options]
            for index, content in enumerate(inputs):
                file = pathlib.Path(folder) / f"in{index}.bin"
                file.write_bytes(content)
                words += ["--input", file]
            result = self.run(words, limit_bytes)
            if result.status != 0:
                return None, result.sampled_peak_bytes, result
            outputs = [pathlib.Path(folder, "out", f"out{index}.bin").read_bytes() for index in range(len(model.outputs))]
            peak = json.loads(result.output)["peak_rss_bytes"]
            return outputs, max(peak, result.sampled_peak_bytes), result

    def repository(self, models):
        """A folder with the models as `serve` reads them."""
        folder = self.folder / "repository"
        for model in models:
            (folder / model.name / "1").mkdir(parents=True)
            put(model.path.resolve(), folder / model.name / "1" / "model.thimble")
        return folder


class Client:
    """One connection to the daemon. Any failure of the transport is an OSError or a ValueError."""

    def __init__(self, path, timeout_seconds=60):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout_seconds)
        self.socket.connect(str(path))
        self.received = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def request(self, method, path, body=b"", headers=()):
        """(status, headers in lower case, body)."""
        head = [f"{method} {path} HTTP/1.1", "Host: thimble", f"Content-Length: {len(body)}", *headers, "", ""]
        self.socket.sendall("\r\n".join(head).encode() + body)
        return self.answer()

    def answer(self):
        """What comes next, as `request` has it."""
        while b"\r\n\r\n" not in self.received:
            self._receive()
        head, self.received = self.received.split(b"\r\n\r\n", 1)
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
        length = int(headers.get("content-length", 0))
        while len(self.received) < length:
            self._receive()
        body, self.received = self.received[:length], self.received[length:]
        return int(first.split()[1]), headers, body

    def infer(self, model, inputs, name=None):
        """(status, headers, outputs' bytes or the error's text), all tensors as binary data."""
        described = [dict(name=tensor["name"], shape=tensor["shape"], datatype=tensor["datatype"],
                          parameters={"binary_data_size": len(content)})
                     for tensor, content in zip(model.inputs, inputs)]
        head = json.dumps({"inputs": described, "parameters": {"binary_data_output": True}}).encode()
        status, headers, body = self.request(
            "POST", f"/v2/models/{name or model.name}/infer", head + b"".join(inputs),
            ["Content-Type: application/octet-stream", f"Inference-Header-Content-Length: {len(head)}"])
        if status != 200:
            return status, headers, body.decode(errors="replace")
        at = int(headers["inference-header-content-length"])
        outputs = {}
        for tensor in json.loads(body[:at])["outputs"]:
            size = tensor["parameters"]["binary_data_size"]
            outputs[tensor["name"]] = body[at:at + size]
            at += size
        if at != len(body):
            raise ValueError(f"{len(body) - at} bytes after the last tensor")
        return status, headers, [outputs[tensor["name"]] for tensor in model.outputs]

    def _receive(self):
        chunk = self.socket.recv(1 << 16)
        if not chunk:
            raise ConnectionError("the daemon closed the connection")
        self.received += chunk


class Daemon:
    """`thimble serve` for the length of the `with`."""

    def __init__(self, program, repository, budget_bytes, options=(), group=None, name="daemon"):
        self.socket = program.folder / f"{name}.socket"
        self.log = program.folder / f"{name}.log"
        command = [program.binary, "serve", "--models", repository, "--socket", self.socket,
                   "--memory-budget", budget_bytes, *options]
        command = list(map(str, command))
        print(f"  daemon: {' '.join(command)}", flush=True)
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(group.wrap(command) if group else command, stdout=log, stderr=log)

    def __enter__(self):
        deadline = time.monotonic() + 120
        while not self.socket.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                self.process.wait()
                raise Failed(f"the daemon did not start: {self.log.read_text().strip()[-1000:]}")
            time.sleep(0.02)
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def is_alive(self):
        return self.process.poll() is None

    def bytes(self):
        """The process's memory, as `cgroup.process_bytes`."""
        return cgroup.process_bytes(self.process.pid)

    def metrics(self):
        """{name with labels: number}."""
        with Client(self.socket) as client:
            lines = client.request("GET", "/metrics")[2].decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def stop(self):
        """Ends it and returns its status."""
        if self.is_alive:
            self.process.terminate()
        try:
            return self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def _product(numbers):
    product = 1
    for number in numbers:
        product *= number
    return product
