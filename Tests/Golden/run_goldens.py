#!/usr/bin/env python3
"""run_goldens.py: a thimble binary against the answers of LiteRT's reference kernels, byte for byte.

usage: run_goldens.py --import-with THIMBLE [--run "COMMAND"] [--isa a,b] [--threads 1,2] [--shared DIR]
  --import-with  the binary that imports the .tflite models
  --run          what runs them, e.g. "qemu-aarch64 -cpu cortex-a53 .build-aarch64/thimble" (default: the same binary)
  --isa          instruction sets to run, each alone (default: the binary's own choice)
  --skip-unsupported  leave out instruction sets that this processor lacks, saying so
  --shared       the folder with models/ and golden/ (default: $THIMBLE_TEST_MODELS, else ../shared beside the project)

Needs only Python's own library. Exits 1 where bytes differ or a run fails; skips, saying so, where the folder is absent.
"""
import argparse, json, os, pathlib, shlex, subprocess, sys, tempfile


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    project = pathlib.Path(__file__).resolve().parents[2]
    parser.add_argument("--import-with", required=True)
    parser.add_argument("--run")
    parser.add_argument("--isa", default="")
    parser.add_argument("--skip-unsupported", action="store_true")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--shared", default=os.environ.get("THIMBLE_TEST_MODELS", project.parent / "shared"))
    options = parser.parse_args()
    shared = pathlib.Path(options.shared)
    cases = sorted((shared / "golden").glob("*.json"))
    if not cases:
        print(f"SKIPPED: no golden answers in {shared / 'golden'}; THIMBLE_TEST_MODELS names another folder")
        return 0
    command = shlex.split(options.run or options.import_with)
    passed = failed = 0
    unsupported = set()
    with tempfile.TemporaryDirectory() as folder:
        for case in cases:
            record = json.loads(case.read_text())
            model = pathlib.Path(folder) / record["model"].replace(".tflite", ".thimble")
            if not model.exists():
                subprocess.run([options.import_with, "import", shared / "models" / record["model"], "-o", model],
                               check=True, stdout=subprocess.DEVNULL)
            inputs = [word for tensor in record["inputs"] for word in ("--input", str(shared / "golden" / tensor["file"]))]
            for isa in options.isa.split(","):
                for threads in options.threads.split(","):
                    words = command + ["run", str(model), *inputs, "--output-dir", folder, "--threads", threads]
                    words += ["--isa", isa] if isa else []
                    run = subprocess.run(words, capture_output=True, text=True)
                    if options.skip_unsupported and run.returncode == 2 and "has only" in run.stderr:
                        unsupported.add(isa)
                        continue
                    same = run.returncode == 0 and all(
                        (pathlib.Path(folder) / f"out{index}.bin").read_bytes() == (shared / "golden" / tensor["file"]).read_bytes()
                        for index, tensor in enumerate(record["outputs"]))
                    passed, failed = passed + same, failed + (not same)
                    if not same:
                        print(f"DIFFERS: {case.stem} {isa} threads {threads} {run.stderr.strip()[:200]}")
    for isa in sorted(unsupported):
        print(f"SKIPPED: this processor lacks {isa}")
    print(f"{' '.join(command)} {options.isa}: {passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
