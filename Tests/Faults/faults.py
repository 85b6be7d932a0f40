#!/usr/bin/env python3
"""faults.py: a daemon and commands whose system calls fail by a seed: no wrong byte, no hang, no leak, and it goes on.

usage: faults.py THIMBLE [--seeds N] [--seed S] [--verbose]     (default: 10000 seeds)

THIMBLE is linked dynamically (`swift build -c release --product thimble`): faults.c is loaded before it, which needs a C compiler.
Under a seed reads and writes are short or interrupted, files fail (EIO, ENOSPC), descriptors, memory and threads run out (EMFILE,
ENOMEM, EAGAIN), connections break at any byte. Each seed asks one daemon a few things meanwhile; every 200 it is started anew,
itself under faults. Then `run` and `import` with each call in turn that fails, from the first to the last.

Holds: an answer of status 200 has the right bytes; others are refusals of status 500, 503 or 507 with a text, or a broken connection;
once nothing fails any more every request is answered right within 10 s, with as many descriptors, threads and reserved bytes as
before. Exits 1 where one of these does not hold.
"""
import argparse, collections, ctypes, fcntl, mmap, os, pathlib, random, resource, shutil, socket as sockets
import subprocess, sys, time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Budget"))
from thimble import Client, Program

DIGITS = HERE.parents[1] / "models/digits"
MEGABYTE = 1 << 20


class Wrong(Exception):
    pass


class Fault(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char * 24), ("way", ctypes.c_uint64)]


class Control(ctypes.Structure):
    """As faults.c has it."""
    _fields_ = [(name, ctypes.c_uint64) for name in ["seed", "rate", "nth", "calls", "injected"]] + [("last", Fault * 32)]

    def faults(self):
        """The calls that failed last, oldest first, with the way modulo 24."""
        count = min(self.injected, 32)
        ring = [self.last[(self.injected - count + index) % 32] for index in range(count)]
        return " ".join(f"{fault.name.decode()}/{fault.way % 24}" for fault in ring)


class Faults:
    def __init__(self, folder):
        self.library = folder / "libfaults.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", self.library, HERE / "faults.c", "-ldl"], check=True)
        self.path = folder / "control"
        self.path.write_bytes(bytes(ctypes.sizeof(Control)))
        with open(self.path, "r+b") as file:
            self.control = Control.from_buffer(mmap.mmap(file.fileno(), 0))
        self.environment = dict(os.environ, LD_PRELOAD=str(self.library), THIMBLE_FAULTS=str(self.path),
                                THIMBLE_CACHE=str(folder / "cache"), SWIFT_BACKTRACE="enable=no")

    def begin(self, seed, rate=0, nth=0):
        control = self.control
        control.seed = 0
        control.rate, control.nth, control.calls, control.injected = rate, nth, 0, 0
        control.seed = seed

    def end(self):
        self.control.seed = 0
        return self.control.injected

    def explain(self, text):
        """Whether an error says something, unless to say it was what failed."""
        return len(text) >= 10 or "write/" in self.control.faults()


