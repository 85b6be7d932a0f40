#!/usr/bin/env python3
"""What the daemon has given up once it serves, as the kernel tells it.

    isolation.py THIMBLE [--trace "qemu-aarch64 -cpu cortex-a76 THIMBLE-ARM"]

`--trace`: what a daemon under an emulator calls, beside what its filter would allow. Users are only changed as root; without Landlock or seccomp in the kernel (or under qemu) those checks are left out, loudly.
"""
import argparse, contextlib, http.client, json, os, pathlib, re, shutil, signal, socket, subprocess, sys, tempfile, time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("thimble")
parser.add_argument("--trace", metavar="EMULATOR-AND-PROGRAM")
arguments = parser.parse_args()
PROJECT = pathlib.Path(__file__).resolve().parents[2]
THIMBLE = os.path.abspath(arguments.thimble)
PICTURE = (PROJECT / "models/digits/heldout.bin").read_bytes()[20:84]
NOBODY = 65534


def check(what, holds):
    if not holds:
        sys.exit(f"isolation.py: {what}")


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=20)
        self.path = path

    def connect(self):
        # An emulated daemon takes its time between binding its socket and listening.
        for left in reversed(range(50)):
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(20)
            try:
                return self.sock.connect(self.path)
            except ConnectionRefusedError:
                if left == 0:
                    raise
                time.sleep(0.1)


