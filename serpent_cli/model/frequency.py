"""EVSSM's feed-forward with a mask on local frequencies (EDFFN; arXiv 2405.14343, MIT code).

    [p, q] = DWConv3x3(W_in x);  f = W_out(GELU(p) · q);  y = irfft2(mask · rfft2(f)) in 8x8 patches

It follows GDFN of Restormer (arXiv 2111.09881) and FFTformer's DFFN (arXiv 2211.12250).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from serpent_cli.model.layers import channels_first, channels_last, single

PATCH = 8  # side of the square whose frequencies are weighed, in tokens


class FrequencyFeedForward(nn.Module):
    """Gated feed-forward with a learnt weight for every local frequency of each channel.

    Args:
        width: C.
        ratio: Hidden channels over C.
        ahead: Complete the patches of the first rows and columns, not of the last ones: as a map
            does that is turned by 180 degrees.
    """

    def __init__(self, width: int, ratio: float, *, ahead: bool = False) -> None:
        super().__init__()
        self.ahead = ahead
        hidden = int(width * ratio)
        self.project_in = nn.Linear(width, 2 * hidden, bias=False)
        self.conv = nn.Conv2d(2 * hidden, 2 * hidden, 3, padding=1, groups=2 * hidden, bias=False)
        self.project_out = nn.Linear(hidden, width, bias=False)
        self.mask = nn.Parameter(torch.ones(width, PATCH, PATCH // 2 + 1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) to the same; the border of an incomplete patch is reflected."""
        p, q = channels_last(self.conv(channels_first(self.project_in(x)))).chunk(2, -1)
        f = self.project_out(functional.gelu(p) * q)
        return self.weigh(f)

    def weigh(self, f: Tensor) -> Tensor:
        """Weigh the frequencies of every patch of (B, H, W, C)."""
        b, h, w, c = f.shape
        down, right = -h % PATCH, -w % PATCH
        planes = channels_first(single(f))  # FFTs know no half precision
        if down or right:
            mode = "reflect" if down < h and right < w else "replicate"
            sides = (right, 0, down, 0) if self.ahead else (0, right, 0, down)
            planes = functional.pad(planes, sides, mode=mode)
        patches = planes.reshape(b, c, (h + down) // PATCH, PATCH, (w + right) // PATCH, PATCH)
        spectrum = torch.fft.rfft2(patches, dim=(3, 5)) * self.mask[:, None, :, None, :]
        weighed = torch.fft.irfft2(spectrum, s=(PATCH, PATCH), dim=(3, 5))
        weighed = weighed.reshape(b, c, h + down, w + right)
        weighed = weighed[..., down:, right:] if self.ahead else weighed[..., :h, :w]
        return channels_last(weighed).to(f.dtype)

    @property
    def last(self) -> nn.Linear:
        """The map whose zeros make it add nothing."""
        return self.project_out
