"""The names that the authors of hyperspectral networks give their parameters, mapped to ours.

For SSUMamba, CST, CFSDCN and S²Mamba. Each rule replaces whole parts of a dotted name, wherever
they are; all rules of a network are applied, one after the other. Layouts follow what our network
has: a 1×1 convolution may be a linear map, the projection of both halves is cut into two. What
nothing uses, SSUMamba's outputs at coarser scales, is left out.
"""

import re
from collections.abc import Mapping

from torch import Tensor

Rule = tuple[str, str]

UNUSED = r"decoder\.seg_layers\.[0-3]\..*"
_FEED_FORWARD: tuple[Rule, ...] = (
    (r"net\.0", "expand"), (r"net\.2", "conv"), (r"net\.4", "reduce"),
)  # fmt: skip
RULES: dict[str, tuple[Rule, ...]] = {
    "ssumamba": (
        (r"decoder\.seg_layers\.4", "head"),
        (r"decoder\.stages", "stages_up"),
        (r"decoder\.upsample_layers\.(\d)\.conv", r"narrow.\1"),
        (r"encoder\.mamba_layers", "scans"),
        (r"encoder\.(stem|stages)", r"\1"),
        (r"conv_first", "embed"),
        (r"conv_last", "output"),
        (r"conv3", "project"),
        (r"conv([12])\.(conv|norm)", r"\2\1"),
        (r"(?:mamba\.)?A_log", "scan.A_log"),
        (r"(?:mamba\.)?A_b_log", "scan_back.A_log"),
        (r"(?:mamba\.)?D", "scan.D_skip"),
        (r"(?:mamba\.)?D_b", "scan_back.D_skip"),
        (r"(?:mamba\.)?x_proj_b", "scan_back"),
        (r"(?:mamba\.)?x_proj", "scan"),
        (r"(?:mamba\.)?dt_proj_b\.(weight|bias)", r"scan_back.dt_\1"),
        (r"(?:mamba\.)?dt_proj\.(weight|bias)", r"scan.dt_\1"),
        (r"(?:mamba\.)?conv1d_b", "conv_back"),
        (r"(?:mamba\.)?conv1d", "conv"),
        (r"(?:mamba\.)?in_proj", "project_in"),
        (r"(?:mamba\.)?out_proj", "project_out"),
    ),
    "cst": (
        (r"fution", "fuse"),
        (r"fe\.([01])(?=\.[a-z])", r"estimators.\1"),
        (r"fe", "estimators.0"),
        (r"estimators\.(\d)\.in_proj", r"estimators.\1.embed"),
        (r"estimators\.(\d)\.encoder_layers\.(\d)\.0", r"estimators.\1.down.\2.expand"),
        (r"estimators\.(\d)\.encoder_layers\.(\d)\.1", r"estimators.\1.down.\2.conv"),
        (r"estimators\.(\d)\.encoder_layers\.(\d)\.2", r"estimators.\1.down.\2.reduce"),
        (r"bottleneck\.convs\.([01])\.0", r"bottleneck.near.\1"),
        (r"bottleneck\.convs\.2\.1", "bottleneck.whole"),
        (r"bottleneck\.project\.0", "bottleneck.project"),
        (r"estimators\.(\d)\.decoder_layers\.(\d)\.0", r"estimators.\1.enlarge.\2"),
        (r"estimators\.(\d)\.decoder_layers\.(\d)\.1", r"estimators.\1.up.\2.expand"),
        (r"estimators\.(\d)\.decoder_layers\.(\d)\.2", r"estimators.\1.up.\2.conv"),
        (r"estimators\.(\d)\.decoder_layers\.(\d)\.3", r"estimators.\1.up.\2.reduce"),
        (r"out_conv2", "output"),
        (r"encoder_layers\.(\d)\.0\.blocks", r"down.\1"),
        (r"encoder_layers\.(\d)\.1", r"shrink.\1"),
        (r"bottleneck\.blocks", "bottleneck"),
        (r"decoder_layers\.(\d)\.0", r"enlarge.\1"),
        (r"decoder_layers\.(\d)\.1\.blocks", r"up.\1"),
        (r"out_proj", "output"),
        (r"attn\.norm", "norm"),
        (r"attn\.fn", "mixer"),
        (r"to_(q|k|v|out)", r"project_\1"),
        (r"ffn\.norm", "norm_feed_forward"),
        (r"ffn\.fn", "feed_forward"),
        *_FEED_FORWARD,
    ),
    "cfsdcn": (
        (r"fution", "fuse"),
        (r"patch_embed\.proj", "embed"),
        (r"patch_embed\.norm", "norm"),
        (r"encoder_layers\.(\d)\.0\.blocks", r"down.\1"),
        (r"encoder_layers\.(\d)\.1", r"shrink.\1"),
        (r"bottleneck\.blocks", "bottleneck"),
        (r"decoder_layers\.(\d)\.0", r"enlarge.\1"),
        (r"decoder_layers\.(\d)\.1", r"join.\1"),
        (r"decoder_layers\.(\d)\.2\.blocks", r"up.\1"),
        (r"mapping", "output"),
        (r"norm1\.0", "norm"),
        (r"norm2\.0", "norm_feed_forward"),
        (r"dcn", "mixer"),
        (r"dw_conv\.0", "conv"),
        (r"dw_conv\.1\.1", "norm"),
        (r"input_proj", "project_in"),
        (r"output_proj", "project_out"),
        (r"ca", "feed_forward"),
        *_FEED_FORWARD,
    ),
    "s2mamba": (
        (r"patch_embed\.proj\.0", "embed"),
        (r"blocks\.0\.ln", "norm"),
        (r"blocks\.0\.PCS", "spatial"),
        (r"blocks\.0\.BSS", "spectral"),
        (r"fusion\.FFN_softmax\.net\.0", "gates.norm"),
        (r"fusion\.FFN_softmax\.net\.1", "gates.expand"),
        (r"fusion\.FFN_softmax\.net\.3", "gates.reduce"),
        (r"x_proj_weight(?:_spectral)?", "scan.weight"),
        (r"dt_projs_(weight|bias)(?:_spectral)?", r"scan.dt_\1"),
        (r"A_logs(?:_spectral)?", "scan.A_log"),
        (r"Ds(?:_spectral)?", "scan.D_skip"),
        (r"in_proj", "project_in"),
        (r"out_proj", "project_out"),
        (r"conv2d", "conv"),
        (r"out_norm(?:_spectral)?", "norm"),
    ),
}
"""By network: parts of its author's names, and ours."""


