"""What the program is called and which version it is; apart, so that no layer imports more for it.

`serpent` is the command and `serpent_cli` the package. Pip knows both by a third name, since an
unrelated project on the Python Package Index is called serpent-cli.
"""

__version__ = "0.1.0"

DISTRIBUTION = "serpent-restore"
"""The name that pip installs by: pyproject.toml's."""


def install(extra: str) -> str:
    """The command that adds the packages of an extra to this installation.

    Pip finds the distribution already there, asks no index for it, and adds what the extra names.
    """
    return f"pip install '{DISTRIBUTION}[{extra}]'"
