"""`Card`: what is known about a file of weights, kept as JSON beside it."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self, cast, get_args

from serpent_cli.errors import ModelError, SerpentError, reason_of
from serpent_cli.filenames import json_text
from serpent_cli.model.config import ModelConfig

Task = Literal["deblur", "upscale", "denoise", "reconstruct"]
CUBE_TASKS = ("denoise", "reconstruct")
"""What is done to cubes; all else is done to photographs, in three colours."""

COLOURS = 3

CARD_BYTES = 2**20
"""Largest card that is read; the bundled ones have a few thousandths of it."""


def sha256(path: Path) -> str:
    """What weights are known by: the digest of their file, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@dataclass(frozen=True)
class Card:
    """One set of weights.

    Attributes:
        name: Name on the command line.
        task: What it does.
        scale: Output pixels per input pixel and axis.
        file: File name of the weights, in the card's folder.
        sha256: Digest of that file, hexadecimal.
        licence: Licence of the weights.
        description: One sentence.
        config: Sizes of the network.
        margin: Effective margin in input pixels, measured (see `model.limits`).
        trained: Range of degradations and how it was trained.
        data: Photographs trained on: source, licence, count.
        scores: Measured scores, one record per case.
        limits: Sentences: what the weights will not do.
        hub: `hf://owner/repo@commit/file` where the file is to be fetched; empty if it lies beside
            its card.
    """

    name: str
    task: Task
    scale: int
    file: str
    sha256: str
    licence: str
    description: str
    config: ModelConfig
    margin: int
    trained: dict[str, Any] = field(default_factory=dict[str, Any])
    data: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    scores: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    limits: list[str] = field(default_factory=list[str])
    hub: str = ""

    def to_json(self) -> str:
        """The card as indented JSON."""
        record = {**dataclasses.asdict(self), "config": self.config.record()}
        return json_text(record, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Parse a card.

        Raises:
            ModelError: It is no JSON object with exactly these fields.
        """
        try:
            record = json.loads(text)
            record["config"] = ModelConfig.from_dict(record["config"])
            card = cls(**record)
            card.check()
            return card
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise ModelError(f"the model card is malformed: {error}") from error

    def check(self) -> None:
        """Refuse what contradicts itself.

        Raises:
            ValueError: The entry that makes no sense.
        """
        words = (self.name, self.file, self.sha256, self.licence, self.description)
        if not all(isinstance(cast("object", word), str) for word in words):
            raise ValueError("name, file, sha256, licence and description must be text")
        for name in ("data", "scores", "limits"):
            if not isinstance(getattr(self, name), list):
                raise ValueError(f"{name} must be a list")
        records: list[object] = [self.trained, *self.data, *self.scores]
        if not all(isinstance(record, dict) for record in records):
            raise ValueError("trained, and the entries of data and scores, must be tables")
        if self.task not in get_args(Task) or self.scale != self.config.scale:
            raise ValueError(
                f"task must be one of {', '.join(get_args(Task))}, and scale that of config"
            )
        if (self.task in CUBE_TASKS) == (self.config.channels == COLOURS):
            raise ValueError(f"{self.task} is not what a network of these channels is for")
        if type(self.margin) is not int or self.margin < 0:
            raise ValueError("margin must be a whole number of pixels")
        if Path(self.file).name != self.file:
            raise ValueError("file must be a name in the card's folder")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a card file.

        Raises:
            ModelError: It cannot be read or parsed.
        """
        try:
            with path.open("rb") as stream:
                content = stream.read(CARD_BYTES + 1)
            if len(content) > CARD_BYTES:
                raise ModelError(
                    f"it has more than {CARD_BYTES} bytes", hint="is it a card, or another file?"
                )
            return cls.from_json(content.decode("utf-8"))
        except OSError as error:
            raise ModelError(f"cannot read the model card {path}: {reason_of(error)}") from error
        except UnicodeDecodeError as error:
            raise ModelError(f"the model card {path} is not UTF-8 text") from error
        except SerpentError as error:
            raise ModelError(f"{path}: {error.message}", hint=error.hint) from error