def translate_hyperspectral(
    kind: str, tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Give an author's parameters our names and layouts.

    Args:
        kind: `ssumamba`, `cst`, `cfsdcn` or `s2mamba`.
        tensors: By the author's names.
        wanted: The state dict of our network, or of a part of it that has a name of its own there.

    Returns:
        By our names. A name or layout that fits nothing stays as it is, for whoever loads it to
        complain about.
    """
    made: dict[str, Tensor] = {}
    for theirs, tensor in tensors.items():
        if re.fullmatch(UNUSED, theirs):
            continue
        name = ours(kind, theirs)
        gate = name.replace("project_in.", "project_gate.")
        if gate != name and gate in wanted:
            made[name], made[gate] = tensor.chunk(2)
        else:
            made[name] = laid_out(name, tensor, wanted.get(name))
    return made


def ours(kind: str, name: str) -> str:
    """Our name of a parameter of a network."""
    for pattern, part in RULES[kind]:
        name = re.sub(rf"(?:(?<=\.)|^)(?:{pattern})(?=\.|$)", part, name)
    return name


def laid_out(name: str, tensor: Tensor, wanted: Tensor | None) -> Tensor:
    """The same numbers in the shape of ours, where only axes of one or K·D tell them apart."""
    if name.endswith("dt_weight"):
        tensor = tensor.transpose(-1, -2)
    if wanted is None or tensor.numel() != wanted.numel():
        return tensor
    long = [[size for size in shape if size > 1] for shape in (tensor.shape, wanted.shape)]
    if long[0] == long[1] or name.endswith(("A_log", "D_skip")):
        return tensor.reshape(wanted.shape)
    return tensor
