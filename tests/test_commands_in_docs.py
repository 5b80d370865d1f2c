"""Every `serpent ...` that a page shows is a command line that the program takes.

Nothing is run: options, their values and the number of words are checked by the real parser.
"""

import re
import shlex
from pathlib import Path

import pytest
import typer

from serpent_cli.cli.app import app
from serpent_cli.cli.help_pages import REFUSAL
from serpent_cli.errors import UsageError

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in ROOT.glob("docs/*.md")))
PLACEHOLDERS = {"N": "2", "RECIPE": "recipe.toml", "SUITE": "deblur", "W": "64", "H": "64"}
NO_COMMANDS = ("docs/cli.md", "docs/models.md", "docs/scan.md")
"""Written by the program itself, or without any."""


def commands(text: str) -> list[str]:
    """The words after `serpent` in code blocks, indented lines and code spans of a page."""
    blocks = re.findall(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    lines += [line[4:] for line in prose.splitlines() if line.startswith("    ")]
    lines += [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)]
    found = (
        re.search(r"(?:^|&& |\| )(?:\w+=\S+ )*(?:accelerate .* -m serpent_cli|serpent) (.+)", line)
        for line in lines
    )
    return [match[1] for match in found if match is not None and "└" not in match[1]]


def words_of(command: str) -> list[str]:
    """As the shell gives them: without comment, redirection and brackets of a synopsis."""
    command = re.split(r" [<>|] ?| &&", re.sub(r"[\[\]]|\.\.\.", "", command))[0]
    return [PLACEHOLDERS.get(word, word) for word in shlex.split(command, comments=True)]


def parse(words: list[str]) -> None:
    """Read a command line as the program does, and run nothing.

    Raises:
        UsageError: It has a value that an option does not take.
        REFUSAL: It has an option, a command or a word that is unknown, or lacks one.
    """
    command = typer.main.get_command(app)
    context = command.make_context("serpent", list(words))
    while hasattr(command, "resolve_command"):
        rest = [*context._protected_args, *context.args]
        if not rest:  # a group that is only named
            return
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)


@pytest.mark.parametrize("page", [page for page in PAGES if page not in NO_COMMANDS])
def test_commands_of_a_page_are_taken(page: str) -> None:
    wrong: list[str] = []
    found = commands((ROOT / page).read_text(encoding="utf-8"))
    for command in found:
        words = words_of(command)
        if not words:  # `serpent ...`, any command
            continue
        if len(words) == 1:  # the name of a command, in a sentence
            names = typer.main.get_command(app).commands
            wrong += [] if words[0] in names or words[0].startswith("-") else [command]
            continue
        try:
            parse(words)
        except (REFUSAL, UsageError) as error:
            wrong.append(f"serpent {command}: {error}")
    assert not wrong, "\n".join(wrong)


def test_pages_have_commands() -> None:
    found = [each for page in PAGES for each in commands((ROOT / page).read_text(encoding="utf-8"))]
    assert len(found) > 60


@pytest.mark.parametrize(
    "command",
    ["deblurr x.png", "deblur x.png --nonsense", "deblur x.png --quality 101", "train",
     "upscale x.png --style glossy", "models pul deblur", "deblur x.png --engine slurm",
     "compare a.png b.png c.png -o page.html"],
)  # fmt: skip
def test_what_is_wrong_is_found(command: str) -> None:
    with pytest.raises((REFUSAL, UsageError)):
        parse(words_of(command))
