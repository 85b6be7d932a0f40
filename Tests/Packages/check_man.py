#!/usr/bin/env python3
"""Whether the installed manual pages say what the program does: check_man.py FOLDER THIMBLE...

Every command has a page, every option of its help stands in it with its text, and man renders each without a warning.
"""
import pathlib
import re
import shutil
import subprocess
import sys

folder, program = pathlib.Path(sys.argv[1]), sys.argv[2:]


def said(*arguments):
    return subprocess.run([*program, *arguments], capture_output=True, check=True, text=True).stdout


def words(text):
    """The text without hyphenation, fonts and line breaks."""
    return " ".join(re.sub(".\b", "", text).replace("‐", "-").replace("−", "-").split())


def rendered(page):
    path = next(folder.glob(f"{page}.1*"), None)
    assert path, f"there is no page {page}(1)"
    if not shutil.which("man"):
        text = subprocess.run(["zcat", "-f", path], capture_output=True, check=True, text=True).stdout
        return words(re.sub(r"\\f.|\\&", "", text).replace("\\(aq", "'").replace("\\(ga", "`").replace("\\", "").replace("\n.B ", "\n"))
    result = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", path], capture_output=True, check=True, text=True,
                            env={"MANWIDTH": "500", "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"})
    assert not result.stderr, f"{page}: {result.stderr}"
    return words(result.stdout)


overview = rendered("thimble")
commands = re.findall(r"^  ([a-z]+)  +(\S.*)$", said("--help"), flags=re.M)
assert len(commands) > 5, commands
option_count = 0
for name, summary in commands:
    assert f"thimble-{name}" in overview and words(summary) in overview, f"thimble(1) does not name {name}"
    page, help = rendered(f"thimble-{name}"), said(name, "--help")
    assert words(summary) in page, f"thimble-{name}(1) has another summary"
    for option, text in re.findall(r"^  (--\S+(?: \S+)?)  +(\S.*)$", help, flags=re.M):
        assert f"{option} {words(text)}" in page, f"thimble-{name}(1) does not say: {option} {text}"
        option_count += 1
    assert option_count, help
pages = {path.name.split(".")[0] for path in folder.iterdir()}
assert pages == {"thimble"} | {f"thimble-{name}" for name, _ in commands}, pages
print(f"{len(pages)} manual pages, {option_count} options, as the program has them")
