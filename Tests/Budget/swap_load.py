#!/usr/bin/env python3
"""swap_load.py: versions of a model take each other's place while clients ask; no request may fail.

usage: swap_load.py BINARY MODEL [options]              MODEL: a .thimble or .tflite file

Starts `thimble serve --model-control-mode watch`. A publisher, a process of its own, copies a version beside the repository and
renames it into place; most swaps are sabotaged: the publisher is killed (SIGKILL) in the middle of the copy, or copies into
the repository itself and is killed there; the file is damaged or cut off; it is removed while it is loaded; whoever asked for
the load hangs up; the version fails its warm-up; the model beside it is unloaded while this one loads. Clients ask all the time and
name no version. Exits 1 on a status other than 200, a wrong byte, a good version that does not come into service, a bad one that
does, and on VmHWM over the budget.
"""
import argparse, json, os, pathlib, random, shutil, signal, subprocess, sys, threading, time

import cgroup
from crowd import questions
from thimble import Client, Daemon, Program, announce, mebibytes

PUBLISHER = """
import os, pathlib, sys, time
source, target = map(pathlib.Path, sys.argv[1:3])
target.mkdir(parents=True)
with open(source, "rb") as read, open(target / "model.thimble", "wb") as write:
    content = read.read()
    for start in range(0, len(content), max(1, len(content) // 20)):
        write.write(content[start:start + max(1, len(content) // 20)])
        write.flush()
        time.sleep(0.002)
if len(sys.argv) > 3:
    os.rename(target, sys.argv[3])
"""


class Asker(threading.Thread):
    """Asks until stopped; `wrong` says what was not as it should be."""

    def __init__(self, socket, question):
        super().__init__(daemon=True)
        self.socket, self.question = socket, question
        self.stops, self.count, self.wrong = threading.Event(), 0, []

    def run(self):
        try:
            with Client(self.socket) as client:
                while not self.stops.is_set():
                    status, _, outputs = client.infer(self.question.model, self.question.inputs)
                    self.count += 1
                    if status != 200:
                        self.wrong.append(f"a request: {status} {outputs}")
                    elif outputs != self.question.expected:
                        self.wrong.append("a request: other bytes")
        except (OSError, ValueError) as error:
            self.wrong.append(f"a client: {error}")


