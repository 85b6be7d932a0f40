"""What a layer's values look like before any is computed: mean and variance of Gaussian values through ReLU and pools."""

import math
from typing import NamedTuple


class Moments(NamedTuple):
    mean: float
    variance: float

    @property
    def mean_square(self) -> float:
        return self.mean**2 + self.variance

    def plus(self, other: "Moments") -> "Moments":
        """The sum of independent values."""
        return Moments(self.mean + other.mean, self.variance + other.variance)

    def rectified(self) -> "Moments":
        """max(0, x) of Gaussian x."""
        deviation = math.sqrt(self.variance)
        ratio = self.mean / deviation
        density = math.exp(-(ratio**2) / 2) / math.sqrt(2 * math.pi)
        share = (1 + math.erf(ratio / math.sqrt(2))) / 2
        mean = self.mean * share + deviation * density
        mean_square = self.mean_square * share + self.mean * deviation * density
        return Moments(mean, mean_square - mean**2)

    def greatest(self, count: int) -> "Moments":
        """The greatest of `count` values; in between equal and independent ones."""
        return Moments(self.mean + 0.5 * math.sqrt(2 * math.log(count) * self.variance), self.variance)
