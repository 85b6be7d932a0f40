#!/usr/bin/env python3
"""Who may ask what, and how much each user may take: clients.py THIMBLE

Clients run as users of their own, for which it takes root.
"""
import json, os, pathlib, re, signal, subprocess, sys, tempfile, time

if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
    sys.exit(__doc__)
if os.getuid() != 0:
    sys.exit(print("LEFT OUT: clients of other users: needs root"))
PROJECT = pathlib.Path(__file__).resolve().parents[2]
THIMBLE = os.path.abspath(sys.argv[1])
PICTURE = (PROJECT / "models/digits/heldout.bin").read_bytes()[20:84]
ONE, OTHER, GROUP = 65534, 65533, 4242
POLICY = {
    "allowed": {"model-repository": [f"@{GROUP}"], "logging": [], "statistics": [str(ONE)]},
    "clients": [
        {"user": str(ONE), "max_memory": "256K", "highest_priority": 3, "max_queue_size": 4},
        {"user": str(OTHER), "cpu_share": 1},
    ],
}


def check(what, holds):
    if not holds:
        sys.exit(f"clients.py: {what}")


def ask(path, url, *options, user=0, groups=()):
    answer = subprocess.run(
        ["curl", "--silent", "--unix-socket", path, "--write-out", "\n%{http_code}", *options, f"http://localhost{url}"],
        capture_output=True, user=user, group=user, extra_groups=list(groups), timeout=30)
    body, _, status = answer.stdout.rpartition(b"\n")
    return int(status), body.decode(errors="replace")


LOAD = """
import http.client, socket, sys, time
class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(sys.argv[1])
connection, end, count = Connection('localhost'), time.monotonic() + float(sys.argv[2]), 0
pictures = bytes(64 * 64)  # 64 rows: the runs take longer than this script
while time.monotonic() < end:
    connection.request('POST', '/v2/models/digits/infer', pictures, {'Inference-Header-Content-Length': '0'})
    answer = connection.getresponse()
    answer.read()
    count += answer.status == 200
print(count)
"""


def load(path, seconds, user):
    """Answers in so many seconds, and the core seconds that they took."""
    def taken():
        page = ask(path, "/metrics")[1]
        return sum(float(m[1]) for m in re.finditer(rf'thimble_client_core_seconds_total{{user="{user}"}} (\S+)', page))
    before = taken()
    count = int(subprocess.run(["/usr/bin/python3", "-c", LOAD, path, str(seconds)], user=user, group=user, extra_groups=[],
                               stdout=subprocess.PIPE, check=True, timeout=60).stdout)
    return count, taken() - before


with tempfile.TemporaryDirectory() as folder:
    os.chmod(folder, 0o755)
    model = pathlib.Path(folder, "models/digits/1/model.thimble")
    model.parent.mkdir(parents=True)
    subprocess.run([THIMBLE, "import", PROJECT / "models/digits/digits.tflite", "-o", model], check=True, stdout=subprocess.DEVNULL)
    path, file = f"{folder}/socket", pathlib.Path(folder, "clients.json")
    for broken, reason in (
        ("{", "clients.json"), ('{"x": 1}', "allowed or clients"), ('{"allowed": {"everything": []}}', "model-repository"),
        ('{"allowed": {"trace": ["nobody-of-this-name"]}}', "nobody-of-this-name"), ('{"clients": [{"cpu_share": 0}]}', "cpu_share"),
    ):
        file.write_text(broken)
        refused = subprocess.run([THIMBLE, "serve", "--models", f"{folder}/models", "--socket", path, "--clients", file], capture_output=True, text=True)
        check(f"{broken}: {refused.stderr}", refused.returncode != 0 and reason in refused.stderr)
    file.write_text(json.dumps(POLICY))
    daemon = subprocess.Popen([THIMBLE, "serve", "--models", f"{folder}/models", "--socket", path, "--memory-budget", "32M", "--clients", file],
                              stderr=open(f"{folder}/log", "w"))
    try:
        for _ in range(400):
            if os.path.exists(path):
                break
            time.sleep(0.01)
        os.chmod(path, 0o666)
        infer = ["--data-binary", "@-", "-H", "Inference-Header-Content-Length: 0"]
        picture = f"{folder}/picture"
        pathlib.Path(picture).write_bytes(PICTURE)
        infer[1] = f"@{picture}"
        for user, groups, url, options, status in (
            (ONE, (), "/v2/health/ready", (), 200),
            (ONE, (), "/v2/models/digits/infer", infer, 200),
            (ONE, (), "/v2/repository/index", ("-d", "{}"), 403),
            (ONE, (), "/v2/repository/models/digits/unload", ("-d", "{}"), 403),
            (ONE, (GROUP,), "/v2/repository/index", ("-d", "{}"), 200),
            (0, (), "/v2/repository/index", ("-d", "{}"), 200),
            (ONE, (), "/v2/logging", (), 403),
            (0, (), "/v2/logging", (), 200),
            (ONE, (), "/metrics", (), 200),
            (OTHER, (), "/metrics", (), 403),
            (OTHER, (), "/v2/models/digits/stats", (), 403),
            (OTHER, (), "/v2/models/digits", (), 200),
        ):
            got, body = ask(path, url, *options, user=user, groups=groups)
            check(f"{url} by {user} {groups}: {got} {body}", got == status and (got != 403 or "--clients" in body))
        big = f"{folder}/big"
        pathlib.Path(big).write_bytes(json.dumps({"inputs": [], "x": "y" * (1 << 19)}).encode())
        got, body = ask(path, "/v2/models/digits/infer", "--data-binary", f"@{big}", user=ONE)
        check(f"max_memory: {got} {body}", got == 503 and "256.0 KiB" in body)
        got, body = ask(path, "/v2/models/digits/infer", "--data-binary", f"@{big}", user=OTHER)
        check(f"no max_memory: {got} {body}", got == 400)
        answers, cores = load(path, 3, OTHER)
        free, free_cores = load(path, 3, ONE)
        # 1 % of the threads, and what may be had at once.
        threads = os.cpu_count()
        check(f"cpu_share: {cores} core seconds", 0 < cores <= 0.01 * threads * 3 + 0.2 * 0.01 * threads + 0.05 and answers > 0)
        check(f"without: {free} against {answers}", free > 2 * answers)
        file.write_text('{"allowed": 3}')
        daemon.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        check("a broken file counts", ask(path, "/v2/logging", user=ONE)[0] == 403)
        check("the log does not say so", "nothing is changed" in pathlib.Path(folder, "log").read_text())
        file.write_text('{"allowed": {"logging": ["65534"]}}')
        daemon.send_signal(signal.SIGHUP)
        for _ in range(100):
            if ask(path, "/v2/logging", user=ONE)[0] == 200:
                break
            time.sleep(0.05)
        else:
            check("SIGHUP does not read it again: " + pathlib.Path(folder, "log").read_text(), False)
        check("what was allowed to some is to all", ask(path, "/v2/repository/index", "-d", "{}", user=OTHER)[0] == 200)
    finally:
        daemon.terminate()
        check("the daemon's end", daemon.wait(30) == 0)
    print(f"clients: categories, users, groups, memory, {cores:.3f} core seconds of 3 s at 1 %, against {free_cores:.3f}; SIGHUP")
