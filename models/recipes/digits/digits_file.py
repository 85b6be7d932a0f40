"""Labelled images in one small file: a header, every image row by row, then every label, one byte each."""

import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np

MAGIC = b"THDIGITS"
HEADER = "<8sIII"  # magic, count, height, width; little-endian


class Digits(NamedTuple):
    images: np.ndarray  # (n, 8, 8) uint8, 0 paper … 255 ink
    labels: np.ndarray  # (n,) uint8, 0 … 9


def write_digits(path: Path, digits: Digits) -> None:
    """Writes 20 bytes of header, n × height × width of images, n of labels."""
    header = struct.pack(HEADER, MAGIC, *digits.images.shape)
    path.write_bytes(header + digits.images.tobytes() + digits.labels.tobytes())


def read_digits(path: Path) -> Digits:
    """Reads what `write_digits` wrote."""
    content = path.read_bytes()
    magic, count, height, width = struct.unpack_from(HEADER, content)
    if magic != MAGIC:
        raise ValueError(f"{path}: not a digits file, it starts with {magic!r}")
    values = np.frombuffer(content, np.uint8, offset=struct.calcsize(HEADER))
    images, labels = np.split(values, [count * height * width])
    return Digits(images.reshape(count, height, width), labels)
