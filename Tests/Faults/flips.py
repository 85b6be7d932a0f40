#!/usr/bin/env python3
"""flips.py: flips single bits of .thimble files and runs them: each flip is noticed or changes nothing.

usage: flips.py THIMBLE [--flips N] [--seed S] [MODEL...]    (default: 10000 flips, the project's digits model)

A model is a .thimble or .tflite file; each is tried as it is packed best and with every tile compressed. A flip within a tile
must be refused with an error that names the tile; one within the header or the metadata with any error of the file's; one in
the zeros between them must not change a byte of the answer. Exits 1 otherwise.
"""
import argparse, collections, concurrent.futures, os, pathlib, random, re, subprocess, sys, tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Golden"))
import read_thimble

DIGITS = HERE.parents[1] / "models/digits/digits.tflite"
REFUSAL = re.compile(r"checksum of .* does not match|not a \.thimble model|format version|should have \d+ bytes|invalid model")


class Subject:
    """One file, what it answers, and which of its bytes belong to which part."""

    def __init__(self, thimble, path, folder):
        self.thimble, self.folder = thimble, folder
        self.bytes = path.read_bytes()
        self.name = path.name
        model = read_thimble.Model(path)
        self.parts = {}
        for number, blob in enumerate(model.blobs):
            for _, offset, stored, _, _ in blob["tiles"]:
                text = f"a tile of blob {number} at byte {offset}"
                self.parts |= dict.fromkeys(range(offset, offset + stored), text)
        metadata = int.from_bytes(self.bytes[24:32], "little"), int.from_bytes(self.bytes[32:40], "little")
        self.parts |= dict.fromkeys([*range(64), *range(metadata[0], sum(metadata))], "the header or the metadata")
        self.inputs = []
        generator = random.Random(self.name)
        for index, tensor in enumerate(model.tensors[i] for i in model.inputs):
            count = {"int16": 2, "int32": 4, "int64": 8, "float32": 4}.get(tensor["type"], 1)
            for size in tensor["shape"]:
                count *= size
            file = folder / f"{self.name}.in{index}"
            file.write_bytes(generator.randbytes(count))
            self.inputs += ["--input", file]
        self.answer = self.run(path, f"{self.name}.whole")
        if self.answer[0] != 0:
            sys.exit(f"{path}: {self.answer[1]}")

    def run(self, path, key):
        """(status, message or the outputs' bytes)"""
        out = self.folder / f"{key}.out"
        result = subprocess.run([self.thimble, "run", path, *self.inputs, "--threads", "1", "--output-dir", out],
                                capture_output=True, text=True, timeout=60)
        if result.returncode != 0:
            return result.returncode, result.stderr.strip()
        return 0, b"".join(file.read_bytes() for file in sorted(out.iterdir()))

    def flip(self, bit, slot):
        """("noticed" or "harmless", None) or ("WRONG", why)"""
        position = bit // 8
        flipped = bytearray(self.bytes)
        flipped[position] ^= 1 << bit % 8
        path = self.folder / f"{self.name}.{slot}.thimble"
        path.write_bytes(flipped)
        status, said = self.run(path, f"{self.name}.{slot}")
        part = self.parts.get(position)
        where = f"{self.name}, bit {bit % 8} of byte {position} ({part or 'unused'})"
        if status == 0:
            return ("harmless", None) if said == self.answer[1] else ("WRONG", f"{where}: another answer")
        if status != 1 or not part or not REFUSAL.search(said) or (part.startswith("a tile") and part not in said):
            return "WRONG", f"{where}: status {status}: {said}"
        return "noticed", None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("thimble")
    parser.add_argument("models", nargs="*", type=pathlib.Path, default=[DIGITS])
    parser.add_argument("--flips", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_intermixed_args()
    thimble = os.path.abspath(options.thimble)
    shm = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="thimble-flips-", dir=shm) as folder:
        folder = pathlib.Path(folder)
        subjects = []
        for model in options.models:
            if model.suffix != ".tflite":
                subjects.append(Subject(thimble, model, folder))
                continue
            for compression in ["auto", "always"]:
                path = folder / f"{model.stem}-{compression}.thimble"
                subprocess.run([thimble, "import", model, "-o", path, "--compression", compression], check=True,
                               capture_output=True)
                subjects.append(Subject(thimble, path, folder))
        generator = random.Random(options.seed)
        counts, wrong = collections.Counter(), []

        def work(slot):
            for _ in range(options.flips * slot // workers, options.flips * (slot + 1) // workers):
                subject = generator.choice(subjects)
                result, why = subject.flip(generator.randrange(8 * len(subject.bytes)), slot)
                counts[result] += 1
                if why:
                    wrong.append(why)

        workers = len(os.sched_getaffinity(0))
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            list(pool.map(work, range(workers)))
        for why in wrong[:10]:
            print("WRONG:", why)
        print(f"{sum(counts.values())} flips in {len(subjects)} files: {counts['noticed']} noticed, "
              f"{counts['harmless']} harmless, {counts['WRONG']} wrong")
        return 1 if wrong or not counts["noticed"] or not counts["harmless"] else 0


if __name__ == "__main__":
    sys.exit(main())
