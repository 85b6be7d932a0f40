#!/usr/bin/env python3
"""kill.py: SIGKILL at random moments; afterwards everything on disk is the old or the new.

usage: kill.py THIMBLE [--trials N] [--seed S]     (default: 1200 trials, a third of each kind)

import   over a model that is there: the file is byte for byte one of the two, and the next import and run work
measure  what was measured of the device: the cache has whole files or none, and the next start reads them
serve    while models are loaded, asked, and replaced by renaming: every answer is one of the two models', the same socket
         serves again at once, and what it answers is the file's that is there
Exits 1 where one of these does not hold.
"""
import argparse, collections, os, pathlib, random, shutil, signal, subprocess, sys, tempfile, threading, time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Budget"))
from thimble import Client, Failed, Program

DIGITS = HERE.parents[1] / "models/digits/digits.tflite"


class Wrong(Exception):
    pass


class Trials:
    def __init__(self, program, generator):
        self.program, self.random = program, generator
        self.folder = program.folder
        self.environment = dict(os.environ, THIMBLE_CACHE=str(self.folder / "cache"))
        self.sources = [self.folder / "old/model.tflite", self.folder / "new/model.tflite"]
        self.models, self.answers = [], []
        self.input = [generator.randbytes(64)]
        self.make_models()
        self.counts = collections.Counter()

    def make_models(self):
        """The digits model, and one that differs from it in what it answers."""
        original = DIGITS.read_bytes()
        for source in self.sources:
            source.parent.mkdir()
        for position in [None, *range(len(original) // 4, len(original), 97)]:
            changed = bytearray(original)
            if position is not None:
                changed[position] ^= 0x40
            source = self.sources[len(self.models)]
            source.write_bytes(changed)
            target = source.with_suffix(".thimble")
            if self.program.run(["import", source, "-o", target]).status != 0:
                continue
            outputs, _, _ = self.program.answer(self.program.model(target), self.input)
            if outputs and outputs not in self.answers:
                self.models.append(target)
                self.answers.append(outputs)
            if len(self.models) == 2:
                break
        self.bytes = [model.read_bytes() for model in self.models]

    def start(self, words):
        return subprocess.Popen([self.program.binary, *map(str, words)], env=self.environment, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)

    def kill_within(self, words, seconds):
        """Returns whether it was killed before its end."""
        process = self.start(words)
        time.sleep(self.random.uniform(0, seconds))
        process.kill()
        return process.wait() == -signal.SIGKILL

    def duration(self, words):
        start = time.monotonic()
        if self.start(words).wait() != 0:
            raise Failed(f"{words} fails")
        return 1.1 * (time.monotonic() - start)

    # Importing

    def import_trials(self, count):
        target = self.folder / "target.thimble"
        shutil.copy(self.models[0], target)
        seconds = max(self.duration(["import", source, "-o", self.folder / "x.thimble"]) for source in self.sources)
        for trial in range(count):
            killed = self.kill_within(["import", self.sources[trial % 2], "-o", target], seconds)
            found = target.read_bytes()
            if found not in self.bytes:
                raise Wrong(f"import, trial {trial}: {len(found)} bytes that are neither the old nor the new model")
            self.counts["imports killed" if killed else "imports that ended first"] += 1
            if trial % 20 == 19:
                self.duration(["import", self.sources[1], "-o", target])
                if target.read_bytes() != self.bytes[1]:
                    raise Wrong(f"import, trial {trial}: the import afterwards wrote another file")

    # Measuring

    def measure_trials(self, count):
        cache = self.folder / "cache"
        words = ["plan", self.models[0]]
        shutil.rmtree(cache, ignore_errors=True)
        seconds = self.duration(words)
        lines = {file.name: file.read_bytes().count(b"\n") for file in cache.iterdir()}
        if not lines:
            raise Wrong("nothing was kept of what was measured")
        for trial in range(count):
            for name in lines:
                (cache / name).unlink(missing_ok=True)
            killed = self.kill_within(words, seconds)
            self.counts["measurements killed" if killed else "measurements that ended first"] += 1
            for name in lines:
                file = cache / name
                if file.exists() and file.read_bytes().count(b"\n") != lines[name]:
                    raise Wrong(f"measure, trial {trial}: half of {name}")
            if trial % 20 == 19:
                self.duration(words)

    # Serving

    def serve_trials(self, count):
        repository = self.folder / "repository"
        place = repository / "digits/1/model.thimble"
        place.parent.mkdir(parents=True)
        shutil.copy(self.models[0], place)
        socket = self.folder / "socket"
        words = ["serve", "--models", repository, "--socket", socket, "--model-control-mode", "watch", "--quiet",
                 "--threads", "2"]
        model = self.program.model(self.models[0])
        model.name = "digits"
        seconds = 0.02
        for trial in range(count):
            if trial % 3 == 2:
                self.counts["servers killed as they start"] += self.kill_within(words, 1.5 * seconds)
                continue
            process = self.start(words)
            start = time.monotonic()
            try:
                client = self.connected(socket, process)
                seconds = max(seconds, time.monotonic() - start)
                there = self.bytes.index(place.read_bytes())
                self.check(client, model, [there], trial)
                swapper = threading.Thread(target=self.swap, args=(place, socket, process))
                timer = threading.Timer(self.random.uniform(0, 0.06), process.kill)
                swapper.start()
                timer.start()
                try:
                    while True:
                        self.check(client, model, [0, 1], trial)
                        self.counts["answers"] += 1
                except (OSError, ValueError):
                    pass
                swapper.join()
                timer.join()
                if process.wait() != -signal.SIGKILL:
                    raise Wrong(f"serve, trial {trial}: the daemon ended by itself, status {process.returncode}")
                self.counts["servers killed at work"] += 1
            finally:
                process.kill()
                process.wait()

    def connected(self, socket, process):
        deadline = time.monotonic() + 20
        while True:
            try:
                client = Client(socket, timeout_seconds=20)
                if client.request("GET", "/v2/models/digits/ready")[0] == 200:
                    return client
            except (OSError, ValueError):
                pass
            if process.poll() is not None or time.monotonic() > deadline:
                raise Wrong(f"the daemon does not start again, status {process.returncode}")
            time.sleep(0.002)

    def check(self, client, model, allowed, trial):
        status, _, outputs = client.infer(model, self.input)
        if status != 200:
            raise Wrong(f"serve, trial {trial}: status {status}: {outputs}")
        if outputs not in [self.answers[index] for index in allowed]:
            raise Wrong(f"serve, trial {trial}: the answer of no model that was there")

    def swap(self, place, socket, process):
        """Puts one model in the place of the other and has it loaded, until the daemon is gone."""
        number = 0
        while process.poll() is None:
            number += 1
            part = place.with_suffix(".new")
            shutil.copy(self.models[number % 2], part)
            os.rename(part, place)
            try:
                with Client(socket, timeout_seconds=20) as client:
                    client.request("POST", "/v2/repository/models/digits/load", b"{}")
            except (OSError, ValueError):
                return


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("thimble")
    parser.add_argument("--trials", type=int, default=1200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with Program(options.thimble) as program:
        trials = Trials(program, random.Random(options.seed))
        try:
            for kind in [trials.import_trials, trials.measure_trials, trials.serve_trials]:
                kind(options.trials // 3)
        except Wrong as error:
            print("WRONG:", error)
            return 1
    print("; ".join(f"{count} {what}" for what, count in trials.counts.items()) + ": nothing half")
    return 0


if __name__ == "__main__":
    sys.exit(main())
