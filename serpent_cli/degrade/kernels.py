"""Blur kernels of optics and of motion, batched: what one point of light becomes.

Kernels are (B, k, k), k odd, non-negative, with sum 1; their sizes are (B) tensors, in pixels.
"""

import torch
from torch import Tensor

TRUNCATE = 4.0  # a Gaussian is cut off at this many standard deviations
STEPS = 160  # moments of an exposure: half a pixel or less between them, on a trail of 45 pixels


def _offsets(side: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Distances in pixels from the centre of a (side, side) kernel: down, right."""
    steps = torch.arange(side, device=like.device, dtype=torch.float32) - side // 2
    return steps[:, None], steps[None, :]


def _column(values: Tensor) -> Tensor:
    return values[:, None, None]


def _normalised(kernels: Tensor) -> Tensor:
    return kernels / kernels.sum(dim=(1, 2), keepdim=True)


def gaussian_kernels(sigma: Tensor, sigma_across: Tensor, angle: Tensor, side: int) -> Tensor:
    """Gaussians (B, side, side), round where both sigma are equal.

    Args:
        sigma: (B), standard deviation along the first axis, in pixels.
        sigma_across: (B), along the other.
        angle: (B), of the first axis against the rows, in radians.
        side: Odd side of the kernels.
    """
    down, right = _offsets(side, sigma)
    cos, sin = _column(angle.cos()), _column(angle.sin())
    along, across = cos * right + sin * down, cos * down - sin * right
    exponent = (along / _column(sigma)) ** 2 + (across / _column(sigma_across)) ** 2
    return _normalised(torch.exp(-exponent / 2))


def disk_kernels(radius: Tensor, side: int) -> Tensor:
    """Disks (B, side, side) of a lens out of focus; the edge falls off over one pixel.

    Args:
        radius: (B), in pixels.
        side: Odd side of the kernels.
    """
    down, right = _offsets(side, radius)
    distance = torch.hypot(down.expand(side, side), right.expand(side, side))
    return _normalised((_column(radius) + 0.5 - distance).clamp(0, 1))


def lens_kernels(
    radius: Tensor,
    edge: Tensor,
    rim: Tensor,
    blades: Tensor,
    angle: Tensor,
    cut: Tensor,
    side: int,
) -> Tensor:
    """Defocus (B, side, side) of real lenses: a soft or bright edge, a polygon, a cat's eye.

    Args:
        radius: (B), of the circle around the aperture, in pixels.
        edge: (B), how far the edge falls off beyond one pixel, as a part of the radius.
        rim: (B), brightness of the edge over that of the centre, minus 1; above -1.
        blades: (B), corners of the aperture; below 3 it is round.
        angle: (B), of the first corner against the rows, in radians; also of the cat's eye.
        cut: (B), how far the lens's barrel moves in from that side, as a part of the radius.
        side: Odd side of the kernels.
    """
    down, right = _offsets(side, radius)
    down, right = down.expand(side, side), right.expand(side, side)
    distance = torch.hypot(down, right)
    sector = 2 * torch.pi / _column(blades.clamp_min(3))
    around = torch.remainder(torch.atan2(down, right) - _column(angle), sector) - sector / 2
    flat = torch.cos(sector / 2) / torch.cos(around)  # the polygon's reach over the circle's
    distance = torch.where(_column(blades) >= 3, distance / flat, distance)
    size, width = _column(radius), 1 + _column(edge * radius)
    shift = _column(cut * radius)
    barrel = torch.hypot(down - shift * _column(angle.sin()), right - shift * _column(angle.cos()))
    seen = ((size + width / 2 - torch.maximum(distance, barrel)) / width).clamp(0, 1)
    # The rim is the aperture's, wherever the barrel hides it.
    bright = 1 + _column(rim) * (distance / size.clamp_min(0.5)).clamp_max(1) ** 4
    return _normalised(seen * bright)


def motion_kernels(length: Tensor, angle: Tensor, side: int) -> Tensor:
    """Straight strokes (B, side, side) of a moving camera, about one pixel wide.

    Args:
        length: (B), in pixels.
        angle: (B), against the rows, in radians.
        side: Odd side of the kernels.
    """
    down, right = _offsets(side, length)
    cos, sin = _column(angle.cos()), _column(angle.sin())
    along, across = cos * right + sin * down, cos * down - sin * right
    ends = (_column(length) / 2 + 0.5 - along.abs()).clamp(0, 1)
    return _normalised(ends * (1 - across.abs()).clamp(0, 1))


def shake_kernels(length: Tensor, curl: Tensor, uneven: Tensor, walk: Tensor, side: int) -> Tensor:
    """Trails (B, side, side) of a hand-held camera: curved, and slow in places, so brighter there.

    The direction of travel and the logarithm of the speed are smooth random walks. The trail's
    centre of light lies in the middle of the kernel, moved by as much as it takes to keep a long
    trail inside; what would still lie outside is left out.

    Args:
        length: (B), of the trail along its curve, in pixels.
        curl: (B), standard deviation of the change of direction over the exposure, in radians.
        uneven: (B), standard deviation of the logarithm of the speed.
        walk: (B, 3, STEPS), standard normal: what the walks are made of.
        side: Odd side of the kernels.
    """
    times = torch.arange(1, STEPS + 1, device=walk.device, dtype=torch.float32)
    smooth = walk.cumsum(-1) / STEPS**0.5
    turn = smooth[:, 0] * curl[:, None]
    heading = 2 * torch.pi * smooth[:, 2, -1:] + turn
    # A walk's spread grows with time: what is left of it is a swing about its mean.
    swing = smooth[:, 1] - smooth[:, 1].mean(-1, keepdim=True) * (times / times.mean())
    speed = torch.exp(3 * swing * uneven[:, None])
    speed = speed * (length[:, None] / speed.sum(-1, keepdim=True))
    down, right = (speed * heading.sin()).cumsum(-1), (speed * heading.cos()).cumsum(-1)
    return splat(_centred(down, side), _centred(right, side), side)


def _centred(places: Tensor, side: int) -> Tensor:
    """Places (B, T) about their mean, moved where one end would leave a kernel of that side."""
    places = places - places.mean(-1, keepdim=True)
    reach = side // 2 - 1
    low, high = places.amin(-1, keepdim=True), places.amax(-1, keepdim=True)
    return places + (-reach - low).clamp_min(0) - (high - reach).clamp_min(0)


def splat(down: Tensor, right: Tensor, side: int) -> Tensor:
    """Kernels (B, side, side) of points of equal light, each shared by the four pixels around it.

    Args:
        down: (B, T), places of the points from the kernel's centre, in pixels.
        right: (B, T), likewise.
        side: Odd side of the kernels; points outside are left out.
    """
    count = len(down)
    kernels = torch.zeros(count, side * side, device=down.device)
    y, x = down + side // 2, right + side // 2
    for low_y in (True, False):
        for low_x in (True, False):
            row, column = y.floor() + (not low_y), x.floor() + (not low_x)
            light = (1 - (y - row).abs()) * (1 - (x - column).abs())
            inside = (row >= 0) & (row < side) & (column >= 0) & (column < side)
            index = (row * side + column).long().clamp(0, side * side - 1)
            kernels.scatter_add_(1, index, light * inside)
    return _normalised(kernels.view(count, side, side))
