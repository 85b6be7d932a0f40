"""ResNet-50 (He et al. 2015, table 1) as networks are shipped today: the stride is in the 3 × 3 convolution ("v1.5")."""

from network_builder import SAME, VALID, Activation, NetworkBuilder

STAGES = [(64, 3), (128, 4), (256, 6), (512, 3)]  # bottleneck channels, blocks
EXPANSION = 4


def resnet50(net: NetworkBuilder, side: int = 224, classes: int = 1000, softmax: bool = False):
    """image (side, side, 3) → logits (classes)."""
    image = net.input((side, side, 3))
    x = net.convolution(net.pad(image, 3), 64, kernel=7, stride=2, padding=VALID)
    x = net.pool(net.pad(x, 1), "MAX_POOL_2D", size=3, stride=2)
    for stage, (channels, blocks) in enumerate(STAGES):
        for block in range(blocks):
            x = _bottleneck(net, x, channels, stride=2 if stage > 0 and block == 0 else 1, projects=block == 0)
    logits = net.dense(net.mean(x), classes, activation=None, deviation=2.0)
    return image, net.softmax(logits) if softmax else logits


def _bottleneck(net: NetworkBuilder, x: Activation, channels: int, stride: int, projects: bool) -> Activation:
    """x + f(x), where f is 1 × 1, 3 × 3, 1 × 1; f's deviation is half of the shortcut's."""
    y = net.convolution(x, channels)
    y = net.convolution(y, channels, kernel=3, stride=stride, padding=SAME)
    if projects:
        x = net.convolution(x, EXPANSION * channels, stride=stride, activation=None)
    deviation = 0.5 * x.moments.mean_square**0.5
    return net.add(x, net.convolution(y, EXPANSION * channels, activation=None, deviation=deviation))
