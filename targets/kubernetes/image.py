#!/usr/bin/env python3
"""Puts a folder into an OCI image archive of one layer: image.py ROOT ARCHITECTURE VERSION OUT

The command, user and environment are the Dockerfile's. Times are SOURCE_DATE_EPOCH.
"""
import gzip
import hashlib
import io
import json
import os
import pathlib
import re
import sys
import tarfile
import time

NAME = "docker.io/library/thimble"


def archive(entries):
    """A tar of (name, folder's or file's path or None, bytes)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, path, data in entries:
            info = tarfile.TarInfo(name)
            info.mtime = EPOCH
            info.mode = path.stat().st_mode & 0o7777 if path else 0o644
            if path and path.is_dir():
                info.type = tarfile.DIRTYPE
                tar.addfile(info)
            else:
                data = path.read_bytes() if path else data
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def dockerfile():
    """The image's configuration as the Dockerfile has it."""
    text = (pathlib.Path(__file__).parent / "Dockerfile").read_text()
    found = {word: re.search(rf"^{word} (.*)$", text, flags=re.M).group(1) for word in ("ENV", "USER", "ENTRYPOINT", "CMD")}
    return {"User": found["USER"], "Env": [found["ENV"]], "Entrypoint": json.loads(found["ENTRYPOINT"]),
            "Cmd": json.loads(found["CMD"]), "WorkingDir": "/"}


def main():
    root, architecture, version, out = pathlib.Path(sys.argv[1]), *sys.argv[2:]
    blobs = {}

    def blob(kind, data):
        digest = hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(data)}

    paths = sorted(path for path in root.rglob("*"))
    layer = archive((str(path.relative_to(root)), path, None) for path in paths)
    compressed = blob("layer.v1.tar+gzip", gzip.compress(layer, 9, mtime=0))
    config = blob("config.v1+json", json.dumps({
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(EPOCH)), "architecture": architecture, "os": "linux",
        "config": dockerfile(), "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }).encode())
    manifest = blob("manifest.v1+json", json.dumps({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": [compressed],
    }).encode())
    manifest["platform"] = {"architecture": architecture, "os": "linux"}
    manifest["annotations"] = {"io.containerd.image.name": f"{NAME}:{version}", "org.opencontainers.image.ref.name": version}
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [manifest]}
    pathlib.Path(out).write_bytes(archive([
        ("oci-layout", None, b'{"imageLayoutVersion":"1.0.0"}'), ("index.json", None, json.dumps(index).encode()),
        *((f"blobs/sha256/{digest}", None, data) for digest, data in sorted(blobs.items()))]))


if __name__ == "__main__":
    EPOCH = int(os.environ["SOURCE_DATE_EPOCH"])
    main()
