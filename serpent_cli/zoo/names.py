"""How weights are named: `deblur`, `hf://owner/repo[@revision][/file]`, `./file.safetensors`.

Which of the three a text is follows from how it is written; no file or repository is looked for.
Bundled weights that enlarge have their scale and style in their name.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, get_args

from serpent_cli.errors import ModelError, UsageError

Style = Literal["natural", "crisp"]
"""How a picture is enlarged: what is there alone, or with invented texture."""
NATURAL: Style = "natural"
"""The style of weights that name none."""

PROTOCOL = "hf://"
DEFAULT_FILE = "model.safetensors"
"""What PyTorchModelHubMixin calls the weights of a repository."""

_PART = r"[A-Za-z0-9][A-Za-z0-9._-]*"
# Both become names in the cache's folder.
_REVISION = re.compile(r"(?:refs/(?:pr|convert)/)?[A-Za-z0-9_][^\\/:*?\"<>|\x00-\x1f]*")
_FILE_PART = re.compile(r"(?!\.{1,2}$)[^\\/:*?\"<>|\x00-\x1f]+")
# The Hub's own refs are the only revisions with a slash: refs/pr/1 of a pull request.
_REFERENCE = re.compile(
    rf"hf://({_PART}/{_PART})(?:@(refs/(?:pr|convert)/[^@/]+|[^@/]+))?(?:/(.+))?"
)


@dataclass(frozen=True)
class HubReference:
    """A file of weights in a repository of the Hugging Face Hub.

    Attributes:
        repo: `owner/name`.
        revision: Branch, tag, commit, or refs/pr/N of a pull request.
        file: Path in the repository; its card is beside it, with the suffix .json.
    """

    repo: str
    revision: str = "main"
    file: str = DEFAULT_FILE

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `hf://owner/repo[@revision][/file]`.

        Raises:
            ModelError: It is spelt otherwise, or the file is no .safetensors.
        """
        found = _REFERENCE.fullmatch(text.rstrip("/"))
        if found is None:
            raise ModelError(
                f"{text} is not a name on the Hub", hint="write hf://owner/repo[@revision][/file]"
            )
        if found[2] and not _REVISION.fullmatch(found[2]):
            raise ModelError(f"{text} names no revision", hint="give a branch, a tag or a commit")
        file = found[3] or DEFAULT_FILE
        odd = not all(_FILE_PART.fullmatch(part) for part in file.split("/"))
        if odd or not file.endswith(".safetensors"):
            raise ModelError(
                f"{text} names no .safetensors file",
                hint="other formats are never loaded; `serpent models convert` reads some",
            )
        return cls(found[1], found[2] or "main", file)

    @property
    def card_file(self) -> str:
        """Path of its card in the repository."""
        return self.file.removesuffix(".safetensors") + ".json"

    def __str__(self) -> str:
        revision = "" if self.revision == "main" else f"@{self.revision}"
        return f"{PROTOCOL}{self.repo}{revision}" + (
            "" if self.file == DEFAULT_FILE else f"/{self.file}"
        )


def upscaler_name(scale: int, style: str) -> str:
    """What bundled weights of a scale and a style are called.

    >>> upscaler_name(4, "natural"), upscaler_name(4, "crisp")
    ('upscale-x4', 'upscale-x4-crisp')
    """
    return f"upscale-x{scale}" if style == NATURAL else f"upscale-x{scale}-{style}"


def check_style(style: str | None, task: str, model: str | None) -> None:
    """Refuse a style that there is not, or that has nothing to choose.

    Args:
        style: What was asked for; None: nothing.
        task: What is to be done.
        model: The weights that are named, if any.

    Raises:
        UsageError: It cannot be had.
    """
    if style is None:
        return
    if style not in get_args(Style):
        raise UsageError(f"there is no style {style!r}", hint=" or ".join(get_args(Style)))
    if task != "upscale":
        raise UsageError(f"{task} has no styles", hint="leave the style out; upscale has them")
    if model is not None:
        raise UsageError(
            f"a style and the model {model} do not go together",
            hint="leave one of them out: a style stands for bundled weights",
        )


def anywhere(text: str) -> str:
    """A name as a process with another working folder must be told it: paths in full."""
    return str(Path(text).absolute()) if is_path(text) else text


def is_hub(text: str) -> bool:
    """Whether the text is spelt as a name on the Hub."""
    return text.startswith(PROTOCOL)


def is_path(text: str) -> bool:
    """Whether the text is spelt as a path: with a separator, or ending in .safetensors."""
    return not is_hub(text) and (
        any(mark in text for mark in ("/", "\\")) or text.endswith(".safetensors")
    )
