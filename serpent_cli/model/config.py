"""`ModelConfig`: every size of the network in one frozen record, stored in the weight file."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Literal, Self, cast, get_args, get_type_hints

from serpent_cli.errors import ModelError
from serpent_cli.version import DISTRIBUTION

FORMAT_VERSION = 1

# A file from elsewhere names these sizes: within them a network is laid out in a second or two.
MAX_WIDTH, MAX_DEPTH, MAX_STATE_SIZE, MAX_PATCH_SIZE, MAX_RATIO = 8192, 32, 256, 16, 8
MAX_CHANNELS, MAX_TURNS = 512, 32

MIN_WINDOW = 64  # patches: 8 tokens at the coarsest of four scales
EVSSM_FIXED: dict[str, Any] = {
    "mixer": "evssm", "patch_size": 1, "scale": 1, "depth_bottleneck": 0, "gate": True,
    "feed_forward_kind": "frequency", "feed_forward_from": 0, "join": "add", "residual": "image",
    "border": "zeros", "channels": 3,
}  # fmt: skip
"""What the topology `evssm` leaves no choice about."""

SNAPSHOT_FIXED: dict[str, Any] = {
    "mixer": "ss2d", "patch_size": 1, "scale": 1, "depth_bottleneck": 0, "residual": "image",
}  # fmt: skip
"""What the topologies `cst` and `cfsdcn`, which have blocks of their own, leave no choice about."""

CFSDCN_GROUPS = 7
"""Of channels that one deformable convolution moves together, which divide all widths."""

ASLE_FIXED: dict[str, Any] = {**SNAPSHOT_FIXED, "expand": 2.0, "gate": True}
"""What the topology `asle` leaves no choice about."""

ASLE_DEPTH = 4
"""Bands of its local cubes, which divide twice each width."""

UNFOLDING_FIXED: dict[str, Any] = {"scale": 1, "residual": "image"}
"""What the topology `unfolding` leaves no choice about."""

Mixer = Literal["ss2d", "spatial", "plain", "v2m", "mhs", "evssm"]
Topology = Literal["serpent", "evssm", "cst", "cfsdcn", "asle", "unfolding"]
SNAPSHOT_TOPOLOGIES: tuple[Topology, ...] = ("cst", "cfsdcn", "asle", "unfolding")
"""Those that reconstruct coded snapshots."""

Join = Literal["add", "concat"]
Residual = Literal["none", "image"]
FeedForwardKind = Literal["mlp", "frequency"]
Border = Literal["zeros", "replicate"]


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of one Serpent network.

    The paper (arXiv 2403.17902) publishes the topology but none of these numbers, so every value,
    and the presets below, are our own choice.

    Attributes:
        patch_size: Side of the square of pixels that becomes one token, in pixels.
        widths: Channels C at the four token scales (three in EVSSM's network), finest first.
        depths_down: Blocks in each of the S-blocks D1, D2, D3.
        depth_bottleneck: Blocks in the S-block B.
        depths_up: Blocks in each of the S-blocks U1, U2, U3 (U1 is the last before the picture).
        mixer: Token mixer of every block: `ss2d` (VMamba), `spatial` (Spatial-Mamba), `plain`
            (PlainMamba), `v2m` (V2M), `mhs` (MHS-VM) or `evssm` (EVSSM).
        state_size: N, states per channel of the scan.
        expand: D / C, inner channels over block channels.
        gate: Multiply the mixer's output by SiLU of a second projection (VMamba v0, Spatial-Mamba).
        feed_forward: Hidden channels of the feed-forward over C; 0 leaves it out (VMamba v0).
        feed_forward_from: First token scale whose blocks have it: 0, the finest, to 3.
        feed_forward_kind: `mlp` (VMamba) or `frequency` (EVSSM's, which also weighs local
            frequencies).
        border: What the first convolution sees beyond the picture: `zeros`, a black frame that
            leaves a rim on bright flat pictures, or `replicate`, the outermost pixels again.
        join: How the skips meet the decoder: `add`, or `concat` and a linear map back to C.
        residual: `image` adds the (bicubically enlarged) input to the output.
        topology: `serpent`, or EVSSM's own network `evssm`: patches of one pixel, three scales, no
            bottleneck, and in every block the evssm mixer and a feed-forward of local frequencies;
            or `cst`, which reconstructs coded snapshots: C, 2 C and 4 C channels at three scales
            for C bands, as many blocks on the way up as down; or `cfsdcn`, which does so by
            deformable convolutions, for any number of bands; or `asle`, by scans through windows
            and local cubes, likewise; or `unfolding`, by a Serpent within a few turns of
            projection.
        window: Side of the windows in input pixels, at the finest scale, that the evssm mixer scans
            one by one at inference, in as many tokens less at coarser ones; 0: the whole map.
        heads: Of the mixer `mhs`: 3, or 4 to scan along plain rows and columns too.
        scale: Output pixels per input pixel and axis: 1, 2, 4 or 8.
        channels: Of the picture: 3, or bands of a cube that are restored at once.
        turns: Of the topology `unfolding`.
        estimators: Of the topology `cst`: networks in a row that look for detail; 2 in CST-L.
        version: Version of this record's meaning.
    """

    patch_size: int = 2
    widths: tuple[int, ...] = (32, 64, 128, 256)
    depths_down: tuple[int, int, int] = (1, 1, 1)
    depth_bottleneck: int = 1
    depths_up: tuple[int, int, int] = (1, 1, 1)
    mixer: Mixer = "ss2d"
    state_size: int = 1
    expand: float = 2.0
    gate: bool = True
    feed_forward: float = 0.0
    feed_forward_from: int = 0
    feed_forward_kind: FeedForwardKind = "mlp"
    border: Border = "zeros"
    join: Join = "add"
    residual: Residual = "image"
    scale: int = 1
    heads: int = 4
    topology: Topology = "serpent"
    window: int = 0
    channels: int = 3
    turns: int = 1
    estimators: int = 1
    version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        """Refuse what no network can be built from."""
        choices = {
            "mixer": Mixer,
            "border": Border,
            "join": Join,
            "residual": Residual,
            "topology": Topology,
            "feed_forward_kind": FeedForwardKind,
        }
        for field, literal in choices.items():
            if getattr(self, field) not in get_args(literal):
                allowed = ", ".join(get_args(literal))
                raise ModelError(f"the model's {field} must be one of {allowed}")
        if self.version != FORMAT_VERSION:
            raise ModelError(
                f"the model has format version {self.version}, this program reads {FORMAT_VERSION}",
                hint=f"update {DISTRIBUTION}, or take weights made for this version",
            )
        self._check_topology()
        if self.scale not in (1, 2, 4, 8):
            raise ModelError("the model's scale must be 1, 2, 4 or 8")
        if self.mixer == "spatial" and self.state_size != 1:
            raise ModelError("the spatial mixer fuses a single state: state_size must be 1")
        self._check_heads()
        self._check_sizes()

    def _check_topology(self) -> None:
        """Refuse what the network around the blocks does not have."""
        four = self.topology in ("serpent", "unfolding")
        count, number = (4, "four") if four else (3, "three")
        if len(self.widths) != count or len(self.depths_down) != 3 or len(self.depths_up) != 3:
            raise ModelError(f"the model needs {number} widths and three depths on either side")
        fixed: dict[str, Any] = {
            "evssm": EVSSM_FIXED, "cst": SNAPSHOT_FIXED, "cfsdcn": SNAPSHOT_FIXED,
            "asle": ASLE_FIXED, "unfolding": UNFOLDING_FIXED,
        }.get(self.topology, {})  # fmt: skip
        if self.topology != "unfolding":
            fixed = {**fixed, "turns": 1}
        if self.topology != "cst":
            fixed = {**fixed, "estimators": 1}
        for field, value in fixed.items():
            if getattr(self, field) != value:
                raise ModelError(
                    f"the topology {self.topology} needs {field} = {json.dumps(value)}"
                )
        if self.topology == "evssm" and self.feed_forward <= 0:
            raise ModelError("the topology evssm needs a feed_forward")
        if self.topology in ("cst", "cfsdcn", "asle"):
            self._check_doubling()

    def _check_doubling(self) -> None:
        """Refuse what the U-Nets of two steps do not have."""
        c = self.channels if self.topology == "cst" else self.widths[0]
        if self.widths != (c, 2 * c, 4 * c) or self.depths_up != self.depths_down:
            of = "its channels" if self.topology == "cst" else "the first of them"
            raise ModelError(
                f"the topology {self.topology} needs 1, 2 and 4 times {of} as widths, and depths_up"
                " like depths_down"
            )
        if self.topology == "cfsdcn" and c % CFSDCN_GROUPS:
            raise ModelError(f"the topology cfsdcn needs widths that {CFSDCN_GROUPS} divides")
        if self.topology == "asle" and 2 * c % ASLE_DEPTH:
            raise ModelError(f"the topology asle needs widths that {ASLE_DEPTH // 2} divides")

    def _check_heads(self) -> None:
        if self.heads not in (3, 4):
            raise ModelError("the model's heads must be 3 or 4")
        if self.mixer != "mhs":
            return
        if self.expand != 1:
            raise ModelError("the mhs mixer scans its block's own channels: expand must be 1")
        if any(width % self.heads for width in self.widths):
            raise ModelError(f"the mhs mixer has {self.heads} heads: they must divide all widths")

    def _check_sizes(self) -> None:
        depths = (*self.depths_down, *self.depths_up)
        if self.topology in ("serpent", "unfolding"):
            depths += (self.depth_bottleneck,)
        if not 1 <= self.channels <= MAX_CHANNELS or (self.channels != 3 and self.scale != 1):
            raise ModelError(
                f"the model's channels must be 1 to {MAX_CHANNELS}, and 3 where it enlarges"
            )
        least = min(*self.widths, *depths, self.patch_size, self.state_size)
        if least < 1 or max(self.widths) > MAX_WIDTH or max(depths) > MAX_DEPTH:
            raise ModelError(
                "the model's widths, depths, patch and state size must be positive, widths at most"
                f" {MAX_WIDTH} and depths at most {MAX_DEPTH}"
            )
        ratios = 0 < self.expand <= MAX_RATIO and 0 <= self.feed_forward <= MAX_RATIO
        if not ratios or self.patch_size > MAX_PATCH_SIZE or self.state_size > MAX_STATE_SIZE:
            raise ModelError(
                "the model's expand, feed_forward, patch_size or state_size is out of range"
            )
        if not (1 <= self.turns <= MAX_TURNS and 1 <= self.estimators <= MAX_TURNS):
            raise ModelError(f"the model's turns and estimators must be 1 to {MAX_TURNS}")
        if self.window < 0 or 0 < self.window < MIN_WINDOW * self.patch_size:
            raise ModelError(
                f"the model's window must be 0, or at least {MIN_WINDOW} of its patches"
            )
        if not 0 <= self.feed_forward_from < 4:
            raise ModelError("the model's feed_forward_from must be a token scale, 0 to 3")
        narrowest = min(self.widths)
        empty = self.feed_forward > 0 and int(narrowest * self.feed_forward) < 1
        if empty or self.inner(narrowest) < 1:
            raise ModelError("the model's expand or feed_forward leaves a block without channels")

    def has_feed_forward(self, level: int) -> bool:
        """Whether blocks at a token scale, 0 (finest) to 3, have a feed-forward."""
        return self.feed_forward > 0 and level >= self.feed_forward_from

    def inner(self, width: int) -> int:
        """D, the inner channels of a block of `width` channels."""
        return int(self.expand * width)

    def window_tokens(self, level: int) -> int:
        """Side of the windows of a token scale, in tokens; 0: the whole map."""
        return self.window // self.patch_size >> level

    @staticmethod
    def delta_rank(width: int) -> int:
        """R = ceil(C / 16), the rank of the step size δ."""
        return -(-width // 16)

    def record(self) -> dict[str, Any]:
        """The sizes by name, without the later ones where they say nothing new.

        So files of older versions, and what is derived from them, stay what they are.
        """
        record = dataclasses.asdict(self)
        for name, value in LATER.items():
            if record[name] == value:
                del record[name]
        return record

    def to_json(self) -> str:
        """The record as one line of JSON."""
        return json.dumps(self.record(), sort_keys=True)

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Self:
        """Build a config from parsed JSON or TOML.

        Raises:
            ModelError: A key is unknown, or a value has the wrong type or range.
        """
        if not isinstance(cast("object", record), dict):
            raise ModelError("the model's configuration is no table of names and values")
        types = get_type_hints(cls)
        if unknown := sorted(set(record) - set(types)):
            # They may be of a stranger's file: short, and nothing that moves a terminal's cursor.
            names = ", ".join(ascii(key)[1:-1][:40] for key in unknown[:8])
            raise ModelError(f"the model's configuration has unknown keys: {names}")
        try:
            values: dict[str, Any] = {
                key: _whole_numbers(key, value) if isinstance(value, list | tuple) else value
                for key, value in record.items()
            }
            for key, value in values.items():
                default = cls.__dataclass_fields__[key].default
                same = isinstance(value, type(default)) and isinstance(value, bool) == isinstance(
                    default, bool
                )
                if not same and not (isinstance(default, float) and type(value) is int):
                    raise TypeError(f"{key} must be {type(default).__name__}")
            return cls(**values)
        except (TypeError, ValueError) as error:
            raise ModelError(f"the model's configuration is malformed: {error}") from error


def _whole_numbers(key: str, values: list[Any] | tuple[Any, ...]) -> tuple[int, ...]:
    if not all(type(value) is int for value in values):
        raise TypeError(f"{key} must be whole numbers")
    return tuple(values)


LATER: dict[str, Any] = {
    "border": "zeros", "heads": 4, "topology": "serpent", "window": 0, "channels": 3,
    "turns": 1, "estimators": 1,
}  # fmt: skip
"""Fields that came after the first weights, with the values that mean what was before them."""

PRESETS: dict[str, ModelConfig] = {
    "tiny": ModelConfig(widths=(24, 48, 96, 192)),
    "small": ModelConfig(),
    "base": ModelConfig(
        widths=(48, 96, 192, 384),
        depths_down=(1, 1, 2),
        depth_bottleneck=2,
        depths_up=(2, 2, 2),
    ),
    "large": ModelConfig(
        widths=(64, 128, 256, 512),
        depths_down=(2, 2, 4),
        depth_bottleneck=4,
        depths_up=(2, 2, 4),
    ),
}
"""Named sizes of our own; the paper publishes none."""
