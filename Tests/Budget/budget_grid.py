#!/usr/bin/env python3
"""budget_grid.py: every model under its least budget, 1.5 × that, halfway to all of it, and all of it.

usage: budget_grid.py BINARY [MODEL...] [options]
MODEL is a .thimble or .tflite file or a folder of them; without one, the project's models and the shared folder's.

At each point `thimble run` answers random bytes and the golden inputs from a file that is not in the page cache (its budget is
larger by the outputs, which it keeps besides), and `thimble bench --worker` is timed with the file there. Compared:
every output byte with a run under no budget to speak of, and with the golden answers; the peak resident set (VmHWM, from
/proc while the process lives and from its own report) with the budget and with what `thimble plan` predicted; the
latency, in rounds that alternate with the unconstrained process: the least of all rounds' medians, and for the slowdown the
median of all rounds' ratios, because what else the machine does in a round it does to both. Exits 1 on a wrong byte, on a
refusal at a budget that was named as enough, on VmHWM over the budget or over the prediction, and on VmHWM under 0.90 of
the prediction. Slowdowns are only shown, with how many points are within 25 % of the prediction, unless --slowdown-bound says
how far above it they may be: they mean something where nothing else runs, and with some 25 rounds.
Without a `plan` command the budgets come from refusals and from bench's `reserved_bytes`, and predictions are left out;
--slack is then added to the least one, because what the program has resident when it starts differs by some pages from
run to run.
"""
import argparse, json, operator, os, pathlib, re, statistics, subprocess, sys

import cgroup
from thimble import PROJECT, Failed, Program, announce, mebibytes
from worker import Worker

GENEROUS = "4G"
RATIO_MIN = 0.90


def refused_least(program, words):
    """The budget that refusals lead to."""
    text = "1K"
    for _ in range(40):
        result = program.run([*words, "--memory-budget", text])
        if result.status == 0:
            return cgroup.parse_size(text)
        named = re.search(r"--memory-budget (\d+[KMG]?)", result.error)
        if named is None:
            raise Failed(f"refused without naming a budget: {result.error.strip()}")
        text = named[1]
    raise Failed(f"forty refusals in a row, the last naming {text}")


