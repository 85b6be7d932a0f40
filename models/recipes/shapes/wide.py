"""A network that is almost only weights: fully connected layers and 1 × 1 convolutions of 8, 16 and 32 MiB."""

from network_builder import NetworkBuilder

CYCLE = [4096, 4096, 8192, 4096, 2048]  # from 2048: 8 + 16 + 32 + 32 + 8 = 96 MiB
LAST = [4096, 4096, 2048]  # 8 + 16 + 8 = 32 MiB


def wide(net: NetworkBuilder, cycles: int = 5, shrink: int = 1):
    """features (2048 / shrink) → features (2048 / shrink), with (96 cycles + 32) / shrink² MiB of weights."""
    features = net.input((2048 // shrink,))
    x = features
    for cycle in range(cycles + 1):
        layers = CYCLE if cycle < cycles else LAST
        for position, width in enumerate(layers):
            last = cycle == cycles and position == len(layers) - 1
            activation = None if last else "relu"
            width //= shrink
            if cycle % 2 == 0:
                x = net.dense(x, width, activation)
            else:
                x = net.convolution(x, width, activation=activation)
        if cycle < cycles:
            x = net.reshape(x, (1, 1, *x.shape) if cycle % 2 == 0 else x.shape[2:])
    return features, x
