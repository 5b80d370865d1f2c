"""`Recipe`: everything that decides a training run, read from a TOML file."""

import dataclasses
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from serpent_cli.degrade.ranges import CUBE_TASKS, DegradeConfig
from serpent_cli.degrade.sensor import CubeHarm
from serpent_cli.degrade.tables import read_table
from serpent_cli.errors import SerpentError, UsageError, reason_of
from serpent_cli.model.config import PRESETS, SNAPSHOT_TOPOLOGIES, ModelConfig
from serpent_cli.model.limits import size_multiple


@dataclass(frozen=True)
class DataSection:
    """How crops are cut.

    Attributes:
        crop: Side of a crop of the sharp picture, in pixels.
        halo: Pixels blurred around it and cut away, so that no crop border is reflected; a multiple
            of the scale.
        batch: Crops per step, over all micro-batches and processes.
        flat_share: Share of crops that become flat areas of few colours.
        frame_share: Share of crops that get a frame of one colour.
        lettering_share: Share of crops on which lettering is drawn.
    """

    crop: int = 128
    halo: int = 16
    batch: int = 8
    flat_share: float = 0.0
    frame_share: float = 0.0
    lettering_share: float = 0.0


@dataclass(frozen=True)
class OptimSection:
    """How the weights move: AdamW or Muon, linear warm-up, cosine decay.

    Attributes:
        steps: Optimizer steps of the run.
        lr: Peak learning rate.
        lr_end: Learning rate of the last step.
        warmup: Steps of linear warm-up.
        muon: Move plain matrices by orthogonalised momentum (Jordan et al., 2024; scaled as in
            arXiv 2502.16982), and the other weights by AdamW, which moves all by default.
        betas: AdamW's decay rates.
        weight_decay: Decoupled decay, on matrices and kernels only.
        clip: Largest gradient norm; larger ones are scaled down.
        ema: Decay of the averaged weights, which are the ones exported.
        start_share: Share of the weights that the run began with in the weights exported; the
            averaged ones are the rest. A later leg then forgets less of what earlier ones learnt
            (Wortsman et al., arXiv 2109.01903).
        precision: `fp32`, `bf16` for autocast with fp32 weights, or `auto`: bf16 where the hardware
            multiplies it faster, fp32 elsewhere.
        accumulate: Micro-batches into which a batch is cut, for less memory.
        checkpointing: Compute blocks anew for their gradients, for less memory.
    """

    steps: int = 20_000
    lr: float = 1.5e-3
    lr_end: float = 1e-6
    warmup: int = 200
    muon: bool = False
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    clip: float = 1.0
    ema: float = 0.999
    start_share: float = 0.0
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    accumulate: int = 1
    checkpointing: bool = False


@dataclass(frozen=True)
class LossSection:
    """What is minimised: distances, and for crisp pictures what `training.texture` adds.

    Attributes:
        charbonnier: ε in mean sqrt(d² + ε²); d in units of full scale.
        fft: Weight of the mean absolute difference of the orthonormal 2-D spectra.
        decibel: Weight of the mean logarithm of small squares' mean square errors.
        perceptual: Weight of ST-LPIPS.
        adversarial: Weight of not deceiving a discriminator, which learns beside the network.
        low_frequency: Weight of the rms error of the pictures reduced by the scale.
        teacher: Name or path of weights that deblur; the target of a crop whose degradation is
            `taught` is their picture, wherever it is nearer to the truth than the network's.
    """

    charbonnier: float = 1e-3
    fft: float = 0.05
    decibel: float = 0.0
    perceptual: float = 0.0
    adversarial: float = 0.0
    low_frequency: float = 0.0
    teacher: str = ""


@dataclass(frozen=True)
class ValidationSection:
    """How the run is watched on photographs that it does not train on.

    Attributes:
        every: Steps between two measurements; 0 for none.
        photos: Photographs kept out of training, unless others are given.
        crop: Side of the crop of each, in pixels.
    """

    every: int = 0
    photos: int = 8
    crop: int = 256


@dataclass(frozen=True)
class LogSection:
    """How often the run speaks and saves.

    Attributes:
        every: Steps between lines of the log.
        checkpoint_minutes: Minutes between checkpoints.
    """

    every: int = 100
    checkpoint_minutes: float = 3.0


@dataclass(frozen=True)
class Recipe:
    """One training run.

    Attributes:
        name: Name of the weights that it makes.
        description: One sentence for the card.
        seed: Seed of weights, crops and degradations.
        model: Sizes of the network.
        degrade: The degradation that is to be undone; its task and scale are the model's.
        limits: Sentences for the card: what the weights will not do.
        cubes: What happens to cubes, where the network is for them; they are made of the
            photographs (`degrade.spectra`).
    """

    name: str
    description: str
    degrade: DegradeConfig
    model: ModelConfig
    seed: int = 0
    data: DataSection = field(default_factory=DataSection)
    optim: OptimSection = field(default_factory=OptimSection)
    loss: LossSection = field(default_factory=LossSection)
    validation: ValidationSection = field(default_factory=ValidationSection)
    log: LogSection = field(default_factory=LogSection)
    limits: tuple[str, ...] = ()
    cubes: CubeHarm | None = None


