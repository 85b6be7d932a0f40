#!/usr/bin/env python3
"""neighbour.py: another process in the daemon's memory cgroup eats memory while the daemon is asked.

usage: neighbour.py BINARY MODEL... [options]          MODEL: .thimble or .tflite files, or folders of them

The group's limit is the budget, the --room and the allowance. The neighbour grows step by step until the group is full to
--fill, holds that, gives all back, and begins again until --seconds are over; clients ask the daemon all the while. With
--overeat it grows until the kernel kills it (it offers itself with oom_score_adj 1000), and another takes its place. Shows the
daemon's resident set, its rung of the pressure ladder where /metrics has one, and latency. Exits 1 on a wrong byte, a
request without an answer, VmHWM over the budget, and where the kernel kills the daemon. Needs a writable memory cgroup:
elsewhere it skips, saying so.
"""
import argparse, pathlib, subprocess, sys, time

import cgroup
from crowd import Crowd, questions
from thimble import Daemon, Program, announce, mebibytes

STEP_SECONDS = 0.1


def eat():
    """The neighbour: every line names bytes to have in all; answers with one line when they are touched."""
    pathlib.Path("/proc/self/oom_score_adj").write_text("1000")
    pieces, held = [], 0
    for line in sys.stdin:
        wanted = int(line)
        if wanted < held:
            pieces, held = [], 0
        if wanted > held:
            pieces.append(b"\1" * (wanted - held))  # written, therefore resident
            held = wanted
        print(held, flush=True)


class Neighbour:
    def __init__(self, group):
        command = group.wrap([sys.executable, __file__, "--eat"])
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.held = 0

    def hold(self, byte_count):
        """Whether it lives on with so much."""
        try:
            self.process.stdin.write(f"{byte_count}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return False
        if not self.process.stdout.readline():
            return False
        self.held = byte_count
        return True

    def end(self):
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        self.process.stdout.close()
        return self.process.wait()


def press(group, daemon, options):
    """Eats and gives back until the time is over; returns (most bytes held, neighbours that were killed)."""
    step, most, killed = cgroup.parse_size(options.step), 0, 0
    deadline = time.monotonic() + options.seconds
    neighbour, shown = Neighbour(group), 0.0
    try:
        while time.monotonic() < deadline and daemon.is_alive:
            full = (group.usage_bytes or 0) + step > options.fill * group.limit_bytes
            if full and not options.overeat:
                time.sleep(options.hold)
                alive = neighbour.hold(0)
            else:
                alive = neighbour.hold(neighbour.held + step)
            most = max(most, neighbour.held)
            if not alive:
                killed += 1
                neighbour.end()
                neighbour = Neighbour(group)
            if time.monotonic() - shown >= 1:
                shown = time.monotonic()
                show(group, daemon, neighbour)
            time.sleep(STEP_SECONDS)
    finally:
        neighbour.end()
    return most, killed


def show(group, daemon, neighbour):
    try:
        rungs = {name: value for name, value in daemon.metrics().items() if "rung" in name or "pressure" in name}
    except OSError as error:
        rungs = {"metrics": str(error)}
    text = "".join(f", {name} {value:g}" if isinstance(value, float) else f", {name}: {value}"
                   for name, value in list(rungs.items())[:2])
    print(f"  neighbour {mebibytes(neighbour.held)} MiB, group {mebibytes(group.usage_bytes or 0)} of "
          f"{mebibytes(group.limit_bytes)} MiB, daemon {mebibytes(daemon.bytes().get('VmRSS', 0))} MiB{text}", flush=True)


def main():
    if sys.argv[1:] == ["--eat"]:
        return eat()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("models", nargs="+")
    parser.add_argument("--memory-budget", default="64M")
    parser.add_argument("--room", default="64M", help="the group's limit above the budget: what the neighbour may have")
    parser.add_argument("--allowance", default="4M", help="what the kernel charges to the group beside resident sets")
    parser.add_argument("--step", default="4M", help="how fast the neighbour grows, every 0.1 s")
    parser.add_argument("--fill", type=float, default=0.97, help="share of the limit at which it stops")
    parser.add_argument("--hold", type=float, default=1.0, help="seconds that it stays there")
    parser.add_argument("--overeat", action="store_true", help="grow until the kernel kills the neighbour")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--serve-options", default="")
    options = parser.parse_intermixed_args()
    budget = cgroup.parse_size(options.memory_budget)
    limit = budget + cgroup.parse_size(options.room) + cgroup.parse_size(options.allowance)
    announce("A neighbour that eats memory in the daemon's cgroup")
    wrong = []
    with Program(options.binary) as program:
        asked = questions(program, program.models(options.models), 2)
        if not asked:
            print("WRONG: no model to ask")
            return 1
        models = list({question.model.name: question.model for question in asked}.values())
        try:
            group = cgroup.MemoryGroup(limit)
        except cgroup.Unavailable as error:
            print(f"SKIPPED: {error}")
            return 0
        cgroup.forget_pages(*(model.path for model in models))
        with group, Daemon(program, program.repository(models), budget, options.serve_options.split(), group) as daemon:
            with Crowd(daemon.socket, asked, options.clients, 0) as crowd:
                most, killed = press(group, daemon, options)
            good = crowd.report()
            memory, alive = daemon.bytes(), daemon.is_alive
            kills = group.oom_kills
            status = daemon.stop()
            print(f"  VmHWM {mebibytes(memory.get('VmHWM', 0))} MiB of {options.memory_budget}; the neighbour had up to "
                  f"{mebibytes(most)} MiB; limit met {group.limit_hits} times, {kills} killed, {killed} of them neighbours")
        if not alive or status != 0:
            wrong.append(f"the daemon's status is {status}: {daemon.log.read_text().strip()[-1000:]}")
        if memory.get("VmHWM", 0) > budget:
            wrong.append(f"VmHWM {memory['VmHWM']} is over the budget of {budget}")
        if killed and not options.overeat:
            wrong.append(f"{killed} neighbours were killed, though they stopped at {options.fill} of the limit")
        if not most:
            wrong.append("the neighbour had no memory: nothing was measured")
    for text in wrong:
        print(f"WRONG: {text}")
    good = good and not wrong
    print("right" if good else "BROKEN")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
