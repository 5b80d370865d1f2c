"""Weights that are not here yet, fetched with a bar that shows it."""

from typing import TYPE_CHECKING

from serpent_cli.cli.progress import byte_bar
from serpent_cli.settings import go_offline, prepare_hub

if TYPE_CHECKING:
    from serpent_cli.zoo.locate import Located


def fetch_model(name: str, *, offline: bool = False, quiet: bool = False) -> "Located":
    """Find weights, and fetch them if that is needed and allowed; see `zoo.locate.locate`."""
    prepare_hub()
    if offline:
        go_offline()
    from serpent_cli.zoo.locate import locate

    with byte_bar(name, quiet=quiet) as on_bytes:
        return locate(name, on_bytes)
