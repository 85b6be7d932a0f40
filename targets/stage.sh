#!/bin/bash
# Puts together what an installation has, for the packages and the archive: stage.sh amd64|arm64 OUT
#
# OUT/main gets the program, its units, configuration, manual pages, kinds of devices, power profiles and the digits model;
# OUT/dev the client for C, OUT/python the one for Python. The program is THIMBLE_PROGRAM, else the one of targets/*-linux/build.sh,
# which runs first where there is none.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
fail() { echo "stage.sh: $1" >&2; exit 1; }

case ${1:-} in
  amd64) build=.build-x86_64 processor=x86_64 ;;
  arm64) build=.build-aarch64 processor=aarch64 ;;
  *) fail "which architecture: amd64 or arm64" ;;
esac
architecture=$1 out=${2:?stage.sh: where to}
program=${THIMBLE_PROGRAM:-$build/thimble}
[ -x "$program" ] || bash "targets/$processor-linux/build.sh"
runs=("$program")
"$program" --version > /dev/null 2>&1 || runs=("qemu-$processor" "$program")
command -v "${runs[0]}" > /dev/null || fail "needs ${runs[0]} (qemu-user) to ask the program for its help"

rm -rf "$out"
umask 022
main=$out/main/usr dev=$out/dev/usr python=$out/python/usr
install -D -m 755 "$program" "$main/bin/thimble"
install -D -m 644 -t "$main/lib/systemd/system" targets/systemd/thimble.{service,socket}
install -D -m 644 targets/debian/thimble.conf "$out/main/etc/thimble/thimble.conf"
install -D -m 644 -t "$main/share/thimble/targets" targets/*.json
install -D -m 644 -t "$main/share/thimble/power-profiles" power-profiles/*.json
install -D -m 644 -t "$main/share/thimble/models/digits" models/digits/{config.json,heldout.bin}
install -D -m 644 -t "$main/share/thimble/models/digits/1" models/digits/1/model.thimble
install -D -m 644 targets/man/thimble.bash "$main/share/bash-completion/completions/thimble"
python3 targets/man/make.py "$main/share/man/man1" "${runs[@]}"

bash targets/c-client.sh "$architecture" "$out/client" > /dev/null
install -D -m 644 "$out/client/libthimble_client.a" "$dev/lib/$processor-linux-gnu/libthimble_client.a"
install -D -m 644 "$out/client/include/thimble_client.h" "$dev/include/thimble_client.h"
install -D -m 644 Sources/CThimbleClient/examples/classify.c "$dev/share/doc/libthimble-client-dev/examples/classify.c"
install -D -m 644 Sources/ThimbleClient/python/thimble_client.py "$python/lib/python3/dist-packages/thimble_client.py"
rm -rf "$out/client"