def ask(path, method, url, body=None, headers={}):
    with contextlib.closing(Connection(path)) as connection:
        connection.request(method, url, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


def infers(path, model="digits"):
    status, body = ask(path, "POST", f"/v2/models/{model}/infer", PICTURE, {
        "Inference-Header-Content-Length": "0", "Content-Type": "application/octet-stream"})
    return status == 200 and b"outputs" in body


@contextlib.contextmanager
def daemon(folder, *options, program=(THIMBLE,)):
    path = f"{folder}/socket"
    process = subprocess.Popen(
        [*program, "serve", "--models", f"{folder}/models", "--socket", path, "--memory-budget", "32M", *options],
        stderr=open(f"{folder}/log", "w"), env={**os.environ, "THIMBLE_CACHE": f"{folder}/cache"})
    try:
        for _ in range(400):
            if os.path.exists(path) or process.poll() is not None:
                break
            time.sleep(0.01)
        check("the daemon does not start: " + pathlib.Path(folder, "log").read_text(), os.path.exists(path))
        # The socket is there before the last is given up; its first answer comes after.
        check("not ready", ask(path, "GET", "/v2/health/ready")[0] == 200)
        yield process, path
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            check("SIGTERM does not end it", process.wait(30) == 0)


def threads(process):
    """The lines of every thread's status."""
    for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir():
        yield dict(line.split(":", 1) for line in (task / "status").read_text().splitlines() if ":" in line)


def all_threads(process, field, value):
    found = {thread[field].strip() for thread in threads(process)}
    check(f"{field} is {found}, not {value}", found == {value})


@contextlib.contextmanager
def repository():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        model = pathlib.Path(folder, "models/digits/1/model.thimble")
        model.parent.mkdir(parents=True)
        subprocess.run([THIMBLE, "import", PROJECT / "models/digits/digits.tflite", "-o", model], check=True, stdout=subprocess.DEVNULL)
        os.mkdir(f"{folder}/cache")
        yield folder


def privileges(in_force):
    with repository() as folder, daemon(folder) as (process, path):
        all_threads(process, "NoNewPrivs", "1")
        all_threads(process, "CapEff", "0" * 16)
        all_threads(process, "CapPrm", "0" * 16)
        if in_force["refuses_forbidden_calls"] is not None:
            all_threads(process, "Seccomp", "2")
        check("no inference", infers(path))
        for method in "unload", "load":
            check(method, ask(path, "POST", f"/v2/repository/models/digits/{method}")[0] == 200)
        check("no inference after loading again", infers(path))
        check("what was measured is not kept", any(name.startswith("threads") or name.startswith("rates") for name in kept(folder)))
    with repository() as folder, daemon(folder, "--model-control-mode", "explicit") as (process, path):
        # Nothing is loaded before.
        check("the first load", ask(path, "POST", "/v2/repository/models/digits/load")[0] == 200)
        check("no inference after the first load", infers(path))
        # A fault that no file explains ends it.
        process.send_signal(signal.SIGBUS)
        check("SIGBUS does not end it", process.wait(30) != 0)
        os.remove(path)
    with repository() as folder, daemon(folder, "--no-sandbox") as (process, path):
        all_threads(process, "Seccomp", "0")
        check("no inference without the sandbox", infers(path))


def kept(folder):
    """What the daemon has written into its cache, for which it may take a while."""
    for _ in range(100):
        if names := os.listdir(f"{folder}/cache"):
            return names
        time.sleep(0.05)
    return []


def another_user():
    if os.getuid() != 0:
        return print("LEFT OUT: another user: needs root")
    with repository() as folder:
        with daemon(folder, "--user", str(NOBODY) + ":" + str(NOBODY)) as (process, path):
            for field in "Uid", "Gid":
                all_threads(process, field, "\t".join([str(NOBODY)] * 4))
            all_threads(process, "Groups", "")
            all_threads(process, "CapEff", "0" * 16)
            status = os.stat(path)
            check("the socket is not the user's", (status.st_uid, status.st_gid, status.st_mode & 0o777) == (NOBODY, NOBODY, 0o660))
            check("no inference as another user", infers(path))
            for method in "unload", "load":
                check(method, ask(path, "POST", f"/v2/repository/models/digits/{method}")[0] == 200)
        check("a user that there is not", subprocess.run(
            [THIMBLE, "serve", "--models", f"{folder}/models", "--socket", f"{folder}/s", "--memory-budget", "32M", "--user", "no-such-user"],
            capture_output=True).returncode != 0)


def repository_only():
    with repository() as folder:
        models = pathlib.Path(folder, "models")
        outside = pathlib.Path(folder, "outside.thimble")
        shutil.copy(models / "digits/1/model.thimble", outside)
        (models / "out/1").mkdir(parents=True)
        (models / "out/1/model.thimble").symlink_to(outside)
        (models / "folder").symlink_to(pathlib.Path(folder))
        (models / "inside/1").mkdir(parents=True)
        (models / "inside/1/model.thimble").symlink_to("../../digits/1/model.thimble")
        with daemon(folder) as (_, path):
            check("no inference by a link within the repository", infers(path, "inside"))
            check("a link leads out of the repository", not infers(path, "out"))
            status, body = ask(path, "POST", "/v2/repository/models/out/load")
            check(f"a link out is not explained: {status} {body}", status != 200 and b"link" in body)
            for name in "..", "%2e%2e", "..%2fmodels%2fdigits", "digits%2f..%2fdigits", "digits%00", "%2fetc%2fpasswd", ".":
                for url in f"/v2/models/{name}/infer", f"/v2/repository/models/{name}/load":
                    status, _ = ask(path, "POST", url, b"{}")
                    check(f"{url}: {status}", 400 <= status < 500)


def what_is_in_force():
    with repository() as folder:
        words = [THIMBLE, "serve", "--check", "--models", f"{folder}/models", "--socket", f"{folder}/socket", "--memory-budget", "32M"]
        text = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        found = json.loads(subprocess.run([*words, "--json"], capture_output=True, text=True, check=True).stdout)
        check("serve --check leaves a socket", os.listdir(folder).count("socket") == 0)
        check("privileges are kept", found["no_new_privileges"] and not found["capabilities"] and "forbidden" in text)
        if found["refuses_forbidden_calls"] is not None:
            check("forbidden calls are not refused", found["refuses_forbidden_calls"])
            # Debian's C library calls more than the one of the static builds.
            is_static = b"/ld-linux" not in pathlib.Path(THIMBLE).read_bytes()[:4096]
            check(f"{len(found['system_calls'])} system calls", len(found["system_calls"]) <= (45 if is_static else 60))
        else:
            print("LEFT OUT: system calls: this kernel filters none")
        if found["landlock"] is None:
            print("LEFT OUT: files: this kernel has no Landlock")
        return found


def calls_of_an_emulated_daemon(command):
    """No filter is in force there; what would be refused is what is called after it was asked for."""
    emulator, program = command.split()[:-1], command.split()[-1]
    with repository() as folder:
        allowed = set(json.loads(subprocess.run(
            [*emulator, program, "serve", "--check", "--json", "--models", f"{folder}/models", "--socket", f"{folder}/s",
             "--memory-budget", "32M"], capture_output=True, check=True).stdout)["system_calls"])
        with daemon(folder, program=(emulator[0], "-strace", *emulator[1:], program)) as (_, path):
            check("no inference", infers(path))
            for method in "unload", "load":
                check(method, ask(path, "POST", f"/v2/repository/models/digits/{method}")[0] == 200)
            check("no metrics", ask(path, "GET", "/metrics")[0] == 200)
            kept(folder)
        lines = pathlib.Path(folder, "log").read_text(errors="replace").splitlines()
        names = [match[1] for line in lines if (match := re.match(r"\d+ (\w+)\(", line))]
        check("no filter is asked for", "seccomp" in names)
        called = set(names[names.index("seccomp") + 1:])
        check(f"only {called} are called", len(called) > 15)
        # The cache's folder was made before.
        check(f"not allowed: {called - allowed}", called - allowed <= {"mkdirat"})
        print(f"isolation: {len(called)} system calls under {emulator[0]}, {len(allowed)} allowed")


found = what_is_in_force()
privileges(found)
another_user()
repository_only()
print(f"isolation: {len(found['system_calls'])} system calls, Landlock {found['landlock']}, another user, links, names")
if arguments.trace:
    calls_of_an_emulated_daemon(arguments.trace)
