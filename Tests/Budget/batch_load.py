#!/usr/bin/env python3
"""batch_load.py: clients ask one model whose weights pass through memory; requests run together against one by one.

usage: batch_load.py BINARY MODEL --memory-budget SIZE [options]        MODEL: a .thimble or .tflite file

The daemon serves the same file under two names, `one` with `max_batch_size` 1 and `many`; the clients ask them in turn, every
answer is compared with `thimble run`. Exits 1 on a wrong byte, a status other than 200, VmHWM over the budget, and where
requests do not run together.
"""
import argparse, json, os, pathlib, statistics, sys, threading, time

import cgroup
from crowd import questions
from thimble import Client, Daemon, Failed, Program, announce, mebibytes


class Asker(threading.Thread):
    def __init__(self, socket, name, asked, seconds):
        super().__init__(daemon=True)
        self.socket, self.name_asked, self.asked, self.seconds = socket, name, asked, seconds
        self.times, self.wrong = [], []

    def run(self):
        end = time.monotonic() + self.seconds
        try:
            with Client(self.socket) as client:
                count = 0
                while time.monotonic() < end:
                    question = self.asked[count % len(self.asked)]
                    start = time.monotonic()
                    status, _, outputs = client.infer(question.model, question.inputs, name=self.name_asked)
                    self.times.append(time.monotonic() - start)
                    count += 1
                    if status != 200 or outputs != question.expected:
                        self.wrong.append(outputs if status != 200 else "other bytes")
        except (OSError, ValueError) as error:
            self.wrong.append(str(error))


def round_of(socket, name, asked, clients, seconds):
    """(answers a second, seconds of each, what was wrong)"""
    askers = [Asker(socket, name, asked[index % len(asked):] + asked[:index % len(asked)], seconds) for index in range(clients)]
    start = time.monotonic()
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    times = [one for asker in askers for one in asker.times]
    return len(times) / (time.monotonic() - start), times, [text for asker in askers for text in asker.wrong]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--memory-budget", required=True)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=4, help="of each round")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    announce(f"batches: {arguments.model.name} under {arguments.memory_budget}, {arguments.clients} clients")
    wrong = []
    with Program(arguments.binary) as program:
        model = program.model(arguments.model)
        repository = program.folder / "repository"
        for name, configuration in (("one", {"max_batch_size": 1}), ("many", {"max_batch_size": arguments.clients})):
            (repository / name / "1").mkdir(parents=True)
            os.symlink(model.path.resolve(), repository / name / "1" / "model.thimble")
            (repository / name / "config.json").write_text(json.dumps(configuration))
        asked = questions(program, [model], 3, ["--memory-budget", arguments.memory_budget])
        rates, latencies, counts = {"one": [], "many": []}, {"one": [], "many": []}, {}
        with Daemon(program, repository, arguments.memory_budget, ["--model-control-mode", "explicit"]) as daemon:
            for number in range(arguments.rounds):
                for name in ("one", "many"):
                    with Client(daemon.socket) as client:
                        # Each has the budget to itself.
                        other = "many" if name == "one" else "one"
                        if number or name == "many":
                            client.request("POST", f"/v2/repository/models/{other}/unload")
                        status, _, body = client.request("POST", f"/v2/repository/models/{name}/load")
                        if status != 200:
                            raise Failed(body.decode())
                    rate, times, problems = round_of(daemon.socket, name, asked, arguments.clients, arguments.seconds)
                    with Client(daemon.socket) as client:
                        _, _, body = client.request("GET", f"/v2/models/{name}/stats")
                    statistic = json.loads(body)["model_stats"][0]
                    counts[name] = statistic["inference_count"] / max(1, statistic["execution_count"])
                    rates[name].append(rate)
                    latencies[name] += times
                    wrong += problems
            peak = daemon.bytes()["VmHWM"]
    for name in ("one", "many"):
        times = sorted(latencies[name])
        print(f"  {name}: {statistics.median(rates[name]):.1f} answers/s; p50 {times[len(times) // 2] * 1e3:.1f} ms, "
              f"p99 {times[len(times) * 99 // 100] * 1e3:.1f} ms; {counts[name]:.2f} requests a run; {len(times)} answers")
    ratios = [many / one for one, many in zip(rates["one"], rates["many"])]
    print(f"  throughput of many over one: {', '.join(f'{ratio:.2f}' for ratio in ratios)}; VmHWM {mebibytes(peak)} MiB of "
          f"{arguments.memory_budget}")
    if peak > cgroup.parse_size(arguments.memory_budget):
        wrong.append("VmHWM is over the budget")
    if counts["many"] < 2 or counts["one"] != 1:
        wrong.append(f"{counts} requests a run")
    for text in wrong[:5]:
        print(f"  WRONG: {text}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
