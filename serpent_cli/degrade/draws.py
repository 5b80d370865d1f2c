"""What chance decides: drawn on the CPU by an explicit generator, alike for every device."""

import hashlib
from collections.abc import Iterable

import torch
from torch import Tensor

Range = tuple[float, float]


def generator_for(name: str) -> torch.Generator:
    """A CPU generator seeded by a file name: the same picture gets the same noise anywhere."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def chance(share: float, count: int, generator: torch.Generator) -> Tensor:
    """Which of `count` rows something of that share befalls, (count) bool."""
    return torch.rand(count, generator=generator) < share


def choice(shares: Iterable[float], count: int, generator: torch.Generator) -> Tensor:
    """Which of several each row gets, by their relative frequencies: (count), whole numbers."""
    weights = torch.tensor(tuple(shares), dtype=torch.float32)
    return torch.multinomial(weights, count, replacement=True, generator=generator)


def uniform(
    limits: Range, shape: tuple[int, ...], generator: torch.Generator, power: float = 1.0
) -> Tensor:
    """Numbers from a range, of a uniform variable to a power: above 1 it favours small ones."""
    low, high = limits
    return torch.rand(shape, generator=generator) ** power * (high - low) + low


def below(limit: int, generator: torch.Generator) -> int:
    """A whole number from 0 on, below the limit."""
    return int(torch.randint(limit, (), generator=generator))


def upload(x: Tensor, device: torch.device) -> Tensor:
    """Give `x` on `device`.

    To a GPU of CUDA (a way that only such a machine takes) it goes through pinned memory: an
    ordinary copy would make the host wait until the GPU has done all that it was given before.
    """
    if device.type == "cuda" and x.device.type == "cpu":
        return x.pin_memory().to(device, non_blocking=True)
    return x.to(device)
