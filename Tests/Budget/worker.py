"""`thimble bench --worker`: a process that runs a model under a budget when it is told to, for rounds side by side."""
import contextlib, json, statistics, subprocess

import cgroup
from thimble import Failed

RUNS_MAX = 500  # of a round: their times are in the memory that is measured


class Worker:
    """Its times: each call of `measure` is a round."""

    def __init__(self, program, model, budget, threads):
        words = [program.binary, "bench", model.path, "--worker", "--threads", threads, "--memory-budget", budget]
        self.process = subprocess.Popen(list(map(str, words)), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.least_nanoseconds = None
        if not self.process.stdout.readline():
            raise Failed(self.close())

    def measure(self, runs, least_milliseconds):
        """So many inferences, or as many as take so long: threads need some time to be where they run best."""
        if self.least_nanoseconds:
            runs = max(runs, min(RUNS_MAX, int(least_milliseconds * 1e6 / self.least_nanoseconds)))
        self.process.stdin.write(f"run {runs}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise Failed(self.close())
        # The shortest of thousands of runs of some microseconds is the clock's luck.
        middle = statistics.median(json.loads(line)["ns"])
        self.least_nanoseconds = min(middle, self.least_nanoseconds or middle)
        return middle

    @property
    def peak_bytes(self):
        return cgroup.process_bytes(self.process.pid).get("VmHWM", 0)

    def close(self):
        """Ends it; returns what it said of errors."""
        with contextlib.suppress(BrokenPipeError):
            return self.process.communicate("quit\n", timeout=60)[1].strip()
        self.process.wait()
        return self.process.stderr.read().strip()
