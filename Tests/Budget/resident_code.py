#!/usr/bin/env python3
"""resident_code.py: whether a daemon runs only the code that it has reserved (targets/code-order.lds).

usage: resident_code.py PID SOCKET

Best after all that a daemon can be asked has been asked. Exits 1 where more of the program's file is resident than it says in
/metrics that it has reserved, or where it has reserved the whole program.
"""
import pathlib, re, subprocess, sys

if len(sys.argv) != 3 or "--help" in sys.argv:
    print(__doc__)
    sys.exit(2)
process, socket = pathlib.Path("/proc") / sys.argv[1], sys.argv[2]
program = str((process / "exe").readlink())
mapped = resident = 0
ours = False
for line in (process / "smaps").read_text().splitlines():
    if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
        ours = line.endswith(program)
    elif ours and line.startswith(("Size:", "Rss:")):
        kibibytes = int(line.split()[1])
        if line.startswith("Size:"):
            mapped += kibibytes
        else:
            resident += kibibytes
metrics = subprocess.run(
    ["curl", "-sf", "--unix-socket", socket, "http://localhost/metrics"], capture_output=True, text=True, check=True).stdout
reserved = int(re.search(r'purpose="program",kind="mapped"} (\d+)', metrics)[1]) // 1024
print(f"program: {mapped} KiB mapped, {reserved} KiB reserved, {resident} KiB resident")
if resident > reserved:
    sys.exit("code is resident that is not reserved: what the daemon runs is not in .text, see targets/code-order.lds")
if reserved >= mapped:
    sys.exit("all of the program is reserved: was it linked with targets/code-order.lds?")
