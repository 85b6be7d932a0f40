#!/bin/bash
# Makes the container image without Docker: targets/kubernetes/image.sh amd64|arm64 [OUT]
#
# OUT (.build-packages) gets rootfs-ARCHITECTURE and thimble-VERSION-ARCHITECTURE-image.tar, an OCI archive:
#
#   sudo k3s ctr images import thimble-0.1.0-arm64-image.tar
#
# The same sources and SOURCE_DATE_EPOCH (the last commit's time) give the same bytes.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
fail() { echo "image.sh: $1" >&2; exit 1; }

architecture=${1:-}
[ "$architecture" = amd64 ] || [ "$architecture" = arm64 ] || fail "which architecture: amd64 or arm64"
out=$(readlink -f -m "${2:-.build-packages}")
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2> /dev/null || date +%s)}
export SOURCE_DATE_EPOCH
version=$(sed -n 's/.*static let version = "\(.*\)".*/\1/p' Sources/thimble/Main.swift)
stage=$out/stage-image-$architecture root=$out/rootfs-$architecture
bash targets/stage.sh "$architecture" "$stage"

rm -rf "$root"
umask 022
mkdir -p "$root/usr/bin" "$root/usr/share" "$root/etc" "$root"/{run,var/cache,var/lib}/thimble "$root/var/lib/thimble/models"
cp "$stage/main/usr/bin/thimble" "$root/usr/bin/"
cp -r "$stage/main/usr/share/thimble" "$root/usr/share/"
echo 'thimble:x:65532:65532::/var/lib/thimble:/usr/sbin/nologin' > "$root/etc/passwd"
echo 'thimble:x:65532:' > "$root/etc/group"
# Owned by root, and written to by whoever the image runs as.
chmod 1777 "$root"/run/thimble "$root"/var/cache/thimble
rm -rf "$stage"
python3 targets/kubernetes/image.py "$root" "$architecture" "$version" "$out/thimble-$version-$architecture-image.tar"
echo "$out/thimble-$version-$architecture-image.tar: $(stat -c %s "$out/thimble-$version-$architecture-image.tar") bytes"
