"""What planners need to know of a network: size multiple, operations, bytes, margin."""

from collections.abc import Callable

import torch
from torch import nn

from serpent_cli.model.config import CFSDCN_GROUPS, ModelConfig
from serpent_cli.model.hyperspectral import asle, cst, snapshot_unet
from serpent_cli.model.hyperspectral.deformable import TAPS
from serpent_cli.model.hyperspectral.hashed_attention import ROUNDS
from serpent_cli.model.hyperspectral.unfolding import seen_channels

COARSENING = 8  # three merges: the coarsest token covers 8 x 8 of the finest


def size_multiple(config: ModelConfig) -> int:
    """Height and width of an input must be multiples of this many pixels."""
    if config.topology == "evssm":
        return 4  # two halvings; patches of frequencies complete themselves
    if config.topology == "cst":
        return cst.SIZE_MULTIPLE
    if config.topology == "cfsdcn":
        return snapshot_unet.SIZE_MULTIPLE
    if config.topology == "asle":
        return asle.SIZE_MULTIPLE
    if config.topology == "unfolding":
        return 1  # its body pads for itself: the snapshot must stay what it is
    return config.patch_size * COARSENING


def scan_macs(tokens: int, inner: int, paths: int, state_size: int, rank: int) -> int:
    """Multiply-adds of one cross scan: 4.5·K·N·D·L + R·K·D·L, with L = `tokens`."""
    return int((4.5 * state_size + rank) * paths * inner * tokens)


