"""`serpent models`."""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serpent_cli.cli import completing, console, options
from serpent_cli.cli.convert import convert
from serpent_cli.cli.help_pages import Commands
from serpent_cli.cli.weights import find_weights, pull, push, remove, verify
from serpent_cli.filenames import json_text

if TYPE_CHECKING:
    from serpent_cli.zoo.card import Card

models = Commands(
    "models", "Manage weights: list, inspect, download, check, publish and convert them."
)
NETWORKS = {
    "serpent": " (sizes of our own: the paper publishes none)",
    "evssm": " in EVSSM's own network",
    "cst": " of CST",
    "cfsdcn": " of CFSDCN",
    "asle": " with ASLE-SSM's scans (sizes of our own: the paper publishes none)",
    "unfolding": " after a Wiener filter, in turns with the snapshot (ours)",
}

Name = Annotated[
    str,
    typer.Argument(
        help="A name, hf://owner/repo, or path to .safetensors.", autocompletion=completing.models
    ),
]


def list_models(json: options.Json = False) -> None:
    """List the bundled weights, and the downloaded ones in the cache."""
    from serpent_cli.zoo.inventory import inventory

    entries = inventory()
    if json:
        for entry in entries:
            card = entry.card
            console.json_line({
                "name": entry.name, "task": card.task, "scale": card.scale, "place": entry.place,
            })  # fmt: skip
        return
    rows = [["name", "task", "scale", "place", "licence", "description"]]
    rows += [
        [e.name, e.card.task, f"x{e.card.scale}", e.place, e.card.licence, e.card.description]
        for e in entries
    ]
    console.table(rows)


def info(model: Name, json: options.Json = False, offline: options.Offline = False) -> None:
    """Show parameters, operations, margin, trained range, licence and scores of a model."""
    found = find_weights(model, offline=offline)
    import torch

    from serpent_cli.model.limits import flops
    from serpent_cli.zoo.load import load_model

    network, card = load_model(found, torch.device("cpu"))
    facts: dict[str, Any] = {
        "parameters": sum(p.numel() for p in network.parameters()),
        "gmac_512": round(flops(card.config, 512, 512) / 1e9, 3),
        **dataclasses.asdict(card),
    }
    if json:
        console.json_line(facts)
    else:
        _show(card, facts)


def path(model: Name, offline: options.Offline = False) -> None:
    """Print the path of a model's weights; they are downloaded first if needed."""
    console.result(str(find_weights(model, offline=offline).path))


models.add("list", list_models)
models.add("info", info)
models.add("path", path)
models.add("pull", pull)
models.add("verify", verify)
models.add("rm", remove)
models.add("push", push)
models.add("convert", convert)


def _show(card: "Card", facts: dict[str, Any]) -> None:
    config = card.config
    rows: list[tuple[str, str]] = [
        ("name", card.name),
        ("what", card.description),
        ("task", f"{card.task}, x{card.scale}"),
        ("parameters", f"{facts['parameters'] / 1e6:.2f} million"),
        ("operations", f"{facts['gmac_512']:.2f} GMAC for a 512 x 512 input, the scan included"),
        ("margin", f"{card.margin} input pixels: pixels farther than this from a tile edge are not"
                   " affected by it (99.9 % of them change by less than 0.5/255)"),
        ("network", f"{config.mixer}, patch {config.patch_size}, widths {config.widths}"
                    + NETWORKS[config.topology]),
        ("licence", card.licence),
        ("sha256", card.sha256),
    ]  # fmt: skip
    rows += [("trained", line) for line in _trained(card.trained)]
    runs = card.trained.get("runs")
    rows += [("run", _told(_run, record)) for record in (runs if isinstance(runs, list) else [])]
    counts = [record.get("images") for record in card.data]
    images = sum(count for count in counts if isinstance(count, int))
    rows.append(("photographs", f"{images} from {len(card.data)} sources, licences in the card"))
    rows += [("score", _told(_score, record)) for record in card.scores]
    rows += [("limit", str(sentence)) for sentence in card.limits]
    console.facts(rows)


def _trained(record: dict[str, Any]) -> list[str]:
    """What a record says of the training, but its runs; each way of a mixture has a line."""
    lines: list[str] = []
    for key, value in record.items():
        if key == "mixture" and isinstance(value, list):
            lines += [f"{key}: {_told(_way, way)}" for way in value]
        elif isinstance(value, dict):
            lines += _trained(value)
        elif key != "runs":
            lines.append(f"{key}: {value}")
    return lines


def _way(record: dict[str, Any]) -> str:
    """One way in which crops came to harm, without what befell none of them."""
    facts = [f"{100 * record['share']:.0f} % of the crops"]
    for key, value in record.items():
        if isinstance(value, dict):
            drawn = [f"{name} {share:g}" for name, share in value.items() if share]
            facts += [f"{key} {', '.join(drawn)}"] if drawn else []
        elif isinstance(value, list):
            joint = " to " if len(value) == 2 else ", "
            facts.append(f"{key} {joint.join(f'{each:g}' for each in value)}")
        elif value and key != "share":
            facts.append(key if value is True else f"{key} {value:g}")
    return "; ".join(facts)


def _told(sentence: Callable[[dict[str, Any]], str], record: Any) -> str:
    """A record as a sentence, or as it is where somebody else's card has other entries."""
    try:
        return sentence(record)
    except (LookupError, TypeError, ValueError):
        return json_text(record)


def _run(record: dict[str, Any]) -> str:
    return (
        f"{record['command']}: {record['steps']} steps, {record['crops']} crops,"
        f" {record['seconds'] / 60:.0f} minutes, {record['device']}"
    )


def _score(record: dict[str, Any]) -> str:
    gain = record.get("gain_db")
    against = "" if gain is None else f" (gain {gain:+.2f})"
    return (
        f"{record['suite']} on {record['files']} photographs, {record['case']}:"
        f" {record['after_db']:.2f} dB{against}"
    )
