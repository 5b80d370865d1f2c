"""Sizes of a network from the shapes of its parameters, as far as they determine them."""

import re
from collections.abc import Iterable
from typing import Any

from torch import Tensor

# What only one mixer has; the last is had by most.
_MIXERS = {
    "fusion.kernels": "spatial",
    "theta": "plain",
    "smooth.weight": "evssm",
    "conv_across.weight": "v2m",
    "project_heads.weight": "mhs",
    "conv.weight": "ss2d",
}
_DOWN, _UP = ("d1", "d2", "d3"), ("u1", "u2", "u3")


def infer_sizes(tensors: dict[str, Tensor]) -> dict[str, Any]:
    """Entries of a `ModelConfig` that shapes and names leave no choice about.

    Args:
        tensors: Parameters under our names.

    Returns:
        Values by field. A field is left out where tensors that would tell it are missing or have
        an odd shape, and where none can tell it: whether the input is added (`residual`).
    """
    sizes: dict[str, Any] = {
        "widths": _widths(tensors),
        "depths_down": _depths(tensors, [f"{part}.blocks." for part in _DOWN]),
        "depths_up": _depths(tensors, [f"{part}.blocks." for part in _UP]),
        "depth_bottleneck": _depth(tensors, "b."),
        **_patch_and_scale(tensors),
        **_of_blocks(tensors),
    }
    if sizes["widths"]:
        sizes["expand"] = _ratio(tensors, sizes["widths"], "mixer.conv.weight")
        if sizes["expand"] is not None and any(".feed_forward." in name for name in tensors):
            sizes["feed_forward"] = _ratio(tensors, sizes["widths"], "feed_forward.0.weight")
        else:
            sizes["feed_forward"] = 0.0
    scales = (("d1",), ("d2", "u1"), ("d3", "u2"), ("b", "u3"))
    having = [level for level, parts in enumerate(scales) if _has_feed_forward(tensors, parts)]
    sizes["feed_forward_from"] = having[0] if having else 0
    masks = any(name.endswith(".feed_forward.mask") for name in tensors)
    sizes["feed_forward_kind"] = "frequency" if masks else "mlp"
    return {name: value for name, value in sizes.items() if value is not None}


def _has_feed_forward(tensors: dict[str, Tensor], parts: Iterable[str]) -> bool:
    """Whether any block of these parts of the network has a feed-forward."""
    return any(
        name.startswith(f"{p}.") and ".feed_forward." in name for p in parts for name in tensors
    )


def _axis(tensors: dict[str, Tensor], name: str, axis: int, axes: int) -> int | None:
    """One axis of a tensor that has so many; None without it."""
    tensor = tensors.get(name)
    return None if tensor is None or tensor.ndim != axes else tensor.shape[axis]


def _widths(tensors: dict[str, Tensor]) -> tuple[int, ...] | None:
    first = _axis(tensors, "patchifier.embed.weight", 0, 4)
    widths = [first, *(_axis(tensors, f"{part}.merge.reduce.weight", 0, 2) for part in _DOWN)]
    known = tuple(width for width in widths if width is not None)
    return known if len(known) == len(widths) else None


def _depth(tensors: dict[str, Tensor], start: str) -> int | None:
    """Blocks 0 .. n - 1 behind a name; None if there is a gap, or none at all."""
    pattern = re.compile(rf"{re.escape(start)}([0-9]{{1,4}})\.")
    found = {int(match[1]) for name in tensors if (match := pattern.match(name))}
    return len(found) if found and max(found) == len(found) - 1 else None


def _depths(tensors: dict[str, Tensor], starts: Iterable[str]) -> tuple[int, ...] | None:
    depths = [_depth(tensors, start) for start in starts]
    known = tuple(depth for depth in depths if depth is not None)
    return known if len(known) == len(depths) else None


def _patch_and_scale(tensors: dict[str, Tensor]) -> dict[str, int | None]:
    """From 3·p² channels in and 3·(p·scale)² out."""
    patch = _root(_axis(tensors, "patchifier.embed.weight", 1, 4))
    growth = _root(_axis(tensors, "depatchifier.project.weight", 0, 4))
    whole = patch and growth and growth % patch == 0
    return {"patch_size": patch, "scale": growth // patch if whole and growth and patch else None}


def _root(channels: int | None) -> int | None:
    """The s of 3·s² channels."""
    sides = range(1, 129)
    return next((side for side in sides if channels == 3 * side**2), None)


def _of_blocks(tensors: dict[str, Tensor]) -> dict[str, Any]:
    mixers = {name.partition(".mixer.")[2] for name in tensors if ".mixer." in name}
    states = {
        tensor.shape[-1] for name, tensor in tensors.items() if name.endswith(".scan.A_log")
        and tensor.ndim == 3
    }  # fmt: skip
    mixer = next((name for part, name in _MIXERS.items() if part in mixers), None)
    routes = _axis(tensors, "b.0.mixer.scan.weight", 0, 3) if mixer == "mhs" else None
    fused = any(name.endswith("join.fuse.weight") for name in tensors)
    return {
        "mixer": mixer,
        "heads": routes // 4 if routes else 4,
        "gate": "project_gate.weight" in mixers if mixers else None,
        "state_size": states.pop() if len(states) == 1 else None,
        "join": "concat" if fused else "add",
    }


def _ratio(tensors: dict[str, Tensor], widths: tuple[int, ...], part: str) -> float | None:
    """A ratio q with int(q·C) inner channels in every block of C channels.

    All such q make the same network, so that the choice among them is none.
    """
    inner: dict[int, int] = {}
    for width, start in zip(widths, ("d1.blocks.0.", "d2.blocks.0.", "d3.blocks.0.", "b.0."),
                            strict=True):  # fmt: skip
        tensor = tensors.get(start + part)
        if (
            tensor is None
            or tensor.ndim == 0
            or inner.setdefault(width, tensor.shape[0]) != (tensor.shape[0])
        ):
            return None
    low = max(channels / width for width, channels in inner.items())
    high = min((channels + 1) / width for width, channels in inner.items())
    for ratio in (low, (low + high) / 2):
        if all(int(ratio * width) == channels for width, channels in inner.items()):
            return ratio
    return None
