"""`serpent models`."""

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serpent_cli.cli import console, options

if TYPE_CHECKING:
    from serpent_cli.zoo.card import Card

models = typer.Typer(
    name="models",
    help="The bundled weights, and what is known about them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@models.command("list")
def list_models(json: options.Json = False) -> None:
    """List the bundled models."""
    from serpent_cli.zoo.locate import list_cards

    cards = list_cards()
    if json:
        for card in cards:
            console.json_line({"name": card.name, "task": card.task, "scale": card.scale})
        return
    rows = [["name", "task", "scale", "licence", "description"]]
    rows += [[c.name, c.task, f"x{c.scale}", c.licence, c.description] for c in cards]
    console.table(rows)


@models.command("info")
def info(
    model: Annotated[str, typer.Argument(help="Bundled name or path to .safetensors.")],
    json: options.Json = False,
) -> None:
    """Show parameters, operations, margin, trained range, licence and scores of a model."""
    import torch

    from serpent_cli.model.limits import flops
    from serpent_cli.zoo.load import load_model

    network, card = load_model(model, torch.device("cpu"))
    facts: dict[str, Any] = {
        "parameters": sum(p.numel() for p in network.parameters()),
        "gmac_512": round(flops(card.config, 512, 512) / 1e9, 3),
        **dataclasses.asdict(card),
    }
    if json:
        console.json_line(facts)
    else:
        _show(card, facts)


def _show(card: "Card", facts: dict[str, Any]) -> None:
    config = card.config
    rows = [
        ["name", card.name],
        ["what", card.description],
        ["task", f"{card.task}, x{card.scale}"],
        ["parameters", f"{facts['parameters'] / 1e6:.2f} million"],
        ["operations", f"{facts['gmac_512']:.2f} GMAC for a 512 x 512 input, the scan included"],
        ["margin", f"{card.margin} input pixels (farther from a cut 99.9 % of the pixels move by"
                   " less than 0.5/255; at least, where that is as far as was looked)"],
        ["network", f"{config.mixer}, patch {config.patch_size}, widths {config.widths}"
                    f" (sizes of our own: the paper publishes none)"],
        ["licence", card.licence],
        ["sha256", card.sha256],
    ]  # fmt: skip
    rows += [["trained", f"{key}: {value}"] for key, value in _flat(card.trained)]
    rows += [["run", _run(record)] for record in card.trained.get("runs", [])]
    images = sum(int(record.get("images", 0)) for record in card.data)
    rows.append(["photographs", f"{images} from {len(card.data)} sources, licences in the card"])
    rows += [["score", _score(record)] for record in card.scores]
    rows += [["limit", sentence] for sentence in card.limits]
    for left, right in rows:
        console.result(f"{left:<12} {right}")


def _flat(record: dict[str, Any]) -> list[tuple[str, Any]]:
    flat: list[tuple[str, Any]] = []
    for key, value in record.items():
        if key != "runs":
            flat += _flat(value) if isinstance(value, dict) else [(key, value)]
    return flat


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
