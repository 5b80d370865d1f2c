"""The scan on a GPU: parity, time against its limit, and against what the ecosystem offers."""

import gc
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from bench.device_limits import copy_bandwidth, register_seconds
from bench.timing import Row, median
from serpent_cli.ops.cross_scan import cross_scan, mamba, triton
from serpent_cli.ops.cross_scan.operation import DEFAULT_PATHS
from serpent_cli.ops.cross_scan.paths import from_sequence, to_sequence
from serpent_cli.ops.cross_scan.scan_request import ScanOptions, ScanRequest

K, RANK = len(DEFAULT_PATHS), 4
PARITY_BAR = 4e-3  # relative: a unit in the last place of bf16, as the tests demand
LIMIT_BARS = {1: 1 / 0.4, 8: 1 / 0.6}  # time over limit, by pictures, N = 1
RIVAL_BARS = {1: 1 / 2.5, 16: 1 / 1.2}  # time over mamba's, by states
SAVED_BAR = 1 / 4  # bytes kept for the way back over mamba's
Scan = Callable[..., Tensor]


@dataclass(frozen=True)
class Case:
    """One set of sizes; letters as in the op."""

    B: int
    side: int
    D: int
    N: int
    device: torch.device

    @property
    def name(self) -> str:
        """How a row calls it."""
        return f"{self.B}×{self.side}²×{self.D}, N {self.N}, bf16"

    def inputs(self) -> list[Tensor]:
        """Random arguments of `cross_scan`, decays as at Mamba's initialisation."""
        torch.manual_seed(0)
        b, side, d, n = self.B, self.side, self.D, self.N
        rates = torch.arange(1, n + 1).log().repeat(K, d, 1)
        maps = [torch.randn(b, side, side, d), torch.randn(b, side, side, K, RANK + 2 * n)]
        parameters = [torch.randn(K, RANK, d) * 0.3, torch.randn(K, d) - 3, rates, torch.ones(K, d)]
        halves = [x.to(self.device, torch.bfloat16) for x in maps]
        return [*halves, *(x.to(self.device) for x in parameters)]

    def limit(self) -> float:
        """Seconds below which no scan can be: the bytes in and out, or its arithmetic."""
        pixels = self.B * self.side**2
        moved = pixels * 2 * (2 * self.D + K * (RANK + 2 * self.N))
        arithmetic = register_seconds(pixels * self.D * K, self.N, RANK, self.device)
        return max(moved / copy_bandwidth(self.device), arithmetic)


def rows(device: torch.device, *, tiny: bool) -> list[Row]:
    """All cases; `tiny` ones without bars, which show on any machine that this runs."""
    side, channels = (8, 8) if tiny else (512, 128)
    found: list[Row] = []
    for states, pictures in ((1, 1), (1, 8), (16, 1)):
        case = Case(pictures, side, channels, states, device)
        found += case_rows(case, barred=not tiny)
        gc.collect()
    return found


def ours(*tensors: Tensor) -> Tensor:
    """The project's own kernels, or, on a machine that runs none, whatever serves there."""
    device, options = tensors[0].device.type, ScanOptions(DEFAULT_PATHS, False, True, torch.float32)
    request = ScanRequest(1, 1, 1, 1, 1, 1, 1, torch.bfloat16, device, options)
    runs = triton.why_not(request) is None
    return cross_scan(*tensors, backend="triton" if runs else None)


def case_rows(case: Case, *, barred: bool) -> list[Row]:
    """Parity, forward against the limit, forward and both ways against mamba and `chunked`."""
    tensors, device, name = case.inputs(), case.device, case.name
    found = parity_rows(case, tensors)
    scans: dict[str, Scan] = {mamba_name(case): mamba_scan(case)}
    if case.B == 1:
        scans["chunked"] = lambda *tensors: cross_scan(*tensors, backend="chunked")
    with torch.no_grad():
        forward = median(lambda: ours(*tensors), device)
        others = {
            rival: median(lambda s=scan: s(*tensors), device) for rival, scan in scans.items()
        }
    bar = LIMIT_BARS.get(case.B) if barred and case.N == 1 else None
    found.append(Row(f"forward {name}, limit", forward * 1e3, "ms", case.limit() * 1e3, bar))
    both = median(lambda: both_ways(ours, tensors), device)
    for rival, scan in scans.items():
        bar = RIVAL_BARS[case.N] if barred and "mamba" in rival else None
        there = median(lambda s=scan: both_ways(s, tensors), device, 10)
        found.append(Row(f"forward {name}, {rival}", forward * 1e3, "ms", others[rival] * 1e3, bar))
        found.append(Row(f"both {name}, {rival}", both * 1e3, "ms", there * 1e3, bar))
    mine, theirs = saved_bytes(ours, tensors), contract_bytes(case)
    bar = SAVED_BAR if barred else None
    found.append(Row(f"kept for the way back {name}, mamba", mine / 1e6, "MB", theirs / 1e6, bar))
    return found


