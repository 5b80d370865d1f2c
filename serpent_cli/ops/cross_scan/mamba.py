"""`cross_scan` on a GPU by mamba-ssm's `selective_scan_fn`, where somebody has installed it.

Never needed, and never chosen before `triton`: it serves more than 16 states, and comparisons. Its
contract costs K copies of u and of δ in memory; δ before its bias, and each path's y, have the type
of the inputs. Its gradients of B and C are sums by atomics: they differ in their last bits from
one run to the next, also where torch is asked for deterministic algorithms.
"""

import functools
import importlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from serpent_cli.ops.cross_scan import reference
from serpent_cli.ops.cross_scan.paths import from_sequence, line_length, to_sequence
from serpent_cli.ops.cross_scan.scan_request import ScanOptions, ScanRequest

MOST_STATES = 256
CHUNK = 2048  # its kernel keeps the states after that many steps, at 32-bit offsets
# An import that finds no kernel, or one for another torch or driver; another interface.
FAILURES = (ImportError, OSError, RuntimeError, AttributeError, TypeError, ValueError)


def why_not(request: ScanRequest) -> str | None:
    """None if mamba-ssm can serve the request, otherwise the reason."""
    if request.device_type != "cuda":
        return "it needs an NVIDIA GPU"
    if request.dtype not in (torch.float32, torch.bfloat16, torch.float16):
        return f"it does not compute in {request.dtype}"
    if request.N > MOST_STATES:
        return f"it holds at most {MOST_STATES} states per channel"
    if _kept_states(request) >= 2**31:
        return "it counts at most 2^31 states that its kernel keeps"
    return unavailable()


