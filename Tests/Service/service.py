#!/usr/bin/env python3
"""What whoever starts the daemon sees of it: notices, sockets passed to it, reloading, going when idle, probes.

    service.py THIMBLE [--time]

--time   only measures how long a client waits whose connection starts the daemon: the least and the median of 20
"""
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
    sys.exit(__doc__)
PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
THIMBLE = os.path.abspath(sys.argv[1])


def request(picture):
    head = (
        "POST /v2/models/digits/infer HTTP/1.1\r\nHost: a\r\nInference-Header-Content-Length: 0\r\n"
        f"Content-Type: application/octet-stream\r\nContent-Length: {len(picture)}\r\n\r\n"
    )
    return head.encode() + picture


def picture():
    with open(PROJECT + "/models/digits/heldout.bin", "rb") as file:
        return file.read()[20:84]


class Folder:
    def __init__(self):
        self.path = tempfile.mkdtemp()
        self.models = self.path + "/models"
        shutil.copytree(PROJECT + "/models/digits", self.models + "/digits")
        self.socket = self.path + "/socket"

    def configure(self, text):
        with open(self.models + "/digits/config.json.new", "w") as file:
            file.write(text)
        os.rename(self.models + "/digits/config.json.new", self.models + "/digits/config.json")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path)


class Daemon:
    """A daemon; `passed` is what it finds as descriptor 3."""

    def __init__(self, folder, options=(), passed=None, environment=None):
        command = [THIMBLE, "serve", "--models", folder.models, "--threads", "1", "--memory-budget", "32M", *options]
        if passed is None:
            command += ["--socket", folder.socket]
        names = {"PATH": os.environ["PATH"], "HOME": folder.path, **(environment or {})}
        self.log = folder.path + "/log"
        self.pid = os.fork()
        if self.pid == 0:
            log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(log, 2)
            if passed is not None:
                os.dup2(passed.fileno(), 3)
                os.set_inheritable(3, True)
                names.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
            os.execve(THIMBLE, command, names)

    def lines(self):
        with open(self.log) as file:
            return file.read()

    def signal(self, number):
        os.kill(self.pid, number)

    def wait(self):
        for _ in range(2000):
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.01)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        sys.exit(f"the daemon does not end: {self.lines()}")

    def stop(self):
        self.signal(signal.SIGTERM)
        return self.wait()


def listener(path):
    if os.path.exists(path):
        os.remove(path)
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    one.bind(path)
    one.listen(16)
    return one


def connect(path):
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(20)
    client.connect(path)
    return client


def answer(client):
    return client.recv(1 << 16)


def check(condition, what):
    if not condition:
        sys.exit(f"service.py: {what}")


def health(folder, *options):
    command = [THIMBLE, "health", "--socket", folder.socket, "--timeout", "1", *options]
    return subprocess.run(command, capture_output=True, text=True)


class Notices:
    """What a service manager hears, each variable by name."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(20)

    def until(self, line):
        heard = []
        while True:
            try:
                lines = self.socket.recv(1 << 16).decode().split("\n")
            except socket.timeout:
                sys.exit(f"service.py: {line} was not said: {heard}")
            heard += lines
            if line in lines:
                return dict(one.split("=", 1) for one in lines)


def notices_and_reloading(abstract):
    with Folder() as folder:
        name = f"thimble-{os.getpid()}" if abstract else folder.path + "/notify"
        notices = Notices("\0" + name if abstract else name)
        environment = {"NOTIFY_SOCKET": "@" + name if abstract else name, "WATCHDOG_USEC": "400000"}
        daemon = Daemon(folder, environment=environment)
        check("1 of 1 models" in notices.until("READY=1")["STATUS"], "READY says nothing of models")
        for _ in range(3):
            notices.until("WATCHDOG=1")
        check(health(folder).returncode == 0 and health(folder, "--ready").stdout == "ready\n", "it is not healthy")

        def labels():
            client = connect(folder.socket)
            client.sendall(b"GET /v2/models/digits/config HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            text = b""
            while piece := client.recv(1 << 16):
                text += piece
            return json.loads(text.split(b"\r\n\r\n", 1)[1]).get("labels")

        before = labels()
        other = [f"digit {n}" for n in range(10)]
        # A model that cannot be taken over keeps everything as it was.
        folder.configure('{"labels": 5}')
        daemon.signal(signal.SIGHUP)
        check(int(notices.until("RELOADING=1")["MONOTONIC_USEC"]) > 0, "no time of reloading")
        check("changed nothing" in notices.until("READY=1")["STATUS"], "a refused reload is not said")
        check(labels() == before, "a refused reload changed something")
        folder.configure(json.dumps({"labels": other}))
        check(labels() == before, "it is read without being asked")
        daemon.signal(signal.SIGHUP)
        notices.until("RELOADING=1")
        check("1 of 1 models" in notices.until("READY=1")["STATUS"], "a reload is not said")
        check(labels() == other, f"a reload changed nothing: {daemon.lines()}")
        daemon.signal(signal.SIGTERM)
        notices.until("STOPPING=1")
        check(daemon.wait() == 0, "it does not end with 0")
        check(health(folder).returncode == 1, "a daemon that is gone is healthy")


def activation():
    with Folder() as folder:
        for ending in ["idle", "signal", "idle"]:
            with listener(folder.socket) as passed:
                client = connect(folder.socket)
                client.sendall(request(picture()))
                daemon = Daemon(folder, ["--exit-when-idle", "1"] if ending == "idle" else [], passed=passed)
                check(b" 200 " in answer(client)[:16], f"no answer: {daemon.lines()}")
                client.close()
                check((daemon.wait() if ending == "idle" else daemon.stop()) == 0, "it does not end with 0")
                # The socket is not its own to remove, and takes the next client.
                connect(folder.socket).close()
        for wrong in [socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), socket.socket(), open("/dev/null")]:
            with wrong:
                daemon = Daemon(folder, passed=wrong)
                check(daemon.wait() == 1 and "ListenStream" in daemon.lines(), f"takes {wrong}: {daemon.lines()}")


def probe_of_what_does_not_answer():
    with Folder() as folder, listener(folder.socket):
        result = health(folder)
        check(result.returncode == 1 and "in time" in result.stderr, f"silence is healthy: {result}")


def cold_start():
    times = []
    with Folder() as folder:
        for _ in range(20):
            with listener(folder.socket) as passed:
                client = connect(folder.socket)
                client.sendall(request(picture()))
                start = time.perf_counter()
                daemon = Daemon(folder, passed=passed)
                check(b" 200 " in answer(client)[:16], "no answer")
                times.append((time.perf_counter() - start) * 1000)
                client.close()
                daemon.stop()
    print(f"cold start to the first byte of an answer: {min(times):.1f} ms least, {statistics.median(times):.1f} ms median")


if "--time" in sys.argv:
    cold_start()
else:
    notices_and_reloading(abstract=False)
    notices_and_reloading(abstract=True)
    activation()
    probe_of_what_does_not_answer()
    print("service: notices, reloading, sockets passed on, probes")
