"""Help pages in groups, examples first; completion, and guesses at what was meant."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from serpent_cli.cli import completing
from serpent_cli.cli.help_pages import PANELS, first_paragraph, with_examples
from serpent_cli.evaluation.cases import CASES, REDUCTIONS
from serpent_cli.evaluation.suite_names import CUBES, FLAT, SUITES
from serpent_cli.zoo.locate import list_cards

Serpent = Callable[..., Any]
HEAD = re.compile(r"(?:  )?[A-Z][a-z ]+:")
PAGES = (
    (), ("deblur",), ("upscale",), ("denoise",), ("reconstruct",), ("compare",), ("serve",),
    ("train",), ("eval",), ("doctor",), ("models",), ("models", "list"), ("models", "info"),
    ("models", "path"), ("models", "pull"), ("models", "push"), ("models", "verify"),
    ("models", "rm"), ("models", "convert"),
)  # fmt: skip


def page(serpent: Serpent, monkeypatch: pytest.MonkeyPatch, *words: str) -> list[str]:
    monkeypatch.setenv("COLUMNS", "80")
    return serpent(*words, "--help").out


@pytest.mark.parametrize("words", PAGES, ids=" ".join)
def test_pages_fit_a_terminal_and_cut_nothing_off(
    words: tuple[str, ...], serpent: Serpent, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = page(serpent, monkeypatch, *words)
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if line.endswith("...") and "Usage" not in line]
    heads = [line for line in lines if HEAD.fullmatch(line)]
    assert heads[-1] == "Help:"


@pytest.mark.parametrize("command", ["deblur", "upscale"])
def test_options_come_in_groups_after_the_examples(
    command: str, serpent: Serpent, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = page(serpent, monkeypatch, command)
    heads = [line.strip(" :") for line in lines if HEAD.fullmatch(line)]
    own = ["Options"] if command == "upscale" else []
    assert heads == ["Examples", "Arguments", *own, *PANELS, "Help"]
    assert lines.index("  Examples:") < 8, "below the usage and one paragraph"
    expected = {
        "--output": "Input and output", "--recursive": "Input and output", "--model": "Quality",
        "--strength": "Quality", "--max-memory": "Memory and device", "--tile": "Memory and device",
        "--device": "Memory and device", "--jobs": "Batch", "--manifest": "Batch",
        "--json": "Output style", "--quiet": "Output style", "--help": "Help",
    }  # fmt: skip
    options = "\n".join(lines).partition("\nArguments:")[2]
    for option, head in expected.items():
        section = options.partition(f"\n{head}:\n")[2].partition("\n\n")[0]
        assert option in section, option


def test_descriptions_of_commands_are_whole(
    serpent: Serpent, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = " ".join(" ".join(page(serpent, monkeypatch)).split())
    for command in ("deblur", "upscale", "compare", "train", "eval", "doctor"):
        first = page(serpent, monkeypatch, command)[2:]
        sentence = " ".join(" ".join(first[: first.index("")]).split())
        assert f"{command} {sentence}" in text


def test_examples_come_after_the_first_paragraph() -> None:
    text = with_examples("One.\n\nTwo.", ("serpent a", "does a"), ("serpent bcd", "does b"))
    assert text == "One.\n\n\b\nExamples:\n  serpent a    does a\n  serpent bcd  does b\n\nTwo."
    wide = with_examples("One.", ("serpent " + "x" * 60, "what it does"))
    assert wide.endswith("x\n      what it does")
    assert first_paragraph("One\n    line.\n\n    Two.") == "One line."


def complete(*words: str) -> list[str]:
    """What bash is offered for the last of these words."""
    done = subprocess.run(
        [sys.executable, "-m", "serpent_cli"],
        capture_output=True,
        text=True,
        timeout=60,
        env={
            **os.environ,
            "_SERPENT_COMPLETE": "complete_bash",
            "COMP_WORDS": "\n".join(["serpent", *words]),
            "COMP_CWORD": str(len(words)),
        },
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_the_shell_completes_models_scales_suites_and_commands() -> None:
    assert complete("deblur", "--model", "deb") == ["deblur", "deblur-even"]
    names = ["upscale-x2", "upscale-x4", "upscale-x4-crisp", "upscale-x8"]
    assert complete("upscale", "--model", "ups") == names
    assert complete("models", "info", "upscale-x2") == ["upscale-x2"]
    assert complete("upscale", "--scale", "") == ["2", "4", "8"]
    assert complete("eval", "gauss") == ["gaussian", "gaussian-61"]
    assert complete("eval", "deblur", "--model", "deb") == ["deblur", "deblur-even"]
    assert complete("deblur", "--format", "j") == ["jpg", "jp2"]
    assert complete("deblur", "--engine", "r") == ["ray"]
    assert complete("dou") == []
    assert complete("do") == ["doctor"]


def test_completion_loads_no_torch() -> None:
    code = (
        "import sys\nfrom serpent_cli.cli import completing\n"
        "assert completing.models('de') and completing.scales('')\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_what_is_offered_is_what_there_is() -> None:
    assert (*CASES, *REDUCTIONS, "pairs", FLAT, *CUBES) == SUITES
    assert [name for name, _ in completing.models("")] == [card.name for card in list_cards()]


def test_a_damaged_card_offers_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad.json").write_text("{")
    monkeypatch.setattr("serpent_cli.zoo.locate.weights_folder", lambda: tmp_path)
    assert completing.models("") == []
    assert completing.scales("") == []


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["deblurr", "in.png"], "Did you mean 'deblur'?"),
        (["upscael", "in.png"], "Did you mean 'upscale'?"),
        (["models", "lst"], "Did you mean 'list'?"),
        (["deblur", "--ouput", "x.png"], "--output"),
        (["upscale", "--scal", "2", "in.png"], "--scale"),
        (["deblur", "--model", "debler", "in.png"], "did you mean deblur"),
        (["eval", "gausian", "--photos", "."], "did you mean gaussian"),
    ],
)
def test_it_says_what_was_probably_meant(words: list[str], meant: str, serpent: Serpent) -> None:
    outcome = serpent(*words)
    assert outcome.code in (2, 4)
    assert meant in "\n".join(outcome.err)


def test_a_misspelt_suite_is_told_before_a_missing_package(
    serpent: Serpent, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("torchmetrics", "skimage"):
        monkeypatch.setitem(sys.modules, package, None)
    misspelt = serpent("eval", "gausian", "--photos", ".")
    misspelt.failed(2, "there is no suite 'gausian'")
    assert "did you mean gaussian" in misspelt.hint
    serpent("eval", "gaussian", "--photos", ".").failed(5, "evaluation needs")


def test_pages_are_as_they_were(serpent: Serpent, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page on 80 columns is the one kept in help/; after a change `make docs` writes them."""
    kept = {path.stem: path.read_text() for path in Path(__file__).with_name("help").glob("*.txt")}
    assert sorted(kept) == sorted("-".join(("serpent", *words)) for words in PAGES)
    for words in PAGES:
        shown = "\n".join(page(serpent, monkeypatch, *words)) + "\n"
        assert shown == kept["-".join(("serpent", *words))]


@pytest.mark.parametrize("name", ["-day.png", "--day.png"])
def test_a_file_whose_name_begins_like_an_option(
    name: str, serpent: Serpent, photo_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell's * hands it on as it is."""
    photo_file.rename(photo_file.with_name(name))
    monkeypatch.chdir(photo_file.parent)
    outcome = serpent("deblur", name, "--dry-run")
    outcome.failed(2, f"{name} is taken for an option")
    assert outcome.hint == f"hint: if you mean the file, write ./{name}"
    serpent("deblur", "--nosuch", "--dry-run").failed(2, "No such option: --nosuch")
