"""The documentation says what the program does, and its commands run."""

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import skimage.data
from PIL import Image

import serpent_cli
from serpent_cli.cli.app import main
from serpent_cli.cubes.cube import Cube
from serpent_cli.cubes.files import written
from serpent_cli.evaluation.metrics import psnr
from serpent_cli.zoo.locate import list_cards

ROOT = Path(__file__).resolve().parent.parent
# tested where there is a GPU, in test_ray.py and in tests/serving
ELSEWHERE = ("--device cuda", "--engine ray", "serpent serve", "--server")
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


FOLDERS = sorted(path.name for path in (ROOT / "serpent_cli").iterdir() if path.is_dir())


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/data-flow.md"])
def test_maps_name_files_that_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = re.findall(
        rf"(?<![\w/-])(?:{'|'.join(FOLDERS)}|tests|docs|bench)/[\w/-]*[\w](?:\.\w+)?", text
    )
    assert len(named) > 5
    for name in named:
        places = [ROOT / name, ROOT / "serpent_cli" / name, ROOT / "serpent_cli" / f"{name}.py"]
        assert any(place.exists() for place in places), f"{page}: {name}"


def test_every_case_that_can_be_run_is_named() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    timed = (ROOT / "bench" / "__main__.py").read_text(encoding="utf-8")
    lasting = (ROOT / "tests" / "endurance" / "__main__.py").read_text(encoding="utf-8")
    cases = re.findall(r'^    "(\w+)": ', timed, re.MULTILINE)
    cases += re.findall(r'"(\w+)"', re.search(r"^CASES = (.*)$", lasting, re.MULTILINE)[1])
    assert len(cases) >= 15
    for case in cases:
        assert re.search(rf"`{case}[ `]", text), case


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
        path, _, anchor = link.partition("#")
        assert (ROOT / path).exists(), link
        if anchor:
            heads = re.findall(r"^#+ (.*)", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in [head.lower().replace(" ", "-") for head in heads], link


def test_readme_says_first_what_it_cannot_do() -> None:
    assert "**What it cannot do.**" in "\n".join(README.splitlines()[:25])
    assert README.index("git clone") < README.index("pip install") < README.index("serpent upscale")


def readme_blocks(language: str) -> list[str]:
    """The fenced blocks of README in a language, or in none."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return [block for name, block in blocks if name == language]


def readme_commands() -> list[str]:
    """The lines that run serpent, in README's order, without their comments."""
    lines = "\n".join(readme_blocks(""))
    found = re.findall(r"^(?:pip .*&& )?(serpent .*?)(?: +#.*)?$", lines, re.MULTILINE)
    return [line for line in found if not any(words in line for words in ELSEWHERE)]


@pytest.fixture
def readers_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout as far as README's commands need it, with the pictures that they name."""
    for name in ("examples", "recipes"):
        shutil.copytree(ROOT / name, tmp_path / name)
    cup = Image.fromarray(skimage.data.coffee())
    for name, box in {
        "photo.jpg": (200, 100, 440, 235),
        "scan.tif": (200, 100, 264, 148),
        "holiday/a.jpg": (200, 100, 248, 148),
        "holiday/b.jpg": (240, 100, 288, 148),
        "photos/2024/c.png": (200, 140, 248, 188),
        "thumbnails/d.png": (200, 100, 224, 124),
        "photographs/e.png": (100, 100, 300, 300),
        "validation/f.png": (200, 100, 328, 228),
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cup.crop(box).save(path)
    for name in ("scene.hdr", "scene_denoised.hdr"):
        cube = Cube(np.random.default_rng(0).random((9, 20, 24), np.float32))
        with written(tmp_path / name, cube) as planes:
            planes[:] = cube.planes
    recipe = tmp_path / "recipes" / "deblur.toml"
    text = recipe.read_text(encoding="utf-8")
    assert "every = 50" in text
    # A run stops at a line of its log: at the first step.
    recipe.write_text(text.replace("every = 50", "every = 1"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_readme_commands_run_in_the_order_given(
    readers_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = readme_commands()
    assert len(commands) >= 18
    for line in commands:
        words = shlex.split(line)[1:]
        if "<" in words:
            program = f"{shlex.quote(sys.executable)} -m serpent_cli "
            subprocess.run(program + line.removeprefix("serpent "), shell=True, check=True)
            continue
        # One step shows that the command is right.
        with pytest.raises(SystemExit) as ended:
            main([*words, *(["--minutes", "0.001"] if words[0] == "train" else [])])
        # A model of one step misses its bars, and so may the bundled ones on one small picture.
        fine = {None, 0, 1} if words[0] == "eval" else {None, 0}
        assert ended.value.code in fine, f"{line}\n{capsys.readouterr().err}"
    sharp, blurred, restored = (
        np.asarray(Image.open(readers_folder / name)) / 255
        for name in ("examples/sharp.png", "examples/blurred.png", "restored.png")
    )
    assert psnr(restored, sharp) > psnr(blurred, sharp) + 1.5
    for snippet in readme_blocks("python"):
        exec(compile(snippet, "README.md", "exec"), {})
    made = {path.relative_to(readers_folder).as_posix() for path in readers_folder.rglob("*.*")}
    assert made >= {
        "report.html", "large.png", "photo_deblurred.jpg", "holiday_deblurred/a.jpg",
        "sharp/2024/c.png", "sharp.jpg", "scan_deblurred.tif", "thumbnails_x4/d.png",
        "part.png", "again.jpg", "photo.html", "holiday.html", "mine.jpg", "from-python.png",
        "with-metadata.png", "runs/deblur-even/deblur-even.safetensors",
    }  # fmt: skip


def test_photographs_are_counted_by_licence() -> None:
    generate = load(ROOT / "docs" / "generate.py")
    titles = {
        text: generate.FAMILIES[generate.family(text)][1]
        for text in ("CC BY / CC BY-SA", "CC-BY 2.0", "Unsplash License (listed as public domain)",
                     "CC BY-NC-SA 4.0", "US Government work / CC0 1.0", "LGPLv3")
    }  # fmt: skip
    assert list(titles.values()) == [
        "CC BY-SA", "CC BY", "Unsplash License", "CC, NonCommercial", "CC0 or public domain",
        "MIT, BSD, LGPL (of the repository)",
    ]  # fmt: skip
    for words in ("", "all rights reserved", "unknown"):
        with pytest.raises(ValueError, match="belongs to no family"):
            generate.family(words)
    for card in list_cards():
        counted, _ = generate.licences(card)
        assert counted.total() == sum(record["images"] for record in card.data)


def test_changelog_and_constraints_fit_the_version() -> None:
    assert f"## {serpent_cli.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower().replace("_", "-")
    # On Linux torch asks for one triton exactly; its build for CPUs asks for none, and hides that.
    assert "\ntorch==2.13.0\n" in pins and "\ntriton==3.7.1\n" in pins
    extras = project["optional-dependencies"]
    wanted = extras["test"] + extras["cubes"] + extras["eval"]
    for requirement in (*project["dependencies"], *wanted):
        name = re.split(r"[\[<>=]", requirement)[0]
        if name == project["name"]:
            continue
        assert f"\n{name}==" in pins, f"{name} is not pinned"
