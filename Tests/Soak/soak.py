#!/usr/bin/env python3
"""soak.py: a daemon for a long time, with clients that die, memory that comes and goes, and sensors that move.

usage: soak.py THIMBLE [--minutes M] [--seed S] [--memory-budget SIZE] [MODEL...]     (default: 60 minutes, 16M)

MODEL: .thimble or .tflite files, or folders of them; the project's digits model is always there, and by default the networks beside
the project. Clients ask random models and compare every byte. Others send half a request and go, or do not read the answer, or
leave memory behind that they shared. Models are loaded and unloaded. The memory limit of the daemon's control group rises and
falls, where one can be made. A board's temperature and battery move under --root.
Every few seconds all is still for a moment: then there are as many descriptors and threads as in the beginning, and memory does
not grow. Exits 1 on a leak, a wrong byte, a request that nobody answers, and where the daemon ends or does not drain.
"""
import argparse, contextlib, json, os, pathlib, random, shutil, socket as sockets, statistics, sys, threading, time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Budget"))
import cgroup
from crowd import Crowd, questions
from thimble import Client, Daemon, Program, announce, mebibytes

PROJECT = HERE.parents[1]
SHARED = pathlib.Path(os.environ.get("THIMBLE_TEST_MODELS", PROJECT.parent / "shared")) / "models"
# The largest that the daemon may grow from the second quarter of the time to the last: less than a page an hour would be no leak,
# and what heaps and the kernel round up moves by some pages.
GROWTH_BYTES_MAX = 1 << 20
# Of the control group: the smallest leaves the models just enough.
LIMIT_BYTES = [5 << 20, 24 << 20]


class Board:
    """The sensors of a machine with a fan too small and a battery."""

    def __init__(self, root, generator):
        self.root, self.random = root, generator
        self.temperature, self.percent = 50_000, 80
        zone = "sys/class/thermal/thermal_zone0"
        self.files = {
            "proc/self/cgroup": "0::/", f"{zone}/type": "cpu-thermal", f"{zone}/mode": "enabled",
            f"{zone}/trip_point_0_type": "passive", f"{zone}/trip_point_0_temp": "80000",
            f"{zone}/trip_point_0_hyst": "2000", f"{zone}/trip_point_1_type": "critical",
            f"{zone}/trip_point_1_temp": "105000", f"{zone}/trip_point_1_hyst": "0",
            "sys/class/power_supply/BAT0/type": "Battery", "sys/class/power_supply/BAT0/present": "1",
            "sys/class/power_supply/AC/type": "Mains",
        }
        for name, text in self.files.items():
            self.write(name, text)
        self.move()

    def write(self, name, text):
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")

    def move(self):
        self.temperature = min(99_000, max(35_000, self.temperature + self.random.randrange(-9_000, 9_500)))
        self.percent = min(100, max(2, self.percent + self.random.randrange(-6, 6)))
        mains = self.random.random() < 0.5
        self.write("sys/class/thermal/thermal_zone0/temp", str(self.temperature))
        self.write("sys/class/power_supply/BAT0/capacity", str(self.percent))
        self.write("sys/class/power_supply/BAT0/status", "Charging" if mains else "Discharging")
        self.write("sys/class/power_supply/AC/online", "1" if mains else "0")


