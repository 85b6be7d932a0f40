#!/bin/bash
# The short form of every measurement here, in under 4 minutes: run.sh THIMBLE
# Exits 1 where one breaks a bound. Networks are made with models/recipes/shapes, whose Python environment is kept in
# THIMBLE_SHAPES_VENV (default ~/.cache/thimble-shapes). The measurements themselves need only Python's own library.
set -euo pipefail
if [ $# -ne 1 ] || [ "$1" = --help ]; then sed -n '2,4s/^# //p' "$0"; exit 2; fi
thimble=$(readlink -f "$1")
here=$(dirname "$(readlink -f "$0")")
recipe=$here/../../models/recipes/shapes
venv=${THIMBLE_SHAPES_VENV:-$HOME/.cache/thimble-shapes}
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/python" -c "import flatbuffers, numpy, tflite" 2>/dev/null \
  || "$venv/bin/pip" install --quiet -r "$recipe/requirements.txt"

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
"$venv/bin/python" "$recipe/make.py" zoo 12 --least-kib 100 --most-kib 1500 --out "$directory" | tail -1
"$venv/bin/python" "$recipe/make.py" wide --cycles 1 --shrink 4 --out "$directory" | tail -1
"$venv/bin/python" "$recipe/make.py" resnet50 --side 64 --weight-bits 4.5 --out "$directory" | tail -1
mkdir "$directory/zoo"
mv "$directory"/models/zoo* "$directory/zoo"

status=0
step() { printf '\n== %s (%s s)\n' "$1" "$SECONDS"; shift; timeout 200 python3 "$@" || { status=1; echo "FAILED: $*"; }; }
cd "$here"
step "least budget to all of it, the project's and the shared networks" budget_grid.py "$thimble" --cgroup --rounds 2 --runs 3
step "the same, networks of a known shape" budget_grid.py "$thimble" --cgroup --rounds 2 --runs 2 --inputs 1 "$directory/models"
# Where the models share the budget, it is less than they would have alone.
budget=64M
if "$thimble" serve --help | grep -q -- --keep-alive; then budget=12M
else echo "SKIPPED: more models than the budget holds: this binary's serve has no --keep-alive"; fi
step "a crowd asks twelve networks" serve_crowd.py "$thimble" "$directory/zoo" --memory-budget $budget --seconds 8 --cgroup
step "a thousand clients that ask nothing" idle_connections.py "$thimble" ../../models/digits/digits.tflite
step "50 loads and unloads" load_cycles.py "$thimble" "$directory/zoo" --memory-budget $budget --cycles 50
step "a neighbour eats memory" neighbour.py "$thimble" "$directory/zoo" --memory-budget $budget --room 64M --seconds 6
step "a neighbour eats until it is killed" \
  neighbour.py "$thimble" "$directory/zoo" --memory-budget $budget --room 64M --seconds 5 --overeat --step 16M
step "versions swapped under load" swap_load.py "$thimble" "$(ls "$directory"/zoo/* | head -1)" --memory-budget $budget --swaps 27
step "requests that run together" \
  batch_load.py "$thimble" "$(ls "$directory"/models/wide*)" --memory-budget 10M --seconds 2 --rounds 1
printf '\n%s s: ' "$SECONDS"
[ $status = 0 ] && echo "all bounds hold" || echo "a bound is BROKEN"
exit $status
