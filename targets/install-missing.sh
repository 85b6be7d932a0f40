#!/bin/bash
# Installs those of the named Debian packages that are missing, as root or with sudo, and checks that Swift is there.
#
#   targets/install-missing.sh PACKAGE ...
set -euo pipefail
fail() { echo "install-missing.sh: $1" >&2; exit 1; }

command -v swift > /dev/null || fail "found no swift; install the toolchain from swift.org and put its usr/bin in PATH"
missing=()
for package in "$@"; do
  dpkg-query -W -f '${Status}' "$package" 2> /dev/null | grep -q 'install ok installed' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
  command -v sudo > /dev/null || fail "not root and no sudo; as root: apt-get install ${missing[*]}"
  as_root=sudo
fi
echo "installing ${missing[*]}"
$as_root apt-get update -qq
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
