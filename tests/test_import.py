import json
import subprocess
import sys

import pytest

import serpent_cli

HEAVY = ["torch", "rich", "numpy", "huggingface_hub", "PIL"]
REPORT = f"import json, sys; print(json.dumps([m for m in {HEAVY} if m in sys.modules]))"


def loaded_after(code: str) -> list[str]:
    """Heavy modules that a fresh interpreter holds after running `code`."""
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\n{REPORT}"], capture_output=True, text=True, check=True
    )
    return json.loads(run.stdout.splitlines()[-1])


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_after("import serpent_cli") == []


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["deblur", "--help"]])
def test_asking_for_help_loads_nothing_heavy(args: list[str]) -> None:
    code = f"from serpent_cli.cli.app import main\ntry:\n    main({args})\nexcept SystemExit: pass"
    assert loaded_after(code) == []


def test_the_restorer_is_there_when_asked_for() -> None:
    from serpent_cli.restoration.restorer import Restorer

    assert serpent_cli.Restorer is Restorer


def test_unknown_names_are_unknown() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Restore'"):
        _ = serpent_cli.Restore  # pyright: ignore