class Dying:
    """Clients that go away at the worst moment, one after another, until stopped."""

    def __init__(self, socket, asked, generator):
        self.socket, self.asked, self.random = socket, asked, generator
        self.count = 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()

    def run(self):
        while not self.stop.wait(self.random.uniform(0, 0.02)):
            with contextlib.suppress(OSError, ValueError):
                self.die()
            self.count += 1

    def die(self):
        question = self.random.choice(self.asked)
        with Client(self.socket, timeout_seconds=5) as client:
            kind = self.random.randrange(4)
            if kind == 0:  # memory that nobody unregisters
                memory = os.memfd_create("soak", os.MFD_ALLOW_SEALING)
                os.ftruncate(memory, 1 << 16)
                sockets.send_fds(client.socket, [b"POST /v2/thimble/memory/region/r/register HTTP/1.1\r\nHost: t\r\n"
                                                 b"Content-Length: 20\r\n\r\n" + b'{"byte_size": 65536}'], [memory])
                os.close(memory)
                return
            body = json.dumps({"inputs": [dict(name=tensor["name"], shape=tensor["shape"], datatype=tensor["datatype"],
                                               parameters={"binary_data_size": len(content)})
                                          for tensor, content in zip(question.model.inputs, question.inputs)]}).encode()
            head = (f"POST /v2/models/{question.model.name}/infer HTTP/1.1\r\nHost: t\r\n"
                    f"Inference-Header-Content-Length: {len(body)}\r\n"
                    f"Content-Length: {len(body) + sum(map(len, question.inputs))}\r\n\r\n").encode()
            request = head + body + b"".join(question.inputs)
            client.socket.sendall(request if kind == 1 else request[:self.random.randrange(len(request))])
            if kind == 2:
                time.sleep(self.random.uniform(0, 0.01))
            if kind == 1 and self.random.random() < 0.5:
                client.socket.recv(self.random.randrange(1, 200))


class Still:
    """What the daemon holds while nobody asks it."""

    def __init__(self, daemon):
        process = pathlib.Path(f"/proc/{daemon.process.pid}")
        status = (process / "status").read_text()
        number = lambda name: int(status.split(f"{name}:")[1].split()[0])
        metrics = daemon.metrics()
        self.descriptors, self.threads = len(os.listdir(process / "fd")), number("Threads")
        self.anonymous_bytes = number("RssAnon") * 1024
        reserved = [value for name, value in metrics.items()
                    if name.startswith("thimble_memory_reserved_bytes") and 'kind="host"' in name]
        # What models keep comes and goes by the budget's rules and is counted there; what is not counted must not grow.
        self.uncounted_bytes = self.anonymous_bytes - sum(reserved)
        self.region_bytes = sum(value for name, value in metrics.items() if 'purpose="regions"' in name)
        self.peak_bytes = metrics["thimble_memory_peak_resident_bytes"]


