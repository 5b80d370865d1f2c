"""`serpent models pull`, `verify`, `rm` and `push`; and weights found for other commands."""

import re
from typing import TYPE_CHECKING, Annotated

import typer

from serpent_cli.cli import completing, console, options
from serpent_cli.cli.progress_bar import byte_bar
from serpent_cli.errors import ModelError, UsageError
from serpent_cli.settings import go_offline, prepare_hub
from serpent_cli.version import DISTRIBUTION

if TYPE_CHECKING:
    from serpent_cli.zoo.locate import Located

Names = Annotated[list[str], typer.Argument(help="Names, or hf://owner/repo[@revision][/file].")]


def find_weights(name: str, *, offline: bool = False, quiet: bool = False) -> "Located":
    """Find weights, and fetch them if that is needed and allowed; see `zoo.locate.locate`."""
    prepare_hub()
    if offline:
        go_offline()
    from serpent_cli.zoo.locate import locate

    with byte_bar(name, quiet=quiet) as on_bytes:
        return locate(name, on_bytes)


def pull(models: Names, offline: options.Offline = False, quiet: options.Quiet = False) -> None:
    """Download weights from the Hub into its cache, and verify them; run it again to update.

    If the network fails, run the same command again to resume the download.
    """
    prepare_hub()
    if offline:
        go_offline()
    from pathlib import Path

    from serpent_cli.zoo import hub
    from serpent_cli.zoo.locate import resolve

    for name in models:
        source = resolve(name)
        if isinstance(source.where, Path):
            find_weights(name)  # says so if they are missing
            note = (
                f"{name} is {'bundled' if source.card else 'a file of yours'}: nothing to download"
            )
        else:
            expected = source.card.sha256 if source.card else None
            with byte_bar(name, quiet=quiet) as on_bytes:
                path = hub.fetch(source.where, expected, on_bytes)
            note = f"{name} is verified, at {path}"
        if not quiet:
            console.note(note)


def verify(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            help="Names; without any, all weights on this machine.",
            autocompletion=completing.models,
        ),
    ] = None,
) -> None:
    """Check the sha256 of weights against their cards.

    Ends with exit code 4 if one differs.
    """
    from serpent_cli.zoo.inventory import Entry, inventory
    from serpent_cli.zoo.locate import locate

    if models:
        go_offline()
        found = {name: locate(name) for name in models}
        entries = [Entry(name, at.card, at.path, bundled=False) for name, at in found.items()]
    else:
        entries = [entry for entry in inventory() if entry.path is not None]
    wrong = 0
    for entry in entries:
        whole = entry.whole()
        wrong += not whole
        console.result(f"{'ok' if whole else 'WRONG'}  {entry.name}  {entry.path}")
    if wrong:
        raise ModelError(
            f"{wrong} of {len(entries)} are missing or damaged",
            hint="downloaded ones: serpent models rm NAME, then pull;"
            f" bundled: reinstall {DISTRIBUTION}",
        )


def remove(models: Names) -> None:
    """Remove downloaded weights from the cache, with all files of the same revision."""
    from serpent_cli.zoo.inventory import remove as remove_cached

    for name in models:
        freed = remove_cached(name)
        console.note(f"{name} is removed: {freed / 1e6:.1f} MB")


def push(
    model: Annotated[
        str,
        typer.Argument(help="A name or path to .safetensors.", autocompletion=completing.models),
    ],
    repo: Annotated[
        str, typer.Argument(metavar="OWNER/REPO", help="Repository; created if it does not exist.")
    ],
    private: Annotated[
        bool, typer.Option("--private", help="Make the repository private.")
    ] = False,
    message: Annotated[
        str, typer.Option("--message", metavar="TEXT", help="Message of the commit.")
    ] = "",
) -> None:
    """Upload weights, card, configuration and a page to the Hub; print their pinned name.

    Log in with `hf auth login`, or set HF_TOKEN.
    """
    prepare_hub()
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo):
        raise UsageError(f"{repo} is not a repository", hint="write owner/name")
    from serpent_cli.zoo.locate import locate
    from serpent_cli.zoo.publish import publish

    found = locate(model)
    console.result(publish(found.path, found.card, repo, private=private, message=message))
