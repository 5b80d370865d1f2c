"""A map cut into square windows, and put together again: what CST attends in and ASLE-SSM scans."""

from torch import Tensor


def cut(x: Tensor, side: int) -> Tensor:
    """Cut (B, H, W, C) into windows (B, n, side, side, C), row by row; `side` divides H and W."""
    b, h, w, c = x.shape
    windows = x.reshape(b, h // side, side, w // side, side, c).transpose(2, 3)
    return windows.reshape(b, -1, side, side, c)


def joined(windows: Tensor, height: int, width: int) -> Tensor:
    """Put windows (B, n, side, side, C) together to (B, H, W, C); the inverse of `cut`."""
    b, _, side, _, c = windows.shape
    rows = windows.reshape(b, height // side, width // side, side, side, c).transpose(2, 3)
    return rows.reshape(b, height, width, c)
