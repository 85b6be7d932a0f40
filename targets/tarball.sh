#!/bin/bash
# Makes an archive for systems without Debian's packages, with its checksum: targets/tarball.sh amd64|arm64 [OUT]
#
# OUT (.build-packages) gets thimble-VERSION-ARCHITECTURE-linux.tar.gz and SHA256SUMS of all archives there. Unpacked over / with
# `tar -C / --strip-components=1 -xf`, everything is where it is looked for; INSTALL in it says the rest.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
fail() { echo "tarball.sh: $1" >&2; exit 1; }

architecture=${1:-}
[ "$architecture" = amd64 ] || [ "$architecture" = arm64 ] || fail "which architecture: amd64 or arm64"
out=$(readlink -f -m "${2:-.build-packages}")
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2> /dev/null || date +%s)}
export SOURCE_DATE_EPOCH
version=$(sed -n 's/.*static let version = "\(.*\)".*/\1/p' Sources/thimble/Main.swift)
name=thimble-$version-$architecture-linux
stage=$out/stage-tar-$architecture
mkdir -p "$out"
bash targets/stage.sh "$architecture" "$stage"
cp -r "$stage/dev/." "$stage/python/." "$stage/main/"
install -D -m 644 targets/INSTALL "$stage/main/usr/share/doc/thimble/INSTALL"
install -D -m 644 LICENSE "$stage/main/usr/share/doc/thimble/LICENSE"
tar --create --sort=name --format=gnu --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
  --transform "s|^\.|$name|" -C "$stage/main" . | gzip -9n > "$out/$name.tar.gz"
rm -rf "$stage"
(cd "$out" && sha256sum thimble-*.tar.gz > SHA256SUMS)
echo "$out/$name.tar.gz: $(stat -c %s "$out/$name.tar.gz") bytes"
