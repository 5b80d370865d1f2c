"""Names are bytes: whatever is no text goes through lists, results, JSON, manifests, terminals."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="names of bytes are Linux's")

COMMAND = [sys.executable, "-m", "serpent_cli"]
STRICT = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
ODD = b"p12\xe9.png"
Model = tuple[str, Path]


@pytest.fixture
def trip(photo: NDArray[np.uint8], tmp_path: Path) -> Path:
    """Three pictures, the second of which has a name that is no text."""
    folder = tmp_path / "trip"
    folder.mkdir()
    for name in (b"a.png", ODD, b"z.png"):
        Image.fromarray(photo[:8, :8]).save(os.fsdecode(bytes(folder) + b"/" + name))
    return folder


def run(*args: str | Path, **options: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *map(str, args)], capture_output=True, timeout=60, env=STRICT, **options
    )


def test_a_batch_with_such_a_name_is_done_noted_and_resumed(trip: Path, model: Model) -> None:
    out = trip.with_name("out")
    done = run("deblur", trip, *model, "-o", out)
    assert done.returncode == 0
    assert rb"/trip/p12\xe9.png in " in done.stderr
    assert done.stdout.splitlines() == [bytes(out) + b"/" + n for n in (b"a.png", ODD, b"z.png")]
    assert sorted(os.listdir(bytes(out)))[-3:] == [b"a.png", ODD, b"z.png"]
    lines = (out / ".serpent.jsonl").read_bytes().splitlines()
    noted = [os.fsencode(json.loads(line).get("output", "")) for line in lines[1:]]
    assert sorted(noted) == [b"a.png", ODD, b"z.png"], "several are written at once"
    again = run("deblur", trip, *model, "-o", out)
    assert (again.returncode, again.stdout) == (0, b"")
    assert b", 3 skipped, 0 failed" in again.stderr


def test_a_manifest_of_an_earlier_version_recovers(trip: Path, model: Model) -> None:
    """It held the name's byte as it was, so that its line was no UTF-8."""
    out = trip.with_name("out")
    run("deblur", trip, *model, "-o", out)
    path = out / ".serpent.jsonl"
    path.write_bytes(path.read_bytes().replace(rb"\udce9", b"\xe9"))
    assert b", 3 skipped, 0 failed" in run("deblur", trip, *model, "-o", out).stderr


def test_json_stays_valid(trip: Path, model: Model) -> None:
    done = run("deblur", trip, *model, "-o", trip.with_name("out"), "--json")
    records = [json.loads(line.decode("utf-8", "strict")) for line in done.stdout.splitlines()]
    assert [os.path.basename(os.fsencode(each["input"])) for each in records[:-1]] == [
        b"a.png", ODD, b"z.png",
    ]  # fmt: skip
    assert rb"p12\udce9.png" in done.stdout


def test_lists_hold_such_names(trip: Path, model: Model) -> None:
    names = [bytes(trip) + b"/" + name for name in (b"a.png", ODD)]
    one, two = trip.with_name("one"), trip.with_name("two")
    done = run("deblur", "--from0", *model, "-o", one, input=b"\0".join(names))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1] == bytes(one) + b"/" + ODD
    (trip / "list.txt").write_bytes(b"\n".join(names))
    done = run("deblur", f"@{trip / 'list.txt'}", *model, "-o", two)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1] == bytes(two) + b"/" + ODD


def test_errors_name_the_byte(trip: Path, model: Model) -> None:
    Path(os.fsdecode(bytes(trip) + b"/" + ODD)).write_bytes(b"")
    done = run("deblur", trip, *model, "-o", trip.with_name("out"))
    assert done.returncode == 1
    assert rb"p12\xe9.png: the file is empty" in done.stderr


def test_a_stream_without_a_character_gets_an_escape_sequence(
    model: Model, photo_file: Path, tmp_path: Path
) -> None:
    strict = {**os.environ, "PYTHONIOENCODING": "ascii:strict"}
    done = subprocess.run(
        [*COMMAND, "deblur", photo_file, *map(str, model), "-o", tmp_path / "caf\u00e9.png"],
        capture_output=True, timeout=60, env=strict,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(b"caf\\xe9.png\n")


def test_scores_and_cards_hold_such_names(tmp_path: Path) -> None:
    from serpent_cli.filenames import json_text

    name = os.fsdecode(ODD)
    assert json.loads(json_text({"file": name}).encode()) == {"file": name}
    assert json_text({"file": "caf\u00e9"}) == '{"file": "caf\u00e9"}'
