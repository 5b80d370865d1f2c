"""Spectra for photographs: cubes to train on where there are no cubes that may be used.

Reflectances are smooth (Maloney 1986), and a photograph tells where there is another material. So
each crop gets a few maps that are functions of its colours, and each map a random smooth spectrum:

    X_k = g_k Σ_j f_j(R, G, B) w_j(s_k),    w_j(s) = Σ_m a_jm exp(−(s − m)² / 2 τ²)

s_k are the bands' places on the spectrum, close together or far apart, with gaps where water would
take bands away; g_k is the light, smooth but for a few lines. Values are in [0, 1].

Cameras for visible light have evenly spaced bands, and see broad bumps (Parkkinen 1989): their
cubes have no gaps and no lines, and in each crop spectra are more or less grey. The photograph is
taken in linear light.
"""

import torch
from torch import Tensor

from serpent_cli.degrade.draws import uniform

MAPS = 12  # f_j: three colours, three of another photograph, and six that rise and fall with them
BUMPS = 12  # of each spectrum, evenly spaced on [0, 1]


def spectra_of(
    photographs: Tensor, bands: int, generator: torch.Generator, *, visible: bool = False
) -> Tensor:
    """Make cubes of photographs.

    Args:
        photographs: (B, 3, H, W) in [0, 1], on any device.
        bands: T.
        generator: The only source of randomness, on the CPU.
        visible: Whether all bands are of visible light, evenly spaced.

    Returns:
        (B, T, H, W) in [0, 1].
    """
    count = len(photographs)
    if visible:
        weights = _broad_spectra(count, bands, generator)
        photographs = photographs**2.2  # in linear light
    else:
        weights = _spectra(count, bands, generator)
        weights *= _light(count, bands, generator).unsqueeze(2)
    maps = _maps(photographs, generator)
    cubes = torch.einsum("bkj,bjhw->bkhw", weights.to(photographs), maps)
    most = cubes.amax((1, 2, 3), keepdim=True).clamp_min(1e-3)
    exposure = uniform((0.4, 1.0), (count, 1, 1, 1), generator)
    return cubes / most * exposure.to(cubes)


def _maps(photographs: Tensor, generator: torch.Generator) -> Tensor:
    """Maps f_j (B, 12, H, W) in [0, 1]: bent colours, and soft thresholds of mixtures of them.

    Every second mixture is of colour alone, whatever the brightness. A photograph's colours rise
    and fall together more than materials do: in every second crop the next crop shines through.
    """
    count = len(photographs)
    bend = 4 ** uniform((-0.5, 0.7), (count, 3, 1, 1), generator)
    mixing = 10 * torch.randn(count, MAPS - 6, 3, generator=generator)
    grey = torch.rand(count, MAPS - 6, 1, generator=generator) < 0.5
    mixing -= grey * mixing.mean(2, keepdim=True)
    middle = uniform((0.0, 1.0), (count, 3, 1, 1), generator)
    lit = photographs - middle.to(photographs)
    mixed = torch.einsum("bjc,bchw->bjhw", mixing.to(photographs), lit)
    bent = photographs ** bend.to(photographs)
    through = uniform((0.0, 1.0), (count, 3, 1, 1), generator)
    through *= torch.rand(count, 1, 1, 1, generator=generator) < 0.5
    return torch.cat((bent, bent.roll(1, 0) * through.to(bent), mixed.sigmoid()), 1)


def _spectra(count: int, bands: int, generator: torch.Generator) -> Tensor:
    """Spectra w_j at the bands' places, (B, T, 12)."""
    places = _places(count, bands, generator)
    centres = torch.linspace(0, 1, BUMPS)
    width = uniform((0.02, 0.15), (count, 1, 1), generator)
    bumps = torch.exp(-((places.unsqueeze(2) - centres) ** 2) / (2 * width**2))
    # A few high bumps each: with many, all spectra would be grey.
    heights = torch.rand(count, BUMPS, MAPS, generator=generator) ** 8
    return bumps @ heights


def _broad_spectra(count: int, bands: int, generator: torch.Generator) -> Tensor:
    """Spectra w_j of visible light, (B, T, 12)."""
    centres = torch.linspace(0, 1, BUMPS)
    width = uniform((0.06, 0.2), (count, 1, 1), generator)
    away = torch.linspace(0, 1, bands).unsqueeze(1) - centres
    heights = torch.rand(count, BUMPS, MAPS, generator=generator) ** 8
    spectra = torch.exp(-(away**2) / (2 * width**2)) @ heights
    colour = uniform((0.3, 1.0), (count, 1, 1), generator)
    return spectra.mean(1, keepdim=True) * (1 - colour) + spectra * colour


def _places(count: int, bands: int, generator: torch.Generator) -> Tensor:
    """Rising places s_k (B, T) on [0, 1]: a part of the spectrum, in every third crop with gaps."""
    steps = torch.ones(count, bands)
    gaps = torch.rand(count, bands, generator=generator) < 0.04
    gaps &= torch.rand(count, 1, generator=generator) < 0.33
    steps += gaps * 20 * torch.rand(count, bands, generator=generator)
    places = steps.cumsum(1) - steps[:, :1]
    share = uniform((0.3, 1.0), (count, 1), generator)
    places = places / places[:, -1:].clamp_min(1) * share
    return places + (1 - share) * torch.rand(count, 1, generator=generator)


def _light(count: int, bands: int, generator: torch.Generator) -> Tensor:
    """The light g_k (B, T), up to 1: a slope, and in every second crop some weaker bands."""
    k = torch.linspace(-1, 1, bands)
    slope = uniform((-0.7, 0.7), (count, 1), generator)
    light = (1 + slope * k) / (1 + slope.abs())
    weaker = torch.rand(count, bands, generator=generator) < 0.1
    weaker &= torch.rand(count, 1, generator=generator) < 0.5
    return light * torch.where(weaker, uniform((0.1, 1.0), (count, bands), generator), 1.0)
