#!/usr/bin/env python3
"""serve_slowdown.py: one model in a daemon under a tight budget, beside a daemon that has all the memory it wants.

usage: serve_slowdown.py BINARY MODEL [options]        MODEL: a .thimble or .tflite file

The tight daemon runs in a memory cgroup of exactly its budget where the machine lets us make one. A client asks both in
rounds that alternate: the same inputs, raw HTTP over their Unix sockets; every answer is compared with `thimble run`'s. The slowdown is
the median of the rounds' ratios of medians. Exits 1 on a wrong byte, on VmHWM over the budget, on a kill, and where the slowdown
is over --bound.
"""
import argparse, contextlib, statistics, sys, time

import cgroup
from crowd import questions
from thimble import Client, Daemon, Program, announce, mebibytes


def ask(client, asked, runs):
    """(the median of the seconds that answers took, wrong answers)."""
    seconds, wrong = [], 0
    for index in range(runs):
        question = asked[index % len(asked)]
        began = time.perf_counter()
        status, _, outputs = client.infer(question.model, question.inputs)
        seconds.append(time.perf_counter() - began)
        wrong += status != 200 or outputs != question.expected
    return statistics.median(seconds), wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("model")
    parser.add_argument("--memory-budget", default="4M")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--runs", type=int, default=10, help="requests a round and daemon")
    parser.add_argument("--bound", type=float, metavar="F", help="slowdown at most")
    options = parser.parse_intermixed_args()
    budget = cgroup.parse_size(options.memory_budget)
    announce("A daemon under a tight budget")
    good = True
    with Program(options.binary) as program, contextlib.ExitStack() as stack:
        model = program.model(options.model)
        asked = questions(program, [model], 2)
        repository = program.repository([model])
        group = None
        try:
            group = stack.enter_context(cgroup.MemoryGroup(budget))
        except cgroup.Unavailable as error:
            print(f"SKIPPED: the memory cgroup: {error}")
        threads = ["--threads", options.threads]
        tight = stack.enter_context(Daemon(program, repository, budget, threads, group, name="tight"))
        free = stack.enter_context(Daemon(program, repository, "1G", threads, name="free"))
        clients = [stack.enter_context(Client(daemon.socket)) for daemon in (free, tight)]
        rounds, wrong = [], 0
        for _ in range(options.rounds):
            times = [ask(client, asked, options.runs) for client in clients]
            rounds.append([seconds for seconds, _ in times])
            wrong += sum(count for _, count in times)
        slowdown = statistics.median(constrained / unconstrained for unconstrained, constrained in rounds)
        least = [min(column) * 1e3 for column in zip(*rounds)]
        memory = tight.bytes()
        print(f"  {model.name}, {options.threads} threads: {least[1]:.2f} ms at {options.memory_budget}, {least[0]:.2f} ms free (least); "
              f"slowdown {slowdown:.2f}, of minima {least[1] / least[0]:.2f}")
        print(f"  VmHWM {memory.get('VmHWM', 0) >> 10} KiB of {budget >> 10}; {wrong} wrong answers")
        if group:
            print(f"  the group's peak {mebibytes(group.peak_bytes or 0)} MiB, limit met {group.limit_hits} times, "
                  f"{group.oom_kills} killed")
        good = wrong == 0 and 0 < memory.get("VmHWM", 0) <= budget and not (group and group.oom_kills)
        good = good and not (options.bound and slowdown > options.bound)
    print("right" if good else "BROKEN")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
