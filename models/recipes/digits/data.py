"""The digits scikit-learn ships, as the bytes the network is fed, in two parts that never mix."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from digits_file import Digits

HELDOUT_COUNT = 360  # 20 % of 1797
SPLIT_SEED = 0


def load_split() -> tuple[Digits, Digits]:
    """Returns (training, held-out): 1437 and 360 digits, the same share of each class in both."""
    digits = load_digits()
    images = np.rint(digits.images * 255 / 16).astype(np.uint8)  # the source counts ink in 0 … 16
    labels = digits.target.astype(np.uint8)
    train_images, held_images, train_labels, held_labels = train_test_split(
        images, labels, test_size=HELDOUT_COUNT, stratify=labels, random_state=SPLIT_SEED
    )
    return Digits(train_images, train_labels), Digits(held_images, held_labels)
