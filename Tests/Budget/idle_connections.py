#!/usr/bin/env python3
"""idle_connections.py: what clients take that are connected and ask nothing.

usage: idle_connections.py BINARY MODEL [--connections N]

Connects N clients, once without a request and once after a request of each, and compares RssAnon of the daemon with what
it was with one client, two seconds after the last request. Exits 1 where a client takes more than 4 KiB, where the daemon uses the
processor meanwhile, or where memory stays away once they are gone.
"""
import argparse, pathlib, resource, sys, time

from thimble import Client, Daemon, Program, announce

PAGE = 4096


def ticks(daemon):
    return sum(map(int, pathlib.Path(f"/proc/{daemon.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))


def connect(daemon):
    """A client; where the socket's queue is full, a little later."""
    while True:
        try:
            return Client(daemon.socket)
        except BlockingIOError:
            time.sleep(0.01)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("model")
    parser.add_argument("--connections", type=int, default=1000)
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, options.connections + 100) if hard > 0 else options.connections + 100, hard))
    announce(f"{options.connections} idle connections")
    wrong = []
    with Program(options.binary) as program:
        repository = program.repository(program.models([options.model]))
        serve = ["--connections", str(options.connections + 8)]
        with Daemon(program, repository, 64 << 20, serve) as daemon:
            for asks in False, True:
                with Client(daemon.socket) as client:
                    client.request("GET", "/v2/health/live")
                time.sleep(2)
                before = daemon.bytes()["RssAnon"]
                clients = [connect(daemon) for _ in range(options.connections)]
                if asks:
                    for client in clients:
                        client.request("GET", "/v2/health/live")
                time.sleep(2)
                each = (daemon.bytes()["RssAnon"] - before) / options.connections
                start = ticks(daemon)
                time.sleep(3)
                used = ticks(daemon) - start
                for client in clients:
                    client.socket.close()
                time.sleep(1)
                left = daemon.bytes()["RssAnon"] - before
                print(f"  {'after a request each' if asks else 'without a request'}: {each / 1024:.2f} KiB each, {used} ticks of the "
                      f"processor in 3 s; {left >> 10} KiB left when they have gone", flush=True)
                if each > 4096:
                    wrong.append(f"{each:.0f} bytes a connection")
                if used > 1:
                    wrong.append(f"{used} ticks")
                if left > 64 * PAGE:
                    wrong.append(f"{left} bytes stay")
        if daemon.stop() != 0:
            wrong.append(f"the daemon's end: {daemon.log.read_text()[-1000:]}")
    for text in wrong:
        print(f"WRONG: {text}")
    print("BROKEN" if wrong else "right")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
