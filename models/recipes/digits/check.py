"""Asks LiteRT's reference kernels for the held-out digits: python models/recipes/digits/check.py models/digits

Exits 1 under 98 %.
"""

import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from digits_file import read_digits

REQUIRED_ACCURACY = 0.98


def answers(model: Path, images: np.ndarray) -> np.ndarray:
    """LiteRT's probabilities, (n, 10) uint8 in 1/256, for `images` (n, 8, 8) uint8, in one batch."""
    interpreter = Interpreter(str(model), experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    image, probabilities = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    interpreter.resize_tensor_input(image["index"], (*images.shape, 1), strict=True)
    interpreter.allocate_tensors()
    interpreter.set_tensor(image["index"], images[..., None])
    interpreter.invoke()
    return interpreter.get_tensor(probabilities["index"])


def check(directory: Path) -> bool:
    """Prints LiteRT's accuracy on `directory`'s held-out digits; returns whether it is enough."""
    digits = read_digits(directory / "heldout.bin")
    predicted = answers(directory / "digits.tflite", digits.images).argmax(axis=1)
    correct = int((predicted == digits.labels).sum())
    accuracy = correct / len(digits.labels)
    print(f"int8, LiteRT's reference kernels: {correct} of {len(digits.labels)} held-out digits, {accuracy:.2%}")
    return accuracy >= REQUIRED_ACCURACY


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(0 if check(Path(sys.argv[1])) else 1)
