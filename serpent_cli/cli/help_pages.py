"""How `--help` looks: examples first, options in groups, descriptions of commands in full.

Plain text, as typer prints it without rich, which would take longer to load than the page to read.
"""

import inspect
import os
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from serpent_cli.cli.wrong_values import as_usage_error
from serpent_cli.errors import UsageError

INPUT_OUTPUT = "Input and output"
QUALITY = "Quality"
RESOURCES = "Memory and device"
BATCH = "Batch"
STYLE = "Output style"
PANELS = (INPUT_OUTPUT, QUALITY, RESOURCES, BATCH, STYLE)
"""Groups of options, in the order of the page; options of a command's own come before them."""
WIDEST = 76
"""Columns of an example with what it does beside it; the page indents both by two."""


REFUSAL: type[Exception] = typer.BadParameter.__mro__[1]
"""What typer raises of a command line that is wrong; it has no public name there."""


class Command(TyperCommand):
    """A command whose options are listed by their `rich_help_panel`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words of the command line.

        Raises:
            UsageError: A value that an option does not take.
        """
        words = list(args)  # typer takes from them as it reads
        try:
            return super().parse_args(ctx, args)
        except REFUSAL as error:
            if (name := _file_like_an_option(words)) is not None:
                raise UsageError(
                    f"{name} is taken for an option", hint=f"if you mean the file, write ./{name}"
                ) from error
            # What is missing altogether, typer says well.
            if isinstance(error, typer.BadParameter) and error.message:
                raise as_usage_error(error) from error
            raise

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, and a section for each group of options."""
        _write_parameters(self.get_params(ctx), ctx, formatter)

    def get_short_help_str(self, limit: int = 45) -> str:
        """The first paragraph; never cut off."""
        del limit
        return first_paragraph(self.help)


class Group(TyperGroup):
    """The same for a command that has commands."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the commands first, since one of them is needed; then the options."""
        self.format_commands(ctx, formatter)
        _write_parameters(self.get_params(ctx), ctx, formatter)

    def get_short_help_str(self, limit: int = 45) -> str:
        """The first paragraph; never cut off."""
        del limit
        return first_paragraph(self.help)


class Commands(typer.Typer):
    """A set of commands whose help looks like this.

    Args:
        name: What is typed.
        help: What it is for.
    """

    def __init__(self, name: str, help: str) -> None:
        super().__init__(
            name=name,
            help=help,
            cls=Group,
            no_args_is_help=True,
            rich_markup_mode=None,
            pretty_exceptions_enable=False,
            context_settings={"help_option_names": ["-h", "--help"]},
        )

    def add(self, name: str, function: Callable[..., None]) -> None:
        """Make a function the command of this name."""
        self.command(name, cls=Command)(function)


def with_examples(text: str, *lines: tuple[str, str]) -> str:
    """A help text with examples after its first paragraph.

    Args:
        text: Of the command, or its docstring.
        lines: Each a command line and what it does; they keep this layout.
    """
    first, _, rest = inspect.cleandoc(text).partition("\n\n")
    width = max(len(command) for command, _ in lines)
    rows = [f"  {command.ljust(width)}  {meaning}" for command, meaning in lines]
    if max(map(len, rows)) > WIDEST:
        rows = [f"  {command}\n      {meaning}" for command, meaning in lines]
    shown = "\n".join(rows)
    return "\n\n".join(part for part in (first, f"\b\nExamples:\n{shown}", rest) if part)


def show_examples(command: Callable[..., None], *lines: tuple[str, str]) -> None:
    """Put examples into a command's docstring, which becomes its help."""
    command.__doc__ = with_examples(command.__doc__ or "", *lines)


def first_paragraph(text: str | None) -> str:
    """The first paragraph of a help text, on one line."""
    return " ".join(inspect.cleandoc(text or "").partition("\n\n")[0].split())


def _file_like_an_option(words: list[str]) -> str | None:
    """The first word that begins with a dash and is a file's name."""
    return next((word for word in words if word[:1] == "-" and os.path.lexists(word)), None)


def _write_parameters(parameters: Any, ctx: Any, formatter: Any) -> None:
    sections: dict[str, list[tuple[str, str]]] = {
        name: [] for name in ("Arguments", "Options", *PANELS, "Help")
    }
    for parameter in parameters:
        record = parameter.get_help_record(ctx)
        if record is None:
            continue
        if parameter.param_type_name == "argument":
            name, record = "Arguments", (record[0].partition(" <")[0], record[1])
        elif parameter.name in ("help", "version", "install_completion", "show_completion"):
            name = "Help"
        else:
            name = getattr(parameter, "rich_help_panel", None) or "Options"
        sections[name].append(record)
    for name, records in sections.items():
        if records:
            with formatter.section(name):
                formatter.write_dl(records)
