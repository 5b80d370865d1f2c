"""One name to install by, in every place that says it; and what the packages hold."""

import re
import tomllib
from pathlib import Path

from serpent_cli.version import DISTRIBUTION, install

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
SPOKEN = (".py", ".md", ".toml", ".txt", ".yml", ".html", ".json", "Makefile", "Dockerfile", "run")
# Tools that build something, and PyTorch from its own index, for those without an NVIDIA GPU.
TOOLS = {
    "torch",
    "setuptools",
    "wheel",
    "packaging",
    "ninja",
    "build",
    "cibuildwheel",
    "pip",
    "uv",
    "pipx",
}
WORD = r"-c \S+|--?[\w-]+|'[^']+'|\.(?:\[\w+\])?(?=\W|$)|[\w-]+(?:\[\w+\])?"
COMMAND = re.compile(rf"\b(?:pip|pipx|uv tool) install((?: (?:{WORD}))+)")


def spoken_files() -> list[Path]:
    """Every file of the project that a person may read or copy a command from."""
    tops = [path for path in ROOT.iterdir() if path.is_file()]
    for folder in (
        "serpent_cli",
        "docs",
        "tests",
        "bench",
        "examples",
        "recipes",
        ".github",
        ".ci",
    ):
        tops += [path for path in (ROOT / folder).rglob("*") if path.is_file()]
    return [path for path in tops if path.name.endswith(SPOKEN) and "__pycache__" not in path.parts]


def installed(text: str) -> list[str]:
    """What the install commands in a text would install."""
    words = [word for command in COMMAND.findall(text) for word in re.findall(WORD, command)]
    return [word.strip("'") for word in words if not word.startswith("-")]


def test_the_name_is_one() -> None:
    assert PROJECT["name"] == DISTRIBUTION


def test_the_name_of_the_unrelated_project_is_nowhere_advised() -> None:
    told = {"version.py", "pyproject.toml", "CHANGELOG.md", Path(__file__).name}
    for path in spoken_files():
        if path.name not in told:
            assert "serpent-cli" not in path.read_text(encoding="utf-8"), path


def test_every_install_command_installs_this_project() -> None:
    seen = 0
    for path in spoken_files():
        if path == Path(__file__):
            continue
        for word in installed(path.read_text(encoding="utf-8")):
            name, _, extra = word.replace("{DISTRIBUTION}", DISTRIBUTION).partition("[")
            assert name in {".", DISTRIBUTION} | TOOLS, f"{path}: {word}"
            assert extra.rstrip("]") in {"", "{extra}", *EXTRAS}, f"{path}: {word}"
            seen += 1
    assert seen >= 10


def test_hints_name_extras_that_exist() -> None:
    named = set()
    for path in (ROOT / "serpent_cli").rglob("*.py"):
        named |= set(re.findall(r"\binstall\(['\"](\w+)['\"]\)", path.read_text(encoding="utf-8")))
    assert {"eval", "ray", "train"} <= named <= set(EXTRAS)
    assert install("eval") == "pip install 'serpent-restore[eval]'"


def test_the_extra_for_tests_holds_the_others() -> None:
    assert f"{DISTRIBUTION}[eval,ray,train]" in EXTRAS["test"]
    names = [re.split(r"[\[<>=;]", word)[0] for extra in EXTRAS.values() for word in extra]
    assert len(names) == len(set(names)), "a requirement is written in one extra only"
