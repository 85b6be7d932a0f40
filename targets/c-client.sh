#!/bin/bash
# Builds the C client: .build-c-client/libthimble_client.a and .build-c-client/include/thimble_client.h.
#
#   targets/c-client.sh [amd64|arm64 [OUT]]
#
# Without an architecture it is this machine's, built with $CC (cc); for the other one Debian's cross compiler is needed.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
fail() { echo "c-client.sh: $1" >&2; exit 1; }

case $(uname -m) in aarch64) own=arm64 ;; *) own=amd64 ;; esac
architecture=${1:-$own} out=${2:-.build-c-client}
compiler=${CC:-cc} archiver=ar
if [ "$architecture" != "$own" ]; then
  case $architecture in
    arm64) prefix=aarch64-linux-gnu- package=gcc-aarch64-linux-gnu ;;
    amd64) prefix=x86_64-linux-gnu- package=gcc-x86-64-linux-gnu ;;
    *) fail "does not know $architecture; it takes amd64 and arm64" ;;
  esac
  compiler=${prefix}gcc archiver=${prefix}ar
  command -v "$compiler" > /dev/null || fail "found no $compiler: install $package and libc6-dev-$architecture-cross"
fi
mkdir -p "$out/include" "$out/objects"
for source in Sources/CThimbleClient/*.c; do
  # The same bytes wherever it is built.
  "$compiler" -std=c17 -O2 -fPIC -Wall -Wextra -Wconversion -ffunction-sections -fno-ident -ffile-prefix-map="$PWD"=. \
    -ISources/CThimbleClient/include -c "$source" -o "$out/objects/$(basename "$source" .c).o"
done
rm -f "$out/libthimble_client.a"
"$archiver" rcsD "$out/libthimble_client.a" "$out"/objects/*.o
cp Sources/CThimbleClient/include/thimble_client.h "$out/include/"
echo "$out/libthimble_client.a: $(stat -c %s "$out/libthimble_client.a") bytes"
