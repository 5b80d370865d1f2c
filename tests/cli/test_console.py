"""What is shown steers no terminal: names of files, cards and metadata are strangers' text."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from serpent_cli.cli import console
from serpent_cli.cli.progress_bar import byte_bar, progress_bar
from serpent_cli.filenames import printable

RED = "\x1b[31m"


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def a_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Standard output and standard error, 60 columns wide."""
    found = Terminal()
    monkeypatch.setattr("sys.stdout", found)
    monkeypatch.setattr("sys.stderr", found)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")
    return found


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"{RED}red.png", "\\x1b[31mred.png"),
        ("two\nlines\r.png", "two\\nlines\\r.png"),
        ("\x9b31m c1.png", "\\x9b31m c1.png"),
        ("gpj.\u202eexe", "gpj.\\u202eexe"),
        ("a\u2028b\udce9", "a\\u2028b\\xe9"),
        ("caf\u00e9 \u6f22\u5b57 \U0001f468\u200d\U0001f469 ok.png",) * 2,
    ],
)
def test_what_steers_a_terminal_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_all_that_is_said_goes_through_it(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = a_terminal(monkeypatch)
    console.result(f"{RED}a")
    console.note(f"{RED}b")
    console.warning(f"{RED}c")
    console.table([["x", f"{RED}d"]])
    console.facts([("what", f"{RED}e\n")])
    console.json_line({"input": "\x9b31m", "output": "\u202e"})
    text = terminal.getvalue()
    assert not set(text) & {"\x1b", "\x9b", "\u202e"}
    assert len(text.splitlines()) == 6


def test_names_go_into_pipes_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    console.result("two\nlines.png")
    assert capsys.readouterr().out == "two\nlines.png\n"


def test_a_bar_keeps_its_place_and_shows_a_name_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = a_terminal(monkeypatch)
    with progress_bar(2, "files", quiet=False) as bar:
        bar.file("[edited] [/] [red]1.png")
        bar.tile(1, 4)
        bar.advance()
    text = terminal.getvalue()
    assert "[edited] [/] [red]1.png" in text
    begun = len(text)
    with progress_bar(2, "files", quiet=False) as bar:
        bar.file("long" * 60 + f"{RED}.png")
        bar.tile(1, 4)
    text = terminal.getvalue()[begun:]
    assert "longlonglong" in text
    assert "\u2026" in text
    assert "1/4" in text, "the bar is still on the screen"
    with byte_bar("[/]", quiet=False) as on_bytes:
        assert on_bytes is not None
        on_bytes(1, 2)
    assert "[/]" in terminal.getvalue()


def test_errors_about_such_names(
    serpent: Callable[..., Any], model: tuple[str, Path], tmp_path: Path
) -> None:
    path = tmp_path / f"{RED}bad\n.png"
    path.write_bytes(b"")
    outcome = serpent("deblur", path, *model)
    outcome.failed(1, "\\x1b[31mbad\\n.png: the file is empty")
    Image.new("RGB", (8, 8)).save(path)
    (record, _) = map(json.loads, serpent("deblur", path, *model, "--json").out)
    assert record["input"] == str(path)


def test_a_card_of_a_stranger(serpent: Callable[..., Any], model: tuple[str, Path]) -> None:
    card = model[1].with_suffix(".json")
    card.write_text(card.read_text().replace("Only for tests.", "\\u001b[31mred\\nname"))
    outcome = serpent("models", "info", model[1])
    assert outcome.code == 0
    assert any(line.endswith(" \\x1b[31mred\\nname") for line in outcome.out)