def mixer_macs(config: ModelConfig, width: int, tokens: int) -> int:
    """Multiply-adds of a mixer of `width` channels on `tokens` tokens, the scan included."""
    inner, rank, n = config.inner(width), config.delta_rank(width), config.state_size
    features = rank + 2 * n
    if config.mixer == "mhs":  # four routes of each head, over its own channels
        rank = config.delta_rank(width // config.heads)
    paths, within = {
        "ss2d": (4, 9 * inner + 4 * inner * features),
        "spatial": (1, 34 * inner + inner * features),
        "plain": (4, 49 * inner + inner * features),
        "mhs": (4, 9 * inner + inner**2 + 4 * inner * (rank + 2 * n)),
        "evssm": (1, 9 * inner + (inner + 7) * features),
        "v2m": (8, 8 * (4 * inner + inner * (rank + n))),
    }[config.mixer]
    outer = width * inner * (3 if config.gate else 2)
    return tokens * (outer + within) + scan_macs(tokens, inner, paths, n, rank)


def block_macs(config: ModelConfig, level: int, tokens: int) -> int:
    """Multiply-adds of one block at token scale `level` on `tokens` tokens, the scan included."""
    width, feed_forward = config.widths[level], config.has_feed_forward(level)
    per_token = 0
    if config.mixer == "spatial":
        per_token += 9 * width * (2 if feed_forward else 1)
    if feed_forward:
        hidden = int(width * config.feed_forward)
        gated = config.feed_forward_kind == "frequency"
        per_token += (3 * width + 18) * hidden if gated else 2 * width * hidden
    return tokens * per_token + mixer_macs(config, width, tokens)


def flops(config: ModelConfig, height: int, width: int) -> int:
    """Multiply-adds of one forward pass on a (height, width) input, in pixels.

    Norms, activations, sums and Fourier transforms are left out, as the field does; so is the
    Wiener filter before the topology `unfolding`.
    """
    if config.topology == "evssm":
        return evssm_flops(config, height, width)
    if config.topology == "cst":
        return cst_flops(config, height, width)
    if config.topology == "cfsdcn":
        return cfsdcn_flops(config, height, width)
    if config.topology == "asle":
        return asle_flops(config, height, width)
    if config.topology == "unfolding":
        return config.turns * serpent_flops(config, height, width, seen_channels(config))
    return serpent_flops(config, height, width, config.channels)


def serpent_flops(config: ModelConfig, height: int, width: int, given: int) -> int:
    """Multiply-adds of Serpent on an input of `given` channels."""
    patch = config.patch_size
    tokens = [(-(-height // patch) * -(-width // patch)) // 4**level for level in range(4)]
    c = config.widths
    total = tokens[0] * 9 * given * patch**2 * c[0]
    total += tokens[0] * 9 * config.channels * (patch * config.scale) ** 2 * c[0]
    for level in range(3):
        total += config.depths_down[level] * block_macs(config, level, tokens[level])
        total += tokens[level + 1] * 4 * c[level] * c[level + 1]
        total += config.depths_up[level] * block_macs(config, level + 1, tokens[level + 1])
        total += tokens[level + 1] * 4 * c[level + 1] * c[level]
    total += config.depth_bottleneck * block_macs(config, 3, tokens[3])
    if config.join == "concat":
        total += sum(2 * width**2 * count for width, count in zip(c, tokens, strict=True))
    return total


def evssm_flops(config: ModelConfig, height: int, width: int) -> int:
    """Multiply-adds of EVSSM's network."""
    c, tokens = config.widths, [height * width // 4**level for level in range(3)]
    total = 2 * 27 * c[0] * tokens[0]
    for level in range(3):
        depth = config.depths_down[level] + config.depths_up[level]
        total += depth * block_macs(config, level, tokens[level])
    for level in range(2):
        total += 9 * c[level] * c[level + 1] * (tokens[level] + tokens[level + 1])
    return total


def cst_flops(config: ModelConfig, height: int, width: int) -> int:
    """Multiply-adds of CST on a cube (height, width): see `hyperspectral.cst`."""
    c, tokens = config.widths, [height * width // 4**level for level in range(3)]
    total = tokens[0] * (2 * c[0] ** 2 + 9 * c[0] ** 2)
    total += config.estimators * cst_estimator_flops(c[0], tokens)
    total -= (config.estimators - 1) * tokens[0] * 9 * c[0]  # only the last has a map of detail
    bucket = (cst.REGION // 2) ** 2
    for level in range(3):
        attended = 12 * c[level] ** 2 + 2 * ROUNDS * bucket * 3 * c[level]
        attended += ROUNDS * (c[level] + 2 * (1 << level))  # the hash, of every head
        block = tokens[level] * (attended / 2 + 8 * c[level] ** 2 + 36 * c[level])
        depth = config.depths_down[level] + (config.depths_up[level] if level < 2 else 0)
        total += int(depth * block)
    for level in range(2):
        total += tokens[level + 1] * (16 + 4) * c[level] * c[level + 1]
    return total


def cst_estimator_flops(width: int, tokens: list[int]) -> int:
    """Multiply-adds of CST's estimator of where there is detail."""
    c = [width, 2 * width, 4 * width]
    total = tokens[0] * (c[0] ** 2 + 9 * c[0] * (c[0] + 1))
    total += c[2] ** 2 + tokens[2] * (2 * 9 + 3) * c[2] ** 2
    for level in range(2):
        fine, coarse = c[level], c[level + 1]
        total += tokens[level] * fine * coarse + tokens[level + 1] * (9 * coarse + coarse**2)
        total += tokens[level + 1] * 4 * coarse * fine
        total += tokens[level] * (2 * fine * coarse + 9 * coarse)
    return total


def cfsdcn_flops(config: ModelConfig, height: int, width: int) -> int:
    """Multiply-adds of CFSDCN on a cube (height, width); what sampling takes is left out."""

    def moved(c: int, places: int) -> int:
        return places * (2 * c**2 + 9 * c + 3 * TAPS * CFSDCN_GROUPS * c)

    return snapshot_unet_flops(config, height, width, moved)


def asle_flops(config: ModelConfig, height: int, width: int) -> int:
    """Multiply-adds of ASLE-SSM on a cube (height, width), the scans included."""
    n, pixels = config.state_size, asle.CUBE**2
    paths = 2 * len(asle.PATHS)  # rows and columns of windows

    def scanned(c: int, places: int) -> int:
        total = 2 * places * (6 * c**2 + 18 * c)  # what is around both scans
        bands = 2 * c * places // pixels
        for tokens, inner in ((places, 2 * c), (bands, pixels)):
            rank = config.delta_rank(inner // 2)
            total += tokens * inner * paths * (rank + 2 * n)
            total += scan_macs(tokens, inner, paths, n, rank)
        return total

    return snapshot_unet_flops(config, height, width, scanned)


def snapshot_unet_flops(
    config: ModelConfig, height: int, width: int, mixing: Callable[[int, int], int]
) -> int:
    """Multiply-adds of the U-Net of CFSDCN and ASLE-SSM, and of its blocks.

    Args:
        config: Sizes of the network.
        height: Of the cube.
        width: Of the cube.
        mixing: Multiply-adds of what stands before a block's feed-forward, of its channels and
            places.
    """
    c, tokens = config.widths, [height * width // 4**level for level in range(3)]
    total = tokens[0] * (2 * config.channels**2 + 18 * config.channels * c[0])
    for level in range(3):
        depth = config.depths_down[level] + (config.depths_up[level] if level < 2 else 0)
        block = mixing(c[level], tokens[level])
        total += depth * (block + tokens[level] * (8 * c[level] ** 2 + 36 * c[level]))
    for level in range(2):
        total += tokens[level + 1] * (16 + 4) * c[level] * c[level + 1]
        total += tokens[level] * 2 * c[level] ** 2
    return total


def inference_bytes_per_pixel(config: ModelConfig, dtype: torch.dtype) -> float:
    """Peak bytes of activations per input pixel in `torch.inference_mode`, whole frame.

    The peak lies at the finest token map, in D1, or in EVSSM's network in U1, which has a skip
    besides.
    """
    channels = max(mixer_channels(config), feed_forward_channels(config))
    if config.topology == "evssm":
        channels += config.widths[0]
    size = torch.empty((), dtype=dtype).element_size()
    # The output before and after the pixel shuffle, fp32.
    growth = 2 * 4 * config.channels * config.scale**2
    return channels * size / config.patch_size**2 + growth + 2 * 4 * config.channels


def mixer_channels(config: ModelConfig) -> float:
    """Numbers for each of the finest tokens while a mixer works, at their most.

    A block has its input and normed input (C each), the projection [a, z] and its contiguous half,
    u and y (D each); what else a mixer has, where that is more, is said below. Measured figures
    stay below it.
    """
    width, n = config.widths[0], config.state_size
    inner, features = config.inner(width), config.delta_rank(width) + 2 * n
    usual = 3 * width + inner * ((2 if config.gate else 1) + 3)
    others = {
        "ss2d": 3 * width + 3 * inner + 4 * features,  # those of all paths
        "spatial": 0,
        "plain": 3 * width + inner + 9 * features + 8,  # before and after Θ; the moves
        "v2m": 3 * width + 7 * inner + 2 * features,  # a, gate, sum, and both scans' in and out
        "mhs": 6 * width + 8 * features,  # of a head's four routes, also in path order
        "evssm": 3 * width + 3 * inner + 4 * features,  # smoothed and in path order
    }
    return max(usual, others[config.mixer])


def feed_forward_channels(config: ModelConfig) -> float:
    """Numbers for each of the finest tokens while a feed-forward works, at their most."""
    if not config.has_feed_forward(0):
        return 0
    hidden = int(config.widths[0] * config.feed_forward)
    # The block's input, normed input and output; the hidden map before and after, or its patches'
    # spectra and what is made of them.
    return 3 * config.widths[0] + hidden * (4.1 if config.feed_forward_kind == "frequency" else 2)


@torch.inference_mode()
def effective_margin(
    model: nn.Module, config: ModelConfig, pictures: torch.Tensor, *, level: float = 0.5 / 255
) -> int:
    """Distance in input pixels beyond which a change hardly moves the output, measured.

    The change is the one that tiles meet: a cut, beyond which there is no picture. The left quarter
    of each picture is taken away; the margin is the least distance from the cut beyond which 99.9 %
    of the pixels move by less than `level`.

    Args:
        model: The network.
        config: Its sizes.
        pictures: (B, 3, H, W) in [0, 1]; H and W multiples of `size_multiple(config)`, W of at
            least two of them.
        level: The change that counts, in units of full scale.

    Returns:
        Whole input pixels; what is left of the width if no smaller distance serves.
    """
    multiple = size_multiple(config)
    cut = max(1, pictures.shape[-1] // (4 * multiple)) * multiple
    moved = model(pictures[..., cut:]) - model(pictures)[..., cut * config.scale :]
    far_off = moved.abs().amax(1).clamp_(0, 1) >= level
    columns = far_off.float().mean(dim=(0, 1))  # share of moved pixels in each output column
    beyond = columns.flip(0).cumsum(0).flip(0) / torch.arange(len(columns), 0, -1)
    near = (beyond < 1e-3).nonzero()
    first = int(near[0]) if len(near) else len(columns)
    return -(-first // config.scale)
