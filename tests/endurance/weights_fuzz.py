"""Damaged and hostile weights through `load_model`.

Every file must be loaded, where nothing that matters is wrong with it, or refused with one clear
sentence that names it and a way out; within 5 seconds of work, and with at most 64 MiB more memory
than before. A worker does the loading, so that a crash is one file and not the end. File N of a
seed is always the same: `--show N` writes it.
"""

import argparse
from pathlib import Path

import torch

from serpent_cli.errors import SerpentError
from serpent_cli.zoo.load import load_model
from tests.endurance import workers
from tests.endurance.report import Check
from tests.endurance.weights_files import sound
from tests.endurance.weights_lies import HARMLESS, mutated
from tests.endurance.workers import READ, REFUSED, Search

SECONDS = 5


def add_options(parser: argparse.ArgumentParser) -> None:
    """What this driver may be told."""
    workers.add_options(parser, 5000)
    parser.add_argument("--reasons", action="store_true", help="print why files were refused")


def checks(given: argparse.Namespace) -> list[Check]:
    """Load the files that were asked for."""
    search = Search(
        options=("weights_fuzz", "--seed", str(given.seed)),
        make=lambda index: mutated(given.seed, index),
        judge=_judge,
        read=lambda path: load_model(f"./{path}", torch.device("cpu")),
        kind_of=lambda way: way,
        seconds=SECONDS,
        memory=64 * 2**20,
        address_space=2 * 2**30,
        suffix=".safetensors",
        prepare=_prepare,
    )
    found = workers.hunted(search, given)
    if given.reasons:
        for way, reason in sorted({(each.name, each.detail) for each in found if each.detail}):
            print(f"{way}: {reason}")
    return workers.summed_up(search, found) if found else []


def _prepare(folder: Path) -> None:
    """Load a sound file: what torch itself takes is no file's growth."""
    torch.set_num_threads(1)
    path = folder / "sound.safetensors"
    path.write_bytes(sound())
    load_model(f"{folder}/{path.name}", torch.device("cpu"))
    path.unlink()


def _judge(path: Path, way: str) -> tuple[str, str]:
    try:
        load_model(str(path), torch.device("cpu"))
    except SerpentError as error:
        text = f"{error.message} | {error.hint}"
        if not error.message or not error.hint:
            return "no hint", text
        sentence = error.message.isprintable() and len(error.message) < 500
        if str(path) not in error.message or not sentence:
            return "no clear sentence", ascii(text)[:500]
        return REFUSED, error.message.replace(str(path), "FILE")
    except BaseException as error:  # noqa: BLE001 (whatever it is, it is a finding)
        return type(error).__name__, str(error)[:300]
    return (READ, "") if way in HARMLESS else ("loaded, and must not be", "")
