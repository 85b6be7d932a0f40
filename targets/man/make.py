#!/usr/bin/env python3
"""Makes the manual pages from what `thimble --help` and `thimble COMMAND --help` say: make.py OUT THIMBLE...

THIMBLE... is the program, with an emulator before it where it is another processor's. Each page is the help's usage, text and
options; PAGE.man beside this file, where there is one, holds further sections. Its options must be ones that the help has.
"""
import os
import pathlib
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent
OPTION = re.compile(r"^  (--[a-z0-9-]+)(?: (\S.*?))?  +(\S.*)$")


def said(program, *arguments):
    return subprocess.run([*program, *arguments], capture_output=True, check=True, text=True).stdout


def escaped(text):
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    return re.sub(r"^\.", r"\\&.", text, flags=re.M)


class Help:
    """What a command says of itself: its usage, summary, paragraphs, and options as (name, value, text)."""

    def __init__(self, text):
        lines = text.split("\n")
        start = lines.index("options:")
        self.usage = lines[0].removeprefix("usage: ")
        self.summary = lines[2]
        self.details = "\n".join(lines[3:start]).strip()
        self.options = []
        for line in lines[start + 1:]:
            found = OPTION.match(line)
            if found:
                self.options.append(found.groups())
            elif line:
                raise SystemExit(f"make.py: no option: {line!r}")


def commands(program):
    """The names of the commands that the overview lists."""
    return re.findall(r"^  ([a-z]+)  +\S", said(program, "--help"), flags=re.M)


def heading(page, version, summary):
    date = time.strftime("%Y-%m-%d", time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))))
    return (f'.TH {page.upper()} 1 "{date}" "Thimble {version}" "Thimble"\n.nh\n.SH NAME\n'
            f"{escaped(page)} \\- {escaped(summary)}\n.SH SYNOPSIS\n")


def further(page, known):
    """The sections that are written by hand. Errors: an option in them that no help has."""
    path = HERE / f"{page}.man"
    if not path.exists():
        return ""
    text = path.read_text()
    for option in re.findall(r"--[a-z][a-z0-9-]+", text.replace("\\-", "-")):
        if option not in known:
            raise SystemExit(f"make.py: {path.name} has {option}, which `{page.replace('-', ' ')} --help` does not know")
    return text


def command_page(name, help, version):
    page = f"thimble-{name}"
    text = heading(page, version, help.summary)
    text += f".B thimble {name}\n{escaped(help.usage.removeprefix(f'thimble {name}').strip())}\n"
    if help.details:
        text += ".SH DESCRIPTION\n" + escaped(help.details).replace("\n\n", "\n.PP\n") + "\n"
    text += ".SH OPTIONS\n"
    for option, value, meaning in help.options:
        text += f".TP\n.B {escaped(option)}" + (f" \\fI{escaped(value)}\\fR" if value else "") + f"\n{escaped(meaning)}\n"
    return text + further(page, {option for option, _, _ in help.options}) + ".SH SEE ALSO\n.BR thimble (1)\n"


def overview_page(program, helps, version):
    first = said(program, "--help").split("\n")[0]
    text = heading("thimble", version, first.split(": ", 1)[1]) + ".B thimble\n.I COMMAND\n[arguments]\n.SH COMMANDS\n"
    for name, help in helps.items():
        text += f".TP\n.BR thimble\\-{name} (1)\n{escaped(help.summary)}\n"
    known = {option for help in helps.values() for option, _, _ in help.options} | {"--version", "--help"}
    return text + further("thimble", known)


def main():
    if len(sys.argv) < 3:
        raise SystemExit("usage: make.py OUT THIMBLE...")
    out, program = pathlib.Path(sys.argv[1]), sys.argv[2:]
    out.mkdir(parents=True, exist_ok=True)
    version = said(program, "--version").split()[1]
    helps = {name: Help(said(program, name, "--help")) for name in commands(program)}
    for name, help in helps.items():
        (out / f"thimble-{name}.1").write_text(command_page(name, help, version))
    (out / "thimble.1").write_text(overview_page(program, helps, version))


if __name__ == "__main__":
    main()
