#!/usr/bin/env python3
"""streamed_weights.py: what it costs to keep less of a model's weights in memory.

usage: streamed_weights.py BINARY MODEL [options]

For each share of the weights' bytes: the largest budget under which `thimble plan` keeps no more than it, buffers counted, and
`thimble bench --worker` under it in rounds that alternate with a process without a budget to speak of. The slowdown is the
median of the rounds' ratios. Beside it, the latency over half of the processor time that one run takes with one thread: 1 is two
threads that share decoding and computing perfectly; and, from the same rounds, the same of a process that streams nothing, which is what
two threads come to on this machine at that time. Exits 1 where a slowdown is over --bound.
"""
import argparse, operator, pathlib, statistics, sys

from thimble import Failed, Program, announce, mebibytes
from worker import Worker

GENEROUS = "4G"
BUDGETS = 128  # that are looked at between the least and the full one


class Plans:
    def __init__(self, program, model, threads):
        self._ask = lambda *words: program.json(["plan", model.path, "--threads", threads, *words])
        full = self._ask()
        self.all_bytes = sum(full[kind] for kind in ["resident_weight_bytes", "in_place_weight_bytes", "streamed_weight_bytes"])
        least, most = full["least_budget_bytes"], full["full_budget_bytes"]
        self.plans = [self._ask("--memory-budget", least + (most - least) * step // BUDGETS) for step in range(BUDGETS)]

    def largest(self, share):
        """The plan with the largest budget that keeps no more than this share of the weights."""
        fitting = [plan for plan in self.plans if self.kept(plan) <= share * self.all_bytes]
        if not fitting:
            least = min(map(self.kept, self.plans)) / self.all_bytes
            raise Failed(f"the least share that can be kept is {least:.3f}, not {share}")
        return max(fitting, key=lambda plan: plan["memory_budget_bytes"])

    @staticmethod
    def kept(plan):
        return plan["resident_weight_bytes"] + plan["in_place_weight_bytes"] + plan["streaming_buffer_bytes"]


def processor_nanoseconds(worker):
    """Of all its threads, so far."""
    tasks = pathlib.Path(f"/proc/{worker.process.pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks)


def measure(program, model, share, plans, options):
    plan = plans.largest(share)
    budget = plan["memory_budget_bytes"]
    free = Worker(program, model, GENEROUS, options.threads)
    streamed = Worker(program, model, budget, options.threads)
    alone, free_alone = Worker(program, model, budget, 1), Worker(program, model, GENEROUS, 1)
    workers = (free, streamed, alone, free_alone)
    for worker in workers:
        worker.measure(1, 0)

    def processor_time(worker):
        before = processor_nanoseconds(worker)
        worker.measure(options.runs, 0)
        return (processor_nanoseconds(worker) - before) / options.runs

    ratios, overlaps, free_overlaps = [], [], []
    for _ in range(options.rounds):
        unconstrained, constrained = (worker.measure(options.runs, 0) for worker in (free, streamed))
        ratios.append(constrained / unconstrained)
        overlaps.append(constrained / (processor_time(alone) / 2))
        free_overlaps.append(unconstrained / (processor_time(free_alone) / 2))
    slowdown = statistics.median(ratios)
    print(f"| {model.name} | {plans.kept(plan) / plans.all_bytes:.3f} | {mebibytes(budget)} | {mebibytes(streamed.peak_bytes)} "
          f"| {streamed.least_nanoseconds / 1e6:.3f} | {slowdown:.3f} | {streamed.least_nanoseconds / free.least_nanoseconds:.3f} "
          f"| {plan['predicted_slowdown']:.3f} | {statistics.median(overlaps):.3f} "
          f"| {statistics.median(free_overlaps):.3f} |", flush=True)
    peak = streamed.peak_bytes
    for worker in workers:
        worker.close()
    if peak > budget:
        raise Failed(f"{model.name}: VmHWM {peak} is over the budget of {budget}")
    return slowdown


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("model")
    parser.add_argument("--shares", default="0.5,0.062", help="of the weights' bytes, with commas (default 0.5,0.062)")
    parser.add_argument("--compression", default="none", help="of the import: auto, always, none (default none: raw weights)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--runs", type=int, default=3, help="inferences a round")
    parser.add_argument("--bound", type=float, metavar="F", help="slowdown at most")
    options = parser.parse_intermixed_args()
    announce("What less memory for weights costs")
    wrong = []
    with Program(options.binary) as program:
        model = program.model(options.model, ["--compression", options.compression])
        plans = Plans(program, model, options.threads)
        print("| model | weights kept | budget MiB | VmHWM MiB | least ms | slowdown | of minima | predicted | over perfect overlap "
              "| the same, free |")
        print("|" + " --- |" * 10)
        for share in map(float, options.shares.split(",")):
            try:
                slowdown = measure(program, model, share, plans, options)
                if options.bound and slowdown > options.bound:
                    wrong.append(f"{model.name}, {share} of the weights: {slowdown:.3f} times slower")
            except Failed as error:
                wrong.append(str(error))
    for text in wrong:
        print(f"WRONG: {text}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
