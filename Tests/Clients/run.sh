#!/bin/bash
# Runs clients that nobody here wrote against a daemon: run.sh THIMBLE
# Their Python environment is kept in THIMBLE_CLIENTS_VENV (default ~/.cache/thimble-clients).
set -euo pipefail
thimble=$(readlink -f "$1")
project=$(dirname "$(readlink -f "$0")")/../..
venv=${THIMBLE_CLIENTS_VENV:-$HOME/.cache/thimble-clients}
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/python" -c "import httpx, numpy, tritonclient.http" 2>/dev/null \
  || "$venv/bin/pip" install --quiet httpx numpy "tritonclient[http]"

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
port=$(python3 -c "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])")
"$thimble" serve --models "$project/models" --socket "$directory/socket" --listen "127.0.0.1:$port" --memory-budget 96M \
  --quiet &
daemon=$!
for _ in $(seq 100); do [ -S "$directory/socket" ] && break; sleep 0.05; done
status=0
"$venv/bin/python" "$project/Tests/Clients/test_clients.py" "$directory/socket" "$project/models" "$port" || status=$?
kill -TERM "$daemon"
wait "$daemon"
exit "$status"
