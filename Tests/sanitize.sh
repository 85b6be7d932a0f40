#!/bin/bash
# The tests under a sanitizer: sanitize.sh address|thread|undefined [FILTER]
# FILTER is a regular expression of test names, e.g. 'ProtocolsTests|ModelFileTests|ImportingTests' for what reads bytes from outside;
# without it everything but the tests of built programs, which have sanitizers of their own to fear. Exits 1 where one finds something.
set -euo pipefail
case ${1:-} in address | thread | undefined) ;; *) sed -n '2,4s/^# //p' "$0"; exit 2 ;; esac
cd "$(dirname "$(readlink -f "$0")")/.."
bash targets/install-missing.sh libzstd-dev pkg-config
# The daemon hands files' faults on to its own handler of SIGSEGV and SIGBUS; what is left at the end is not counted as a leak:
# the tests' own runtime keeps some.
export ASAN_OPTIONS=detect_leaks=0:allow_user_segv_handler=1:handle_sigbus=0:${ASAN_OPTIONS:-}
# Tests look at a server's state from threads of their own, once it is at rest; and end with some of its threads.
suppressions=$(mktemp)
trap 'rm -f "$suppressions"' EXIT
printf '%s\n' 'race_top:*ServingTests*' 'race_top:*ModelRepositoryC12loadedModels*' > "$suppressions"
export TSAN_OPTIONS=halt_on_error=0:exitcode=66:handle_sigbus=0:report_thread_leaks=0:suppressions=$suppressions:${TSAN_OPTIONS:-}
# Swift's names of what the filter matches begin with the target.
filter=${2:-'TensorsTests|SystemTests|ModelFileTests|ImportingTests|MemoryTests|RuntimeTests|PowerTests|ProtocolsTests|DevicesTests|ServingTests|ThimbleClientTests|ChecksTests|TablesTests|SignaturesTests|GRPCTests'}
sanitizer=(--sanitize "$1")
# Swift checks its own arithmetic; C's ends the test where it is undefined, with SIGILL.
[ "$1" != undefined ] || sanitizer=(-Xcc -fsanitize=undefined -Xcc -fsanitize-trap=undefined)
swift build --build-tests "${sanitizer[@]}" --scratch-path ".build-$1" 2>&1 | grep -E 'error|warning: unre|Compiling|Build' | tail -3
".build-$1/debug/thimblePackageTests.xctest" --testing-library swift-testing --filter "$filter"
