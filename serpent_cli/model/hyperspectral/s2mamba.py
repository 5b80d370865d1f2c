"""S²Mamba, which classifies the pixel in the middle of a patch of a cube (arXiv 2404.18213).

    x = GELU(W patch);   x ← x + gates of (spatial LN x, spectral LN x);   classes = W mean(LN x)
    spatial:  y = Σ over four paths of S6(u) through the patch
    spectral: y = S6(uᵀ) forwards + S6'(uᵀ) backwards along the channels, each pixel a channel
    both:     [a, z] = W_in x,  u = SiLU(DW3×3 a),  W_out(LN(y) · GELU(z))
    gates:    softmax over two of W GELU(W LN [s; p]); below 0.1 it is 0; g₁ s + g₂ p

Written from the equations. The published code (no licence) turns the input of the backward scan
along an axis of length one, hence not at all, and its output all the same: `as_published` does so
too, for weights that were trained that way.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from serpent_cli.model.layers import DepthwiseConv, LayerNorm
from serpent_cli.model.mixers.selective import SelectiveParameters
from serpent_cli.model.mixers.ss2d import PATHS
from serpent_cli.ops.cross_scan import cross_scan

THRESHOLD = 0.1


@dataclass(frozen=True)
class S2MambaConfig:
    """Sizes of the network.

    Attributes:
        bands: Of the cube.
        classes: That it tells apart.
        patch: Side of the patch in pixels.
        width: C.
        depth: Layers.
        state_size: N, states per channel of the scans.
        as_published: Backwards along the spectrum as the published code does it.
    """

    bands: int
    classes: int
    patch: int = 11
    width: int = 64
    depth: int = 1
    state_size: int = 16
    as_published: bool = False


class PatchScan(nn.Module):
    """What both mixers share: projections, gate, convolution and norm; (B, H, W, C) to the same."""

    def __init__(self, width: int, scan: SelectiveParameters, normed: int) -> None:
        super().__init__()
        inner = 2 * width
        self.project_in = nn.Linear(width, inner, bias=False)
        self.project_gate = nn.Linear(width, inner, bias=False)
        self.conv = DepthwiseConv(inner, silu=True)
        self.scan = scan
        self.norm = LayerNorm(normed)
        self.project_out = nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix the patch."""
        y = self.mixed(self.conv(self.project_in(x)))
        return self.project_out(y * functional.gelu(self.project_gate(x)))

    def mixed(self, u: Tensor) -> Tensor:
        """Scan and norm of (B, H, W, D)."""
        raise NotImplementedError


class SpatialScan(PatchScan):
    """Along rows and columns, both ways (S²Mamba's PCS)."""

    def __init__(self, width: int, state_size: int) -> None:
        inner = 2 * width
        scan = SelectiveParameters(inner, state_size, -(-width // 16), len(PATHS))
        super().__init__(width, scan, inner)

    def mixed(self, u: Tensor) -> Tensor:
        """Scan and norm of (B, H, W, D)."""
        return self.norm(scanned(u, self.scan, PATHS))


class SpectralScan(PatchScan):
    """Along the channels, both ways, with a patch's pixels for channels (S²Mamba's BSS)."""

    def __init__(
        self, width: int, state_size: int, pixels: int, *, as_published: bool = False
    ) -> None:
        super().__init__(width, SelectiveParameters(pixels, state_size, -(-width // 16), 2), pixels)
        self.as_published = as_published

    def mixed(self, u: Tensor) -> Tensor:
        """Scan and norm of (B, H, W, D); H·W is the number of pixels it is made for."""
        spectra = u.flatten(1, 2).mT.unsqueeze(1)  # (B, 1, D, pixels)
        if self.as_published:
            y = self._one(spectra, 0) + self._one(spectra, 1).flip(2)
        else:
            y = scanned(spectra, self.scan, ("row", "row_rev"))
        return self.norm(y).squeeze(1).mT.reshape(u.shape)

    def _one(self, spectra: Tensor, k: int) -> Tensor:
        """The scan with the parameters of one path, forwards."""
        p = self.scan
        assert p.D_skip is not None
        dbc = p.project(spectra)[..., k : k + 1, :]
        parameters = (each[k : k + 1] for each in (p.dt_weight, p.dt_bias, p.A_log, p.D_skip))
        return cross_scan(spectra, dbc, *parameters, paths=("row",))


def scanned(u: Tensor, p: SelectiveParameters, paths: tuple[str, ...]) -> Tensor:
    """S6 of (B, H, W, D) along paths, summed."""
    return cross_scan(u, p.project(u), p.dt_weight, p.dt_bias, p.A_log, p.D_skip, paths=paths)


class Gates(nn.Module):
    """How much of each of two maps is taken at each pixel; (B, H, W, C) twice to once."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = LayerNorm(2 * width)
        self.expand = nn.Linear(2 * width, 2 * width)
        self.reduce = nn.Linear(2 * width, 2)

    def forward(self, spatial: Tensor, spectral: Tensor) -> Tensor:
        """Weigh and add them."""
        both = torch.cat((spatial, spectral), -1)
        gates = self.reduce(functional.gelu(self.expand(self.norm(both)))).softmax(-1)
        gates = torch.where(gates < THRESHOLD, 0.0, gates)
        return gates[..., :1] * spatial + gates[..., 1:] * spectral


class S2MambaLayer(nn.Module):
    """x + gates of the spatial and the spectral scan of LN x; (B, H, W, C) to the same."""

    def __init__(
        self, width: int, state_size: int, pixels: int, *, as_published: bool = False
    ) -> None:
        super().__init__()
        self.norm = LayerNorm(width)
        self.spatial = SpatialScan(width, state_size)
        self.spectral = SpectralScan(width, state_size, pixels, as_published=as_published)
        self.gates = Gates(width)

    def forward(self, x: Tensor) -> Tensor:
        """Mix a patch of the size that the layer is made for."""
        normed = self.norm(x)
        return x + self.gates(self.spatial(normed), self.spectral(normed))


class S2Mamba(nn.Module):
    """The classifier: patches (B, bands, patch, patch) to scores (B, classes)."""

    def __init__(self, config: S2MambaConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Linear(config.bands, config.width)
        self.layers = nn.Sequential(
            *(
                S2MambaLayer(
                    config.width, config.state_size, config.patch**2,
                    as_published=config.as_published,
                )
                for _ in range(config.depth)
            )
        )  # fmt: skip
        self.norm = LayerNorm(config.width)
        self.head = nn.Linear(config.width, config.classes)

    def forward(self, patches: Tensor) -> Tensor:
        """Tell the class of each patch's middle."""
        x = self.layers(functional.gelu(self.embed(patches.permute(0, 2, 3, 1))))
        return self.head(self.norm(x).mean((1, 2)))
