"""One name to install by, in every place that says it; and what the packages hold."""

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest

import serpent_cli
from serpent_cli.version import DISTRIBUTION, install

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
SPOKEN = (".py", ".md", ".toml", ".txt", ".yml", ".html", ".json", "Makefile", "Dockerfile", "run")
# Tools that build something; PyTorch from its own index, for those without an NVIDIA GPU; and the
# weights of a metric, for those who ask for it.
OTHERS = {
    "setuptools", "wheel", "packaging", "ninja", "build", "cibuildwheel", "torch",
    "stlpips-pytorch",
}  # fmt: skip
WORD = r"(?:-c|--index-url) \S+|--?[\w-]+|'[^']+'|\.(?:\[\w+\])?(?=\W|$)|[\w-]+(?:\[\w+\])?"
COMMAND = re.compile(rf"\b(?:pip|pipx|uv tool) install((?: (?:{WORD}))+)")

# What git ignores, and what building and testing leave behind.
NOT_OURS = (
    ".git", "__pycache__", ".*_cache", ".venv", ".hypothesis", "*.egg-info", "*.so", "*.pyd",
    "build", "dist", "runs", "shared", "PKG-INFO", "setup.cfg",
)  # fmt: skip


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


def test_the_unrelated_project_is_named_only_as_such() -> None:
    for path in spoken_files():
        for paragraph in path.read_text(encoding="utf-8").split("\n\n"):
            if "serpent-cli" in paragraph and path != Path(__file__):
                assert "unrelated" in paragraph, path


def test_every_install_command_installs_this_project() -> None:
    seen = 0
    for path in spoken_files():
        if path == Path(__file__):
            continue
        for word in installed(path.read_text(encoding="utf-8")):
            name, _, extra = word.replace("{DISTRIBUTION}", DISTRIBUTION).partition("[")
            assert name in {".", DISTRIBUTION} | OTHERS, f"{path}: {word}"
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
    assert f"{DISTRIBUTION}[cubes,eval,ray,serve,train]" in EXTRAS["test"]
    names = [re.split(r"[\[<>=;]", word)[0] for extra in EXTRAS.values() for word in extra]
    assert len(names) == len(set(names)), "a requirement is written in one extra only"


def test_the_address_is_one() -> None:
    """What is cloned is what pyproject.toml says; while it says nothing, no place makes one up."""
    urls = PROJECT["urls"]
    address = urls.get("Repository")
    cloned = {
        word
        for path in spoken_files()
        if path != Path(__file__)
        for word in re.findall(r"git clone (?!-)([^\s`]+)", path.read_text(encoding="utf-8"))
    }
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    if address is None:
        assert cloned == {"ADDRESS"}
        assert "The project has no public address yet: in place of `ADDRESS`" in readme
        assert set(urls) == {"Paper"}, "Issues and Changelog belong to a repository"
    else:
        assert cloned == {address}
        assert "ADDRESS" not in readme
        assert {"Issues", "Changelog"} <= set(urls)
        assert all(urls[name].startswith(address) for name in ("Issues", "Changelog"))


def test_types_are_announced() -> None:
    assert (Path(serpent_cli.__file__).parent / "py.typed").is_file()
    assert "Typing :: Typed" in PROJECT["classifiers"]


def test_versions_of_python_are_the_same_everywhere() -> None:
    named = [
        line.removeprefix("Programming Language :: Python :: ")
        for line in PROJECT["classifiers"]
        if re.search(r"Python :: \d\.\d+$", line)
    ]
    assert PROJECT["requires-python"] == f">={named[0]}"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"You need Python {', '.join(named[:-1])} or {named[-1]}" in readme
    tests = (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    assert "python: [" + ", ".join(f'"{each}"' for each in named) + "]" in tests
    wheels = (ROOT / ".github" / "workflows" / "wheels.yml").read_text(encoding="utf-8")
    assert " ".join(f"cp{each.replace('.', '')}-*" for each in named) in wheels


def test_the_changelog_goes_by_version_newest_first() -> None:
    heads = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    numbers = [tuple(map(int, head.split("."))) for head in heads if head != "Unreleased"]
    assert heads.index("Unreleased") == 0
    assert numbers == sorted(numbers, reverse=True)
    assert serpent_cli.__version__ in heads


def test_the_image_is_built_from_files_that_are_sent() -> None:
    sent = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert sent[0] == "*", "what is not named stays out"
    for line in sent:
        if line.startswith("!"):
            assert (ROOT / line[1:]).exists(), line
    for needed in ("setup.py", "pyproject.toml", "README.md", "LICENSE", "serpent_cli", "weights"):
        assert f"!{needed}" in sent
    recipe = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    run = next(line for line in recipe.splitlines() if "docker run" in line)
    assert run.removeprefix("#").strip() in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def source_distribution(tmp_path_factory: pytest.TempPathFactory) -> tuple[set[str], set[str]]:
    """Files of the project, and those of a source distribution made from a copy of it."""
    pytest.importorskip("setuptools", minversion="77")
    copy = tmp_path_factory.mktemp("project") / "copy"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*NOT_OURS))
    ours = {path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file()}
    build = "from setuptools import build_meta; build_meta.build_sdist('made')"
    subprocess.run([sys.executable, "-c", build], cwd=copy, check=True, capture_output=True)
    (made,) = (copy / "made").glob("*.tar.gz")
    with tarfile.open(made) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    return ours, held


def test_the_source_distribution_holds_all(source_distribution: tuple[set[str], set[str]]) -> None:
    ours, held = source_distribution
    assert len(ours) > 300
    assert ours - held == set()


def test_the_source_distribution_holds_no_more(
    source_distribution: tuple[set[str], set[str]],
) -> None:
    ours, held = source_distribution
    more = {name for name in held - ours if "." in name and not name.startswith("serpent_restore.")}
    assert {name for name in more if not name.startswith((".ci", ".github"))} <= {
        "PKG-INFO", "setup.cfg",
    }  # fmt: skip
