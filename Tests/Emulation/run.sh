#!/bin/bash
# AVX-512's kernels on an x86-64 processor without it, byte for byte: run.sh
# Builds a copy of the sources in which AVX-512's intrinsics are functions (SIMD Everywhere), and runs its self-test and the golden answers with
# the kernels called vnni. Says nothing about speed.
set -euo pipefail
[ $# -eq 0 ] || { sed -n '2,4s/^# //p' "$0"; exit 2; }
project=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)
cd "$project"
bash targets/install-missing.sh libzstd-dev pkg-config libsimde-dev

copy=$project/.build-emulation/source
rm -rf "$copy"
mkdir -p "$copy"
git ls-files -z Package.swift Sources Tests models | tar --null --files-from=- --create | tar --extract --directory "$copy"
# Every change must find its line.
change() {
  grep -q "$2" "$copy/$1" || { echo "run.sh: $1 has no \"$2\" any more" >&2; exit 1; }
  sed -i "s|$2|$3|" "$copy/$1"
}
change Sources/CKernels/x86/requantize_avx512.h 'target("avx512[^"]*")' 'target("avx2,fma")'
change Sources/CKernels/x86/vectorized_avx512.c '"avx512[^"]*"' '"avx2,fma"'
change Sources/CKernels/kernels.c 'features & THIMBLE_CPU_VNNI' 'features \& THIMBLE_CPU_AVX2'
change Package.swift '.unsafeFlags(\["-O2"\], .when(configuration: .debug))' \
  ".unsafeFlags([\"-O2\", \"-mavx2\", \"-mfma\", \"-w\", \"-isystem\", \"$project/Tests/Emulation/include\"])"

build=$project/.build-emulation/build
for product in thimble-selftest thimble; do
  swift build --configuration release --package-path "$copy" --scratch-path "$build" --product $product
done
"$build/release/thimble-selftest" --cases Tests/Golden/operators | grep -v '^passed'
python3 Tests/Golden/run_goldens.py --import-with "$build/release/thimble" --isa vnni
