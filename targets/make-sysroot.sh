#!/bin/bash
# Makes a folder of C headers and static libraries to link Thimble with: musl, libzstd, libgcc and Embedded Swift's tables.
#
#   make-sysroot.sh arm64|amd64 SWIFT_USR EMBEDDED_FOLDER OUT
#
# The libraries come from Debian's packages, fetched with an apt state of their own, so neither the machine's architectures
# nor its packages change, and no root is needed. EMBEDDED_FOLDER is the one of the Swift toolchain's lib/swift/embedded.
set -euo pipefail
architecture=$1 swift_usr=$2 embedded=$3 sysroot=$4
fail() { echo "make-sysroot.sh: $1" >&2; exit 1; }
for tool in apt-get apt-cache dpkg-deb; do command -v $tool > /dev/null || fail "needs $tool (Debian or Ubuntu)"; done
tables=$swift_usr/lib/swift/embedded/$embedded/libswiftUnicodeDataTables.a
[ -f "$tables" ] || fail "found no $tables; Thimble needs Swift 6.3 with its Embedded library"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir -p "$work"/apt/lists/partial "$work"/cache/archives/partial "$work"/debs "$work"/root
touch "$work/apt/status"
cat > "$work/apt.conf" <<CONF
APT::Architecture "$architecture";
APT::Architectures { "$architecture"; };
APT::Sandbox::User "";
Dir::State "$work/apt";
Dir::State::status "$work/apt/status";
Dir::Cache "$work/cache";
Acquire::Languages "none";
CONF
export APT_CONFIG=$work/apt.conf
apt-get -qq update || fail "apt-get found no $architecture packages; on Ubuntu add ports.ubuntu.com to apt's sources"
# libgcc-N-dev belongs to a compiler's version: take the newest.
libgcc=$(apt-cache pkgnames libgcc- | grep -E '^libgcc-[0-9]+-dev$' | sort -t- -k2 -n | tail -1)
[ -n "$libgcc" ] || fail "apt-cache knows no libgcc-N-dev for $architecture"
(cd "$work/debs" && apt-get -qq download musl-dev libzstd-dev "$libgcc") || fail "could not fetch $architecture packages"
for deb in "$work"/debs/*.deb; do dpkg-deb -x "$deb" "$work/root"; done

rm -rf "$sysroot"
mkdir -p "$sysroot/usr/include" "$sysroot/usr/lib"
from=$work/root/usr
cp -rL "$from"/include/*-linux-musl/. "$sysroot/usr/include/"
cp "$from"/lib/*-linux-musl/*.{o,a} "$sysroot/usr/lib/"
cp "$from"/include/z*.h "$sysroot/usr/include/"
cp "$from"/lib/*-linux-gnu/libzstd.a "$sysroot/usr/lib/"
cp "$from"/lib/gcc/*-linux-gnu/*/{crtbeginT.o,crtbegin.o,crtend.o,libgcc.a,libgcc_eh.a} "$sysroot/usr/lib/"
cp "$tables" "$sysroot/usr/lib/"

# Thimble compresses at level 1 in one thread and reads today's frames. The library's tables refer to all levels' strategies and
# to the formats before version 1 all the same, an eighth of the program: their parts make way for functions that return zstd's
# general error, which is what a frame of such an old format gets.
library=$sysroot/usr/lib/libzstd.a tools=$swift_usr/bin
left_out=(zstd_double_fast.o zstd_lazy.o zstd_opt.o zstdmt_compress.o zstd_v05.o zstd_v06.o zstd_v07.o)
mkdir "$work/left_out"
(cd "$work/left_out" && "$tools/llvm-ar" x "$library" "${left_out[@]}") || fail "libzstd.a has other parts than expected"
"$tools/llvm-ar" d "$library" "${left_out[@]}"
symbols() { "$tools/llvm-nm" --quiet --format=just-symbols "$@" | grep -E '^[A-Za-z_][A-Za-z_0-9]*$' | sort -u; }
comm -12 <(symbols --defined-only --extern-only "$work"/left_out/*.o) <(symbols --undefined-only "$library") \
  | sed 's/.*/unsigned long &(void) { return -1ul; }/' > "$work/left_out.c"
[ -s "$work/left_out.c" ] || fail "libzstd.a asks for nothing of ${left_out[*]}"
case $architecture in arm64) triple=aarch64-linux-musl ;; *) triple=x86_64-linux-musl ;; esac
"$tools/clang" --target=$triple -Os -ffunction-sections -c "$work/left_out.c" -o "$work/left_out.o"
"$tools/llvm-ar" rs "$library" "$work/left_out.o"
