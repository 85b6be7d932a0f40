#!/usr/bin/env python3
"""serve_crowd.py: many models in one daemon under one budget, asked at random by several clients.

usage: serve_crowd.py BINARY MODEL... [options]        MODEL: .thimble or .tflite files, or folders of them

Makes a repository of the models, asks `thimble run` without a tight budget for what each must answer, starts `thimble serve`
under --memory-budget and lets the clients ask for --seconds: raw HTTP over the Unix socket, tensors as binary data. Shows
requests, errors, latency, the daemon's peak resident set (VmHWM) and, in a cgroup, what the kernel killed. Exits 1 on a wrong
byte, on a request that gets no answer, on VmHWM over the budget and where the daemon dies or is killed.

Networks to ask: python models/recipes/shapes/make.py zoo 100 --out DIR, then DIR/models.
"""
import argparse, contextlib, sys, time

import cgroup
from crowd import Crowd, questions
from thimble import Daemon, Program, announce, mebibytes


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("models", nargs="+")
    parser.add_argument("--memory-budget", default="64M")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--inputs", type=int, default=2, help="different inputs a model")
    parser.add_argument("--skew", type=float, default=0, help="0: all models alike; 1: the nth as often as 1/n (Zipf)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cgroup", action="store_true", help="in a memory cgroup of the budget and the allowance")
    parser.add_argument("--allowance", default="4M", help="what the kernel charges to the group beside the resident set")
    parser.add_argument("--serve-options", default="", help='more options of `serve`, e.g. "--threads 1"')
    options = parser.parse_intermixed_args()
    budget = cgroup.parse_size(options.memory_budget)
    announce("Many models in one daemon under one budget")
    good = True
    with Program(options.binary) as program, contextlib.ExitStack() as stack:
        models = program.models(options.models)
        asked = questions(program, models, options.inputs)
        models = list({question.model.name: question.model for question in asked}.values())
        size = sum(model.path.stat().st_size for model in models)
        print(f"  {len(models)} models, {mebibytes(size)} MiB of files, {len(asked)} questions; "
              f"budget {options.memory_budget}, {options.clients} clients for {options.seconds:g} s")
        if not asked:
            print("WRONG: no model to ask")
            return 1
        group = None
        if options.cgroup:
            try:
                group = stack.enter_context(cgroup.MemoryGroup(budget + cgroup.parse_size(options.allowance)))
            except cgroup.Unavailable as error:
                print(f"SKIPPED: --cgroup: {error}")
        if group:
            cgroup.forget_pages(*(model.path for model in models))
        daemon = stack.enter_context(
            Daemon(program, program.repository(models), budget, options.serve_options.split(), group))
        with Crowd(daemon.socket, asked, options.clients, options.seed, options.skew) as crowd:
            time.sleep(options.seconds)
        good = crowd.report()
        memory = daemon.bytes()
        if not daemon.is_alive:
            print(f"WRONG: the daemon died: {daemon.log.read_text().strip()[-1000:]}")
            good = False
        elif memory["VmHWM"] > budget:
            print(f"WRONG: VmHWM {memory['VmHWM']} is over the budget of {budget}")
            good = False
        status = daemon.stop()
        if status != 0:
            print(f"WRONG: the daemon's status is {status}")
            good = False
        print(f"  VmHWM {mebibytes(memory.get('VmHWM', 0))} MiB, {memory.get('VmHWM', 0) / budget:.3f} of the budget; "
              f"{crowd.answered / options.seconds:.0f} answers/s")
        if group:
            print(f"  the group's peak {mebibytes(group.peak_bytes or 0)} MiB of {mebibytes(group.limit_bytes)}, limit met "
                  f"{group.limit_hits} times, {group.oom_kills} killed")
            good = good and group.oom_kills == 0
    print("right" if good else "BROKEN")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
