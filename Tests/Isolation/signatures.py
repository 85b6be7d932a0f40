#!/usr/bin/env python3
"""What a daemon with --trusted-key loads, of models that minisign has signed.

    signatures.py THIMBLE

THIMBLE is a build with THIMBLE_SIGNATURES=1. Without the program minisign, or with a build that checks no signatures, nothing is checked, loudly.
"""
import argparse, base64, contextlib, http.client, json, os, pathlib, shutil, signal, socket, subprocess, sys, tempfile, time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("thimble")
arguments = parser.parse_args()
PROJECT = pathlib.Path(__file__).resolve().parents[2]
THIMBLE = os.path.abspath(arguments.thimble)
PICTURE = (PROJECT / "models/digits/heldout.bin").read_bytes()[20:84]
checks = 0


def check(what, holds):
    global checks
    checks += 1
    if not holds:
        sys.exit(f"signatures.py: {what}")


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=20)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(20)
        self.sock.connect(self.path)


def ask(path, method, url, body=None, headers={}):
    with contextlib.closing(Connection(path)) as connection:
        connection.request(method, url, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")


def infers(path, model="digits"):
    status, body = ask(path, "POST", f"/v2/models/{model}/infer", PICTURE, {
        "Inference-Header-Content-Length": "0", "Content-Type": "application/octet-stream"})
    return status == 200 and "outputs" in body


def load(path, model="digits"):
    return ask(path, "POST", f"/v2/repository/models/{model}/load")


def refused(path, model, reason, log=None):
    status, body = load(path, model)
    check(f"{model} is not refused for «{reason}»: {status} {body}", status == 500 and reason in body)
    if log:
        check(f"the log does not say «{reason}»", reason in pathlib.Path(log).read_text())


def minisign(*words):
    subprocess.run(["minisign", *map(str, words)], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


class Key:
    def __init__(self, folder, name):
        self.public, self.secret = folder / f"{name}.pub", folder / f"{name}.key"
        minisign("-G", "-W", "-p", self.public, "-s", self.secret)

    def sign(self, file, *words):
        beside = pathlib.Path(f"{file}.minisig")
        beside.unlink(missing_ok=True)
        minisign("-S", "-s", self.secret, "-m", file, *words)
        return beside


@contextlib.contextmanager
def daemon(folder, *options):
    path, log = f"{folder}/socket", f"{folder}/log"
    process = subprocess.Popen(
        [THIMBLE, "serve", "--models", f"{folder}/models", "--socket", path, "--memory-budget", "32M", *map(str, options)],
        stderr=open(log, "w"), env={**os.environ, "THIMBLE_CACHE": f"{folder}/cache"})
    try:
        for _ in range(1000):
            if os.path.exists(path) or process.poll() is not None:
                break
            time.sleep(0.01)
        check("the daemon does not start: " + pathlib.Path(log).read_text(), os.path.exists(path))
        yield path, log
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        check(f"SIGTERM does not end it: {pathlib.Path(log).read_text()}", process.wait(30) == 0)


def flip(file, offset, bit=0):
    content = bytearray(file.read_bytes())
    content[offset] ^= 1 << bit
    file.write_bytes(content)


def place(folder, name, version=1, source="model.thimble"):
    """A copy of the model as one of the repository's, at once as a reader sees it."""
    model = folder / f"models/{name}/{version}/model.thimble"
    model.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(folder / source, folder / "copy")
    os.rename(folder / "copy", model)
    return model


@contextlib.contextmanager
def repository():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        os.chmod(folder, 0o755)
        (folder / "models").mkdir()
        (folder / "cache").mkdir()
        subprocess.run([THIMBLE, "import", PROJECT / "models/digits/digits.tflite", "-o", folder / "model.thimble"], check=True, stdout=subprocess.DEVNULL)
        yield folder, Key(folder, "mine"), Key(folder, "other")


def what_is_refused():
    with repository() as (folder, mine, other):
        mine.sign(place(folder, "digits"))
        mine.sign(place(folder, "comment"), "-t", "with a comment of its own")
        place(folder, "unsigned")

        flipped = place(folder, "flipped")
        mine.sign(flipped)
        size = flipped.stat().st_size
        flip(flipped, size // 2)
        longer = place(folder, "longer")
        mine.sign(longer)
        with longer.open("ab") as file:
            file.write(b"\0")

        # A digit in the middle of the signature; then comments.
        signature = mine.sign(place(folder, "signature"))
        lines = signature.read_text().split("\n")
        signature.write_text("\n".join([lines[0], lines[1][:60] + ("A" if lines[1][60] != "A" else "B") + lines[1][61:], *lines[2:]]))
        comment = mine.sign(place(folder, "changed-comment"), "-t", "version 1")
        comment.write_text(comment.read_text().replace("version 1", "version 2"))
        # A comment with its signature, of another file.
        (folder / "donor").write_bytes(b"donor")
        first, second = mine.sign(place(folder, "swapped")), mine.sign(folder / "donor")
        ours, theirs = first.read_text().split("\n"), second.read_text().split("\n")
        first.write_text("\n".join([*ours[:2], *theirs[2:4], ""]))

        other.sign(place(folder, "other"))
        # The other key under the name of the trusted one.
        forged = other.sign(place(folder, "forged"))
        words, trusted = forged.read_text().split("\n"), base64.b64decode(mine.public.read_text().split("\n")[1])
        encoded = base64.b64decode(words[1])
        words[1] = base64.b64encode(encoded[:2] + trusted[2:10] + encoded[10:]).decode()
        forged.write_text("\n".join(words))

        mine.sign(place(folder, "legacy"), "-l")
        for name, content in ("empty", b""), ("garbage", b"\0" * 300), ("long", b"untrusted comment: " + b"x" * 100000):
            pathlib.Path(f"{place(folder, name)}.minisig").write_bytes(content)
        pathlib.Path(f"{place(folder, 'folder')}.minisig").mkdir()
        os.mkfifo(f"{place(folder, 'pipe')}.minisig")
        # A good signature, but beyond the repository.
        out = place(folder, "out")
        os.rename(mine.sign(out), folder / "outside.minisig")
        pathlib.Path(f"{out}.minisig").symlink_to(folder / "outside.minisig")

        (folder / "words.csv").write_text("word,count\none,1\ntwo,2\n")
        subprocess.run([THIMBLE, "import", folder / "words.csv", "--key", "word", "-o", folder / "table.thimble"], check=True, stdout=subprocess.DEVNULL)
        place(folder, "table", source="table.thimble")
        mine.sign(place(folder, "signed-table", source="table.thimble"))

        expected = {
            "table": "minisign -Sm model.thimble", "unsigned": "minisign -Sm model.thimble", "flipped": "does not match", "longer": "does not match",
            "signature": "does not match", "forged": "does not match", "changed-comment": "trusted comment", "swapped": "trusted comment",
            "other": "not trusted", "legacy": "without -l", "empty": "is not a signature", "garbage": "is not a signature",
            "long": "longer than", "folder": "not a regular file", "pipe": "not a regular file", "out": "link",
        }
        with daemon(folder, "--trusted-key", mine.public) as (path, log):
            for name in "digits", "comment":
                check(f"{name} does not infer", infers(path, name))
            check("the signed table is not there", ask(path, "GET", "/v2/models/signed-table/ready")[0] == 200)
            for name, reason in expected.items():
                refused(path, name, reason, log)
                check(f"{name} infers", not infers(path, name))
                status, body = ask(path, "POST", "/v2/thimble/plan", json.dumps({"model": name}))
                check(f"{name} is planned: {status} {body}", status == 500 and reason in body)
            check(f"the key is not named: {load(path, 'other')}", other.public.read_text().split("\n")[0].split()[-1] in load(path, "other")[1])
            check("a signed one is not loaded again", load(path)[0] == 200 and infers(path))
            for method in "unload", "load":
                check(method, ask(path, "POST", f"/v2/repository/models/digits/{method}")[0] == 200)
            check("no inference after loading again", infers(path))
        # Two files, and two keys in a file.
        both = folder / "both.pub"
        both.write_text(mine.public.read_text() + "\n" + other.public.read_text())
        for options in ("--trusted-key", both), ("--trusted-key", mine.public, "--trusted-key", other.public):
            with daemon(folder, *options) as (path, _):
                check("two keys", infers(path) and infers(path, "other") and not infers(path, "unsigned"))
        with daemon(folder) as (path, _):
            check("an unsigned model without --trusted-key", infers(path, "unsigned"))

        for name, reason in [("digits", None), *expected.items()]:
            answer = subprocess.run([THIMBLE, "verify", folder / f"models/{name}/1/model.thimble", "--key", mine.public], capture_output=True, text=True)
            if name == "out":  # A link is the user's own affair there.
                reason = None
            check(f"verify {name}: {answer}", answer.returncode == (1 if reason else 0) and (reason or "signed with") in answer.stdout + answer.stderr)
        for content, reason in (b"", "no public key"), (b"nothing\n", "line 1"), (b"x" * 100000, "large"):
            (folder / "bad.pub").write_bytes(content)
            answer = subprocess.run(
                [THIMBLE, "serve", "--models", folder / "models", "--socket", folder / "s", "--trusted-key", folder / "bad.pub"],
                capture_output=True, text=True)
            check(f"a bad key file: {answer}", answer.returncode == 1 and reason in answer.stderr.lower())


def a_swap():
    """An unsigned version does not take the place of a signed one; its signature, when it comes, lets it."""
    def versions(path):
        answer = json.loads(ask(path, "POST", "/v2/repository/index", "{}")[1])
        return {entry["version"] for entry in answer if entry["name"] == "digits" and entry["state"] == "READY"}

    with repository() as (folder, mine, _):
        mine.sign(place(folder, "digits"))
        with daemon(folder, "--trusted-key", mine.public) as (path, log):
            second = place(folder, "digits", 2)
            refused(path, "digits", "minisign -Sm", log)
            check("the old version is gone", versions(path) == {"1"} and infers(path))
            mine.sign(second)
            check("the new version, signed", load(path)[0] == 200 and versions(path) == {"2"} and infers(path))
    with repository() as (folder, mine, _):
        mine.sign(place(folder, "digits"))
        with daemon(folder, "--trusted-key", mine.public, "--model-control-mode", "watch") as (path, log):
            second = place(folder, "digits", 2)
            wait("the log does not say why", lambda: "minisign -Sm" in pathlib.Path(log).read_text())
            check("the old version is gone", versions(path) == {"1"} and infers(path))
            mine.sign(second)
            wait("the new version is not taken once it is signed", lambda: versions(path) == {"2"})
            check("no inference after the swap", infers(path))


def wait(what, holds):
    for _ in range(200):
        if holds():
            return
        time.sleep(0.05)
    check(what, False)


def what_sleeps():
    """A model that was written to in place while it slept does not wake."""
    with repository() as (folder, mine, _):
        model = place(folder, "digits")
        mine.sign(model)
        with daemon(folder, "--trusted-key", mine.public, "--keep-alive", "0") as (path, _):
            check("no inference", infers(path))
            wait("it does not sleep", lambda: '"asleep"' in ask(path, "GET", "/v2/thimble/models")[1])
            flip(model, model.stat().st_size // 2)
            status, body = ask(path, "POST", "/v2/models/digits/infer", PICTURE, {
                "Inference-Header-Content-Length": "0", "Content-Type": "application/octet-stream"})
            check(f"it wakes: {status} {body}", status == 500 and "written to" in body)
            refused(path, "digits", "does not match")


if not shutil.which("minisign"):
    print("LEFT OUT: signatures: there is no program minisign (Debian's package minisign)")
elif "--trusted-key: this build checks no signatures" in subprocess.run(
        [THIMBLE, "serve", "--models", "/", "--socket", "/nowhere", "--trusted-key", "/dev/null"], capture_output=True, text=True).stderr:
    print(f"LEFT OUT: signatures: {arguments.thimble} checks none; build it with THIMBLE_SIGNATURES=1")
else:
    what_is_refused()
    a_swap()
    what_sleeps()
    print(f"signatures: {checks} checks of what is loaded, refused and kept")
