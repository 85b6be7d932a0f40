#!/bin/bash
# Builds thimble and thimble-selftest for x86-64 Linux: static, stripped, in .build-x86_64/.
#
#   targets/x86_64-linux/build.sh [--debug] [--fresh]
#
# --debug   the unoptimised build, not stripped, in .build-x86_64/debug/: the Embedded compiler refuses more in it
# --fresh   fetch the C libraries again
#
# THIMBLE_SIGNATURES=1 in the environment lets the program check models' signatures; it is then in .build-x86_64-signatures/.
#
# Needs the Swift toolchain, and Debian or Ubuntu's apt and dpkg-deb; no root. The C library is musl, as on ARM: beside static
# glibc the program was 0.7 MB smaller (2.0, not 2.7 MB), MobileNetV2's peak resident memory 0.7 MiB less (8.9, not 9.5 MiB),
# and the latency the same.
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

build=$PWD/.build-x86_64
[ "${THIMBLE_SIGNATURES:-0}" != 1 ] || build+=-signatures
sysroot=$build/sysroot toolset=$build/toolset.json
if [ $fresh = yes ] || [ ! -f "$toolset" ] || [ targets/make-sysroot.sh -nt "$toolset" ]; then
  rm -f "$toolset"
  bash targets/make-sysroot.sh amd64 "$swift_usr" x86_64-unknown-linux-gnu "$sysroot" || fail "could not make the sysroot"
fi
# SwiftPM says -target x86_64-unknown-linux-gnu first; the later --target=x86_64-linux-musl wins for C, for the importer of C
# headers and for the link. Swift's options are also given at link.
cat > "$toolset.new" <<JSON
{ "schemaVersion": "1.0",
  "cCompiler": { "extraCLIOptions": [ "--target=x86_64-linux-musl", "--sysroot=$sysroot",
    "-ffunction-sections", "-fdata-sections" ] },
  "swiftCompiler": { "extraCLIOptions": [
    "-enable-experimental-feature", "Embedded", "-wmo", "-Xfrontend", "-function-sections",
    "-Xcc", "--target=x86_64-linux-musl", "-Xcc", "--sysroot=$sysroot",
    "-use-ld=lld", "-Xclang-linker", "--target=x86_64-linux-musl", "-Xclang-linker", "--sysroot=$sysroot",
    "-Xclang-linker", "-B$sysroot/usr/lib", "-Xclang-linker", "-static" ] },
  "linker": { "extraCLIOptions": [ "-L$sysroot/usr/lib", "-T", "$PWD/targets/code-order.lds", "--gc-sections", "--icf=all", "-lm", "-lswiftUnicodeDataTables" ] } }
JSON
mv "$toolset.new" "$toolset"

# -Osize: a tenth smaller than -O; the time goes into the kernels, which are C.
optimize=(-Xswiftc -Osize)
[ $configuration = debug ] && optimize=()
for product in thimble thimble-selftest; do
  THIMBLE_EMBEDDED=1 swift build -c $configuration --product $product --scratch-path "$build" --toolset "$toolset" \
    "${optimize[@]}"
  [ $configuration = debug ] && continue
  "$swift_usr/bin/llvm-objcopy" --strip-all "$build/$configuration/$product" "$build/$product"
  echo "${build##*/}/$product: $(stat -c %s "$build/$product") bytes"
done
