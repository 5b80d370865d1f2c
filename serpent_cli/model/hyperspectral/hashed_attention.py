"""Attention among tokens of one hash, CST's (arXiv 2203.04845).

    hash of x in a round: α · [x, √(max ‖x‖² − ‖x‖²), 0] + β        (per head)
    tokens in the order of their hash, cut into buckets; within a bucket
    y = softmax(q kᵀ) v,   over the rounds weighted by softmax of log Σ exp(q kᵀ)

q, k and v have three times the channels of x, and the logits are not scaled. Written from the
equations; the authors' code is MIT.
"""

import torch
from torch import Tensor, nn

ROUNDS = 2

Hash = tuple[Tensor, Tensor]
"""α (channels of a head + 2, rounds) and β (1, rounds)."""


def draw_hash(channels: int, like: Tensor, generator: torch.Generator | None = None) -> Hash:
    """α from N(0, 1) and β from [0, 1), on the device and in the type of `like`.

    Args:
        channels: Of one head.
        like: Any tensor.
        generator: On the CPU; torch's own by default.
    """
    alpha = torch.randn(channels + 2, ROUNDS, generator=generator)
    beta = torch.rand(1, ROUNDS, generator=generator)
    return alpha.to(like), beta.to(like)


class HashedAttention(nn.Module):
    """Attention within buckets of `bucket` tokens, (B, L, C) to the same; L a multiple of it."""

    def __init__(self, width: int, heads: int, bucket: int) -> None:
        super().__init__()
        self.heads, self.bucket = heads, bucket
        inner = 3 * width
        self.project_q = nn.Linear(width, inner, bias=False)
        self.project_k = nn.Linear(width, inner, bias=False)
        self.project_v = nn.Linear(width, inner, bias=False)
        self.project_out = nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor, hash_of: Hash) -> Tensor:
        """Let each token see those of its buckets."""
        order = self._order(x.detach(), hash_of)  # (rounds, B, heads, L)
        q, k, v = (
            self._bucketed(project(x), order)
            for project in (self.project_q, self.project_k, self.project_v)
        )
        logits = q @ k.mT
        total = logits.logsumexp(-1, keepdim=True)
        y = ((logits - total).exp() @ v).flatten(3, 4)  # (rounds, B, heads, L, 3C / heads)
        back = order.argsort(-1)
        y = y.gather(3, back.unsqueeze(-1).expand_as(y))
        share = total.flatten(3).gather(3, back).softmax(0)
        mixed = (y * share.unsqueeze(-1)).sum(0)
        return self.project_out(mixed.transpose(1, 2).flatten(2))

    def _order(self, x: Tensor, hash_of: Hash) -> Tensor:
        """Tokens by their hash; equal ones in their own order, so that a result repeats."""
        alpha, beta = hash_of
        heads = x.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        norm = heads.norm(dim=-1, keepdim=True)
        beyond = (norm.amax(-2, keepdim=True) ** 2 - norm**2).clamp_(min=0).sqrt_()
        hashes = torch.cat((heads, beyond, torch.zeros_like(beyond)), -1) @ alpha + beta
        return hashes.permute(3, 0, 1, 2).argsort(dim=-1, stable=True)

    def _bucketed(self, tokens: Tensor, order: Tensor) -> Tensor:
        """(B, L, 3C) to (rounds, B, heads, buckets, tokens of one, 3C / heads)."""
        heads = tokens.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        index = order.unsqueeze(-1).expand(*order.shape, heads.shape[-1])
        sorted_tokens = heads.expand(len(order), *heads.shape).gather(3, index)
        return sorted_tokens.unflatten(3, (-1, self.bucket))
