"""What `serpent train` says before it begins, and recipes that tell their place."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from serpent_cli.zoo.card import Card
from serpent_cli.zoo.locate import list_cards

Serpent = Callable[..., Any]
RECIPES = Path(__file__).resolve().parents[2] / "recipes"


@pytest.fixture
def training(tmp_path: Path, photos: Path, recipe: Path) -> tuple[str | Path, ...]:
    """The words of a command that trains for three steps."""
    return "train", recipe, "--photos", photos, "--out", tmp_path / "run"


def test_it_says_where_it_starts_and_resumes(
    serpent: Serpent, training: tuple[str | Path, ...], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    stopped = serpent(*training, "--minutes", "0")
    assert stopped.err[0] == f"training {run} from nothing: 3 steps on cpu"
    assert stopped.err[1].startswith("step 1/3")
    resumed = serpent(*training)
    assert resumed.err[0] == f"resuming {run} at step 1 of 3, from state.safetensors, on cpu"
    assert resumed.err[1].startswith("step 2/3")
    weights = run / "mini.safetensors"
    finished = serpent(*training, "--init", weights)
    assert finished.err[0] == (
        f"{run} is finished at step 3: its weights are only written again; --init is not used again"
    )
    again = serpent(*training[:-1], tmp_path / "again", "--init", weights)
    assert (
        again.err[0] == f"training {tmp_path / 'again'} from the weights {weights}: 3 steps on cpu"
    )
    assert serpent(*training[:-1], tmp_path / "quiet", "-q").err == []


def test_the_card_repeats_the_whole_command(
    serpent: Serpent, training: tuple[str | Path, ...], tmp_path: Path
) -> None:
    assert serpent(*training).code == 0
    (run,) = Card.read(tmp_path / "run" / "mini.json").trained["runs"]
    assert run["command"] == f"serpent train {training[1]} --photos DIR --out {tmp_path / 'run'}"


@pytest.mark.parametrize("option", ["--photos", "--val-photos"])
def test_missing_photographs_are_named_before_any_work(
    option: str, serpent: Serpent, training: tuple[str | Path, ...], tmp_path: Path
) -> None:
    nowhere = tmp_path / "nowhere"
    outcome = serpent(*training, option, nowhere)
    outcome.failed(3, f"{option} {nowhere} does not exist")
    assert not (tmp_path / "run").exists()
    words = [str(word) for word in (*training, option, nowhere)]
    code = (
        "import sys\nfrom serpent_cli.cli.app import main\n"
        f"try: main({words!r})\nexcept SystemExit: print('torch' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert said.stdout == "False\n", "torch is not loaded for it"


def test_photographs_must_be_given(serpent: Serpent, training: tuple[str | Path, ...]) -> None:
    outcome = serpent(*training[:2])
    outcome.failed(2, "--photos")


@pytest.mark.parametrize("card", list_cards(), ids=lambda card: card.name)
def test_recipes_say_which_leg_they_are(card: Card) -> None:
    for leg, run in enumerate(card.trained["runs"], 1):
        recipe = RECIPES / Path(run["command"].split()[2]).name
        head = "\n".join(
            line for line in recipe.read_text(encoding="utf-8").splitlines() if line.startswith("#")
        )
        assert re.search(rf"\b[Ll]eg {leg} of[^.]*`{card.name}`", head), recipe
        assert f"serpent train recipes/{recipe.name} " in head, recipe
        for other in re.findall(r"\bleg \d+ (?:is )?([\w-]+\.toml)", head):
            assert (RECIPES / other).is_file(), f"{recipe}: {other}"