def read_recipe(path: Path) -> Recipe:
    """Read and check a recipe.

    Raises:
        UsageError: The file is missing, no TOML, or has an unknown or malformed entry.
    """
    try:
        record = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read the recipe {path}: {reason_of(error)}") from error
    except ValueError as error:
        raise UsageError(f"the recipe {path} is not valid TOML: {error}") from error
    try:
        return parse_recipe(record)
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}", hint=error.hint) from error
    except (SerpentError, TypeError, ValueError, KeyError) as error:
        raise UsageError(f"the recipe {path} is malformed: {error}") from error


def parse_recipe(record: dict[str, Any]) -> Recipe:
    """Build a recipe from parsed TOML; a model may name a `preset` and change single fields."""
    record = dict(record)
    model = dict(record.pop("model", {}))
    preset = model.pop("preset", "small")
    if preset not in PRESETS:
        raise UsageError(
            f"there is no preset {preset!r}", hint=f"the presets are {', '.join(PRESETS)}"
        )
    config = ModelConfig.from_dict({**dataclasses.asdict(PRESETS[preset]), **model})
    recipe = Recipe(
        name=record.pop("name"),
        description=record.pop("description"),
        seed=record.pop("seed", 0),
        limits=tuple(record.pop("limits", ())),
        model=config,
        degrade=DegradeConfig.from_dict(record.pop("degrade")),
        data=read_table(DataSection, record.pop("data", {}), "data"),
        optim=read_table(OptimSection, record.pop("optim", {}), "optim"),
        loss=read_table(LossSection, record.pop("loss", {}), "loss"),
        validation=read_table(ValidationSection, record.pop("validation", {}), "validation"),
        log=read_table(LogSection, record.pop("log", {}), "log"),
        cubes=_cubes(record.pop("cubes", None), config),
    )
    if record:
        raise UsageError(f"unknown entries: {', '.join(sorted(record))}")
    _check_sizes(recipe)
    return recipe


def _check_sizes(recipe: Recipe) -> None:
    multiple = size_multiple(recipe.model) * recipe.model.scale
    for name, side in (("data", recipe.data.crop), ("validation", recipe.validation.crop)):
        if side % multiple or side < 1:
            raise UsageError(f"{name}.crop must be a multiple of {multiple} for this model")
    if min(recipe.data.flat_share, recipe.data.frame_share) < 0 or (
        recipe.data.flat_share + recipe.data.frame_share > 1
    ):
        raise UsageError("data.flat_share and data.frame_share must be shares of one whole")
    if not 0 <= recipe.data.lettering_share <= 1:
        raise UsageError("data.lettering_share must lie between 0 and 1")
    for name in ("perceptual", "adversarial", "low_frequency"):
        if getattr(recipe.loss, name) < 0:
            raise UsageError(f"loss.{name} must not be negative")
    if recipe.data.halo % recipe.model.scale:
        raise UsageError(f"data.halo must be a multiple of the scale {recipe.model.scale}")
    if recipe.optim.precision not in ("auto", "fp32", "bf16"):
        raise UsageError(
            f"optim.precision must be auto, fp32 or bf16, not {recipe.optim.precision!r}"
        )
    if not 1 <= recipe.optim.accumulate <= recipe.data.batch:
        raise UsageError("optim.accumulate must be between 1 and data.batch")
    if not 0 <= recipe.optim.start_share < 1:
        raise UsageError("optim.start_share must be at least 0 and below 1")
    if recipe.validation.every < 0 or recipe.validation.photos < 1:
        raise UsageError("validation.every must not be negative, validation.photos at least 1")
    if (recipe.degrade.task in CUBE_TASKS) != (recipe.model.channels != 3):
        raise UsageError("the tasks of cubes, and only they, need model.channels other than 3")
    if (recipe.degrade.task == "reconstruct") != (recipe.model.topology in SNAPSHOT_TOPOLOGIES):
        raise UsageError(
            f"the topologies {', '.join(SNAPSHOT_TOPOLOGIES)} are for the task reconstruct, and no"
            " other one is"
        )
    crisp = recipe.loss.perceptual or recipe.loss.adversarial or recipe.data.lettering_share
    if recipe.cubes is not None and (crisp or recipe.data.flat_share or recipe.data.frame_share):
        raise UsageError("flat and framed crops, lettering and crisp losses are for photographs")
    _check_teacher(recipe)
    if recipe.degrade.scale != recipe.model.scale:
        raise UsageError("degrade.scale and model.scale must be equal")


def _cubes(record: object, config: ModelConfig) -> CubeHarm | None:
    """What happens to cubes; None in a recipe for photographs."""
    if record is None:
        return None if config.channels == 3 else CubeHarm()
    harm = read_table(CubeHarm, record, "cubes")
    harm.check()
    return harm


def _check_teacher(recipe: Recipe) -> None:
    """Refuse a teacher without pupils, pupils without a teacher, and what none can teach."""
    taught = any(way.taught for way in recipe.degrade.mixture)
    if taught != bool(recipe.loss.teacher):
        raise UsageError(
            "loss.teacher and degradations that are taught need each other",
            hint="set `taught = true` in a [[degrade.mixture]], or leave loss.teacher out",
        )
    if taught and recipe.degrade.task != "deblur":
        raise UsageError(f"loss.teacher is for the task deblur, not {recipe.degrade.task}")
    if taught and (recipe.loss.perceptual or recipe.loss.adversarial):
        raise UsageError("loss.teacher does not go with crisp losses: those want real detail")
