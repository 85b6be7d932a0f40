#!/bin/bash
# Counts what one inference executes on emulated ARM processors, with one thread: instructions, the share that multiplies and
# adds, bytes loaded, misses of modelled caches (64 KiB, 512 KiB), and the cycles llvm-mca estimates for what was executed.
# Counts compare two builds; they are not times. They repeat to the instruction, misses to a per cent.
#
#   targets/aarch64-linux/count.sh MODEL CPU...   one line a CPU: a53 (neon), a76 (dotprod), i8mm
#   targets/aarch64-linux/count.sh --check        fails where Sources/CKernels/arm/COUNTS.tsv is exceeded by more than 1 %
#   targets/aarch64-linux/count.sh --write        counts every line of that table again
#
# MODEL is a .tflite or .thimble file, or the name of one in models/ or in the folder that THIMBLE_TEST_MODELS names (default:
# ../shared, its models/). Needs both static builds (build.sh of this folder and of x86_64-linux, which imports), qemu-user, a
# C compiler and Python 3; for the estimated cycles also LLVM 22, Debian's llvm-22 or what LLVM_BIN names: else they are "-".
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
fail() { echo "count.sh: $1" >&2; exit 1; }

command -v qemu-aarch64 > /dev/null || fail "found no qemu-aarch64; targets/install-missing.sh qemu-user"
command -v python3 > /dev/null || fail "found no python3; targets/install-missing.sh python3"
[ -x .build-aarch64/thimble ] || fail "found no .build-aarch64/thimble; targets/aarch64-linux/build.sh makes it"
[ -x .build-x86_64/thimble ] || fail "found no .build-x86_64/thimble; targets/x86_64-linux/build.sh makes it"
compiler=$(command -v clang || command -v cc) || fail "found no C compiler; targets/install-missing.sh gcc"

mkdir -p .build-aarch64/count
plugin=.build-aarch64/count/counter.so
if [ ! "$plugin" -nt targets/aarch64-linux/count/counter.c ]; then
  "$compiler" -O2 -Wall -fPIC -shared targets/aarch64-linux/count/counter.c -o "$plugin"
fi
exec python3 targets/aarch64-linux/count/count.py "$@"
