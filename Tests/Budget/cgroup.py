#!/usr/bin/env python3
"""cgroup.py: runs a command in a fresh memory cgroup and says what the kernel counted.

usage: cgroup.py LIMIT COMMAND...      LIMIT as 64M, 512K, 1G or bytes

Version 2 where its memory controller is present and writable, else version 1; without swap where that can be said. Needs
root or a delegated group: elsewhere it exits 3, saying why. Otherwise its status is the command's.
"""
import contextlib, dataclasses, os, pathlib, subprocess, sys, time

UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
UNAVAILABLE = 3


def parse_size(text):
    """64M → 67108864."""
    unit = UNITS.get(text[-1:].upper())
    return int(float(text[:-1]) * unit) if unit else int(text)


class Unavailable(Exception):
    """Why no group can be made here."""


class MemoryGroup:
    """A memory cgroup of its own, removed at the end of the `with`. `wrap` makes a command run in it."""

    def __init__(self, limit_bytes):
        self.limit_bytes = limit_bytes
        reasons = []
        for make in (self._make_unified, self._make_version_1):
            try:
                self.path, self.version = make()
                return
            except (OSError, Unavailable) as error:
                reasons.append(str(error))
        raise Unavailable("no memory cgroup can be made: " + "; ".join(reasons))

    def wrap(self, command):
        """The same command, in the group from its first instruction; its process keeps the shell's id."""
        return ["/bin/sh", "-c", 'echo $$ > "$0" && exec "$@"', str(self.path / "cgroup.procs"), *map(str, command)]

    @property
    def peak_bytes(self):
        """The most that was charged, with what the kernel holds for the group and file pages; None where not told."""
        return self._number("memory.peak" if self.version == 2 else "memory.max_usage_in_bytes")

    @property
    def usage_bytes(self):
        return self._number("memory.current" if self.version == 2 else "memory.usage_in_bytes")

    @property
    def oom_kills(self):
        events = self._text("memory.events" if self.version == 2 else "memory.oom_control").split()
        return int(events[events.index("oom_kill") + 1]) if "oom_kill" in events else 0

    @property
    def limit_hits(self):
        """How often the limit was met, and pages had to be taken back."""
        if self.version == 1:
            return self._number("memory.failcnt")
        events = self._text("memory.events").split()
        return int(events[events.index("max") + 1]) if "max" in events else 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for _ in range(100):  # the last process may still be leaving
            with contextlib.suppress(OSError):
                self.path.rmdir()
                return
            time.sleep(0.02)
        print(f"{self.path} is still in use and stays", file=sys.stderr)

    def _make_unified(self):
        mounts = _mounts("cgroup2", None)
        if not mounts:
            raise Unavailable("version 2 is not mounted")
        reason = "version 2 has no memory controller"
        for parent in _parents(mounts[0], None):
            try:
                if "memory" not in (parent / "cgroup.controllers").read_text().split():
                    continue
                if "memory" not in (parent / "cgroup.subtree_control").read_text().split():
                    (parent / "cgroup.subtree_control").write_text("+memory")
                path = _new_folder(parent)
            except OSError as error:
                reason = f"version 2: {error}"
                continue
            return self._limit(path, "memory.max", "memory.swap.max", "0"), 2
        raise Unavailable(reason)

    def _make_version_1(self):
        mounts = _mounts("cgroup", "memory")
        if not mounts:
            raise Unavailable("version 1 is not mounted")
        reason = None
        for parent in _parents(mounts[0], "memory"):
            try:
                path = _new_folder(parent)
            except OSError as error:
                reason = f"version 1: {error}"
                continue
            return self._limit(path, "memory.limit_in_bytes", "memory.swappiness", "0"), 1
        raise Unavailable(reason)

    def _limit(self, path, limit_file, swap_file, swap_value):
        try:
            (path / limit_file).write_text(str(self.limit_bytes))
            with contextlib.suppress(OSError):  # a kernel without swap has no such file
                (path / swap_file).write_text(swap_value)
        except OSError:
            path.rmdir()
            raise
        return path

    def _text(self, name):
        with contextlib.suppress(OSError):
            return (self.path / name).read_text()
        return ""

    def _number(self, name):
        text = self._text(name).strip()
        return int(text) if text.isdigit() else None


def _mounts(kind, option):
    lines = [line.split() for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()]
    return [pathlib.Path(words[1]) for words in lines
            if words[2] == kind and (option is None or option in words[3].split(","))]


def _parents(mount, controller):
    """Where a group may be made: at the top, else beside this process."""
    yield mount
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "" if controller is None else controller in controllers.split(","):
            yield mount / path.strip("/")


def _new_folder(parent):
    path = parent / f"thimble-budget-{os.getpid()}-{time.monotonic_ns()}"
    path.mkdir()
    return path


def forget_pages(*paths):
    """Has the kernel drop its cached pages of files that nobody maps, so that the next reader's group is charged for them."""
    for path in paths:
        with open(path, "rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def process_bytes(pid):
    """The memory lines of /proc/PID/status in bytes ("VmHWM", "RssAnon", …); empty once the process has none."""
    with contextlib.suppress(OSError):
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
        return {words[0][:-1]: int(words[1]) << 10 for words in map(str.split, lines) if words[-1] == "kB"}
    return {}


@dataclasses.dataclass
class Result:
    status: int  # 128 + the signal where one ended it
    output: str
    error: str
    sampled_peak_bytes: int  # the last VmHWM seen, up to a millisecond before the end; the true one may be higher
    group_peak_bytes: int | None = None
    oom_kills: int = 0
    limit_hits: int = 0


def run(command, limit_bytes=None):
    """Runs `command` to its end, in a fresh group where there is a limit. Raises Unavailable."""
    if limit_bytes is None:
        return _run(command)
    with MemoryGroup(limit_bytes) as group:
        result = _run(command, group)
        result.group_peak_bytes, result.oom_kills, result.limit_hits = group.peak_bytes, group.oom_kills, group.limit_hits
        return result


def _run(command, group=None):
    command = list(map(str, command))
    started = b"".join(os.fsencode(word) + b"\0" for word in command)
    process = subprocess.Popen(group.wrap(command) if group else command, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    peak = 0
    while True:
        # Until it has become the command it shows this process's or the shell's memory.
        with contextlib.suppress(OSError):
            if pathlib.Path(f"/proc/{process.pid}/cmdline").read_bytes() == started:
                peak = max(peak, process_bytes(process.pid).get("VmHWM", 0))
        try:
            output, error = process.communicate(timeout=0.001)
            break
        except subprocess.TimeoutExpired:
            continue
    status = process.returncode if process.returncode >= 0 else 128 - process.returncode
    return Result(status, output, error, peak)


def main():
    if len(sys.argv) < 3 or sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        return 0 if "--help" in sys.argv or "-h" in sys.argv else 2
    try:
        result = run(sys.argv[2:], parse_size(sys.argv[1]))
    except Unavailable as error:
        print(f"SKIPPED: {error}", file=sys.stderr)
        return UNAVAILABLE
    sys.stdout.write(result.output)
    sys.stderr.write(result.error)
    print(f"status {result.status}, VmHWM at least {result.sampled_peak_bytes >> 10} KiB, the group's peak "
          f"{(result.group_peak_bytes or 0) >> 10} KiB, limit met {result.limit_hits} times, "
          f"{result.oom_kills} killed", file=sys.stderr)
    return result.status


if __name__ == "__main__":
    sys.exit(main())
