"""The parameters of S6, the selective scan (Mamba, arXiv 2312.00752), for K paths at once."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class SelectiveParameters(nn.Module):
    """Projection and dynamics of K selective scans over D channels, with Mamba's initialisation.

    Args:
        inner: D, channels.
        state_size: N, states per channel.
        rank: R, rank of the step size δ.
        paths: K, number of scan paths.
        vectors: How many of B and C the projection gives, by default both: [r | B | C].
        skip: Whether u itself is part of the result, times D_skip.
    """

    def __init__(
        self, inner: int, state_size: int, rank: int, paths: int, *, vectors: int = 2,
        skip: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.paths = paths
        features = rank + state_size * vectors
        self.weight = nn.Parameter(torch.empty(paths, features, inner))
        self.dt_weight = nn.Parameter(torch.empty(paths, rank, inner))
        self.dt_bias = nn.Parameter(torch.empty(paths, inner))
        self.A_log = nn.Parameter(torch.empty(paths, inner, state_size))
        self.D_skip = nn.Parameter(torch.ones(paths, inner)) if skip else None
        # Without values there is nothing to compute, and arithmetic on the meta device would load
        # torch's compiler: more than a second.
        if not self.weight.is_meta:
            self._initialise()

    @torch.no_grad()
    def _initialise(self) -> None:
        paths, rank, inner = self.dt_weight.shape
        bound = inner**-0.5  # the default of nn.Linear
        self.weight.uniform_(-bound, bound)
        self.dt_weight.uniform_(-(rank**-0.5), rank**-0.5)
        states = self.A_log.shape[2]
        self.dt_bias.copy_(inverse_softplus(initial_delta(paths, inner, states)))
        steps = torch.arange(1, states + 1, dtype=torch.float32)
        self.A_log.copy_(steps.log().expand_as(self.A_log))

    def project(self, u: Tensor) -> Tensor:
        """Dbc (B, H, W, K, R + 2N) of u (B, H, W, D): all paths in one matrix product.

        With `vectors` = 1 it lacks one of B and C.
        """
        return functional.linear(u, self.weight.flatten(0, 1)).unflatten(-1, (self.paths, -1))


def initial_delta(paths: int, inner: int, states: int) -> Tensor:
    """Step sizes δ (K, D) to begin with, log-uniform.

    Mamba's [0.001, 0.1] is meant for 16 states, whose rates are δ, 2δ, …, 16δ. A single state has
    δ alone, and would forget nothing within ten tokens: too long to tell how sharp a place of the
    picture is. Its δ is drawn from [0.002, 0.7], memories of 1.4 to 500 tokens.
    """
    low, high = (2e-3, 0.7) if states == 1 else (1e-3, 1e-1)
    return low * (high / low) ** torch.rand(paths, inner)


def inverse_softplus(delta: Tensor) -> Tensor:
    """The x with softplus(x) = `delta`, for positive δ."""
    return delta + torch.log(-torch.expm1(-delta))


def out_dtype(u: Tensor) -> torch.dtype | None:
    """The type of a scan's sum: u's own, but fp32 under autocast on a GPU.

    A GPU adds up and norms in fp32; on a CPU what a map weighs is what it takes.
    """
    half = u.device.type != "cpu" and torch.is_autocast_enabled(u.device.type)
    return torch.float32 if half else None
