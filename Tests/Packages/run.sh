#!/bin/bash
# Installs, runs, upgrades, removes and purges the Debian packages in a fresh Debian: Tests/Packages/run.sh [amd64|arm64]...
#
# Needs root, debootstrap and, for the other architecture, qemu-user-static. The fresh systems are kept in THIMBLE_PACKAGES_CACHE
# (~/.cache/thimble-packages). `--inspect ARCHITECTURE` only builds the packages and looks at them, without root.
set -euo pipefail
project=$(readlink -f "$(dirname "$(readlink -f "$0")")/../..")
cache=${THIMBLE_PACKAGES_CACHE:-$HOME/.cache/thimble-packages}
fail() { echo "Tests/Packages/run.sh: $1" >&2; exit 1; }

environment=(PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive)
work=$(mktemp -d)
registered=
clean() {
  [ -z "${root:-}" ] || umount -l "$root/proc" 2> /dev/null || true
  [ -z "$registered" ] || echo -1 > "/proc/sys/fs/binfmt_misc/$registered"
  rm -rf "$work"
}
trap clean EXIT

# Builds twice, compares, and looks at the packages.
inspect() {
  local architecture=$1 first=$work/first second=$work/second deb limit=4096
  # 3 MB; x86-64 has kernels for three instruction sets, and longer instructions.
  [ "$architecture" != arm64 ] || limit=2929
  bash "$project/targets/debian/build.sh" "$architecture" "$first"
  bash "$project/targets/debian/build.sh" "$architecture" "$second" > /dev/null
  for deb in "$first"/*.deb; do
    cmp "$deb" "$second/$(basename "$deb")" || fail "two builds differ"
  done
  deb=$(echo "$first"/thimble_*.deb)
  [ "$(dpkg-deb -f "$deb" Installed-Size)" -le $limit ] || fail "$(dpkg-deb -f "$deb" Installed-Size) KiB installed: more than $limit KiB"
  dpkg-deb -x "$deb" "$work/tree"
  python3 "$project/Tests/Packages/check_man.py" "$work/tree/usr/share/man/man1" $(runner "$architecture") "$work/tree/usr/bin/thimble"
  if command -v systemd-analyze > /dev/null && [ -z "$(runner "$architecture")" ]; then
    dpkg-deb -x "$deb" "$work/verified"
    sed -i "s|=/usr/bin/thimble|=$work/verified/usr/bin/thimble|" "$work"/verified/usr/lib/systemd/system/thimble.service
    complaints=$(systemd-analyze verify --man=no "$work"/verified/usr/lib/systemd/system/thimble.* 2>&1 | grep thimble || true)
    [ -z "$complaints" ] || fail "the units are malformed: $complaints"
  fi
  if command -v lintian > /dev/null; then
    lintian --allow-root --fail-on error,warning --suppress-tags initial-upload-closes-no-bugs "$first"/*.deb || fail "lintian objects"
  fi
  echo "$architecture: the packages are alike in two builds and well formed"
}

runner() {
  case $1-$(uname -m) in arm64-aarch64 | amd64-x86_64) ;; arm64-*) echo qemu-aarch64 ;; amd64-*) echo qemu-x86_64 ;; esac
}

# Has the kernel run the other architecture's programs, for as long as this test.
emulate() {
  local name=$1 magic mask
  [ -d /proc/sys/fs/binfmt_misc ] && [ -f /proc/sys/fs/binfmt_misc/register ] || mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
  [ ! -e "/proc/sys/fs/binfmt_misc/qemu-${name#qemu-}" ] || return 0
  command -v "$name-static" > /dev/null || fail "needs $name-static (qemu-user-static)"
  case $name in qemu-aarch64) machine='\xb7' ;; *) machine='\x3e' ;; esac
  magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00'$machine'\x00'
  mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
  echo ":thimble-test-$name:M::$magic:$mask:$(command -v "$name-static"):F" > /proc/sys/fs/binfmt_misc/register
  registered=thimble-test-$name
}

# A fresh Debian in $root.
fresh() {
  local architecture=$1 tar=$cache/bookworm-$1.tar
  if [ ! -f "$tar" ]; then
    mkdir -p "$cache"
    debootstrap --variant=minbase --include=adduser,init-system-helpers --arch="$architecture" bookworm "$work/bootstrap" \
      http://deb.debian.org/debian > "$work/debootstrap.log" 2>&1 || { tail -20 "$work/debootstrap.log" >&2; fail "debootstrap failed"; }
    tar -C "$work/bootstrap" --exclude=./proc/* --exclude=./var/cache/apt/archives/*.deb -cf "$tar.new" .
    mv "$tar.new" "$tar"
    rm -rf "$work/bootstrap"
  fi
  root=$work/root
  mkdir "$root"
  tar -C "$root" -xf "$tar"
  mount -t proc none "$root/proc"
}

in_root() { chroot "$root" env -i "${environment[@]}" "$@"; }
files() { (cd "$root" && find etc usr var run -xdev \( -path var/lib/dpkg -o -path var/log \) -prune -o -print | LC_ALL=C sort); }

# Runs the unit's command as its user, and asks it.
serve_and_ask() {
  local wait=$1
  # No function: the process to end is the daemon.
  chroot "$root" env -i "${environment[@]}" bash -c '
    set -e
    # As systemd reads it: lines that go on, and its folders.
    said() { sed -e ":a; /\\\\$/ { N; s/\\\\\n */ /; ba }" /usr/lib/systemd/system/thimble.service | sed -n "s/^$1=-\\?//p" \
      | sed "s|%t|/run|g; s|%S|/var/lib|g; s|%C|/var/cache|g; s|%E|/etc|g"; }
    user=$(said User)
    install -d -o "$user" -g "$user" /run/thimble /var/cache/thimble
    set -a
    for file in $(said EnvironmentFile); do [ ! -f "$file" ] || eval "$(sed -n "s/^\([A-Z_]*\)=\(.*\)/\1=\"\2\"/p" "$file")"; done
    for setting in $(said Environment); do eval "$setting"; done
    set +a
    command=$(said ExecStart)
    # systemd passes the socket where it listens itself.
    case $command in *--socket*) ;; *) command="$command --socket /run/thimble/thimble.sock" ;; esac
    eval "exec setpriv --reuid=$user --regid=$user --clear-groups $command"' > "$work/daemon.log" 2>&1 &
  local daemon=$!
  for _ in $(seq "$wait"); do [ -S "$root/run/thimble/thimble.sock" ] && break; sleep 0.1; done
  [ -S "$root/run/thimble/thimble.sock" ] || { cat "$work/daemon.log" >&2; fail "the daemon does not start"; }
  in_root thimble infer --socket /run/thimble/thimble.sock digits --input /tmp/seven --classes 1 | grep -q '\b7\b' || fail "no 7"
  kill -TERM "$daemon"
  wait "$daemon" || { cat "$work/daemon.log" >&2; fail "the daemon does not end with 0"; }
  rm -rf "$root/run/thimble"
}