class Plan:
    """The budgets of one model and what is predicted for them."""

    def __init__(self, program, model, threads, slack):
        self.program, self.model, self.threads = program, model, threads
        self.exists = "plan" in program.commands
        if self.exists:
            facts = self._ask([])
            self.least, self.full = facts["least_budget_bytes"], facts["full_budget_bytes"]
            return
        inputs = []
        for index, size in enumerate(model.input_bytes):
            file = program.folder / f"zeros{index}.bin"
            file.write_bytes(bytes(size))
            inputs += ["--input", file]
        run = ["run", model.path, "--threads", threads, *inputs]
        bench = ["bench", model.path, "--threads", threads, "--runs", "1"]
        self.least = max(refused_least(program, run), refused_least(program, bench)) + slack
        reserved = program.json([*bench, "--memory-budget", GENEROUS])["reserved_bytes"]
        self.full = max(self.least, reserved + (64 << 10))

    def points(self):
        named = [("least", self.least), ("1.5 × least", self.least * 3 // 2),
                 ("halfway", (self.least + self.full) // 2), ("full", self.full)]
        points = []
        for name, budget in sorted(named, key=lambda point: point[1]):
            if budget <= self.full and all(budget != other for _, other in points):
                points.append((name, budget))
        return points

    def prediction(self, budget):
        """(peak bytes, slowdown), None where nothing is predicted."""
        if not self.exists:
            return None, None
        facts = self._ask(["--memory-budget", budget])
        return facts.get("predicted_peak_bytes"), facts.get("predicted_slowdown")

    def _ask(self, options):
        return self.program.json(["plan", self.model.path, "--threads", self.threads, *options])


def golden_cases(shared, model):
    """[(name, inputs, expected outputs)] of LiteRT's reference kernels for a model imported from a .tflite file."""
    cases = []
    for file in sorted(pathlib.Path(shared, "golden").glob("*.json")):
        record = json.loads(file.read_text())
        if record["model"] == model.source.name:
            read = lambda tensors: [(file.parent / tensor["file"]).read_bytes() for tensor in tensors]
            cases.append((record["case"], read(record["inputs"]), read(record["outputs"])))
    return cases


def whole_pages(count):
    return -(-count // 4096) * 4096


def measure(program, model, thread_count, options, points):
    """Prints the model's rows and adds them to `points`; returns what is wrong."""
    wrong = []
    plan = Plan(program, model, thread_count, cgroup.parse_size(options.slack))
    threads = ["--threads", thread_count]
    outputs_bytes = whole_pages(model.output_bytes)
    cases = []
    for seed in range(options.inputs):
        inputs = model.random_inputs(seed)
        cases.append((f"random {seed}", inputs, program.answer(model, inputs, [*threads, "--memory-budget", GENEROUS])[0]))
    goldens = golden_cases(options.shared, model)
    if any(expected is None for _, _, expected in cases):
        return [f"{model.name}: does not run under --memory-budget {GENEROUS}"]

    rows = []
    for point, budget in plan.points():
        def complain(text, place=f"{model.name}, {thread_count} threads, {point}, --memory-budget {budget}"):
            wrong.append(f"{place}: {text}")

        peak, same, kills = 0, 0, 0
        run_budget = budget + outputs_bytes
        limit = run_budget + cgroup.parse_size(options.allowance) if options.cgroup else None
        for name, inputs, expected in cases + goldens:
            cgroup.forget_pages(model.path)  # read anew, in the large pieces that the kernel reads ahead
            outputs, run_peak, result = program.answer(model, inputs, [*threads, "--memory-budget", run_budget], limit)
            # The outputs are there while the model runs or after it.
            peak, kills = max(peak, run_peak - outputs_bytes), kills + result.oom_kills
            if outputs is None:
                complain(f"status {result.status}: {result.error.strip()}")
            elif outputs != expected:
                complain(f"other bytes for {name}")
            same += outputs == expected
        if kills:
            complain(f"{kills} killed by the kernel in a group of {limit} bytes")
        rows.append([point, budget, peak, same, complain])
    workers = {"none": Worker(program, model, GENEROUS, thread_count)}  # they map the file: after the groups' turn
    for point, budget, _, _, complain in rows:
        try:
            workers[point] = Worker(program, model, budget, thread_count)
        except Failed as error:
            complain(f"bench: {error}")
    rounds = {point: [] for point in workers}
    for _ in range(options.rounds):
        for point, worker in list(workers.items()):
            try:
                rounds[point].append(worker.measure(options.runs, options.round_ms))
            except Failed as error:
                wrong.append(f"{model.name}, {point}: bench ended: {error}")
                del workers[point]
    free = workers.get("none")
    for point, budget, peak, same, complain in rows:
        worker = workers.get(point)
        peak = max(peak, worker.peak_bytes if worker else 0)
        predicted_peak, predicted_slowdown = plan.prediction(budget)
        slowdown = statistics.median(map(operator.truediv, rounds[point], rounds["none"])) if worker and free else None
        if peak > budget:
            complain(f"VmHWM {peak} is over the budget")
        if predicted_peak and peak and not RATIO_MIN <= peak / predicted_peak <= 1:
            complain(f"VmHWM {peak} is {peak / predicted_peak:.3f} of the predicted {predicted_peak}")
        if options.slowdown_bound and slowdown and predicted_slowdown \
                and slowdown > options.slowdown_bound * predicted_slowdown:
            complain(f"{slowdown:.2f} times slower, predicted {predicted_slowdown:.2f}")
        milliseconds = f"{worker.least_nanoseconds / 1e6:.3f}" if worker else "–"
        ratio = f"{peak / predicted_peak:.3f}" if predicted_peak else "–"
        show = lambda number: f"{number:.2f}" if number is not None else "–"
        points.append({
            "model": model.name, "threads": int(thread_count), "point": point, "memory_budget_bytes": budget,
            "peak_rss_bytes": peak, "predicted_peak_bytes": predicted_peak, "slowdown": slowdown,
            "predicted_slowdown": predicted_slowdown, "median_ms": worker.least_nanoseconds / 1e6 if worker else None,
            "right_answers": same, "answers": len(cases) + len(goldens)})
        print(f"| {model.name} | {thread_count} | {point} | {mebibytes(budget)} | {mebibytes(peak)} | {peak / budget:.3f} | {ratio} "
              f"| {milliseconds} | {show(slowdown)} | {show(predicted_slowdown)} "
              f"| {same} of {len(cases) + len(goldens)} ({len(goldens)} golden) |", flush=True)
    for worker in workers.values():
        worker.close()
    return wrong


def summarize(points):
    """How good the predictions were."""
    for name, measured, predicted, low, high in [
            ("peak resident set", "peak_rss_bytes", "predicted_peak_bytes", RATIO_MIN, 1),
            ("slowdown", "slowdown", "predicted_slowdown", 0.75, 1.25)]:
        ratios = sorted(point[measured] / point[predicted] for point in points if point[measured] and point[predicted])
        if ratios:
            kept = sum(low <= ratio <= high for ratio in ratios)
            print(f"{name}, measured / predicted: {ratios[0]:.3f} to {ratios[-1]:.3f}; {kept} of {len(ratios)} within "
                  f"{low:g} to {high:g}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("models", nargs="*")
    parser.add_argument("--shared", default=os.environ.get("THIMBLE_TEST_MODELS", PROJECT.parent / "shared"),
                        help="the folder with models/ and golden/ (default: $THIMBLE_TEST_MODELS, else ../shared)")
    parser.add_argument("--threads", default="1,2", help="numbers of threads, with commas (default 1,2)")
    parser.add_argument("--json", metavar="FILE", help="add every point to FILE, one JSON object a line")
    parser.add_argument("--inputs", type=int, default=2, help="random inputs beside the golden ones")
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds that alternate between budgets")
    parser.add_argument("--runs", type=int, default=5, help="inferences a round")
    parser.add_argument("--round-ms", type=float, default=20, help="milliseconds of inferences a round, at least")
    parser.add_argument("--slowdown-bound", type=float, metavar="F", help="measured / predicted slowdown at most")
    parser.add_argument("--slack", default="64K", help="added to a least budget that a refusal named (default 64K)")
    parser.add_argument("--cgroup", action="store_true", help="each run in a memory cgroup of its budget and the allowance")
    parser.add_argument("--allowance", default="1M", help="what the kernel charges to a group beside the resident set")
    options = parser.parse_intermixed_args()
    announce("Peak resident memory, latency and answers by budget")
    if options.cgroup:
        try:
            cgroup.MemoryGroup(1 << 30).__exit__()
        except cgroup.Unavailable as error:
            print(f"SKIPPED: --cgroup: {error}")
            options.cgroup = False
    with Program(options.binary) as program:
        if "plan" not in program.commands:
            print("SKIPPED: predicted peak and slowdown: this binary has no `plan` command; the least budget is the one that "
                  f"refusals name and {options.slack}")
        paths = options.models or [*sorted(PROJECT.glob("models/*/1/model.thimble")), pathlib.Path(options.shared) / "models"]
        models = program.models(paths)
        print("| model | threads | point | budget MiB | VmHWM MiB | of budget | of predicted | median ms | slowdown | predicted "
              "| right answers |\n|" + " --- |" * 11)
        wrong, points = [], []
        for model in models:
            for thread_count in options.threads.split(","):
                try:
                    wrong += measure(program, model, thread_count, options, points)
                except Failed as error:
                    wrong.append(f"{model.name}: {error}")
    if options.json:
        with open(options.json, "a") as file:
            file.writelines(json.dumps(point) + "\n" for point in points)
    summarize(points)
    for text in wrong:
        print(f"WRONG: {text}")
    if not models:
        print("WRONG: no model was measured")
    print(f"{len(models)} models, {len(wrong)} broken bounds")
    return 1 if wrong or not models else 0


if __name__ == "__main__":
    sys.exit(main())
