#!/bin/bash
# Builds thimble and thimble-selftest for 64-bit ARM Linux: static, stripped, in .build-aarch64/.
#
#   targets/aarch64-linux/build.sh [--debug] [--fresh]
#
# --debug   the unoptimised build, not stripped, in .build-aarch64/debug/
# --fresh   fetch the target's C libraries again
#
# THIMBLE_SIGNATURES=1 in the environment lets the program check models' signatures; it is then in .build-aarch64-signatures/.
#
# Needs the Swift toolchain, and Debian or Ubuntu's apt and dpkg-deb; no root, no cross compiler. The C library is musl, the
# Swift library the toolchain's own Embedded one, the linker the toolchain's lld.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
fail() { echo "build.sh: $1" >&2; exit 1; }

configuration=release fresh=no
for word in "$@"; do
  case $word in
    --debug) configuration=debug ;;
    --fresh) fresh=yes ;;
    *) fail "does not know $word; it takes --debug and --fresh" ;;
  esac
done
command -v swiftc > /dev/null || fail "found no swiftc; put the Swift toolchain's usr/bin in PATH"
swift_usr=$(dirname "$(dirname "$(readlink -f "$(command -v swiftc)")")")
[ -x "$swift_usr/bin/ld.lld" ] || fail "found no $swift_usr/bin/ld.lld, which comes with Swift's toolchains for Linux"

build=$PWD/.build-aarch64
[ "${THIMBLE_SIGNATURES:-0}" != 1 ] || build+=-signatures
bundle=$build/sdk/thimble-aarch64-linux-musl.artifactbundle
if [ $fresh = yes ] || [ ! -f "$bundle/complete" ] || [ targets/aarch64-linux/make-sdk.sh -nt "$bundle/complete" ] \
  || [ targets/make-sysroot.sh -nt "$bundle/complete" ]; then
  bash targets/aarch64-linux/make-sdk.sh "$swift_usr" "$bundle" || fail "could not make the Swift SDK"
fi

# -Osize: a tenth smaller than -O; the time goes into the kernels, which are C.
optimize=(-Xswiftc -Osize)
[ $configuration = debug ] && optimize=()
for product in thimble thimble-selftest; do
  THIMBLE_EMBEDDED=1 swift build -c $configuration --product $product --scratch-path "$build" \
    --swift-sdks-path "$build/sdk" --swift-sdk thimble-aarch64-linux-musl "${optimize[@]}"
  [ $configuration = debug ] && continue
  "$swift_usr/bin/llvm-objcopy" --strip-all "$build/$configuration/$product" "$build/$product"
  echo "${build##*/}/$product: $(stat -c %s "$build/$product") bytes"
done
