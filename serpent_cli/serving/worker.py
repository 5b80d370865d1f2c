"""The process that restores: jobs come as lines of JSON, pictures lie in files.

It is a process of its own, so that the server outlives whatever happens to it: a codec that
crashes, memory that runs out. When the server's end of the pipe closes, it ends.
"""

import json
import math
import os
import signal
import sys
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serpent_cli.errors import SerpentError
from serpent_cli.serving.lanes import Lanes, is_small, same_bits
from serpent_cli.serving.wire import RestoreSettings, as_json
from serpent_cli.settings import BACKEND, go_offline, own_process, prepare_hub

if TYPE_CHECKING:
    from serpent_cli.batch.result import FileResult
    from serpent_cli.zoo.card import Card

AT_ONCE = 2
"""Jobs under way: one is restored while the other is decoded or encoded, or two small ones are
restored at once."""
ROOM = 64 * 2**20
"""Bytes that decoding or encoding may take beside a picture that is being restored."""
KEPT = 3
"""Restorers that are kept ready; with a limit of memory, fewer if their weights exceed `ROOM`."""
COMPARED_BYTES = 48
"""Bytes per pixel that comparing two pictures takes; measured of noise in 8 bits: 33."""


class Restorers:
    """Restorers by what they are made of; those used last are kept.

    Args:
        settings: The server's, as `crew.Settings`.
        lanes: Where they are made.
    """

    def __init__(self, settings: dict[str, Any], lanes: Lanes) -> None:
        self.settings, self.lanes = settings, lanes
        self._made: OrderedDict[tuple[Any, ...], tuple[Any, bool]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, model: str, tile: str, strength: float) -> tuple[Any, bool]:
        """The restorer for a model, and whether one thread gives what all give.

        Raises:
            ModelError: It is neither here nor one that the server was started with.
        """
        key = model, tile, strength
        return self._known(key) or self.lanes.run(lambda: self._known(key) or self._make(key))

    def _known(self, key: tuple[Any, ...]) -> tuple[Any, bool] | None:
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
            return self._made.get(key)

    def _make(self, key: tuple[Any, ...]) -> tuple[Any, bool]:
        from serpent_cli.restoration.arguments import parse_tile
        from serpent_cli.restoration.memory_budget import memory_of
        from serpent_cli.restoration.restorer import RestorerSettings

        model, tile, strength = key
        memory = memory_of(self.settings["max_memory"])
        self._make_way(math.inf if memory is None else ROOM)
        restorer = RestorerSettings(
            model=model, tile=parse_tile(tile), strength=strength,
            device=self.settings["device"], precision=self.settings["precision"],
            max_memory=memory, max_vram=memory_of(self.settings["max_vram"]),
            reserved=AT_ONCE * ROOM,  # what is coded meanwhile
        ).load()  # fmt: skip
        made = restorer, self.lanes.may_share and same_bits(restorer)
        with self._lock:
            self._made[key] = made
        return made

    def _make_way(self, room: float) -> None:
        """Forget those used longest ago, before there is one more: plans count only its weights."""
        with self._lock:
            while len(self._made) >= KEPT or self._kept_bytes() > room:
                self._made.popitem(last=False)

    def _kept_bytes(self) -> int:
        return sum(restorer.costs.weight_bytes for restorer, _ in self._made.values())


def _check_memory(text: str | None) -> None:
    """Refuse a limit with which no picture whatever could be restored.

    Raises:
        UsageError: It is one.
    """
    from serpent_cli.errors import UsageError
    from serpent_cli.restoration.memory_budget import memory_of
    from serpent_cli.restoration.plan import BASE_BYTES, gibibytes

    memory, least = memory_of(text), BASE_BYTES + (AT_ONCE + 1) * ROOM
    if memory is not None and memory < least:
        raise UsageError(
            f"--max-memory {text} is too little for a server", f"give {gibibytes(least)} or more"
        )