class Trials:
    def __init__(self, program, generator, verbose):
        self.program, self.random, self.verbose = program, generator, verbose
        self.faults = Faults(program.folder)
        self.counts, self.refusals = collections.Counter(), collections.Counter()
        self.socket = program.folder / "socket"
        self.repository = program.folder / "models"
        (self.repository / "digits/1").mkdir(parents=True)
        shutil.copy(DIGITS / "1/model.thimble", self.repository / "digits/1")
        shutil.copytree(self.repository / "digits", self.repository / "other")
        self.model = program.model(self.repository / "digits/1/model.thimble")
        self.model.name = "digits"
        self.inputs = [[generator.randbytes(64)] for _ in range(4)]
        self.answers = [program.answer(self.model, inputs)[0] for inputs in self.inputs]
        self.process, self.baseline = None, None
        self.log = open(program.folder / "log", "w+b")
        self.started = 0

    # The daemon

    def start(self, seed, options=()):
        """Starts it under faults until it comes up; a start that fails says why and ends with status 1. The first is without
        faults: what it holds is the measure, since a start under faults may do without what it can."""
        if self.process:
            self.stop()
        command = [self.program.binary, "serve", "--models", self.repository, "--socket", self.socket, "--threads", "2",
                   "--body-limit", "4M", "--drain", "2", "--memory-budget", "64M", "--response-cache", "1M", *options]
        for attempt in range(50):
            self.log.seek(0)
            self.log.truncate()
            rate = [50_000, 10_000, 2_000, 0][min(attempt, 3)] if self.baseline else 0
            self.faults.begin(seed * 64 + attempt + 1, rate)
            self.process = subprocess.Popen(list(map(str, command)), env=self.faults.environment, stdout=self.log,
                                            stderr=self.log, cwd=self.program.folder)
            if self.is_up():
                self.faults.end()
                self.started += 1
                self.settle()
                self.baseline = self.baseline or self.holdings()
                return
            self.faults.end()
            self.counts["starts refused"] += 1
        raise Wrong(f"seed {seed}: the daemon does not start: {self.said()}")

    def is_up(self):
        deadline = time.monotonic() + 20
        while True:
            status = self.process.poll()
            if status is not None:
                if status != 1 or not self.faults.explain(self.said()):
                    raise Wrong(f"a start under faults ended with status {status}: {self.said()}")
                return False
            try:
                with Client(self.socket, timeout_seconds=5) as client:
                    if client.request("GET", "/v2/health/live")[0] == 200:
                        return True
            except (OSError, ValueError):
                pass
            if time.monotonic() > deadline:
                raise Wrong("a start under faults neither ends nor comes up")
            time.sleep(0.002)

    def said(self):
        self.log.flush()
        return pathlib.Path(self.log.name).read_text(errors="replace").strip()[-2000:]

    def stop(self):
        self.process.terminate()
        try:
            status = self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            raise Wrong("the daemon does not end")
        if status not in (0, 1):
            raise Wrong(f"the daemon ended with status {status}: {self.said()}")
        self.process = None

    def holdings(self):
        process = pathlib.Path(f"/proc/{self.process.pid}")
        status = (process / "status").read_text()
        number = lambda name: int(status.split(f"{name}:")[1].split()[0])
        with Client(self.socket, timeout_seconds=10) as client:
            text = client.request("GET", "/metrics")[2].decode()
        reserved = sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
                       if line.startswith("nv_cpu_memory_used_bytes") or line.startswith("thimble_memory_reserved_bytes"))
        return {"descriptors": len(os.listdir(process / "fd")), "threads": number("Threads"), "reserved": reserved,
                "resident": number("VmRSS") * 1024}

    # One seed

    def seed(self, seed):
        self.faults.begin(seed, self.random.choice([20_000, 60_000, 150_000]))
        for _ in range(self.random.randrange(1, 4)):
            self.talk()
        injected = self.faults.end()
        self.counts["faults"] += injected
        self.counts["seeds with faults"] += injected > 0
        if self.process.poll() is not None:
            raise Wrong(f"seed {seed}: the daemon ended with status {self.process.returncode}: {self.said()}")
        self.settle()

    def talk(self):
        """Some requests over one connection, which may break."""
        try:
            with Client(self.socket, timeout_seconds=10) as client:
                for _ in range(self.random.randrange(1, 5)):
                    self.ask(client)
        except TimeoutError:
            raise Wrong("no answer within 10 s")
        except (ConnectionError, BrokenPipeError, ValueError, OSError):
            self.counts["connections broken"] += 1

    def ask(self, client):
        kind = self.random.randrange(10)
        if kind < 5:
            self.infer(client)
        elif kind == 5:
            self.refusable(client.request("GET", "/v2/models/digits"))
        elif kind == 6:
            self.refusable(client.request("POST", f"/v2/repository/models/{self.random.choice(['digits', 'other'])}/load",
                                          b"{}"))
        elif kind == 7:
            self.refusable(client.request("POST", "/v2/repository/models/other/unload", b"{}"))
        elif kind == 8:
            self.share(client)
        else:
            self.refusable(client.request("GET", "/metrics"))

    def refusable(self, reply):
        status, _, body = reply
        self.counts[f"status {status}"] += 1
        if status == 200:
            return True
        text = body if isinstance(body, str) else body.decode(errors="replace")
        self.refusals[text[:160]] += 1
        if status not in (500, 503, 507) or len(text) < 12:
            raise Wrong(f"status {status}: {text}")
        return False

    def infer(self, client):
        number = self.random.randrange(len(self.inputs))
        status, headers, outputs = client.infer(self.model, self.inputs[number])
        if self.refusable((status, headers, outputs)) and outputs != self.answers[number]:
            raise Wrong("a wrong answer")

    def share(self, client):
        """Passes memory, lets the answer be written there, and has it forgotten."""
        number = self.random.randrange(len(self.inputs))
        memory = os.memfd_create("fault", os.MFD_ALLOW_SEALING)
        try:
            os.write(memory, self.inputs[number][0] + bytes(4096 - 64))
            fcntl.fcntl(memory, 1033, 2 | 4)  # F_ADD_SEALS: shrink, grow
            body = b'{"byte_size": 4096}'
            head = ("POST /v2/thimble/memory/region/r/register HTTP/1.1\r\nHost: t\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n").encode()
            sockets.send_fds(client.socket, [head + body], [memory])
            # The request itself is sent above; its answer is read as any other.
            if not self.refusable(client.answer()):
                return
            tensor = self.model.inputs[0]
            request = ('{"inputs":[{"name":"%s","shape":[1,8,8,1],"datatype":"UINT8","parameters":{"shared_memory_region":"r",'
                       '"shared_memory_byte_size":64}}],"outputs":[{"name":"%s","parameters":{"shared_memory_region":"r",'
                       '"shared_memory_offset":1024,"shared_memory_byte_size":10}}]}')
            request = request % (tensor["name"], self.model.outputs[0]["name"])
            if self.refusable(client.request("POST", "/v2/models/digits/infer", request.encode())):
                if os.pread(memory, 10, 1024) != self.answers[number][0]:
                    raise Wrong("a wrong answer in shared memory")
            self.refusable(client.request("POST", "/v2/thimble/memory/region/r/unregister", b""))
        finally:
            os.close(memory)

    # Afterwards

    def settle(self):
        """Nothing fails any more: the models are there again, and answer right."""
        deadline = time.monotonic() + 10
        while True:
            try:
                with Client(self.socket, timeout_seconds=10) as client:
                    for name in ["digits", "other"]:
                        if client.request("GET", f"/v2/models/{name}/ready")[0] != 200:
                            status, _, body = client.request("POST", f"/v2/repository/models/{name}/load", b"{}")
                            if status != 200:
                                raise Wrong(f"{name} does not load again: status {status}: {body}")
                    status, _, outputs = client.infer(self.model, self.inputs[0])
                    if status != 200 or outputs != self.answers[0]:
                        raise Wrong(f"afterwards: status {status}: {outputs}")
                return
            except (ConnectionError, ValueError) as error:
                # A connection may still break that was accepted while something failed.
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise Wrong(f"afterwards: {error}: {self.said()}")
            except (TimeoutError, OSError) as error:
                raise Wrong(f"afterwards: {error}: {self.said()}")

    def check_holdings(self):
        deadline = time.monotonic() + 5
        while True:
            now = self.holdings()
            worse = [name for name in ["descriptors", "threads"] if now[name] > self.baseline[name]]
            # Pages more or less go with how a model came to be loaded; what is never given back adds up.
            if now["reserved"] > self.baseline["reserved"] + 16 * 4096:
                worse.append("reserved")
            if now["resident"] > self.baseline["resident"] + 16 * MEGABYTE:
                worse.append("resident")
            if not worse:
                return
            if time.monotonic() > deadline:
                raise Wrong(f"a leak: {', '.join(worse)}: {self.baseline} before, {now} now")
            time.sleep(0.1)

    # Out of descriptors

    def descriptors(self):
        """With no descriptor left, clients wait and are served once there are some, and no model is taken for gone."""
        self.start(1, ["--model-control-mode", "watch"])
        process = self.process.pid
        with Client(self.socket, timeout_seconds=10) as first:
            first.request("GET", "/v2/health/ready")
            used = len(os.listdir(f"/proc/{process}/fd"))
            _, hard = resource.prlimit(process, resource.RLIMIT_NOFILE)
            resource.prlimit(process, resource.RLIMIT_NOFILE, (used, hard))
            (self.repository / "digits/2").mkdir()
            (self.repository / "digits/2").rmdir()
            time.sleep(0.6)
            status, _, outputs = first.infer(self.model, self.inputs[0])
            if status != 200 or outputs != self.answers[0]:
                raise Wrong(f"without descriptors: status {status}: {outputs}")
            waiting = Client(self.socket, timeout_seconds=10)
        # The daemon closes what the first one had, and nobody else is connected: only time helps.
        resource.prlimit(process, resource.RLIMIT_NOFILE, (used - 1, hard))
        time.sleep(0.3)
        resource.prlimit(process, resource.RLIMIT_NOFILE, (hard, hard))
        with waiting:
            status, _, outputs = waiting.infer(self.model, self.inputs[0])
            if status != 200 or outputs != self.answers[0]:
                raise Wrong(f"with descriptors again: status {status}: {outputs}")
        self.stop()
        self.baseline = None

    # Commands, each call in turn

    def commands(self, step):
        target = self.program.folder / "imported.thimble"
        source = DIGITS / "digits.tflite"
        self.program.run(["import", source, "-o", target])
        whole = target.read_bytes()
        inputs = self.program.folder / "input"
        inputs.write_bytes(self.inputs[0][0])
        out = self.program.folder / "out"
        for words, check in [
            (["run", target, "--input", inputs, "--threads", "2", "--output-dir", out],
             lambda: (out / "out0.bin").read_bytes() == self.answers[0][0]),
            (["import", source, "-o", target], lambda: target.read_bytes() == whole),
            (["inspect", target], lambda: True),
            (["plan", target], lambda: True),
        ]:
            nth = 1
            while True:
                self.faults.begin(nth * 7919, nth=nth)
                try:
                    result = subprocess.run([self.program.binary, *map(str, words)], env=self.faults.environment,
                                            capture_output=True, timeout=30)
                except subprocess.TimeoutExpired:
                    raise Wrong(f"{words[0]} hangs where call {nth} fails")
                if self.faults.end() == 0:
                    break
                self.counts[f"commands ({words[0]})"] += 1
                said = result.stderr.decode(errors="replace").strip()
                if result.returncode not in (0, 1) or (
                        result.returncode == 1 and not self.faults.explain(said)):
                    raise Wrong(f"{words[0]}, call {nth} fails: status {result.returncode}: {said}")
                if result.returncode == 0 and not check():
                    raise Wrong(f"{words[0]}, call {nth} fails: another result")
                if target.read_bytes() != whole:
                    raise Wrong(f"{words[0]}, call {nth} fails: {target} is neither the old nor the new")
                nth += step


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("thimble")
    parser.add_argument("--seeds", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    with Program(options.thimble) as program:
        trials = Trials(program, random.Random(options.seed), options.verbose)
        number = 0
        try:
            trials.descriptors()
            trials.commands(1 if options.seeds >= 1000 else 3)
            for number in range(options.seeds):
                if number % 200 == 0:
                    trials.start(options.seed + number)
                trials.seed(options.seed * 1_000_003 + number)
                if number % 25 == 24:
                    trials.check_holdings()
            trials.stop()
        except Wrong as error:
            print(f"WRONG, after {number} of {options.seeds} seeds: {error}")
            print("failed last:", trials.faults.control.faults())
            if trials.process:
                trials.process.kill()
            return 1
        finally:
            if options.verbose:
                for text, count in trials.refusals.most_common():
                    print(f"  {count} × {text}")
    counts = ", ".join(f"{count} {what}" for what, count in sorted(trials.counts.items()))
    print(f"{options.seeds} seeds, {trials.started} daemons: {counts}: nothing wrong")
    return 0


if __name__ == "__main__":
    sys.exit(main())
