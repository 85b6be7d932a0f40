#!/bin/bash
# Fuzzes what reads bytes from outside, by coverage: run.sh [--seconds N | --runs N] [--target T] [--address] [--list]
# Each target gets N seconds (default 3) or N executions. Exits 1 where an input ends the program, takes 5 seconds or more than
# 512 MiB; the input is kept in .build-fuzz/found. --address: with the address sanitizer, about a third as fast.
# What was learned is kept in .build-fuzz/corpus and used the next time.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
cd "$here/../.."
targets="tflite thimble graph table source http json infer predict region reply call answer config profile target trace signature"
limit=-max_total_time=3
build=.build-fuzz
options=(--sanitize fuzzer)
while [ $# -gt 0 ]; do
  case $1 in
    --seconds) limit=-max_total_time=$2; shift ;;
    --runs) limit=-runs=$2; shift ;;
    --target) targets=$2; shift ;;
    --address) build=.build-fuzz-address; options+=(--sanitize address) ;;
    --list) echo "$targets"; exit ;;
    *) sed -n '2,5s/^# //p' "$0"; exit 2 ;;
  esac
  shift
done
bash targets/install-missing.sh libzstd-dev pkg-config
THIMBLE_FUZZ=1 swift build -c release "${options[@]}" --product thimble-fuzz --scratch-path "$build" -Xswiftc -enable-testing \
  | { grep -v '^\[' || true; }
program=$PWD/$build/release/thimble-fuzz
mkdir -p "$build/found"
rm -rf "$build/seeds"
export ASAN_OPTIONS=detect_leaks=0:${ASAN_OPTIONS:-}
THIMBLE_FUZZ_SEEDS=$build/seeds "$program"
mkdir -p "$build/seeds/profile" "$build/seeds/target"
cp power-profiles/*.json "$build/seeds/profile"
cp targets/*.json "$build/seeds/target"

status=0
for target in $targets; do
  mkdir -p "$build/corpus/$target" "$build/seeds/$target" "$here/seeds/$target"
  dictionary=(-dict="$here/json.dict")
  case $target in tflite | thimble | graph | table | source | call | signature) dictionary=() ;; esac
  log=$build/$target.log
  if ! THIMBLE_FUZZ_TARGET=$target "$program" "$limit" -timeout=5 -rss_limit_mb=512 -malloc_limit_mb=64 -max_len=4096 \
    -print_final_stats=1 -reload=0 "${dictionary[@]}" -artifact_prefix="$build/found/$target-" \
    "$build/corpus/$target" "$here/seeds/$target" "$build/seeds/$target" > "$log" 2>&1; then
    status=1
    echo "$target: FAILED"
    grep -aE '^SUMMARY|ERROR|Test unit written|Fatal error|precondition' "$log" | head -5
    continue
  fi
  count=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")
  echo "$target: $count executions, $rate a second, $(grep -ao 'cov: [0-9]*' "$log" | tail -1 | cut -c6-) edges: nothing found"
done
exit $status
