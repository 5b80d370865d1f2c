"""From a name to a file of weights and its card: bundled, by path, in the cache, or on the Hub."""

import difflib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from serpent_cli.errors import ModelError, UsageError
from serpent_cli.settings import HUB_REPO
from serpent_cli.version import DISTRIBUTION
from serpent_cli.zoo import hub
from serpent_cli.zoo.card import Card
from serpent_cli.zoo.hub_cache import find_cached
from serpent_cli.zoo.names import NATURAL, HubReference, is_hub, is_path, upscaler_name

if TYPE_CHECKING:
    from serpent_cli.zoo.checkpoint import Weights

_PACKAGE = Path(__file__).resolve().parent.parent


def weights_folder() -> Path:
    """Where the bundled weights lie: inside the installed package, or beside it in a checkout."""
    installed = _PACKAGE / "weights"
    return installed if installed.is_dir() else _PACKAGE.parent / "weights"


def list_cards() -> list[Card]:
    """Cards of all bundled and registered weights, by name."""
    paths = sorted(weights_folder().glob("*.json"), key=lambda path: path.stem)
    return [Card.read(path) for path in paths]


@dataclass(frozen=True)
class Source:
    """What a name means.

    Attributes:
        where: A local file, or a file on the Hub.
        card: The registered card; None if it lies beside the file.
    """

    where: Path | HubReference
    card: Card | None = None

    @property
    def cached(self) -> Path | None:
        """The local file, if there is one."""
        if isinstance(self.where, HubReference):
            return find_cached(self.where)
        return self.where if _is_file(self.where) else None


def resolve(name: str) -> Source:
    """Tell what a name means, without the network.

    Args:
        name: A bundled or registered name such as `deblur`, hf://owner/repo[@revision][/file], or a
            path: with a separator, or ending in `.safetensors`.

    Raises:
        ModelError: No such name, or no such file.
    """
    if is_hub(name):
        return Source(HubReference.parse(name))
    if is_path(name):
        if not _is_file(Path(name)):
            raise ModelError(f"there are no weights at {name}", hint=_forms(name))
        return Source(Path(name))
    registered = weights_folder() / f"{name}.json"
    if _is_file(registered):
        card = Card.read(registered)
        where = HubReference.parse(card.hub) if card.hub else weights_folder() / card.file
        return Source(where, card)
    if (repo := HUB_REPO.get()) is not None:
        return Source(HubReference.parse(f"hf://{repo}/{name}.safetensors"))
    raise ModelError(f"there is no model named {name!r}", hint=_suggest(name))


@dataclass(frozen=True)
class Located:
    """Weights that are here.

    Attributes:
        path: Their file.
        card: What is known about them.
    """

    path: Path
    card: Card

    @cached_property
    def weights(self) -> "Weights":
        """What the file holds: opened and read once, however often it is asked for.

        Raises:
            ModelError: It is missing or corrupt.
        """
        if not _is_file(self.path):
            raise _missing(self.path, self.card)
        from serpent_cli.zoo.checkpoint import Weights  # loads torch, which names do not need

        return Weights.read(self.path)


def locate(name: str, on_bytes: hub.OnBytes | None = None) -> Located:
    """Find weights; what is neither bundled nor cached is fetched from the Hub.

    Weights without a card are read, for the file itself is all that tells what they are.

    Args:
        name: See `resolve`.
        on_bytes: Told of the progress of a download.

    Raises:
        ModelError: No such name or file, a malformed card, a file that has none and is none of
            ours, or the Hub cannot give it.
    """
    source = resolve(name)
    path = source.cached
    if path is None:
        if isinstance(source.where, Path):
            assert source.card is not None
            raise _missing(source.where, source.card)
        path = hub.fetch(source.where, source.card.sha256 if source.card else None, on_bytes)
    if source.card is not None:
        return Located(path, source.card)
    beside = path.with_suffix(".json")
    return Located(path, Card.read(beside)) if beside.is_file() else _without_card(path)


def _without_card(path: Path) -> Located:
    from serpent_cli.zoo.checkpoint import Weights

    weights = Weights.read(path)
    weights.check_fit(path)
    found = Located(path, weights.card(path))
    found.__dict__["weights"] = weights  # read already
    return found


def _missing(path: Path, card: Card) -> ModelError:
    return ModelError(
        f"the weights {path} of {card.name} are missing", hint=f"reinstall {DISTRIBUTION}"
    )


def _is_file(path: Path) -> bool:
    """Whether there is such a file; a name that the system cannot look up is none."""
    try:
        return path.is_file()
    except OSError:
        return False


def upscaler(scale: int | None, style: str | None = None) -> str:
    """Name of the bundled weights that enlarge by `scale`.

    Args:
        scale: Output pixels per input pixel and axis; None: the most that the style has.
        style: One of `names.Style`; None: natural.

    Raises:
        ModelError: There are none; the hint names the scales that exist.
        UsageError: There are none in this style, likewise.
    """
    scales = upscale_scales(style)
    if scale is None:
        scale = scales[-1]
    if scale in scales:
        return upscaler_name(scale, style or NATURAL)
    known = ", ".join(f"--scale {each}" for each in scales)
    if style in (None, NATURAL):
        raise ModelError(f"no bundled model enlarges by {scale}", hint=f"there are: {known}")
    raise UsageError(f"the style {style} does not enlarge by {scale}", hint=f"it has {known}")


def upscale_scales(style: str | None = None) -> list[int]:
    """The scales that bundled weights have, in rising order.

    Args:
        style: One of `names.Style`; None: natural.

    Raises:
        ModelError: There are no such weights at all.
    """
    cards = [card for card in list_cards() if card.task == "upscale"]
    scales = [
        card.scale for card in cards if card.name == upscaler_name(card.scale, style or NATURAL)
    ]
    if not scales:
        raise ModelError(
            f"no bundled model enlarges in the style {style or NATURAL}",
            hint=f"reinstall {DISTRIBUTION}",
        )
    return sorted(scales)


def _suggest(name: str) -> str:
    cards = [card.name for card in list_cards()]
    close = difflib.get_close_matches(name, cards, n=2)
    known = " or ".join(close) if close else ", ".join(cards) or "none"
    lead = "did you mean" if close else "the bundled models are"
    return f"{lead} {known}; {_forms(name)}"


def _forms(name: str) -> str:
    """How a file, and weights on the Hub, are spelt."""
    stem = name.removesuffix(".safetensors").strip("./").split("/")[-1] or "model"
    return f"a file is given as ./{stem}.safetensors, weights on the Hub as hf://owner/repo"
