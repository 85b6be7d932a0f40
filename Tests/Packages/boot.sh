#!/bin/bash
# Boots a fresh Debian with systemd and installs, asks, upgrades, removes and purges the package there: Tests/Packages/boot.sh
#
# Needs root, debootstrap and systemd-nspawn (systemd-container), on the machine's own architecture. The fresh system is kept in
# THIMBLE_PACKAGES_CACHE (~/.cache/thimble-packages).
set -euo pipefail
project=$(readlink -f "$(dirname "$(readlink -f "$0")")/../..")
cache=${THIMBLE_PACKAGES_CACHE:-$HOME/.cache/thimble-packages}
fail() { echo "Tests/Packages/boot.sh: $1" >&2; exit 1; }
[ "$(id -u)" = 0 ] || fail "needs root"
for tool in debootstrap systemd-nspawn; do command -v $tool > /dev/null || fail "needs $tool"; done
case $(uname -m) in aarch64) architecture=arm64 ;; *) architecture=amd64 ;; esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

tar=$cache/bookworm-systemd-$architecture.tar root=$work/root
mkdir -p "$cache" "$root"
if [ ! -f "$tar" ]; then
  debootstrap --variant=minbase --include=adduser,init-system-helpers,systemd,systemd-sysv,dbus,curl bookworm "$root" http://deb.debian.org/debian \
    > "$work/debootstrap.log" 2>&1 || { tail -20 "$work/debootstrap.log" >&2; fail "debootstrap failed"; }
  tar -C "$root" --exclude=./var/cache/apt/archives/*.deb -cf "$tar.new" .
  mv "$tar.new" "$tar"
else
  tar -C "$root" -xf "$tar"
fi
bash "$project/targets/debian/build.sh" "$architecture" "$work/first" > /dev/null
THIMBLE_PACKAGE_VERSION=9.0.0 bash "$project/targets/debian/build.sh" "$architecture" "$work/next" > /dev/null
cp "$work"/first/thimble_*.deb "$root/opt/first.deb"
cp "$work"/next/thimble_*.deb "$root/opt/next.deb"
dd if="$project/models/digits/heldout.bin" of="$root/opt/seven" bs=1 skip=20 count=64 status=none

cat > "$root/opt/test" <<'TEST'
#!/bin/bash
set -xeuo pipefail
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
socket=/run/thimble/thimble.sock
sees_seven() { # within 20 s
  for _ in $(seq 100); do
    thimble infer --socket $socket digits --input /opt/seven --classes 1 2> /dev/null | grep -q '\b7\b' && return
    sleep 0.2
  done
  false
}
dpkg -i /opt/first.deb
systemctl is-active thimble.service
systemctl is-enabled thimble.service
cp -r /usr/share/thimble/models/digits /var/lib/thimble/models/
sees_seven
[ "$(stat -c %U:%G $socket | cut -d: -f2)" = thimble ]
# Whoever is not of the group may not ask; whoever is, may.
useradd stranger
useradd --groups thimble friend
! setpriv --reuid=stranger --regid=stranger --clear-groups thimble models --socket $socket
setpriv --reuid=friend --regid=friend --init-groups thimble models --socket $socket

first=$(systemctl show -P MainPID thimble.service)
dpkg -i /opt/next.deb
sees_seven
[ "$first" != "$(systemctl show -P MainPID thimble.service)" ]
# It comes back by itself.
kill -KILL "$(systemctl show -P MainPID thimble.service)"
sees_seven
systemctl stop thimble.service
[ "$(systemctl show -P Result thimble.service)" = success ]
systemctl start thimble.service
dpkg -r thimble
! systemctl is-active thimble.service
[ -d /var/lib/thimble/models/digits ]
dpkg -i /opt/next.deb
sees_seven
dpkg -P thimble
! systemctl is-active thimble.service
[ ! -e /var/lib/thimble ] && [ ! -e /etc/thimble ] && [ ! -e /var/cache/thimble ] && [ ! -e $socket ]
! getent passwd thimble
touch /opt/right
TEST
chmod +x "$root/opt/test"
cat > "$root/etc/systemd/system/thimble-test.service" <<'UNIT'
[Service]
Type=oneshot
ExecStart=-/bin/bash -c '/opt/test > /opt/log 2>&1; journalctl -u thimble --no-pager > /opt/journal; systemctl poweroff'
UNIT
mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
ln -s ../thimble-test.service "$root/etc/systemd/system/multi-user.target.wants/"
timeout 180 systemd-nspawn --quiet -D "$root" --boot --register=no --keep-unit --console=pipe < /dev/null > "$work/console" 2>&1 || true
if [ ! -e "$root/opt/right" ]; then
  cat "$work/console" "$root/opt/log" "$root/opt/journal" >&2 || true
  fail "the package does not work under systemd"
fi
echo "$architecture: installed, asked, upgraded, restarted, removed and purged under systemd"
