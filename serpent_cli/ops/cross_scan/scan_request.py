"""What one call of `cross_scan` asks for."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class ScanOptions:
    """Everything but the tensors.

    Attributes:
        paths: Names of the K scan paths (see `paths`).
        reset: Start every line with h = 0.
        observe: Read the state through C; otherwise return it.
        out_dtype: Type of y.
    """

    paths: tuple[str, ...]
    reset: bool
    observe: bool
    out_dtype: torch.dtype


@dataclass(frozen=True)
class ScanRequest:
    """Shapes and types of one call, for backends to judge.

    Attributes:
        B: Pictures.
        H: Rows of the token map.
        W: Columns.
        D: Channels.
        K: Scan paths.
        N: States per channel.
        R: Rank of δ.
        dtype: Type of u.
        device_type: `cpu`, `cuda`, ...
        options: The rest.
    """

    B: int
    H: int
    W: int
    D: int
    K: int
    N: int
    R: int
    dtype: torch.dtype
    device_type: str
    options: ScanOptions

    @classmethod
    def of(cls, u: Tensor, dt_weight: Tensor, A_log: Tensor, options: ScanOptions) -> Self:
        """Read off the arguments of the op."""
        (b, h, w, d), (k, r, _), n = u.shape, dt_weight.shape, A_log.shape[2]
        return cls(b, h, w, d, k, n, r, u.dtype, u.device.type, options)