class Swaps:
    def __init__(self, daemon, repository, question, generator):
        self.daemon, self.repository, self.question, self.generator = daemon, repository, question, generator
        self.name, self.source = question.model.name, question.model.path.resolve()
        self.staged = repository.parent / "staged"
        self.version, self.good = 1, 1
        self.content = self.source.read_bytes()

    def next(self):
        self.version += 1
        return self.repository / self.name / str(self.version)

    def publish(self, source, target, in_place=False, kills=False):
        words = [source, target] if in_place else [source, self.staged, target]
        process = subprocess.Popen([sys.executable, "-S", "-c", PUBLISHER, *map(str, words)])
        if kills:
            copy = (target if in_place else self.staged) / "model.thimble"
            while process.poll() is None and not (copy.exists() and copy.stat().st_size > len(self.content) // 3):
                time.sleep(0.0005)
            process.send_signal(signal.SIGKILL)
        process.wait()
        shutil.rmtree(self.staged, ignore_errors=True)
        return process.returncode == 0

    def load(self, configuration=None):
        with Client(self.daemon.socket) as client:
            body = json.dumps({"parameters": {"config": json.dumps(configuration)}} if configuration else {}).encode()
            return client.request("POST", f"/v2/repository/models/{self.name}/load", body)[0]

    def serving(self):
        with Client(self.daemon.socket) as client:
            return int(json.loads(client.request("GET", f"/v2/models/{self.name}")[2])["versions"][-1])

    # Each does one swap and returns what is wrong with it.

    def well(self):
        if not self.publish(self.source, self.next()):
            return "the publisher failed"
        return self.comes()

    def comes(self):
        deadline = time.monotonic() + 60
        while self.serving() != self.version:
            if time.monotonic() > deadline:
                return f"version {self.version} does not come into service"
            time.sleep(0.01)
        shutil.rmtree(self.repository / self.name / str(self.good), ignore_errors=True)
        self.good = self.version

    def killed_beside(self):
        self.publish(self.source, self.next(), kills=True)
        return self.stays(200)

    def killed_in_place(self):
        target = self.next()
        finished = self.publish(self.source, target, in_place=True, kills=True)
        return self.comes() if finished else self.fails(target)

    def damaged(self):
        content = bytearray(self.content)
        content[self.generator.randrange(len(content) // 2, len(content) - 200)] ^= 0x10
        return self.bad(bytes(content))

    def cut_off(self):
        return self.bad(self.content[:self.generator.randrange(len(self.content))])

    def bad(self, content):
        source = self.repository.parent / "bad.thimble"
        source.write_bytes(content)
        target = self.next()
        self.publish(source, target)
        return self.fails(target)

    def removed_while_loading(self):
        target = self.next()
        self.publish(self.source, target)
        thread = threading.Thread(target=self.load)
        thread.start()
        time.sleep(self.generator.uniform(0, 0.01))
        shutil.rmtree(target)
        thread.join()
        # Either it was open by then, or the old one serves.
        if self.serving() not in (self.version, self.good):
            return f"version {self.serving()} serves"
        return None

    def hangs_up(self):
        self.publish(self.source, self.next())
        client = Client(self.daemon.socket)
        client.socket.sendall(f"POST /v2/repository/models/{self.name}/load HTTP/1.1\r\nContent-Length: 0\r\n\r\n".encode())
        client.socket.close()
        return self.comes()

    def fails_its_warmup(self):
        target = self.next()
        self.publish(self.source, target)
        sample = {"name": "sabotage", "inputs": {"there is no such input": {"zero_data": True}}}
        # The repository is followed too: it may be there before this load is refused.
        self.load({"model_warmup": [sample]})
        return self.comes()

    def unloads_the_neighbour(self):
        self.publish(self.source, self.next())
        with Client(self.daemon.socket) as client:
            for verb in ("unload", "load"):
                status = client.request("POST", f"/v2/repository/models/neighbour/{verb}")[0]
                if status != 200:
                    return f"neighbour: {verb}: {status}"
        return self.comes()

    def fails(self, target):
        """After something bad has come."""
        if self.load() == 200:
            return f"version {self.version} is bad and loads"
        wrong = self.stays()
        shutil.rmtree(target)
        return wrong

    def stays(self, status=None):
        if status and self.load() != status:
            return "what serves already does not load"
        # A version that was removed while it was loaded may still serve.
        return f"version {self.version} is bad and serves" if self.serving() == self.version else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("model")
    parser.add_argument("--memory-budget", default="16M")
    parser.add_argument("--swaps", type=int, default=100)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--serve-options", default="")
    options = parser.parse_args()
    budget = cgroup.parse_size(options.memory_budget)
    announce("Versions swapped under load")
    wrong = []
    with Program(options.binary) as program:
        asked = questions(program, program.models([options.model]), 1)
        if not asked:
            print("WRONG: no model to serve")
            return 1
        question = asked[0]
        repository = program.folder / "repository"
        for name in (question.model.name, "neighbour"):
            (repository / name / "1").mkdir(parents=True)
            shutil.copy(question.model.path.resolve(), repository / name / "1" / "model.thimble")
        serve = ["--model-control-mode", "watch", *options.serve_options.split()]
        with Daemon(program, repository, budget, serve) as daemon:
            askers = [Asker(daemon.socket, question) for _ in range(options.clients)]
            for asker in askers:
                asker.start()
            swaps = Swaps(daemon, repository, question, random.Random(options.seed))
            kinds = [swaps.well, swaps.killed_beside, swaps.damaged, swaps.killed_in_place, swaps.cut_off,
                     swaps.removed_while_loading, swaps.hangs_up, swaps.fails_its_warmup, swaps.unloads_the_neighbour]
            counts = dict.fromkeys((kind.__name__ for kind in kinds), 0)
            for number in range(options.swaps):
                kind = kinds[number % len(kinds)]
                text = kind()
                counts[kind.__name__] += 1
                if text:
                    wrong.append(f"swap {number}, {kind.__name__}: {text}")
            text = swaps.well()
            if text:
                wrong.append(f"the last swap: {text}")
            for asker in askers:
                asker.stops.set()
            for asker in askers:
                asker.join(timeout=60)
                wrong += asker.wrong
                if asker.count == 0:
                    wrong.append("a client was never answered")
            memory = daemon.bytes()
            print(f"  {options.swaps} swaps: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
            print(f"  {sum(asker.count for asker in askers)} requests of {len(askers)} clients, "
                  f"VmHWM {mebibytes(memory['VmHWM'])} MiB", flush=True)
            if memory["VmHWM"] > budget:
                wrong.append(f"VmHWM {memory['VmHWM']} is over the budget of {budget}")
        status = daemon.stop()
        if status != 0 or wrong:
            print(daemon.log.read_text().strip()[-3000:])
        if status != 0:
            wrong.append(f"the daemon's status is {status}")
    for text in wrong[:20]:
        print(f"WRONG: {text}")
    print("BROKEN" if wrong else "right")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
