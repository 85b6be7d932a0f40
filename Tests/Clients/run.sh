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

# The C client, with the sanitizers, its example against the library as it is installed.
checks=(-g -O1 -Wall -Wextra -Werror -fsanitize=address,undefined -fno-sanitize-recover=all)
for program in hostile_replies test_client; do
  cc -std=c17 "${checks[@]}" -I"$project/Sources/CThimbleClient" -I"$project/Sources/CThimbleClient/include" \
    "$project"/Sources/CThimbleClient/*.c "$project/Tests/Clients/c/$program.c" -o "$directory/$program"
done
"$directory/hostile_replies"
bash "$project/targets/c-client.sh"
cc "$project/Sources/CThimbleClient/examples/classify.c" -I"$project/.build-c-client/include" \
  "$project/.build-c-client/libthimble_client.a" -o "$directory/classify"

port=$(python3 -c "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])")
# Written at once, so that the page cache has it in large folios, which Linux maps whole: see resident_code.py below.
dd if="$thimble" of="$directory/thimble" bs=16M status=none
chmod +x "$directory/thimble"
"$directory/thimble" serve --models "$project/models" --socket "$directory/socket" --listen "127.0.0.1:$port" --memory-budget 96M \
  --quiet &
daemon=$!
for _ in $(seq 100); do [ -S "$directory/socket" ] && break; sleep 0.05; done
status=0
"$directory/test_client" "$directory/socket" "$project/models" || status=$?
tail -c +21 "$project/models/digits/heldout.bin" | head -c 64 > "$directory/seven"
"$directory/classify" "$directory/socket" digits "$directory/seven" 3 | tee "$directory/classes"
grep -q '^7 ' "$directory/classes" || { echo "run.sh: the C example does not see a 7" >&2; status=1; }
"$venv/bin/python" "$project/Tests/Clients/test_clients.py" "$directory/socket" "$project/models" "$port" || status=$?
python3 "$project/Tests/Budget/resident_code.py" "$daemon" "$directory/socket" || status=$?
kill -TERM "$daemon"
wait "$daemon"
"$venv/bin/python" "$project/Tests/Clients/tables.py" "$thimble" || status=$?
exit "$status"
