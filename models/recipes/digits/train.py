"""Trains, quantizes, writes and checks the digits network: python models/recipes/digits/train.py --out models/digits"""

import argparse
import json
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # what the recipes share: tflite_writer

from check import check
from data import load_split
from digits_file import Digits, write_digits
from export import export
from network import CLASSES, DigitsNetwork
from quantize import calibrate
from training import accuracy, fit

SEED = 0
CONFIG = {
    "name": "digits",
    "platform": "thimble",
    "max_batch_size": 0,
    "labels": [str(digit) for digit in range(CLASSES)],
    "version_policy": {"latest": {"num_versions": 1}},
}


def tensors(digits: Digits) -> tuple[torch.Tensor, torch.Tensor]:
    """(n, 1, 8, 8) float of 0 … 1, (n,) int64."""
    return torch.from_numpy(digits.images).float().unsqueeze(1) / 255, torch.from_numpy(digits.labels).long()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the directory to write to")
    out = parser.parse_args().out
    torch.manual_seed(SEED)
    torch.set_num_threads(1)  # more would sum in another order
    torch.use_deterministic_algorithms(True)

    training, heldout = load_split()
    images, labels = tensors(training)
    network = DigitsNetwork()
    fit(network, images, labels)
    network.fold()
    print(f"{network.multiply_accumulates} multiply-accumulates an image")
    print(f"float: {accuracy(network, *tensors(heldout)):.2%} of the held-out digits")

    out.mkdir(parents=True, exist_ok=True)
    (out / "digits.tflite").write_bytes(export(network, calibrate(network, images)))
    (out / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")
    write_digits(out / "heldout.bin", heldout)
    return 0 if check(out) else 1


if __name__ == "__main__":
    sys.exit(main())
