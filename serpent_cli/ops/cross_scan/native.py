"""`cross_scan` on a CPU in C++ (see ../csrc and ../library.py).

A work item is one picture and one group of channels, with all paths: each y has one writer.
"""

import functools

import torch
from torch import Tensor

from serpent_cli.ops.cross_scan.scan_request import ScanOptions, ScanRequest
from serpent_cli.ops.library import TYPES, Scan, library
from serpent_cli.ops.threads import drive

CHUNK = 64  # path steps between saved carries: backward's scratch of one chunk stays in the cache


@functools.cache
def unavailable() -> str | None:
    """Why the kernel cannot run on this machine at all; None after a tiny scan came out right."""
    try:
        library()
    except OSError as error:
        return str(error)
    one = torch.ones(1, 1, 1, 1)
    options = ScanOptions(("row",), False, True, torch.float32)
    y, _ = forward(
        one,
        torch.ones(1, 1, 1, 1, 3),
        one[0],
        one[0, 0],
        torch.zeros(1, 1, 1),
        None,
        options,
        False,
    )
    expected = torch.nn.functional.softplus(torch.tensor(2.0))
    return None if torch.allclose(y, expected) else "its self-test gave a wrong result"


def why_not(request: ScanRequest) -> str | None:
    """None if the kernel can serve the request, otherwise the reason."""
    if request.device_type != "cpu":
        return "it runs on the CPU only"
    if request.dtype not in (torch.float32, torch.bfloat16, torch.float16):
        return f"it does not compute in {request.dtype}"
    if request.N > 64:
        return "it holds at most 64 states per channel"
    return unavailable()


def _readable(u: Tensor, dbc: Tensor) -> tuple[Tensor, Tensor]:
    """Both as they are if they are fp32 or bf16, otherwise (fp16, or one of each) as fp32."""
    if u.dtype == dbc.dtype and u.dtype in TYPES:
        return u, dbc
    return u.float(), dbc.float()


def _describe(
    u: Tensor, dbc: Tensor, params: tuple[Tensor | None, ...], options: ScanOptions
) -> tuple[Scan, list[Tensor]]:
    """The call's record without outputs, and the tensors that must outlive it."""
    codes = [
        ("col" in path) + 2 * path.endswith("_rev") + 4 * ("snake" in path)
        for path in options.paths
    ]
    kept = [torch.tensor(codes, dtype=torch.int32), u, dbc]
    floats = [None if p is None else p.detach().float().contiguous() for p in params]
    kept += [p for p in floats if p is not None]
    dt_weight, _, a_log, _ = floats
    assert dt_weight is not None
    assert a_log is not None
    scan = Scan(
        *u.shape, len(codes), a_log.shape[2], dt_weight.shape[1], options.reset, options.observe,
        TYPES[u.dtype], TYPES.get(options.out_dtype, 0), 0, CHUNK, kept[0].data_ptr(),
        u.data_ptr(), dbc.data_ptr(), *(None if p is None else p.data_ptr() for p in floats),
    )  # fmt: skip
    return scan, kept


def _carries(scan: Scan) -> Tensor:
    chunks = -(-scan.H * scan.W // CHUNK)
    return torch.empty(scan.B, scan.K, chunks, scan.N, scan.D)


def forward(
    u: Tensor, dbc: Tensor, dt_weight: Tensor, dt_bias: Tensor, A_log: Tensor,
    D_skip: Tensor | None, options: ScanOptions, save_carries: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Y in `options.out_dtype` and, if asked for, the states before each chunk of each path."""
    params = (dt_weight, dt_bias, A_log, D_skip)
    scan, kept = _describe(*_readable(u, dbc), params, options)
    y = torch.empty(u.shape)
    out = torch.empty(u.shape, dtype=torch.bfloat16) if scan.out_type else y
    carries = _carries(scan) if save_carries else torch.empty(0)
    scan.y, scan.out = y.data_ptr(), out.data_ptr()
    scan.carries = carries.data_ptr() if save_carries else None
    # Each channel is on its own: here the groups may follow the number of threads.
    scan.parts = -(-torch.get_num_threads() // scan.B)
    items = scan.B * library().cross_scan_groups(scan.D, scan.parts)
    drive(library().cross_scan_forward, scan, items)
    del kept
    return out.to(options.out_dtype), carries


def backward(
    grad_y: Tensor, u: Tensor, dbc: Tensor, dt_weight: Tensor, dt_bias: Tensor, A_log: Tensor,
    D_skip: Tensor | None, carries: Tensor, options: ScanOptions,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor | None]:  # fmt: skip
    """Gradients of all inputs; u's and dbc's in their types, the parameters' in fp32."""
    params = (dt_weight, dt_bias, A_log, D_skip)
    scan, kept = _describe(*_readable(u, dbc), params, options)
    groups, b = library().cross_scan_groups(scan.D, 0), scan.B
    scan.out_type = TYPES[torch.bfloat16] if grad_y.dtype == u.dtype == torch.bfloat16 else 0
    grad_y = (grad_y if scan.out_type else grad_y.float()).contiguous()
    grad_u = torch.empty(u.shape, dtype=torch.bfloat16) if scan.out_type else None
    grads = {
        "sum_u": torch.empty(u.shape),
        "grad_dbc": torch.empty(b, groups, *dbc.shape[1:]),
        **{
            f"grad_{name}": torch.empty(b, *p.shape)
            for name, p in zip(("dt_weight", "dt_bias", "A_log", "D_skip"), params, strict=True)
            if p is not None
        },
    }
    scan.grad_y, scan.carries = grad_y.data_ptr(), carries.data_ptr()
    for name, grad in grads.items():
        setattr(scan, name, grad.data_ptr())
    grad_u = grads["sum_u"] if grad_u is None else grad_u
    scan.grad_u = grad_u.data_ptr()
    drive(library().cross_scan_backward, scan, b * groups)
    del kept
    by_group = grads["grad_dbc"]
    return (
        grad_u.to(u.dtype),
        (by_group[:, 0] if groups == 1 else by_group.sum(1)).to(dbc.dtype),
        grads["grad_dt_weight"].sum(0),
        grads["grad_dt_bias"].sum(0),
        grads["grad_A_log"].sum(0),
        grads["grad_D_skip"].sum(0) if D_skip is not None else None,
    )
