#!/bin/bash
# Builds thimble-grpc and runs gRPC clients that nobody here wrote against it, in front of a daemon: grpc.sh THIMBLE
# Their Python environment is that of run.sh, in THIMBLE_CLIENTS_VENV (default ~/.cache/thimble-clients).
set -euo pipefail
thimble=$(readlink -f "$1")
project=$(readlink -f "$(dirname "$(readlink -f "$0")")/../..")
venv=${THIMBLE_CLIENTS_VENV:-$HOME/.cache/thimble-clients}
bash "$project/targets/install-missing.sh" libnghttp2-dev pkg-config
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/python" -c "import httpx, numpy, tritonclient.grpc, tritonclient.http, grpc_health" 2>/dev/null \
  || "$venv/bin/pip" install --quiet httpx numpy "tritonclient[grpc,http]" grpcio-health-checking
cd "$project"
THIMBLE_GRPC=1 swift build -c release --product thimble-grpc --scratch-path .build-grpc | { grep -v '^\[' || true; }

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
"$thimble" serve --models models --socket "$directory/socket" --memory-budget 96M --quiet &
daemon=$!
for _ in $(seq 100); do [ -S "$directory/socket" ] && break; sleep 0.05; done
status=0
timeout 300 "$venv/bin/python" Tests/Clients/grpc_clients.py .build-grpc/release/thimble-grpc "$directory/socket" models || status=$?
kill -TERM "$daemon"
wait "$daemon"
exit "$status"
