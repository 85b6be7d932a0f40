#!/usr/bin/env python3
"""live.py: the real daemon on a simulated board: it reads files that follow the heat of the inferences it runs.

usage: live.py BINARY SIMULATOR MODEL [--board NAME] [--minutes N] [--speed N] [--profile NAME]

SIMULATOR (swift build --product PowerSimulator) writes the sensors of a board; two clients ask the model without pause;
what the daemon takes of this machine's processors, as a share, is what is busy of the board's. Time passes --speed times as fast
on the board, while the governor goes by the clock on the wall: the faster, the harder for it. Exits 1 where the temperature stays
over the passive trip after the first minute on the board, where the daemon never takes less, where an answer is wrong, or
where the sensors' end does not make it careful.
"""
import argparse, http.client, json, math, os, pathlib, re, shutil, socket, subprocess, sys, tempfile, threading, time

PROJECT = pathlib.Path(__file__).resolve().parents[2]


class Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("thimble", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)

    def ask(self, method, path, body=None, headers={}):
        self.request(method, path, body, headers)
        reply = self.getresponse()
        return reply.status, reply.read()


def processor_seconds(process):
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_for(socket_path, process):
    for _ in range(400):
        if process.poll() is not None:
            sys.exit(f"the daemon ended: {process.stderr.read()}")
        try:
            if Unix(socket_path).ask("GET", "/v2/health/ready")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.02)
    sys.exit("the daemon is not ready")


class Client(threading.Thread):
    """Asks again and again; an answer is wrong that is not the first one."""

    def __init__(self, socket_path):
        super().__init__(daemon=True)
        self.socket_path, self.count, self.wrong, self.stops = socket_path, 0, 0, False

    def run(self):
        connection, first = Unix(self.socket_path), None
        _, models = connection.ask("POST", "/v2/repository/index", "{}")
        path = "/v2/models/" + json.loads(models)[0]["name"]
        tensor = json.loads(connection.ask("GET", path)[1])["inputs"][0]
        size = math.prod(tensor["shape"]) * {"FP32": 4, "UINT8": 1, "INT8": 1}[tensor["datatype"]]
        head = json.dumps({"inputs": [{**tensor, "parameters": {"binary_data_size": size}}],
                           "parameters": {"binary_data_output": True}}).encode()
        while not self.stops:
            status, answer = connection.ask("POST", path + "/infer", head + bytes(size),
                                            {"Inference-Header-Content-Length": str(len(head))})
            answer = status == 200 and answer.rsplit(b"}", 1)[1]
            first = first or answer
            self.count += 1
            self.wrong += not answer or answer != first


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("simulator")
    parser.add_argument("model", help="a .thimble file: one whose run takes much longer than a request")
    parser.add_argument("--board", default="raspberry-pi-4")
    parser.add_argument("--minutes", type=float, default=10, help="on the board")
    parser.add_argument("--speed", type=float, default=4)
    parser.add_argument("--profile", default="balanced")
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="thimble-live-"))
    root, socket_path = folder / "root", str(folder / "socket")
    root.mkdir()
    (folder / "models/network/1").mkdir(parents=True)
    shutil.copy(options.model, folder / "models/network/1/model.thimble")
    simulator = subprocess.Popen(
        [options.simulator, "--board", options.board, "--tree", root, "--load", "-", "--speed", str(options.speed)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    print(simulator.stdout.readline().strip(), flush=True)
    daemon = subprocess.Popen(
        [options.binary, "serve", "--models", folder / "models", "--socket", socket_path, "--root", root,
         "--targets", PROJECT / "targets", "--target", options.board, "--profile", options.profile],
        stderr=open(folder / "log", "w"))
    try:
        wait_for(socket_path, daemon)
        wrong, is_right = follow(options, root, socket_path, daemon, simulator)
        log = (folder / "log").read_text()
        print("".join(f"  log: {line}\n" for line in log.splitlines() if "threads" in line), end="")
    finally:
        daemon.kill()
        simulator.kill()
        shutil.rmtree(folder, ignore_errors=True)
    print("right" if is_right else f"wrong: {wrong}")
    sys.exit(not is_right)


def follow(options, root, socket_path, daemon, simulator):
    zone = root / "sys/class/thermal/thermal_zone0"
    types = {int(re.sub(r"\D", "", path.name)): path.read_text().strip() for path in zone.glob("trip_point_*_type")}
    passive = next(number for number, kind in sorted(types.items()) if kind == "passive")
    trip = int((zone / f"trip_point_{passive}_temp").read_text()) / 1000
    cores, mine = len(list((root / "sys/devices/system/cpu").glob("cpu[0-9]*"))), len(os.sched_getaffinity(0))
    clients = [Client(socket_path), Client(socket_path)]
    for client in clients:
        client.start()
    asking = Unix(socket_path)
    start, last, hottest, hot_seconds, threads, states, shown = time.monotonic(), 0, 0, 0, set(), set(), -60
    seconds = processor_seconds(daemon)
    while True:
        time.sleep(0.5)
        board = (time.monotonic() - start) * options.speed
        used = processor_seconds(daemon)
        share = min(1, (used - seconds) / 0.5 / mine)
        seconds = used
        simulator.stdin.write(f"{share * cores}\n")
        simulator.stdin.flush()
        celsius = int((zone / "temp").read_text()) / 1000
        decision = json.loads(asking.ask("GET", "/v2/thimble/governor")[1])
        threads.add(decision["threads"])
        states.add(decision["state"])
        if board > 60:
            hottest = max(hottest, celsius)
            hot_seconds += (board - last) if celsius > trip else 0
        last = board
        if board - shown >= 60:
            shown = board
            print(f"  {board / 60:5.1f} min  {celsius:5.1f} °C  {decision['state']:9}  {decision['threads']} threads"
                  f"  {100 * share:3.0f} % busy  {sum(client.count for client in clients)} answers", flush=True)
        if board >= 60 * options.minutes:
            break
    # The sensor fails: less than full speed.
    simulator.kill()
    simulator.wait()
    (zone / "temp").write_text("")
    time.sleep(6)
    blind = json.loads(asking.ask("GET", "/v2/thimble/governor")[1])
    for client in clients:
        client.stops = True
        client.join()
    wrong_answers = sum(client.wrong for client in clients)
    print(f"  hottest after the first minute {hottest:.1f} °C, trip {trip:.0f} °C, {hot_seconds:.0f} s above; threads {sorted(threads)}; "
          f"without the zone: {blind['state']}, {blind['threads']} threads; {wrong_answers} wrong answers")
    wrong = []
    if hot_seconds > 0:
        wrong.append("over the trip")
    if len(states) < 2:
        wrong.append("it never took less")
    if wrong_answers:
        wrong.append("wrong answers")
    if blind["state"] == "nominal":
        wrong.append("full speed without a sensor")
    return ", ".join(wrong), not wrong


main()
