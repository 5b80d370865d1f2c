"""A Serpent that improves the Wiener filter's estimate from a coded snapshot.

    x = wiener(y),   then in turns   x ← x + Serpent(x, y / light, M),
                                     x ← x + Φᵀ (ΦΦᵀ + ε)⁻¹ (y − Φ x)

Turns as in GAP-net (Meng, Jalali, Yuan, arXiv 2012.08364): what GAP-TV smooths by total variation,
a network improves; the same one in every turn. It sees the cube, the snapshot y over the light that
the mask M lets through, and the mask. Each turn ends with cubes that explain the snapshot; ΦΦᵀ is
diagonal, see `degrade.cassi`. Training is content with the first pass of the filter, which takes
half as long. The first estimate and all sizes are ours.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from serpent_cli.degrade.cassi import adjoint, gain, gathered, measure, measurement_of
from serpent_cli.model.config import ModelConfig
from serpent_cli.model.hyperspectral.wiener import PASSES, wiener

FAINT = 0.02
"""ε, in units of M²: where hardly any light came through, noise is not blown up."""


def seen_channels(config: ModelConfig) -> int:
    """What the body sees: the cube, the snapshot moved back to each band, and the mask."""
    return 2 * config.channels + 1


class Unfolding(nn.Module):
    """The network: (B, 2 T, H, W), shifted snapshot and mask, to a cube (B, T, H, W), unclamped.

    Of any size. Both are as `degrade.cassi.network_input` and CST have them.

    Args:
        config: Sizes of the body.
        body: Improves the cube that its `seen_channels` begin with; in multiples of 8 patches.
    """

    def __init__(self, config: ModelConfig, body: nn.Module) -> None:
        super().__init__()
        self.config = config
        self.body = body

    def forward(self, given: Tensor) -> Tensor:
        """Reconstruct a batch."""
        shifted, masks = given.float().chunk(2, dim=1)
        bands, mask = self.config.channels, masks[:, 0]
        y = measurement_of(shifted)
        whole = gain(mask, bands)
        seen = torch.cat((gathered(y / (bands * whole + FAINT).sqrt(), bands), masks[:, :1]), 1)

        def projected(x: Tensor) -> Tensor:
            return x + adjoint((y - measure(x, mask)) / (whole + FAINT), mask, bands)

        x = wiener(y, mask, bands, passes=1 if self.training else PASSES)
        for _ in range(self.config.turns):
            x = projected(self.improved(torch.cat((x, seen), 1)))
        return x

    def improved(self, given: Tensor) -> Tensor:
        """The cube that (B, 2 T + 1, H, W) begins with, changed by the network."""
        height, width = given.shape[-2:]
        multiple = 8 * self.config.patch_size
        beyond = (0, -width % multiple, 0, -height % multiple)
        made = self.body(functional.pad(given, beyond, mode="replicate"))
        return made[..., :height, :width]
