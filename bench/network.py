"""The network against its own matrix products and convolutions; large pictures against small."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.shares import seconds_by_kind, share_rows
from bench.timing import Row, fastest
from serpent_cli.imaging.picture import Picture
from serpent_cli.model.mixers.selective import SelectiveParameters
from serpent_cli.restoration.restorer import Restorer
from serpent_cli.zoo.load import load_model

PRODUCTS_BAR, LARGE_BAR = 2.5, 1.25


def products(model: nn.Module, image: Tensor) -> list[Callable[[], Tensor]]:
    """Every matrix product and convolution of one forward pass, on inputs of its own shape."""
    calls: list[Callable[[], Tensor]] = []
    original = SelectiveParameters.project

    def linear(module: nn.Linear, args: tuple[Tensor]) -> None:
        x, weight, bias = torch.randn_like(args[0]), module.weight, module.bias
        calls.append(lambda: functional.linear(x, weight, bias))

    def convolution(module: nn.Conv2d, args: tuple[Tensor]) -> None:
        x = torch.randn_like(args[0])
        if x.shape[1] != module.in_channels:  # a depthwise one, which takes channels last
            x = x.permute(0, 3, 1, 2)
        groups = module.groups
        calls.append(
            lambda: functional.conv2d(x, module.weight, module.bias, padding=1, groups=groups)
        )

    def project(self: SelectiveParameters, u: Tensor) -> Tensor:
        x, weight = torch.randn_like(u), self.weight.flatten(0, 1)
        calls.append(lambda: functional.linear(x, weight))
        return original(self, u)

    hooks = [
        module.register_forward_pre_hook(linear if isinstance(module, nn.Linear) else convolution)
        for module in model.modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
    ]
    SelectiveParameters.project = project
    try:
        model(image)
    finally:
        SelectiveParameters.project = original
        for hook in hooks:
            hook.remove()
    return calls


def batch_rows(model: nn.Module) -> list[Row]:
    """Small pictures of one shape together, against the same one by one."""
    found: list[Row] = []
    for side in (64, 128, 256):
        several = torch.rand(8, 3, side, side)
        alone = fastest(lambda several=several: [model(one[None]) for one in several])
        together = fastest(lambda several=several: model(several))
        found.append(Row(f"8 pictures of {side}² at once", together * 1e3, "ms", alone * 1e3))
    return found


def precision_rows(model: nn.Module, image: Tensor) -> list[Row]:
    """Seconds per megapixel of the network alone in fp32 and bf16, and where they go."""
    found: list[Row] = []
    for name, half in (("fp32", False), ("bf16", True)):

        def run(half: bool = half) -> None:
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                model(image)

        seconds = fastest(run) * 2**20 / (image.shape[2] * image.shape[3])
        found.append(Row(f"network {image.shape[2]}², {name}", seconds, "s/MP"))
        found += share_rows(name, seconds_by_kind(run))
    return found


def rows() -> list[Row]:
    """Network over products, shares in fp32 and bf16, s/MP at 4096 over 512, several at once."""
    restorer = Restorer.from_pretrained("deblur")
    model, _ = load_model("deblur", torch.device("cpu"))
    with torch.inference_mode():
        image = torch.rand(1, 3, 512, 512)
        calls = products(model, image)
        alone = fastest(lambda: [call() for call in calls])
        whole = fastest(lambda: model(image))
        precisions = precision_rows(model, image)
        batches = batch_rows(model)
    generator = np.random.default_rng(0)
    per_megapixel = {}
    for side, runs in ((512, 5), (4096, 1)):
        picture = Picture(generator.integers(0, 256, (side, side, 3), dtype=np.uint8))
        seconds = fastest(lambda picture=picture: restorer.restore(picture), runs)
        per_megapixel[side] = seconds * 2**20 / side**2
    plan = restorer.plan(4096, 4096)
    return [
        Row("network 512², fp32", whole * 1e3, "ms", alone * 1e3, PRODUCTS_BAR),
        Row(f"4096² in {plan.tiles} tiles of at most {plan.tile}", per_megapixel[4096], "s/MP",
            per_megapixel[512], LARGE_BAR),
        *precisions,
        *batches,
    ]  # fmt: skip
