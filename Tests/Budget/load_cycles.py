#!/usr/bin/env python3
"""load_cycles.py: a model is loaded, asked and unloaded again and again; the memory must come back every time.

usage: load_cycles.py BINARY MODEL... [options]        MODEL: .thimble or .tflite files, or folders of them

Starts `thimble serve --explicit` and, over the socket, loads, asks and unloads the models in turn. After --settle cycles
and after all of them, both rounded up so that every model had as many, compares RssAnon of the daemon and the bytes it
has reserved of its budget (/metrics), everything being unloaded. Exits 1 where RssAnon grew by more than
--growth, where another number of bytes is reserved, on a wrong byte, on a status other than 200 and on VmHWM over the budget.
"""
import argparse, sys

import cgroup
from crowd import questions
from thimble import Client, Daemon, Program, announce, mebibytes


def cycle(client, question, number):
    """What is wrong with one load, inference and unload; None where nothing is."""
    repository = f"/v2/repository/models/{question.model.name}"
    status, _, body = client.request("POST", f"{repository}/load")
    if status != 200:
        return f"cycle {number}: load: {status} {body.decode(errors='replace')}"
    status, _, outputs = client.infer(question.model, question.inputs)
    if status != 200:
        return f"cycle {number}: infer: {status} {outputs}"
    if outputs != question.expected:
        return f"cycle {number}: {question.model.name} answers other bytes"
    status, _, body = client.request("POST", f"{repository}/unload")
    return None if status == 200 else f"cycle {number}: unload: {status} {body.decode(errors='replace')}"


def reserved_bytes(daemon):
    values = [value for name, value in daemon.metrics().items() if name.startswith("thimble_memory_reserved_bytes")]
    return int(sum(values))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("models", nargs="+")
    parser.add_argument("--memory-budget", default="64M")
    parser.add_argument("--cycles", type=int, default=1000)
    parser.add_argument("--settle", type=int, default=10, help="cycles before the first look (default 10)")
    parser.add_argument("--growth", default="64K", help="how much RssAnon may grow after that")
    parser.add_argument("--serve-options", default="")
    options = parser.parse_intermixed_args()
    budget = cgroup.parse_size(options.memory_budget)
    if options.settle < 1 or options.cycles < 1:
        parser.error("--settle and --cycles must be at least 1")
    announce("Memory after many loads and unloads")
    wrong = []
    with Program(options.binary) as program:
        asked = questions(program, program.models(options.models), 1)
        if not asked:
            print("WRONG: no model to load")
            return 1
        settle, cycles = (-(-count // len(asked)) * len(asked) for count in (options.settle, options.cycles))
        cycles = max(cycles, settle + len(asked))
        repository = program.repository([question.model for question in asked])
        serve = ["--explicit", *options.serve_options.split()]
        with Daemon(program, repository, budget, serve) as daemon, Client(daemon.socket) as client:
            looks = []
            for number in range(1, cycles + 1):
                text = cycle(client, asked[number % len(asked)], number)
                if text:
                    wrong.append(text)
                    break
                if number in (settle, cycles):
                    looks.append((number, daemon.bytes(), reserved_bytes(daemon)))
                    _, memory, reserved = looks[-1]
                    print(f"  after {number} cycles: RssAnon {memory['RssAnon'] >> 10} KiB, {reserved >> 10} KiB reserved, "
                          f"VmHWM {mebibytes(memory['VmHWM'])} MiB", flush=True)
            if len(looks) == 2:
                (_, first, reserved_first), (_, last, reserved_last) = looks
                growth = last["RssAnon"] - first["RssAnon"]
                if growth > cgroup.parse_size(options.growth):
                    wrong.append(f"RssAnon grew by {growth} bytes")
                if reserved_first != reserved_last:
                    wrong.append(f"{reserved_first} bytes were reserved, now {reserved_last}")
                if last["VmHWM"] > budget:
                    wrong.append(f"VmHWM {last['VmHWM']} is over the budget of {budget}")
        status = daemon.stop()
        if status != 0:
            wrong.append(f"the daemon's status is {status}: {daemon.log.read_text().strip()[-1000:]}")
    for text in wrong:
        print(f"WRONG: {text}")
    print("BROKEN" if wrong else "right")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
