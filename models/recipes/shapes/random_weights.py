"""Pseudo-random int8 weights of a chosen entropy, the same bytes on every machine."""

from statistics import NormalDist

import numpy as np

WEIGHT_MAX = 127  # −128 is unused, so that weights are symmetric
DRAWS = 1 << 16


class RandomWeights:
    """Draws Gaussian int8 weights whose entropy is about `entropy_bits` bits each.

    A Gaussian of deviation σ rounded to integers has log2(σ √(2πe)) bits. Draws are 16-bit integers looked up in the
    Gaussian's quantiles, because numpy's own normal draws depend on the C library's exp.
    """

    def __init__(self, seed: list[int], entropy_bits: float):
        self.generator = np.random.default_rng(seed)
        self.deviation = 2**entropy_bits / 4.132731354  # √(2πe)
        normal = NormalDist()
        quantiles = np.array([normal.inv_cdf((draw + 0.5) / DRAWS) for draw in range(DRAWS)])
        self._weights = np.rint(quantiles * self.deviation).clip(-WEIGHT_MAX, WEIGHT_MAX).astype(np.int8)
        self._units = np.rint(quantiles * 4096) / 4096

    def int8(self, shape: tuple[int, ...]) -> np.ndarray:
        return self._weights[self._draws(shape)]

    def normal(self, shape: tuple[int, ...]) -> np.ndarray:
        """Standard normal, in steps of 1/4096."""
        return self._units[self._draws(shape)]

    def uniform(self, shape: tuple[int, ...]) -> np.ndarray:
        """0 up to 1, in steps of 1/65536."""
        return self._draws(shape) / DRAWS

    def _draws(self, shape: tuple[int, ...]) -> np.ndarray:
        return self.generator.integers(0, DRAWS, shape, dtype=np.uint16)
