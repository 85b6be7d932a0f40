"""Makes networks of a known shape with seeded pseudo-random weights, to measure with; nothing of them is kept in git.

    python models/recipes/shapes/make.py resnet50 --out DIR     25.5 M weights, 4.1 GMAC
    python models/recipes/shapes/make.py wide --out DIR         512 MiB of weights, 0.54 GMAC
    python models/recipes/shapes/make.py zoo 100 --out DIR      100 different networks of 0.5 to 6 MiB

Writes DIR/models/NAME.tflite and adds each to DIR/manifest.json: weights, multiply-accumulates, bytes, SHA-256. The same
arguments write the same bytes. With --goldens N also DIR/golden/, N cases each from LiteRT's reference kernels, for
`python3 Tests/Golden/run_goldens.py --shared DIR`. With --check says how full every layer's output is.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

from network_builder import NetworkBuilder
from resnet50 import resnet50
from wide import wide
from zoo import size_targets, zoo_network

FULLEST, EMPTIEST = 0.05, 0.02  # share of saturated, of non-zero values


def networks(options):
    """Yields (name, description, builder, input, output)."""
    seed, bits = options.seed, options.weight_bits
    if options.network == "resnet50":
        net = NetworkBuilder([seed, 0], bits)
        yield options.name or "resnet50", "resnet50", net, *resnet50(net, options.side, softmax=options.softmax)
    elif options.network == "wide":
        net = NetworkBuilder([seed, 0], bits)
        yield options.name or "wide", "wide", net, *wide(net, options.cycles, options.shrink)
    else:
        targets = size_targets(seed, options.count, options.least_kib << 10, options.most_kib << 10)
        for index, target in enumerate(targets):
            family, *parts = zoo_network(seed, index, target, bits)
            yield f"{options.name or 'zoo'}{index:03d}", family, *parts


def check(path: Path) -> bool:
    """Prints the fullest and the emptiest layer; returns whether all are in bounds."""
    from goldens import layer_report

    layers = layer_report(path, seed=7)
    fullest, emptiest = max(layers, key=lambda row: row[1]), min(layers, key=lambda row: row[2])
    poorest = min(layers, key=lambda row: row[3])
    print(f"  {len(layers)} outputs: saturated at most {fullest[1]:.2%} ({fullest[0]}), not zero at least "
          f"{emptiest[2]:.0%} ({emptiest[0]}), at least {poorest[3]} different values ({poorest[0]})")
    return fullest[1] <= FULLEST and emptiest[2] >= EMPTIEST


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", choices=["resnet50", "wide", "zoo"])
    parser.add_argument("count", nargs="?", type=int, default=100, help="zoo: how many (default 100)")
    parser.add_argument("--out", type=Path, required=True, help="the directory to write to")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--name", help="the file's name, or how the zoo's names start")
    parser.add_argument("--weight-bits", type=float, default=7.25,
                        help="entropy of a weight (default 7.25, as MobileNetV2's in int8; 4.5 makes zstd save 40 %%)")
    parser.add_argument("--side", type=int, default=224, help="resnet50: the image's side")
    parser.add_argument("--softmax", action="store_true", help="resnet50: probabilities in place of logits")
    parser.add_argument("--cycles", type=int, default=5, help="wide: 96 MiB each, and 32 MiB")
    parser.add_argument("--shrink", type=int, default=1, help="wide: divides the layers' widths")
    parser.add_argument("--least-kib", type=int, default=512, help="zoo: the smallest network's weights")
    parser.add_argument("--most-kib", type=int, default=6144, help="zoo: the largest network's weights")
    parser.add_argument("--goldens", type=int, default=0, metavar="N", help="reference answers a network")
    parser.add_argument("--check", action="store_true", help="exit 1 where a layer saturates or dies")
    options = parser.parse_args()
    (options.out / "models").mkdir(parents=True, exist_ok=True)
    manifest_path = options.out / "manifest.json"
    manifest = json.loads(manifest_path.read_text()) if manifest_path.exists() else {}
    good, weights = True, 0
    for name, kind, net, given, answer in networks(options):
        content = net.serialize(given, answer, f"thimble {name}")
        path = options.out / "models" / f"{name}.tflite"
        path.write_bytes(content)
        manifest[name] = {
            "kind": kind, "arguments": sys.argv[1:], "operators": len(net.graph.operators),
            "weights": net.weight_count, "multiply_accumulates": net.multiply_accumulates,
            "largest_activation_bytes": net.activation_bytes_max, "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        weights += net.weight_count
        print(f"{path}: {kind}, {len(net.graph.operators)} operators, {net.weight_count / 2**20:.2f} MiB of weights, "
              f"{net.multiply_accumulates / 1e6:.1f} MMAC, input {list(given.shape)}", flush=True)
        if options.goldens:
            from goldens import write_golden

            for seed in range(7, 7 + options.goldens):
                write_golden(path, options.out / "golden", seed)
        if options.check:
            good = check(path) and good
    manifest_path.write_text(json.dumps(manifest, indent=1) + "\n")
    print(f"{weights / 2**20:.1f} MiB of weights in all")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
