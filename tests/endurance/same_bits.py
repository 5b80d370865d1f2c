"""Pictures of every kind restored by the real command: the same bits as before a change?

60 and some pictures, made by a seed, go through weights made by a seed: every format, depth and
alpha, whole, by tiles and by bands, parts and sizes, and some that cannot be restored. Kept are
digests of what others decode of each result, its profile, EXIF and XMP, the exit code, and what was
said. The bytes of the files are kept too; a codec may change them, and they are not compared.
"""

import argparse
import json
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.endurance import pictures
from tests.endurance.processes import begin, forked, wait
from tests.endurance.report import Check
from tests.endurance.seen import Record, seen

NOT_COMPARED = ("bytes",)
# Less than the tall pictures take whole, without and with alpha.
BANDS, CLEAR_BANDS = (("--tile", "128", "--max-memory", size) for size in ("0.64G", "0.7G"))
_WRITTEN = (".png", ".jpg", ".tif", ".webp", ".avif", ".jp2", ".bmp")


@dataclass(frozen=True)
class Case:
    """One run of the command.

    Attributes:
        source: Name of a picture of `pictures`, or of a file that is none.
        options: What the command is given beside it; "x2" and "x4" at the front enlarge.
        suffix: Of the result; empty: the source's own, or .png where it cannot be written.
    """

    source: str
    options: tuple[str, ...] = ()
    suffix: str = ""

    @property
    def name(self) -> str:
        """What the case is called."""
        return " ".join((self.source, *self.options, self.suffix)).strip()

    @property
    def target(self) -> str:
        """The result's suffix."""
        own = Path(self.source).suffix
        return self.suffix or (own if own in _WRITTEN else ".png")


def cases() -> list[Case]:
    """All runs, in a fixed order."""
    return [
        *(Case(name) for name in sorted(pictures.sources())),
        *(Case("kept.tif", suffix=suffix) for suffix in _WRITTEN if suffix != ".tif"),
        *(Case("deep-clear.tif", suffix=suffix) for suffix in (".png", ".jpg", ".avif", ".bmp")),
        *(Case("float-clear.tif", suffix=suffix) for suffix in (".png", ".jp2", ".webp")),
        *(Case("turned.jpg", suffix=suffix) for suffix in (".png", ".webp", ".avif")),
        Case("turned.jpg", ("--quality", "60")),
        Case("clear.png", ("--quality", "100"), ".webp"),
        Case("deep.png", ("--quality", "100"), ".avif"),
        Case("grey.png", ("--strength", "0.5")),
        *(Case("turned.jpg", ("--size", size)) for size in ("50%", "x100", "120x80!")),
        *(Case(name, ("--tile", "128")) for name in sorted(_wide())),
        *(Case(name, ("--region", "11,7,40,50")) for name in ("turned.jpg", "deep-clear.tif")),
        Case("wide.png", ("--region", "100,20,190,180", "--tile", "128")),
        *(Case(name, ("x2",)) for name in ("clear.png", "kept.tif", "turned.jpg", "float.tif")),
        Case("wide-deep.tif", ("x4", "--tile", "128")),
        *_by_bands(),
        Case("cut.png"), Case("cut.tif"), Case("words.png"), Case("absent.png"),
        Case("grey.png", suffix=".xyz"), Case("grey.png", ("--region", "90,0,40,40")),
    ]  # fmt: skip


def _by_bands() -> list[Case]:
    part = ("--region", "3,500,250,2900")
    return [
        Case("longer.tif", ("--tile", "128", "--max-memory", "0.66G")),
        Case("long-deep.png", ("x4", *CLEAR_BANDS)),
        Case("long-deep.tif", ("x4", *BANDS)),
        Case("long-deep.tif", ("x4", *BANDS), ".png"),
        Case("long-grey.tif", ("x4", *CLEAR_BANDS)),
        Case("long-tiled.tif", ("x4", *CLEAR_BANDS)),
        Case("long-float.tif", ("x4", *CLEAR_BANDS)),
        Case("long-float.tif", ("x4", *CLEAR_BANDS, *part)),
        Case("long.jpg", ("x4", *BANDS), ".tif"),
    ]


def _wide() -> list[str]:
    return [name for name in pictures.large_sources() if name.startswith("wide")]


def add_options(parser: argparse.ArgumentParser) -> None:
    """What this driver may be told."""
    parser.add_argument("--out", type=Path, help="write the digests to this JSON file")
    parser.add_argument("--against", type=Path, help="compare with the digests of this file")
    parser.add_argument("--only", default="", metavar="WORD", help="cases with WORD in their name")
    parser.add_argument("--keep", type=Path, help="leave pictures and results in this new folder")


