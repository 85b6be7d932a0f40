#!/bin/bash
# Builds the Debian packages thimble, libthimble-client-dev and python3-thimble-client: targets/debian/build.sh amd64|arm64 [OUT]
#
# They come out in OUT (.build-packages). The same sources, compiler and SOURCE_DATE_EPOCH (the last commit's time) give the
# same bytes. No root is needed.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
fail() { echo "build.sh: $1" >&2; exit 1; }

architecture=${1:-}
[ "$architecture" = amd64 ] || [ "$architecture" = arm64 ] || fail "which architecture: amd64 or arm64"
out=$(readlink -f -m "${2:-.build-packages}")
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2> /dev/null || date +%s)}
export SOURCE_DATE_EPOCH
version=${THIMBLE_PACKAGE_VERSION:-$(sed -n 's/.*static let version = "\(.*\)".*/\1/p' Sources/thimble/Main.swift)}
stage=$out/stage-$architecture
mkdir -p "$out"
bash targets/stage.sh "$architecture" "$stage"

units=$(cd "$stage/main/usr/lib/systemd/system" && ls -r | xargs)
fill() {
  sed -e "s|@VERSION@|$version|; s|@ARCHITECTURE@|$architecture|; s|@SIZE@|${size:-0}|; s|@UNITS@|$units|" \
    -e "s|@UNITS_REVERSED@|$(tr ' ' '\n' <<< "$units" | tac | xargs)|" \
    -e "s|@DATE@|$(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")|" "targets/debian/$1"
}

package() { # NAME TREE ARCHITECTURE: completes the tree and makes NAME_VERSION_ARCHITECTURE.deb
  local name=$1 tree=$2 deb=$out/$1_${version}_$3.deb
  install -D -m 644 targets/debian/copyright "$tree/usr/share/doc/$name/copyright"
  fill changelog | sed "1s/^thimble /$name /" | gzip -9n > "$tree/usr/share/doc/$name/changelog.gz"
  [ ! -f "targets/debian/$name.lintian-overrides" ] \
    || install -D -m 644 "targets/debian/$name.lintian-overrides" "$tree/usr/share/lintian/overrides/$name"
  find "$tree" -name '*.1' -exec gzip -9n {} +
  find "$tree" -type d -exec chmod 755 {} +
  size=$(du -sk --apparent-size "$tree" | cut -f1)
  mkdir "$tree/DEBIAN"
  fill "$name.control" > "$tree/DEBIAN/control"
  if [ "$name" = thimble ]; then
    for script in postinst prerm postrm; do
      fill $script > "$tree/DEBIAN/$script"
      chmod 755 "$tree/DEBIAN/$script"
    done
    (cd "$tree" && find etc -type f | LC_ALL=C sort | sed 's|^|/|') > "$tree/DEBIAN/conffiles"
  fi
  (cd "$tree" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) > "$tree/DEBIAN/md5sums"
  find "$tree" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
  dpkg-deb --root-owner-group -Zxz --build "$tree" "$deb" > /dev/null
  echo "$deb: $(stat -c %s "$deb") bytes, $size KiB installed"
}
package thimble "$stage/main" "$architecture"
package libthimble-client-dev "$stage/dev" "$architecture"
package python3-thimble-client "$stage/python" all
rm -rf "$stage"