life() {
  local architecture=$1 first=$work/first next=$work/next
  THIMBLE_PACKAGE_VERSION=9.0.0 bash "$project/targets/debian/build.sh" "$architecture" "$next" > /dev/null
  fresh "$architecture"
  files > "$work/before"
  cp "$first"/*_"$architecture".deb "$next"/*_"$architecture".deb "$root/tmp/"
  dd if="$project/models/digits/heldout.bin" of="$root/tmp/seven" bs=1 skip=20 count=64 status=none

  in_root bash -c 'dpkg -i /tmp/thimble_0*.deb /tmp/libthimble-client-dev_0*.deb'
  in_root dpkg --verify thimble libthimble-client-dev
  [ "$(in_root stat -c %U:%G:%a /var/lib/thimble/models)" = thimble:thimble:2775 ] || fail "the repository is not the user's"
  [ "$(in_root getent passwd thimble | cut -d: -f6-)" = /var/lib/thimble:/usr/sbin/nologin ] || fail "the user is another"
  [ -L "$root/etc/systemd/system/multi-user.target.wants/thimble.service" ] || fail "the unit is not enabled"
  [ "$(in_root thimble power --json --target raspberry-pi-5 | wc -c)" -gt 10 ] || fail "the targets are not found"
  cp -r "$root/usr/share/thimble/models/digits" "$root/var/lib/thimble/models/"
  serve_and_ask 600

  sed -i 's/^THIMBLE_OPTIONS=.*/THIMBLE_OPTIONS=--memory-budget 48M --drain 5/' "$root/etc/thimble/thimble.conf"
  rm "$root/etc/systemd/system/multi-user.target.wants/thimble.service"
  in_root bash -c 'dpkg -i /tmp/thimble_9*.deb /tmp/libthimble-client-dev_9*.deb'
  grep -q 'budget 48M' "$root/etc/thimble/thimble.conf" || fail "an upgrade lost the configuration"
  [ ! -e "$root/etc/systemd/system/multi-user.target.wants/thimble.service" ] || fail "an upgrade enabled what was disabled"
  serve_and_ask 600

  in_root dpkg -r thimble libthimble-client-dev
  [ ! -e "$root/usr/bin/thimble" ] && [ -f "$root/etc/thimble/thimble.conf" ] && [ -d "$root/var/lib/thimble/models/digits" ] \
    || fail "removing takes too little or too much"
  in_root dpkg -P thimble
  ! in_root getent passwd thimble > /dev/null || fail "purging leaves the user"
  files > "$work/after"
  # adduser's: backups of the user data base, and its lock.
  left=$(diff "$work/before" "$work/after" | grep '^[<>]' | grep -v -e '/\(passwd\|group\|shadow\|gshadow\|subuid\|subgid\)-$' -e ' run/adduser$' || true)
  [ -z "$left" ] || fail "purging leaves (>) or takes (<): $left"
  umount "$root/proc"
  rm -rf "$root"
  root=
  echo "$architecture: installed, ran, upgraded, removed and purged"
}

if [ "${1:-}" = --inspect ]; then
  inspect "${2:?--inspect needs an architecture}"
  exit 0
fi
[ "$(id -u)" = 0 ] || fail "needs root"
command -v debootstrap > /dev/null || fail "needs debootstrap"
[ $# -gt 0 ] || set -- amd64 arm64
for architecture in "$@"; do
  rm -rf "$work"/*
  emulator=$(runner "$architecture")
  [ -z "$emulator" ] || emulate "$emulator"
  inspect "$architecture"
  life "$architecture"
done