def _kept_states(request: ScanRequest) -> int:
    """The states that its kernel keeps in its largest call."""
    groups = _paths_by_line(request.H, request.W, request.options)
    chunks = max(
        len(indices) * (request.H * request.W // line) * -(-line // CHUNK)
        for line, indices in groups.items()
    )
    return request.B * request.D * request.N * chunks


@functools.cache
def unavailable(device: str = "cuda") -> str | None:
    """Why mamba-ssm cannot run on this machine; None after a tiny scan came out right."""
    if importlib.util.find_spec("mamba_ssm") is None:
        return "mamba-ssm is not installed"
    options = ScanOptions(("row",), False, True, torch.float32)
    zero, one = torch.zeros(1, 1), torch.ones(1, 1)
    tensors = (torch.ones(1, 1, 2, 1), torch.ones(1, 1, 2, 1, 3), one[None], zero, zero[None], one)
    try:
        y = evaluate(*(x.to(device) for x in tensors), options=options).cpu()
    except FAILURES as error:
        return f"its self-test failed: {type(error).__name__}: {error}".splitlines()[0]
    expected = reference.evaluate(*tensors, options)
    right = torch.allclose(y, expected, rtol=1e-3)
    return None if right else "its self-test gave a wrong result"


def _selective_scan(**arguments: Tensor) -> Tensor:
    """Theirs, with all that its kernel can do of the op."""
    interface = importlib.import_module("mamba_ssm.ops.selective_scan_interface")
    return interface.selective_scan_fn(**arguments, delta_softplus=True)


def _paths_by_line(height: int, width: int, options: ScanOptions) -> dict[int, list[int]]:
    """Indices of the paths that one call can take: those whose sequences have the same length."""
    groups: dict[int, list[int]] = {}
    for k, path in enumerate(options.paths):
        line = line_length(path, height, width) if options.reset else height * width
        groups.setdefault(line, []).append(k)
    return groups


@dataclass(frozen=True)
class _Call:
    """One call of theirs; b = B, or with reset the lines of all pictures, and K the call's paths.

    Attributes:
        paths: Names of the paths, whose sequences are all as long.
        dtype: Of u, δ, B, C and the result.
        r: (b, K, R, line), in path order.
        dt_weight: (K, R, D), fp32.
        arguments: Theirs by name: u and delta (b, K·D, line), B and C (b, K, N, line), or C ones
            (K·D, N) if the state is not observed; A (K·D, N), D and delta_bias (K·D) in fp32.
    """

    paths: list[str]
    dtype: torch.dtype
    r: Tensor
    dt_weight: Tensor
    arguments: dict[str, Tensor]

    @classmethod
    def of(
        cls, line: int, indices: list[int], u: Tensor, dbc: Tensor, dt_weight: Tensor,
        dt_bias: Tensor, A_log: Tensor, D_skip: Tensor | None, options: ScanOptions,
    ) -> "_Call":  # fmt: skip
        """The call for the op's paths `indices`, all with sequences of `line` pixels."""
        # Theirs is one type for all: a shorter one only if nothing asks for more.
        short = options.observe and u.dtype == dbc.dtype == options.out_dtype
        dtype = u.dtype if short else torch.float32
        paths = [options.paths[k] for k in indices]
        features = _cut([dbc[:, :, :, k] for k in indices], paths, line, dtype)
        weight, A = dt_weight[indices].float(), -A_log[indices].float().exp().flatten(0, 1)
        rank, states = weight.shape[1], A.shape[1]
        r, B = features[:, :, :rank], features[:, :, rank : rank + states]
        arguments = {
            "u": _cut([u] * len(indices), paths, line, dtype).flatten(1, 2),
            "delta": (weight.transpose(1, 2).to(dtype) @ r).flatten(1, 2),
            "A": A,
            "B": B,
            "C": features[:, :, rank + states :] if options.observe else torch.ones_like(A),
            "delta_bias": dt_bias[indices].float().flatten(),
        }
        if D_skip is not None:
            arguments["D"] = D_skip[indices].float().flatten()
        return cls(paths, dtype, r, weight, arguments)

    def sequences(self, x: Tensor) -> Tensor:
        """(b, K·D, line) as (b, K, D, line)."""
        return x.unflatten(1, (len(self.paths), -1))

    def gradients(self, grad_out: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Those of u (b, K, D, line), of [r | B | C] (b, K, F, line), and the parameters' by name.

        Inside a custom op torch records no operations, only whole functions such as theirs: what
        surrounds it is led back by hand.
        """
        with torch.enable_grad():
            leaves = {name: x.detach().requires_grad_() for name, x in self.arguments.items()}
            out = _selective_scan(**leaves)
        found = torch.autograd.grad(out, list(leaves.values()), grad_out.flatten(1, 2))
        grads = dict(zip(leaves, found, strict=True))
        grad_delta = self.sequences(grads["delta"])
        parts = [self.dt_weight.to(self.dtype) @ grad_delta, grads["B"]]
        if self.arguments["C"].ndim == 4:
            parts.append(grads["C"])
        grads["dt_weight"] = torch.einsum("bkrl,bkdl->krd", self.r.float(), grad_delta.float())
        grads["A_log"] = grads["A"] * self.arguments["A"]  # A = -exp(A_log) is its own derivative
        return self.sequences(grads["u"]), torch.cat(parts, 2), grads


def _calls(
    u: Tensor, dbc: Tensor, dt_weight: Tensor, dt_bias: Tensor, A_log: Tensor,
    D_skip: Tensor | None, options: ScanOptions,
) -> Iterator[tuple[list[int], _Call]]:  # fmt: skip
    """Every call that the op needs, with the indices of its paths; one at a time is in memory."""
    for line, indices in _paths_by_line(u.shape[1], u.shape[2], options).items():
        yield (
            indices,
            _Call.of(line, indices, u, dbc, dt_weight, dt_bias, A_log, D_skip, options),
        )


def evaluate(
    u: Tensor, dbc: Tensor, dt_weight: Tensor, dt_bias: Tensor, A_log: Tensor,
    D_skip: Tensor | None, options: ScanOptions,
) -> Tensor:  # fmt: skip
    """Y (B, H, W, D) in `options.out_dtype`; outside of the op, plain autograd differentiates it.

    Autograd then keeps what mamba-ssm's users keep, which is what to compare with.
    """
    y = torch.zeros(u.shape, dtype=torch.float32, device=u.device)
    with torch.autocast(u.device.type, enabled=False):  # theirs wants the types that it is given
        for _, call in _calls(u, dbc, dt_weight, dt_bias, A_log, D_skip, options):
            out = call.sequences(_selective_scan(**call.arguments))
            for part in _join(out, call.paths, u.shape[1], u.shape[2]):
                y = y + part
    return y.to(options.out_dtype)


def forward(
    u: Tensor, dbc: Tensor, dt_weight: Tensor, dt_bias: Tensor, A_log: Tensor,
    D_skip: Tensor | None, options: ScanOptions, save_carries: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Y in `options.out_dtype`, and nothing to keep."""
    del save_carries
    y = evaluate(u, dbc, dt_weight, dt_bias, A_log, D_skip, options)
    return y, y.new_empty(0, dtype=torch.float32)


def backward(
    grad_y: Tensor, u: Tensor, dbc: Tensor, dt_weight: Tensor, dt_bias: Tensor, A_log: Tensor,
    D_skip: Tensor | None, carries: Tensor, options: ScanOptions,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor | None]:  # fmt: skip
    """Gradients of all inputs, in fp32; runs their forward again for what their backward reads."""
    del carries
    height, width = u.shape[1:3]
    grad_u = torch.zeros_like(u, dtype=torch.float32)
    grad_dbc = torch.empty_like(dbc, dtype=torch.float32)
    inputs = {"dt_weight": dt_weight, "delta_bias": dt_bias, "A_log": A_log}
    if D_skip is not None:
        inputs["D"] = D_skip
    grads = {name: torch.empty_like(x, dtype=torch.float32) for name, x in inputs.items()}
    with torch.autocast(u.device.type, enabled=False):
        for indices, call in _calls(u, dbc, dt_weight, dt_bias, A_log, D_skip, options):
            line = call.r.shape[-1]
            grad_out = _cut([grad_y] * len(indices), call.paths, line, call.dtype)
            of_u, of_dbc, found = call.gradients(grad_out)
            for part in _join(of_u, call.paths, height, width):
                grad_u += part
            for k, part in zip(indices, _join(of_dbc, call.paths, height, width), strict=True):
                grad_dbc[:, :, :, k] = part
            for name, grad in grads.items():
                grad[indices] = found[name].view(len(indices), *grad.shape[1:])
    weight, bias, rate = grads["dt_weight"], grads["delta_bias"], grads["A_log"]
    return grad_u, grad_dbc, weight, bias, rate, grads.get("D")


def _cut(maps: list[Tensor], paths: list[str], line: int, dtype: torch.dtype) -> Tensor:
    """A map (B, H, W, F) for each path to sequences (b, K, F, line)."""
    sequences = [
        to_sequence(x, path).reshape(-1, line, x.shape[-1]).transpose(1, 2)
        for x, path in zip(maps, paths, strict=True)
    ]
    return torch.stack(sequences, 1).to(dtype)


def _join(sequences: Tensor, paths: list[str], height: int, width: int) -> list[Tensor]:
    """Sequences (b, K, F, line) to a map (B, H, W, F) for each path; the inverse of `_cut`."""
    lines = sequences.transpose(2, 3)
    return [
        from_sequence(lines[:, k].reshape(-1, height * width, lines.shape[-1]), path, height, width)
        for k, path in enumerate(paths)
    ]
