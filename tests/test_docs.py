"""The documentation says what the program does, and its commands run."""

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

import serpent_cli
from serpent_cli.cli.app import main
from serpent_cli.evaluation.metrics import psnr

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_pages_are_current(monkeypatch: pytest.MonkeyPatch) -> None:
    # What CI systems set would colour the help of one side only.
    for name in ("GITHUB_ACTIONS", "FORCE_COLOR", "PY_COLORS"):
        monkeypatch.delenv(name, raising=False)
    for path, text in load(ROOT / "docs" / "generate.py").pages().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is stale: run `make docs`"


def test_every_command_is_documented_with_help() -> None:
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    for words in load(ROOT / "docs" / "generate.py").commands():
        section = page.split("## " + " ".join(("serpent", *words)) + "\n")[1].split("\n## ")[0]
        lines = [line.strip() for line in section.splitlines() if line.strip()]
        assert lines[1].startswith("Usage: serpent")
        assert not lines[2].startswith(("Options", "Commands", "Arguments")), f"{words}: no help"


def test_readme_names_the_two_commands() -> None:
    assert (
        "\npip install -c constraints.txt . "
        "&& serpent deblur examples/blurred.png -o restored.png\n" in README
    )
    assert "\npip install -c constraints.txt '.[test]' && pytest -n 2 --dist worksteal\n" in README


def test_readme_links_lead_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert links
    for link in links:
        assert (ROOT / link).exists(), link


def test_readme_first_command_restores_the_example(tmp_path: Path) -> None:
    words = re.search(r"&& serpent (deblur .*)", README)
    assert words is not None
    arguments = words[1].replace("examples/", f"{ROOT}/examples/").split()
    target = tmp_path / "restored.png"
    arguments[-1] = str(target)
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    sharp, blurred, restored = (
        np.asarray(Image.open(path)) / 255
        for path in (ROOT / "examples/sharp.png", ROOT / "examples/blurred.png", target)
    )
    assert psnr(restored, sharp) > psnr(blurred, sharp) + 1.5


def test_changelog_and_constraints_fit_the_version() -> None:
    assert f"## {serpent_cli.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower().replace("_", "-")
    assert "torch==2.13.0" in pins
    extras = project["optional-dependencies"]
    for requirement in (*project["dependencies"], *(extras["test"] + extras["eval"])):
        name = re.split(r"[\[<>=]", requirement)[0]
        if name == project["name"]:
            continue
        assert f"\n{name}==" in pins, f"{name} is not pinned"
