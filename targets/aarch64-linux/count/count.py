"""Counts one inference of models on emulated ARM processors; count.sh says how to use it."""
import collections, os, pathlib, re, struct, subprocess, sys

PROJECT = pathlib.Path(__file__).resolve().parents[3]
TABLE = PROJECT / "Sources/CKernels/arm/COUNTS.tsv"
BUILD = PROJECT / ".build-aarch64/count"
SHARED = pathlib.Path(os.environ.get("THIMBLE_TEST_MODELS", PROJECT.parent / "shared"))
GROWTH = 1.01
# What qemu emulates, and the core whose timings llvm-mca knows. It has none to be believed for in-order cores; its
# "cortex-a76" is the A57's.
PROCESSORS = {
    "a53": ("cortex-a53", None),
    "a76": ("cortex-a76", "neoverse-n1"),
    "i8mm": ("max,sve=off,sme=off", "neoverse-v2"),
}
FIELDS = ["model", "cpu", "instructions", "mac_percent", "loaded_bytes", "l1d_misses", "l2_misses", "estimated_cycles"]
# Mask, value, of instructions that multiply and add: SDOT UDOT USDOT, by lane; SMMLA UMMLA USMMLA; SMLAL UMLAL SMULL UMULL, by lane.
MULTIPLIES = [
    (0x9F20FC00, 0x0E009400, "dot"), (0xBFE0FC00, 0x0E809C00, "usdot"), (0x9F00F400, 0x0F00E000, "dot lane"),
    (0xBF00F400, 0x0F00F000, "usdot lane"), (0xDFE0F400, 0x4E80A400, "mmla"), (0x9F20FC00, 0x0E208000, "mlal"),
    (0x9F20FC00, 0x0E20C000, "mull"), (0x9F00F400, 0x0F002000, "mlal lane"), (0x9F00F400, 0x0F00A000, "mull lane"),
]


def fail(message):
    sys.exit(f"count.sh: {message}")


def model_path(name):
    """A path as given, else a model of the project, else one of the shared ones; None where there is none."""
    for path in [pathlib.Path(name), PROJECT / "models" / name / f"{name}.tflite", SHARED / "models" / f"{name}.tflite"]:
        if path.is_file():
            return path
    return None


def imported(name, path):
    if path.suffix == ".thimble":
        return path
    model = BUILD / f"{name}.thimble"
    run([PROJECT / ".build-x86_64/thimble", "import", path, "-o", model])
    return model


def run(words):
    result = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if result.returncode:
        fail(f"{' '.join(map(str, words))}: {result.stderr.strip() or result.returncode}")


def count(model, name, cpu, caches):
    out = BUILD / f"{name}.{cpu}"
    run(["qemu-aarch64", "-cpu", PROCESSORS[cpu][0], "-plugin", f"{BUILD}/counter.so,out={out}{',cache=1' if caches else ''}",
         PROJECT / ".build-aarch64/thimble", "bench", "--marks", "--threads", "1", "--memory-budget", "512M", model])
    figures = dict(line.split() for line in pathlib.Path(f"{out}.txt").read_text().splitlines())
    return out, {key: int(value) for key, value in figures.items()}


def blocks(dump):
    """[(times, words)] of the executed blocks."""
    data, at, found = dump.read_bytes(), 0, []
    while at < len(data):
        _, times, length = struct.unpack_from("<QQI", data, at)
        found.append((times, struct.unpack_from(f"<{length}I", data, at + 20)))
        at += 20 + 4 * length
    return found


def mac_percent(executed):
    words = collections.Counter()
    for times, block in executed:
        for word in block:
            words[word] += times
    multiplies = sum(times for word, times in words.items() if any(word & mask == value for mask, value, _ in MULTIPLIES))
    return 100 * multiplies / sum(words.values())


def llvm(tool):
    """LLVM 22's, as estimates differ from version to version: LLVM_BIN's, else Debian's; None where there is none."""
    path = pathlib.Path(os.environ.get("LLVM_BIN", "/usr/lib/llvm-22/bin")) / tool
    return path if os.access(path, os.X_OK) else None


