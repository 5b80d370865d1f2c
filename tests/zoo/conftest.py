"""VMamba's SS2D and blocks (arXiv 2401.10166), without a name, layout or operation of ours."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from serpent_cli.model.config import ModelConfig
from serpent_cli.model.unet import build_model

TensorDict = dict[str, Tensor]
V0 = ModelConfig(widths=(8, 12, 16, 20), state_size=3, expand=1.5)


def random_ss2d(width: int, inner: int, states: int, *, gate: bool) -> TensorDict:
    """Parameters of one SS2D under VMamba's names, every one of them random."""
    rank = -(-width // 16)
    shapes = {
        "in_proj.weight": ((2 if gate else 1) * inner, width), "conv2d.weight": (inner, 1, 3, 3),
        "x_proj_weight": (4, rank + 2 * states, inner), "dt_projs_weight": (4, inner, rank),
        "dt_projs_bias": (4, inner), "A_logs": (4 * inner, states), "Ds": (4 * inner,),
        "out_norm.weight": (inner,), "out_norm.bias": (inner,), "out_proj.weight": (width, inner),
    }  # fmt: skip
    if gate:
        shapes["conv2d.bias"] = (inner,)
    return {name: torch.randn(shape) * 0.5 for name, shape in shapes.items()}


def orders(height: int, width: int) -> list[list[tuple[int, int]]]:
    """The pixels in the order of VMamba's four scans."""
    rows = [(h, w) for h in range(height) for w in range(width)]
    columns = [(h, w) for w in range(width) for h in range(height)]
    return [rows, columns, rows[::-1], columns[::-1]]


def ss2d_of(x: Tensor, p: TensorDict, gate: bool) -> Tensor:
    """SS2D's forward on (H, W, C), float64, one pixel after the other."""
    p = {name: tensor.double() for name, tensor in p.items()}
    height, width, _ = x.shape
    inner = p["conv2d.weight"].shape[0]
    xz = x @ p["in_proj.weight"].T
    first, z = (xz[..., :inner], xz[..., inner:]) if gate else (xz, None)
    planes = functional.conv2d(
        first.permute(2, 0, 1)[None], p["conv2d.weight"], p.get("conv2d.bias"), padding=1,
        groups=inner,
    )  # fmt: skip
    u = functional.silu(planes)[0].permute(1, 2, 0)
    y = torch.zeros_like(u)
    for k, order in enumerate(orders(height, width)):
        rank, states = p["dt_projs_weight"].shape[2], p["A_logs"].shape[1]
        a = -torch.exp(p["A_logs"][k * inner : (k + 1) * inner])
        skip = p["Ds"][k * inner : (k + 1) * inner]
        h = torch.zeros(inner, states, dtype=torch.float64)
        for pixel in order:
            r, b, c = (p["x_proj_weight"][k] @ u[pixel]).split([rank, states, states])
            step = functional.softplus(p["dt_projs_weight"][k] @ r + p["dt_projs_bias"][k])[:, None]
            h = torch.exp(step * a) * h + step * b[None] * u[pixel][:, None]
            y[pixel] += h @ c + skip * u[pixel]
    y = functional.layer_norm(y, (inner,), p["out_norm.weight"], p["out_norm.bias"], eps=1e-5)
    return (y if z is None else y * functional.silu(z)) @ p["out_proj.weight"].T


def block_of(x: Tensor, p: TensorDict, op: str, gate: bool) -> Tensor:
    """A block on (H, W, C): v0's `ln_1`, `self_attention`; v05's `norm`, `op`, `norm2`, `mlp`."""
    p = {name: tensor.double() for name, tensor in p.items()}
    norm = "ln_1" if "ln_1.weight" in p else "norm"
    mixer = {n.removeprefix(f"{op}."): t for n, t in p.items() if n.startswith(f"{op}.")}

    def normed(name: str, tensor: Tensor) -> Tensor:
        weight, bias = p[f"{name}.weight"], p[f"{name}.bias"]
        return functional.layer_norm(tensor, weight.shape, weight, bias, eps=1e-5)

    x = x + ss2d_of(normed(norm, x), mixer, gate)
    if "mlp.fc1.weight" in p:
        hidden = functional.linear(normed("norm2", x), p["mlp.fc1.weight"], p["mlp.fc1.bias"])
        x = x + functional.linear(functional.gelu(hidden), p["mlp.fc2.weight"], p["mlp.fc2.bias"])
    return x


def network_of(config: ModelConfig, op: str, norm: str) -> TensorDict:
    """A state dict with our outer parts and VMamba's blocks."""
    torch.manual_seed(5)
    ours = build_model(config).state_dict()
    theirs: TensorDict = {}
    for name, tensor in ours.items():
        if ".norm" not in name and ".mixer." not in name and ".feed_forward." not in name:
            theirs[name] = torch.randn_like(tensor) * 0.1
    for name in ours:
        if not name.endswith("mixer.project_in.weight"):
            continue
        start, width = name.removesuffix("mixer.project_in.weight"), ours[name].shape[1]
        parts = random_ss2d(width, ours[name].shape[0], config.state_size, gate=config.gate)
        theirs |= {f"{start}{op}.{part}": tensor for part, tensor in parts.items()}
        theirs |= {f"{start}{norm}.{part}": torch.randn(width) for part in ("weight", "bias")}
        if config.feed_forward:
            hidden = int(config.feed_forward * width)
            shapes = {"norm2.weight": (width,), "norm2.bias": (width,),
                      "mlp.fc1.weight": (hidden, width), "mlp.fc1.bias": (hidden,),
                      "mlp.fc2.weight": (width, hidden), "mlp.fc2.bias": (width,)}  # fmt: skip
            theirs |= {start + part: torch.randn(shape) * 0.3 for part, shape in shapes.items()}
    return theirs


@pytest.fixture(scope="session")
def vmamba_network() -> Callable[..., TensorDict]:
    """vmamba_network(config, op, norm): a state dict; see `network_of`."""
    return network_of


@pytest.fixture(scope="session")
def vmamba_block() -> Callable[..., Tensor]:
    """vmamba_block(x, parameters, op, gate): what VMamba computes; see `block_of`."""
    return block_of


@pytest.fixture
def theirs() -> TensorDict:
    """A small network with blocks of v0."""
    return network_of(V0, "op", "norm")


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """saved(tensors, name="theirs.safetensors"): a file of them, without a configuration."""

    def save(tensors: TensorDict, name: str = "theirs.safetensors") -> Path:
        path = tmp_path / name
        save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, path)
        return path

    return save