def checks(given: argparse.Namespace) -> list[Check]:
    """Run all cases, and compare them."""
    chosen = [case for case in cases() if given.only in case.name]
    with tempfile.TemporaryDirectory() as folder:
        if given.keep:
            given.keep.mkdir(parents=True)
        found = run(chosen, given.keep or Path(folder))
    if given.out:
        given.out.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
    made = [Check("pictures restored or refused", len(found))]
    if given.against is None:
        return made
    before: dict[str, Record] = json.loads(given.against.read_text("utf-8"))
    if given.only:
        before = {name: record for name, record in before.items() if name in found}
    lines = list(differences(before, found))
    bytewise = sum(_bytes(before.get(name)) != _bytes(record) for name, record in found.items())
    return [
        *made,
        Check("of them files whose bytes differ, which is no fault", bytewise),
        Check("differences", len(lines), most=0),
        *(Check(line, 1, most=0) for line in lines),
    ]


def _bytes(record: Record | None) -> Any:
    result = (record or {}).get("result")
    return result and result["bytes"]


def differences(before: dict[str, Record], now: dict[str, Record]) -> Iterator[str]:
    """What is not as it was, a line for each case and thing."""
    for name in sorted(before.keys() | now.keys()):
        if name not in before or name not in now:
            yield f"{name}: only {'now' if name in now else 'before'}"
            continue
        then, here = _flat(before[name]), _flat(now[name])
        for key in sorted(then.keys() | here.keys()):
            if then.get(key) != here.get(key) and key not in NOT_COMPARED:
                yield f"{name}: {key}: {then.get(key)} became {here.get(key)}"


def _flat(record: Record) -> Record:
    return {"exit": record["exit"], "said": record["said"], **(record["result"] or {})}


def run(chosen: Sequence[Case], folder: Path) -> dict[str, Record]:
    """Run cases in a folder, one after the other; what is kept of each, by its name."""
    _write_sources(chosen, folder)
    assert wait(forked(lambda: write_weights(folder))) == 0
    return {case.name: _run_one(number, case, folder) for number, case in enumerate(chosen)}


def _write_sources(chosen: Sequence[Case], folder: Path) -> None:
    small, large = pictures.sources(), pictures.large_sources()
    broken = {
        "cut.png": small["deep.png"][:-3000], "cut.tif": small["kept.tif"][:-3000],
        "words.png": b"no picture, but a sentence",
    }  # fmt: skip
    for name in {case.source for case in chosen}:
        if name in large:
            (folder / name).write_bytes(large[name]())
        elif name in small or name in broken:
            (folder / name).write_bytes((small | broken)[name])


def _run_one(number: int, case: Case, folder: Path) -> Record:
    # The same name in every case: what is said must not depend on which cases are run.
    made, said = folder / "made", folder / f"said{number:03}.txt"
    made.mkdir()
    target = f"made/result{case.target}"
    factor = case.options[0] if case.options[:1] in (("x2",), ("x4",)) else ""
    task = ["upscale", "--scale", factor[1:]] if factor else ["deblur"]
    options = case.options[1:] if factor else case.options
    weights = f"./{factor or 'x1'}.safetensors"
    command = [*task, case.source, "-o", target, "--model", weights, "--device", "cpu", "--json",
               "--threads", "1", "--precision", "fp32", *options]  # fmt: skip
    code = wait(begin(command, folder, said))
    path = folder / target
    record = {
        "exit": code,
        "said": _without_times(said.read_text("utf-8")),
        "result": seen(path) if path.exists() else None,
    }
    made.rename(folder / f"made{number:03}")
    return record


def _without_times(text: str) -> list[str]:
    """The lines said, but for how long it took."""
    text = re.sub(r'"seconds": [\d.]+', '"seconds": 0', text)
    return re.sub(r"in [\d.]+ s\b", "in 0 s", text).splitlines()


def write_weights(folder: Path) -> None:
    """Weights of tiny networks for 1, 2 and 4 times the size; the same on every machine."""
    import numpy as np
    import torch

    from serpent_cli.model.config import ModelConfig
    from serpent_cli.zoo.checkpoint import save_weights, shapes_of

    for scale in (1, 2, 4):
        config = ModelConfig(widths=(4, 4, 6, 8), scale=scale)
        rng = np.random.default_rng(scale)
        tensors = {}
        for name, shape in sorted(shapes_of(config).items()):
            values = rng.normal(0, 0.05, shape).astype(np.float32)
            tensors[name] = torch.from_numpy(values)
        save_weights(tensors, config, folder / f"x{scale}.safetensors")
