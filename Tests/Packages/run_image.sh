#!/bin/bash
# Makes the container image, checks its archive, and runs it from its own root: Tests/Packages/run_image.sh amd64|arm64
#
# Needs root for chroot; another processor's program runs by qemu-user-static, which the kernel must have been told of.
set -euo pipefail
project=$(readlink -f "$(dirname "$(readlink -f "$0")")/../..")
fail() { echo "Tests/Packages/run_image.sh: $1" >&2; exit 1; }
architecture=${1:?which architecture: amd64 or arm64}
[ "$(id -u)" = 0 ] || fail "needs root"
work=$(mktemp -d)
trap 'umount -l "$work/root/proc" 2> /dev/null || true; rm -rf "$work"' EXIT

bash "$project/targets/kubernetes/image.sh" "$architecture" "$work"
python3 - "$work" "$architecture" <<'PYTHON'
import gzip, hashlib, json, pathlib, sys, tarfile
work, architecture = pathlib.Path(sys.argv[1]), sys.argv[2]
tar = tarfile.open(next(work.glob("thimble-*-image.tar")))
read = lambda name: tar.extractfile(name).read()
def blob(descriptor):
    data = read("blobs/" + descriptor["digest"].replace(":", "/"))
    assert len(data) == descriptor["size"] and hashlib.sha256(data).hexdigest() == descriptor["digest"].split(":")[1], descriptor
    return data
assert json.loads(read("oci-layout")) == {"imageLayoutVersion": "1.0.0"}
[manifest] = json.loads(read("index.json"))["manifests"]
[layer] = (document := json.loads(blob(manifest)))["layers"]
config = json.loads(blob(document["config"]))
bytes = gzip.decompress(blob(layer))
assert config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(bytes).hexdigest()] and config["architecture"] == architecture
assert config["config"]["User"] == "65532:65532" and config["config"]["Entrypoint"] == ["/usr/bin/thimble"]
(work / "layer.tar").write_bytes(bytes)
(work / "command").write_text("\n".join(config["config"]["Entrypoint"] + config["config"]["Cmd"]) + "\n")
PYTHON

mkdir "$work/root"
tar -C "$work/root" --numeric-owner -xpf "$work/layer.tar"
mkdir "$work/root/proc"
mount -t proc none "$work/root/proc"
cp -r "$project/models/digits" "$work/root/var/lib/thimble/models/"
mapfile -t command < "$work/command"
chroot --userspec=65532:65532 "$work/root" "${command[@]}" --quiet &
daemon=$!
for _ in $(seq 200); do [ -S "$work/root/run/thimble/thimble.sock" ] && break; sleep 0.1; done
dd if="$project/models/digits/heldout.bin" of="$work/root/seven" bs=1 skip=20 count=64 status=none
chroot --userspec=65532:65532 "$work/root" /usr/bin/thimble infer --socket /run/thimble/thimble.sock digits --input /seven --classes 1 \
  | grep '\b7\b' || fail "the image's daemon does not see a 7"
kill -TERM "$daemon"
wait "$daemon" || fail "the daemon ends with $?"
echo "$architecture: the image runs from its own root"
