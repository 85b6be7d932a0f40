"""Small networks of four families, each with its own depth, widths and resolution, fitted to a size in bytes."""

import numpy as np

from network_builder import NetworkBuilder

FAMILIES = ["plain", "residual", "separable", "dense"]


def size_targets(seed: int, count: int, least_bytes: int, most_bytes: int) -> list[int]:
    """Weights in bytes of each of `count` networks: more small ones than large ones, in random order."""
    places = (np.arange(count) + 0.5) / count
    sizes = least_bytes + (most_bytes - least_bytes) * places * np.sqrt(places)
    return [int(size) for size in np.random.default_rng([seed, 1]).permutation(sizes)]


def zoo_network(seed: int, index: int, weight_bytes: int, entropy_bits: float):
    """Network `index` of the zoo, of just under `weight_bytes`: (family, builder, input, output)."""
    family = FAMILIES[index % len(FAMILIES)]
    build = {"plain": _plain, "residual": _residual, "separable": _separable, "dense": _dense}[family]

    def at(width: int, dry: bool):
        net = NetworkBuilder([seed, 2, index], entropy_bits, dry=dry)
        return net, *build(net, np.random.default_rng([seed, 3, index]), width)

    least, most = 1, 2048  # the weights grow with the width
    while least < most:
        width = (least + most + 1) // 2
        if at(width, dry=True)[0].weight_count <= weight_bytes:
            least = width
        else:
            most = width - 1
    return family, *at(least, dry=False)


def _choose(random, values):
    return int(values[random.integers(len(values))])


def _plain(net: NetworkBuilder, random, width: int):
    """Stages of 3 × 3 convolutions between max pools, as VGG's."""
    side = _choose(random, [32, 40, 48])
    image = net.input((side, side, 3))
    x = net.convolution(image, 4 + width // 2, kernel=3, stride=2)
    for stage in range(3):
        for _ in range(_choose(random, [1, 2])):
            x = net.convolution(x, 4 + (width << stage), kernel=3)
        x = net.pool(x, "MAX_POOL_2D", size=2, stride=2)
    return image, net.dense(net.mean(x), _choose(random, [10, 37, 100]), activation=None)


def _residual(net: NetworkBuilder, random, width: int):
    """Basic blocks, as ResNet-18's."""
    side = _choose(random, [32, 48, 64])
    image = net.input((side, side, _choose(random, [1, 3])))
    x = net.convolution(image, 4 + width // 2, kernel=5, stride=2)
    for stage in range(3):
        channels = 4 + (width << stage)
        for block in range(_choose(random, [1, 2])):
            stride = 2 if block == 0 else 1
            y = net.convolution(x, channels, kernel=3, stride=stride)
            if block == 0:
                x = net.convolution(x, channels, stride=stride, activation=None)
            y = net.convolution(y, channels, kernel=3, activation=None, deviation=0.5 * x.moments.mean_square**0.5)
            x = net.add(x, y)
    return image, net.dense(net.mean(x), _choose(random, [10, 37, 100]), activation=None)


def _separable(net: NetworkBuilder, random, width: int):
    """Depthwise and pointwise convolutions with ReLU6, as MobileNet's."""
    side = _choose(random, [48, 64, 96])
    image = net.input((side, side, 3))
    x = net.convolution(image, 8 + width // 4, kernel=3, stride=2, activation="relu6", deviation=2.0)
    for stage in range(3):
        for block in range(_choose(random, [1, 2, 3])):
            x = net.depthwise(x, stride=2 if block == 0 else 1, activation="relu6", deviation=2.0)
            x = net.convolution(x, 8 + (width << stage), activation="relu6", deviation=2.0)
    height, columns, channels = x.shape
    x = net.reshape(net.pool(x, "AVERAGE_POOL_2D", size=height, stride=height), (channels,))
    return image, net.softmax(net.dense(x, _choose(random, [10, 37, 100]), activation=None, deviation=1.5))


def _dense(net: NetworkBuilder, random, width: int):
    """Fully connected layers that narrow and widen, as an autoencoder's."""
    features = _choose(random, [256, 640, 784])
    x = image = net.input((features,))
    for share in [4, 4, 1, 4][: _choose(random, [2, 3, 4])]:
        x = net.dense(x, 8 + width * share)
    return image, net.dense(x, features, activation=None)
