#!/bin/bash
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
fail() { echo "build.sh: $1" >&2; exit 1; }

configuration=release fresh=no libc=musl
for word in "$@"; do
  case $word in
    --debug) configuration=debug ;;
    --fresh) fresh=yes ;;
    --glibc) libc=glibc ;;
    *) fail "does not know $word; it takes --debug and --fresh" ;;
  esac
done
command -v swiftc > /dev/null || fail "found no swiftc; put the Swift toolchain's usr/bin in PATH"
swift_usr=$(dirname "$(dirname "$(readlink -f "$(command -v swiftc)")")")
[ -x "$swift_usr/bin/ld.lld" ] || fail "found no $swift_usr/bin/ld.lld, which comes with Swift's toolchains for Linux"
embedded=x86_64-unknown-linux-gnu

build=$PWD/.build-x86_64
sysroot=$build/sysroot
if [ $fresh = yes ] || [ ! -f "$build/toolset.json" ] || [ targets/x86_64-linux/build.sh -nt "$build/toolset.json" ]; then
  bash targets/make-sysroot.sh amd64 "$swift_usr" $embedded "$sysroot" || fail "could not make the sysroot"
fi
cat > "$build/toolset.json" <<JSON
{ "schemaVersion": "1.0",
  "cCompiler": { "extraCLIOptions": [ "--target=x86_64-linux-musl", "--sysroot=$sysroot",
    "-ffunction-sections", "-fdata-sections" ] },
  "swiftCompiler": { "extraCLIOptions": [
    "-enable-experimental-feature", "Embedded", "-wmo", "-Xfrontend", "-function-sections",
    "-Xcc", "--target=x86_64-linux-musl", "-Xcc", "--sysroot=$sysroot",
    "-use-ld=lld", "-Xclang-linker", "--target=x86_64-linux-musl", "-Xclang-linker", "--sysroot=$sysroot",
    "-Xclang-linker", "-B$sysroot/usr/lib", "-Xclang-linker", "-static" ] },
  "linker": { "extraCLIOptions": [ "-L$sysroot/usr/lib", "--gc-sections", "--icf=all", "-lm", "-lswiftUnicodeDataTables" ] } }
JSON
if [ $libc = glibc ]; then cat > "$build/toolset.json" <<JSON
{ "schemaVersion": "1.0",
  "cCompiler": { "extraCLIOptions": [ "-ffunction-sections", "-fdata-sections" ] },
  "swiftCompiler": { "extraCLIOptions": [
    "-enable-experimental-feature", "Embedded", "-wmo", "-Xfrontend", "-function-sections", "-use-ld=lld", "-Xclang-linker", "-static" ] },
  "linker": { "extraCLIOptions": [ "--gc-sections", "--icf=all", "-lm", "$swift_usr/lib/swift/embedded/$embedded/libswiftUnicodeDataTables.a" ] } }
JSON
fi
optimize=(-Xswiftc -Osize)
[ $configuration = debug ] && optimize=()
for product in ${PRODUCTS:-thimble thimble-selftest}; do
  THIMBLE_EMBEDDED=1 swift build -c $configuration --product $product --scratch-path "$build" --toolset "$build/toolset.json" "${optimize[@]}"
  [ $configuration = debug ] && continue
  "$swift_usr/bin/llvm-objcopy" --strip-all "$build/$configuration/$product" "$build/$product"
  echo ".build-x86_64/$product: $(stat -c %s "$build/$product") bytes"
done
