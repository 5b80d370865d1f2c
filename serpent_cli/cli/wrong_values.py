"""Values of options that typer refuses, in our own words.

typer hands on what pydantic says, which speaks of "Input" and names neither the value nor, in one
sentence, the option.
"""

from typing import Any

import typer

from serpent_cli.errors import UsageError

_WORDS = {
    "int_parsing": "{input!r} is not a whole number",
    "float_parsing": "{input!r} is not a number",
    "greater_than_equal": "{input} is less than {ge:g}",
    "less_than_equal": "{input} is more than {le:g}",
}
"""By pydantic's names of errors; `input` is the value, the rest what the option says."""


def as_usage_error(error: typer.BadParameter) -> UsageError:
    """One sentence about a value, such as "--style: 'x' is not one of natural, crisp".

    Args:
        error: What typer raised; of a version without pydantic too.
    """
    names: list[str] = getattr(error.param, "opts", None) or ["a value"]
    command = error.ctx.command_path if error.ctx is not None else "serpent"
    return UsageError(
        f"{max(names, key=len)}: {_what(error)}", hint=f"`{command} --help` lists the options"
    )


def _what(error: typer.BadParameter) -> str:
    """What is wrong with the value, without the name of the option."""
    reasons: Any = getattr(error.__cause__, "errors", None)
    if reasons is not None:
        first = reasons()[0]
        if str(first["input"]).strip().lower() == "nan":  # which no bound is compared with
            return f"{first['input']!r} is not a number"
        if (words := _WORDS.get(first["type"])) is not None:
            return words.format(input=first["input"], **first.get("ctx", {}))
    text = error.message.removeprefix("Value error, ").rstrip(".")
    value, between, choices = text.partition(" is not one of ")
    return value + between + choices.replace("'", "")