def parity_rows(case: Case, tensors: list[Tensor]) -> list[Row]:
    """Output and all gradients against `chunked` in fp32, on a corner of the case's map."""
    corner = min(case.side, 37)
    maps = [x[:1, :corner, : corner - 2].contiguous() for x in tensors[:2]]
    small = [*maps, *tensors[2:]]
    mine = [ours(*small), *both_ways(ours, small)]
    wide = [x.float() for x in small]
    expected = [
        cross_scan(*wide, backend="chunked"),
        *both_ways(lambda *x: cross_scan(*x, backend="chunked"), wide),
    ]
    errors = [
        float((a.double() - b.double()).abs().max() / b.double().abs().max())
        for a, b in zip(mine, expected, strict=True)
    ]
    return [Row(f"largest relative error, N {case.N}", max(errors), "", None, PARITY_BAR)]


def both_ways(scan: Scan, tensors: list[Tensor]) -> tuple[Tensor, ...]:
    """One training step of the operation alone: the gradients of all arguments it depends on."""
    leaves = [tensor.detach().requires_grad_() for tensor in tensors]
    y = scan(*leaves)
    return torch.autograd.grad(y, leaves, tensors[0].to(y.dtype), allow_unused=True)


def mamba_name(case: Case) -> str:
    """What mamba's rows compare with: itself if it runs, or the copies around it."""
    return "mamba" if mamba_runs(case) else "mamba's copies (a lower bound)"


def mamba_runs(case: Case) -> bool:
    """Whether mamba-ssm is installed and works."""
    options = ScanOptions(DEFAULT_PATHS, False, True, torch.bfloat16)
    request = ScanRequest(
        case.B, case.side, case.side, case.D, K, case.N, RANK, torch.bfloat16, case.device.type,
        options,
    )  # fmt: skip
    return mamba.why_not(request) is None


def mamba_scan(case: Case) -> Scan:
    """From the projection to y by mamba-ssm, or the least that its contract makes everyone do."""
    if not mamba_runs(case):
        return mamba_copies
    options = ScanOptions(DEFAULT_PATHS, False, True, torch.bfloat16)
    return lambda *tensors: mamba.evaluate(*tensors, options)


def mamba_copies(u: Tensor, dbc: Tensor, dt_weight: Tensor, *_: Tensor) -> Tensor:
    """Everything around mamba-ssm's kernel, which wants sequences (B, K·D, L) and δ in memory.

    One addition stands in for the kernel: it reads u and δ and writes y, and so moves less.
    """
    (height, width), rank = u.shape[1:3], dt_weight.shape[1]
    sequences = torch.stack([to_sequence(u, path) for path in DEFAULT_PATHS], 1)
    parts = [to_sequence(dbc[:, :, :, k], path) for k, path in enumerate(DEFAULT_PATHS)]
    r, states = torch.stack(parts, 1).split([rank, dbc.shape[-1] - rank], dim=-1)
    states.transpose(2, 3).contiguous()  # B and C, for the kernel alone
    delta = torch.einsum("bklr,krd->bkdl", r, dt_weight.to(r.dtype))
    y = sequences.transpose(2, 3).contiguous() + delta
    lines = [
        from_sequence(y[:, k].transpose(1, 2), path, height, width)
        for k, path in enumerate(DEFAULT_PATHS)
    ]
    return torch.stack(lines).sum(0)


def saved_bytes(scan: Scan, tensors: list[Tensor]) -> int:
    """Bytes that autograd keeps from forward to backward; each memory counts once."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    leaves = [tensor.detach().requires_grad_() for tensor in tensors]
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        scan(*leaves)
    return sum(kept.values())


def contract_bytes(case: Case) -> int:
    """What mamba-ssm's kernel keeps of its arguments: u, δ, B and C as sequences of every path."""
    pixels = case.B * case.side**2
    return 2 * pixels * K * (2 * case.D + 2 * case.N)
