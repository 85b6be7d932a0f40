#!/bin/bash
# Makes a folder of C headers and static libraries to link Thimble with: musl, libzstd, libgcc and Embedded Swift's tables.
#
#   make-sysroot.sh arm64|amd64 SWIFT_USR EMBEDDED_FOLDER OUT
#
# THIMBLE_SIGNATURES=1 in the environment adds libsodium, as far as signatures are checked with it.
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
packages=(musl-dev libzstd-dev "$libgcc")
with_signatures=${THIMBLE_SIGNATURES:-0}
[ "$with_signatures" != 1 ] || packages+=(libsodium-dev)
(cd "$work/debs" && apt-get -qq download "${packages[@]}") || fail "could not fetch $architecture packages"
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

[ "$with_signatures" = 1 ] || exit 0
# Of libsodium, BLAKE2b and what checks Ed25519. The rest of the library stays out, also what the library's functions for memory and
# for errors ask of Debian's C library: what is called of those is below. Without `sodium_init` nobody asks for the processor's
# features, so BLAKE2b is the portable one.
cp -r "$from"/include/sodium "$sysroot/usr/include/"
parts=(libsodium_la-generichash_blake2b.o libsodium_la-blake2b-ref.o libsodium_la-blake2b-compress-ref.o
  libsodium_la-open.o libsodium_la-ed25519_ref10.o libsodium_la-hash_sha512_cp.o libsodium_la-verify.o)
mkdir "$work/sodium"
(cd "$work/sodium" && "$tools/llvm-ar" x "$from"/lib/*-linux-gnu/libsodium.a "${parts[@]}") \
  || fail "libsodium.a has other parts than expected"
cat > "$work/sodium.c" <<'C'
#include <sodium/crypto_hash_sha512.h>
#include <stdlib.h>
void sodium_memzero(void *const bytes, const size_t count) {
  for (size_t i = 0; i < count; i++) ((volatile unsigned char *)bytes)[i] = 0;
}
int sodium_is_zero(const unsigned char *bytes, const size_t count) {
  volatile unsigned char all = 0;
  for (size_t i = 0; i < count; i++) all |= bytes[i];
  return all == 0;
}
int sodium_memcmp(const void *const a, const void *const b, size_t count) {
  volatile unsigned char all = 0;
  for (size_t i = 0; i < count; i++) all |= ((const unsigned char *)a)[i] ^ ((const unsigned char *)b)[i];
  return all == 0 ? 0 : -1;
}
/* Stands in the file that signs. Nobody asks for a hash of the form "prehashed", which is not minisign's. */
void _crypto_sign_ed25519_ref10_hinit(crypto_hash_sha512_state *state, int is_prehashed) {
  if (is_prehashed) abort();
  crypto_hash_sha512_init(state);
}
_Noreturn void sodium_misuse(void) { abort(); }
int sodium_runtime_has_avx2(void) { return 0; }
int sodium_runtime_has_sse41(void) { return 0; }
int sodium_runtime_has_ssse3(void) { return 0; }
void blake2b_compress_avx2(void) { abort(); }
void blake2b_compress_sse41(void) { abort(); }
void blake2b_compress_ssse3(void) { abort(); }
C
"$tools/clang" --target=$triple --sysroot="$sysroot" -Os -ffunction-sections -c "$work/sodium.c" -o "$work/sodium/left_out.o"
"$tools/llvm-ar" rcs "$sysroot/usr/lib/libsodium.a" "$work"/sodium/*.o
