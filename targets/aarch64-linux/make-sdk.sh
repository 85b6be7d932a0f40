#!/bin/bash
# Makes the Swift SDK for static 64-bit ARM Linux binaries: C headers and libraries, and the flags that use them.
#
#   make-sdk.sh SWIFT_USR OUT.artifactbundle
set -euo pipefail
swift_usr=$1 bundle=$2
rm -rf "$bundle"
mkdir -p "$bundle/aarch64"
bundle=$(readlink -f "$bundle") sysroot=$bundle/aarch64/sysroot
order=$(readlink -f "$(dirname "$(readlink -f "$0")")/../code-order.lds")
bash "$(dirname "$(readlink -f "$0")")/../make-sysroot.sh" arm64 "$swift_usr" aarch64-none-none-elf "$sysroot"

cat > "$bundle/info.json" <<JSON
{ "schemaVersion": "1.0", "artifacts": { "thimble-aarch64-linux-musl": {
  "type": "swiftSDK", "version": "1.0.0", "variants": [ { "path": "aarch64" } ] } } }
JSON
cat > "$bundle/aarch64/swift-sdk.json" <<JSON
{ "schemaVersion": "4.0", "targetTriples": { "aarch64-none-none-elf": {
  "sdkRootPath": "sysroot", "toolsetPaths": [ "toolset.json" ] } } }
JSON
# SwiftPM says -target aarch64-none-none-elf first; the later --target=aarch64-linux-musl wins for C, for the importer of C
# headers and for the link. Swift's options are also given at link. lld, because GNU ld refuses Embedded Swift's symbols.
cat > "$bundle/aarch64/toolset.json" <<JSON
{ "schemaVersion": "1.0",
  "cCompiler": { "extraCLIOptions": [ "--target=aarch64-linux-musl", "--sysroot=$sysroot", "-mno-outline-atomics",
    "-ffunction-sections", "-fdata-sections" ] },
  "swiftCompiler": { "extraCLIOptions": [
    "-enable-experimental-feature", "Embedded", "-wmo", "-Xfrontend", "-function-sections",
    "-Xcc", "--target=aarch64-linux-musl", "-Xcc", "--sysroot=$sysroot",
    "-use-ld=lld", "-Xclang-linker", "--target=aarch64-linux-musl", "-Xclang-linker", "--sysroot=$sysroot",
    "-Xclang-linker", "-B$sysroot/usr/lib", "-Xclang-linker", "-static" ] },
  "linker": { "extraCLIOptions": [ "-L$sysroot/usr/lib", "-T", "$order", "--gc-sections", "--icf=all", "-lm", "-lswiftUnicodeDataTables" ] } }
JSON
touch "$bundle/complete"