def estimated_cycles(executed, core):
    """Σ of what llvm-mca says a block takes in a steady state: no caches, no mispredictions. None without llvm-mca."""
    mc, mca = llvm("llvm-mc"), llvm("llvm-mca")
    if not core or not mc or not mca:
        return None
    executed = sorted(executed, key=lambda block: -block[0] * len(block[1]))
    total, kept, covered = sum(times * len(words) for times, words in executed), [], 0
    for block in executed:
        kept.append(block)
        covered += block[0] * len(block[1])
        if covered > 0.999 * total:
            break
    unique = sorted({word for _, words in kept for word in words})
    lines = [" ".join(f"0x{byte:02x}" for byte in struct.pack("<I", word)) for word in unique]
    listing = subprocess.run([mc, "-disassemble", "-triple=aarch64", "-mattr=+all"], input="\n".join(lines), capture_output=True, text=True)
    texts = [line for line in listing.stdout.splitlines() if line.strip() and line.strip() != ".text"]
    if len(texts) != len(unique):
        fail(f"llvm-mc disassembled {len(texts)} of {len(unique)} instructions")
    text = dict(zip(unique, texts))
    source = []
    for index, (_, words) in enumerate(kept):
        source += [f"// LLVM-MCA-BEGIN {index}", *(text[word] for word in words if "svc" not in text[word]), "// LLVM-MCA-END"]
    report = subprocess.run(
        [mca, "-mtriple=aarch64", f"-mcpu={core}", "-mattr=+dotprod,+i8mm,+fullfp16,+lse", "-iterations=100", "-call-latency=1",
         "-skip-unsupported-instructions=any", "-instruction-info=0", "-resource-pressure=0"],
        input="\n".join(source) + "\n", capture_output=True, text=True).stdout
    cycles = 0.0
    for index, total_cycles in re.findall(r"Code Region - (\d+)\n.*?Total Cycles:\s+(\d+)", report, re.S):
        cycles += kept[int(index)][0] * int(total_cycles) / 100
    return round(cycles) or None


def measure(name, cpu):
    path = model_path(name)
    if not path:
        fail(f"found no model {name}: neither a file, nor in models/, nor in {SHARED}/models")
    if cpu not in PROCESSORS:
        fail(f"does not know the processor {cpu}; it knows {', '.join(PROCESSORS)}")
    name = path.stem
    model = imported(name, path)
    dump, figures = count(model, name, cpu, caches=True)
    memory = figures
    dump, figures = count(model, name, cpu, caches=False)
    executed = blocks(dump)
    cycles = estimated_cycles(executed, PROCESSORS[cpu][1])
    return [name, cpu, str(figures["instructions"]), f"{mac_percent(executed):.1f}", str(memory["loaded_bytes"]),
            str(memory["l1d_misses"]), str(memory["l2_misses"]), str(cycles) if cycles else "-"]


def rows():
    return [line.split("\t") for line in TABLE.read_text().splitlines()[1:]]


def check():
    skipped, grown = 0, 0
    for row in rows():
        name, cpu, was = row[0], row[1], int(row[2])
        path = model_path(name)
        if not path:
            print(f"SKIPPED: {name} on {cpu}: no {name}.tflite in {SHARED}/models; THIMBLE_TEST_MODELS names another folder")
            skipped += 1
            continue
        _, figures = count(imported(name, path), name, cpu, caches=False)
        now = figures["instructions"]
        verdict = "GREW" if now > was * GROWTH else "shrank: write the table again" if now * GROWTH < was else "same"
        grown += now > was * GROWTH
        print(f"{name:34} {cpu:5} {now:>11,} instructions, {was:,} in the table: {100 * now / was:.2f} %, {verdict}", flush=True)
    print(f"{len(rows()) - skipped} counted, {skipped} skipped, {grown} grew by more than 1 %")
    if grown:
        fail(f"more instructions than {TABLE.relative_to(PROJECT)} says; if that is meant, count.sh --write")


def write():
    table = [FIELDS] + [measure(row[0], row[1]) for row in rows()]
    TABLE.write_text("".join("\t".join(row) + "\n" for row in table))


def main(words):
    BUILD.mkdir(parents=True, exist_ok=True)
    if words == ["--check"]:
        return check()
    if words == ["--write"]:
        return write()
    if len(words) < 2 or words[0].startswith("-"):
        fail("usage: count.sh MODEL CPU... | count.sh --check | count.sh --write")
    if not llvm("llvm-mca"):
        print("no estimated cycles: found no llvm-mca and llvm-mc of LLVM 22; targets/install-missing.sh llvm-22", file=sys.stderr)
    print("\t".join(FIELDS))
    for cpu in words[1:]:
        print("\t".join(measure(words[0], cpu)), flush=True)


main(sys.argv[1:])