class Soak:
    def __init__(self, options, program, group):
        self.random = random.Random(options.seed)
        self.group, self.options, self.program = group, options, program
        models = program.models([PROJECT / "models/digits/digits.tflite", *options.models])
        repository = program.repository(models)
        # A model of its own to load and unload, for nobody to miss.
        shutil.copytree(repository / "digits", repository / "spare", symlinks=True)
        self.asked = questions(program, models, 3, ["--memory-budget", options.memory_budget])
        root = program.folder / "root"
        self.board = Board(root, self.random)
        self.daemon = Daemon(program, repository, options.memory_budget,
                             ["--root", root, "--response-cache", "1M", "--quiet", "--threads", "2"], group)
        self.stills, self.problems, self.answers, self.died, self.retried = [], [], 0, 0, 0

    def run(self):
        seconds = 60 * self.options.minutes
        part = min(15, max(4, seconds / 20))
        with self.daemon as daemon:
            # Everything has been used once before anything is counted.
            self.ask(2)
            self.still(daemon)
            end = time.monotonic() + seconds
            while time.monotonic() < end and not self.problems:
                self.ask(part)
                self.still(daemon)
            if daemon.stop() != 0:
                self.problems.append(f"the daemon ended with status {daemon.process.returncode}: "
                                     f"{daemon.log.read_text()[-500:]}")
        return self.report()

    def ask(self, seconds):
        crowd = Crowd(self.daemon.socket, self.asked, 4, self.random.random(), skew=0.7)
        with crowd, Dying(self.daemon.socket, self.asked, random.Random(self.random.random())) as dying:
            end = time.monotonic() + seconds
            while time.monotonic() < end and self.daemon.is_alive:
                self.board.move()
                self.limit()
                with contextlib.suppress(OSError, ValueError), Client(self.daemon.socket) as client:
                    client.request("POST", f"/v2/repository/models/spare/{self.random.choice(['load', 'unload'])}", b"{}")
                time.sleep(self.random.uniform(0.1, 0.6))
        self.answers += crowd.answered
        self.died += dying.count
        self.retried += crowd.retried
        self.problems += [f"wrong bytes: {text}" for text in crowd.wrong]
        self.problems += [f"no answer: {text}" for text in crowd.unanswered]
        if not self.daemon.is_alive:
            self.problems.append(f"the daemon is gone: {self.daemon.log.read_text()[-500:]}")

    def limit(self):
        """Another limit for the group. Less than what is in use is taken back from it, or refused."""
        if not self.group:
            return
        name = "memory.max" if self.group.version == 2 else "memory.limit_in_bytes"
        byte_count = self.random.randrange(*LIMIT_BYTES)
        with contextlib.suppress(OSError):
            (self.group.path / name).write_text(str(byte_count))

    def still(self, daemon):
        if not daemon.is_alive or self.problems:
            return
        time.sleep(0.5)
        with Client(daemon.socket) as client:
            client.request("POST", "/v2/repository/models/spare/load", b"{}")
        deadline = time.monotonic() + 10
        while True:
            still = Still(daemon)
            first = self.stills[0] if self.stills else still
            worse = [name for name in ["descriptors", "threads", "region_bytes"] if getattr(still, name) > getattr(first, name)]
            if not worse:
                break
            if time.monotonic() > deadline:
                self.problems.append(f"a leak: {worse[0]}: {getattr(first, worse[0])} before, {getattr(still, worse[0])} now")
                break
            time.sleep(0.2)
        self.stills.append(still)

    def report(self):
        uncounted = [still.uncounted_bytes for still in self.stills]
        if len(uncounted) >= 8:
            quarter = len(uncounted) // 4
            early, late = statistics.median(uncounted[quarter:2 * quarter]), statistics.median(uncounted[-quarter:])
            print(f"  resident beyond what the budget counts: {mebibytes(early)} MiB in the second quarter, "
                  f"{mebibytes(late)} MiB in the last")
            if late > early + GROWTH_BYTES_MAX:
                self.problems.append(f"memory grows: by {mebibytes(late - early)} MiB")
        last = self.stills[-1]
        print(f"  {self.answers} answers compared, {self.retried} asked again after 503, {self.died} clients died, "
              f"{len(self.stills)} times still; {last.descriptors} descriptors, {last.threads} threads, peak "
              f"{mebibytes(last.peak_bytes)} MiB of {self.options.memory_budget}"
              + (f", the group's limit met {self.group.limit_hits} times" if self.group else ""))
        budget = cgroup.parse_size(self.options.memory_budget)
        if last.peak_bytes > budget:
            self.problems.append(f"the peak is over the budget by {int(last.peak_bytes - budget)} bytes")
        for text in self.problems[:10]:
            print("WRONG:", text)
        return 1 if self.problems or not self.answers else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("thimble")
    parser.add_argument("models", nargs="*", type=pathlib.Path)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--memory-budget", default="16M")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_intermixed_args()
    if not options.models:
        names = ["kws_ref_model", "ad01_int8", "mobilenet_v1_0.25_128_quant", "vww_96_int8"]
        options.models = [path for path in (SHARED / f"{name}.tflite" for name in names) if path.exists()]
    announce(f"soak: {options.minutes:g} minutes")
    with contextlib.ExitStack() as stack:
        program = stack.enter_context(Program(options.thimble))
        group = None
        try:
            group = stack.enter_context(cgroup.MemoryGroup(LIMIT_BYTES[1]))
        except cgroup.Unavailable as error:
            print(f"SKIPPED: limits that move: {error}")
        return Soak(options, program, group).run()


if __name__ == "__main__":
    sys.exit(main())