class Worker:
    """Does jobs; `lanes` says how many are restored at a time.

    Args:
        settings: The server's, as `crew.Settings`.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        import torch

        if settings["threads"]:
            torch.set_num_threads(settings["threads"])
        self.settings, self.lanes = settings, Lanes(torch.get_num_threads())
        self.restorers = Restorers(settings, self.lanes)

    def warm(self) -> None:
        """Load the models that the server was started with; from then on nothing is downloaded.

        Raises:
            SerpentError: One of them cannot be loaded, or memory is limited too much.
        """
        _check_memory(self.settings["max_memory"])
        for model in self.settings["models"]:
            self.restorers.get(model, "auto", 1.0)
        go_offline()

    def do(self, job: dict[str, Any]) -> dict[str, Any]:
        """The answer to a job: facts of the result, or an error."""
        try:
            with self.lanes.job():
                if job["kind"] == "compare":
                    # Two whole pictures in memory are enough.
                    return self.lanes.run(lambda: _compare(job, self.settings))
                return self._restore(job, RestoreSettings(**job["settings"]))
        except SerpentError as error:
            return as_json(error)
        except Exception as error:  # noqa: BLE001 (one picture must not end the worker)
            text = f"unexpected {type(error).__name__}: {error}"
            return {"error": text, "hint": "please report it", "exit_code": 1}

    def _restore(self, job: dict[str, Any], settings: RestoreSettings) -> dict[str, Any]:
        from serpent_cli.batch.naming import Job
        from serpent_cli.batch.stages import File
        from serpent_cli.ops.backend import use_backend

        source, folder = Path(job["source"]), Path(job["folder"])
        target = folder / f"result{_suffix(source, settings)}"
        model, options = self._options(source, target, settings)
        restorer, sharing = self.restorers.get(model, settings.tile, settings.strength)
        file = File(Job(source, target), restorer, options)

        def restore() -> "FileResult | None":
            with use_backend(BACKEND.get()):
                if file.unread:
                    file.read()
                file.restore()
                return file.write() if file.coding_bytes > ROOM else None

        file.read(ROOM)
        early = self.lanes.run(restore, small=sharing and is_small(file))
        result = early or file.write()
        if result.error is not None:
            error = as_json(result.error)
            return error | {"error": error["error"].replace(str(source), settings.name)}
        difference = result.difference and asdict(result.difference)
        return {
            "path": str(target), "width": result.width, "height": result.height,
            "tiles": result.tiles, "seconds": round(result.seconds, 3),
            "warnings": list(result.warnings), "difference": difference,
        }  # fmt: skip

    def _options(self, source: Path, target: Path, settings: RestoreSettings) -> tuple[str, Any]:
        """Which model, and what holds for the picture.

        Raises:
            SerpentError: A size or scale that there is no model for, or a model that is not served.
        """
        from serpent_cli.batch.groups import group_jobs
        from serpent_cli.batch.naming import Job
        from serpent_cli.batch.stages import RunOptions
        from serpent_cli.imaging.geometry import Geometry
        from serpent_cli.restoration.arguments import parse_region

        size = Geometry.parse(settings.size) if settings.size else None
        scale = settings.scale
        if settings.model is None and scale is None and settings.task == "upscale":
            scales = _scales(settings.style)
            scale = None if size else scales[-1]
            (group,) = group_jobs([Job(source, target)], size=size, scale=scale, scales=scales)
            scale = group.scale
        most = self.settings["max_pixels"]
        options = RunOptions(
            max_pixels=min(most, settings.max_pixels or most), region=parse_region(settings.region),
            force=True, quality=settings.quality, size=size,
        )  # fmt: skip
        return self._model(settings, scale), options

    def _model(self, settings: RestoreSettings, scale: int | None) -> str:
        from serpent_cli.errors import ModelError, UsageError
        from serpent_cli.zoo.names import is_path

        enlarging = settings.task == "upscale"
        model = settings.model
        if model is None:
            model = _upscaler(scale, settings.style) if enlarging else "deblur"
        if is_path(model) and model not in self.settings["models"]:
            raise ModelError(
                f"the server does not serve {model}", "start it with --model and this path"
            )
        card = _card(model)
        if settings.scale is not None and card.scale != settings.scale:
            raise UsageError(f"the model {card.name} enlarges by {card.scale}, not by {scale}")
        return model


# Reading cards took a tenth of a small picture's time. Weights stay what they were at first sight.
@cache
def _upscaler(scale: int | None, style: str | None) -> str:
    from serpent_cli.zoo.locate import upscaler

    return upscaler(scale, style)


@cache
def _scales(style: str | None) -> list[int]:
    from serpent_cli.zoo.locate import upscale_scales

    return upscale_scales(style)


@cache
def _card(model: str) -> "Card":
    from serpent_cli.zoo.locate import locate

    return locate(model).card


def _suffix(source: Path, settings: RestoreSettings) -> str:
    """Of the result: as demanded, or of the input's format where that can be written."""
    from serpent_cli.imaging.formats import HEAD_BYTES, format_named, sniff

    if settings.format is not None:
        return format_named(settings.format).suffixes[0]
    with source.open("rb") as stream:
        suffixes = sniff(stream.read(HEAD_BYTES), settings.name).suffixes
    return suffixes[0] if suffixes else ".png"


def _compare(job: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """The page of `serpent compare` about two pictures.

    Raises:
        SerpentError: They need more memory than there is, or cannot be compared.
    """
    from serpent_cli.compare.page_writer import write_page
    from serpent_cli.compare.pairs import Pair
    from serpent_cli.imaging.read import read_size
    from serpent_cli.restoration.memory_budget import budget_or_default, memory_of
    from serpent_cli.restoration.plan import BASE_BYTES, gibibytes

    target = Path(job["folder"]) / "page.html"
    pair = Pair(Path(job["source"]), Path(job["after"]))
    pixels = max(math.prod(read_size(path)) for path in (pair.before, pair.after))
    needed = BASE_BYTES + AT_ONCE * ROOM + COMPARED_BYTES * pixels
    if needed > budget_or_default(memory_of(settings["max_memory"])):
        raise SerpentError(
            f"comparing pictures of {pixels} pixels needs {gibibytes(needed)} of memory",
            hint=f"start the server with --max-memory {gibibytes(needed)}, or use serpent compare",
        )
    write_page([pair], target, force=True, max_pixels=settings["max_pixels"])
    return {"path": str(target)}


def main() -> None:
    """Work until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to hear
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints is no answer
    told = threading.Lock()

    def tell(answer: dict[str, Any]) -> None:
        with told:
            answers.write(json.dumps(answer) + "\n")

    own_process()
    prepare_hub()
    worker = Worker(json.loads(sys.stdin.readline()))
    try:
        worker.warm()
    except SerpentError as error:
        tell(as_json(error))
        return
    tell({"ready": True})

    def work(job: dict[str, Any]) -> None:
        tell(worker.do(job) | {"id": job["id"]})

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for line in sys.stdin:
            pool.submit(work, json.loads(line))


if __name__ == "__main__":
    main()
