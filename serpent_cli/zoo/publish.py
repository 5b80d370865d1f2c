"""Weights to the Hugging Face Hub: a repository that this program and Python both load from."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from serpent_cli.errors import ModelError
from serpent_cli.settings import is_offline
from serpent_cli.version import DISTRIBUTION
from serpent_cli.zoo.card import Card, sha256
from serpent_cli.zoo.hub_errors import hub_errors
from serpent_cli.zoo.hub_requests import AGENT
from serpent_cli.zoo.names import DEFAULT_FILE, HubReference


def publish(path: Path, card: Card, repo: str, *, private: bool = False, message: str = "") -> str:
    """Upload weights, their card, their configuration and a page, in one commit.

    Args:
        path: The file of weights.
        card: What is known about them.
        repo: `owner/name`; made if it does not exist.
        private: Make it private.
        message: Of the commit; empty for a usual one.

    Returns:
        How the uploaded weights are named, pinned to the commit.

    Raises:
        ModelError: Offline, the file is not the card's, or the Hub refuses.
    """
    target = HubReference.parse(f"hf://{repo}")
    if is_offline():
        raise ModelError("cannot push: serpent is offline", hint="unset HF_HUB_OFFLINE")
    if sha256(path) != card.sha256:
        raise ModelError(f"{path} is not the file that its card describes (sha256 differs)")
    from huggingface_hub import CommitOperationAdd, HfApi

    api = HfApi(**AGENT)
    try:
        shown = page(card, repo).encode()
    except (LookupError, TypeError, ValueError) as error:
        raise ModelError(
            f"the card of {card.name} lacks what its page needs: {error}",
            hint="its scores and data must have the entries that `serpent train` writes",
        ) from error
    files: dict[str, bytes | Path] = {
        DEFAULT_FILE: path,
        target.card_file: dataclasses.replace(card, file=DEFAULT_FILE, hub="").to_json().encode(),
        "config.json": configuration(card).encode(),
        "README.md": shown,
    }
    operations = [
        CommitOperationAdd(name, str(content) if isinstance(content, Path) else content)
        for name, content in files.items()
    ]
    with hub_errors(target):
        api.create_repo(repo, private=private, exist_ok=True)
        commit = api.create_commit(
            repo, operations, commit_message=message or f"{card.name} {card.sha256[:12]}"
        )
    return str(dataclasses.replace(target, revision=str(commit.oid)))


def configuration(card: Card) -> str:
    """`config.json`: the arguments of `zoo.pretrained.Serpent`."""
    return json.dumps({"config": card.config.record()}, indent=2) + "\n"


def page(card: Card, repo: str) -> str:
    """The repository's README.md, whose metadata the Hub understands."""
    from huggingface_hub import EvalResult, ModelCard, ModelCardData

    scores = [
        EvalResult(
            task_type="image-to-image", task_name=str(score["case"]), dataset_type="photographs",
            dataset_name=f"{score['files']} photographs", metric_type=metric, metric_value=value,
        )
        for score in card.scores
        for metric, value in (("psnr", score.get("after_db")), ("ssim", score.get("ssim_after")))
        if value is not None
    ]  # fmt: skip
    data = ModelCardData(
        library_name=DISTRIBUTION, license=card.licence.lower(), pipeline_tag="image-to-image",
        tags=["image-restoration", card.task, "state-space-model"], metrics=["psnr", "ssim"],
        datasets=sorted({str(record["source"]) for record in card.data}),
        model_name=card.name, eval_results=scores,
    )  # fmt: skip
    return str(ModelCard(f"---\n{data.to_yaml()}\n---\n\n{_text(card, repo)}"))


def _text(card: Card, repo: str) -> str:
    option = "" if card.scale == 1 else f" --scale {card.scale}"
    lines = [
        f"# {card.name}", "", card.description, "",
        "```", f"serpent {card.task}{option} --model hf://{repo} in.png -o out.png", "```", "",
        "```python", "from serpent_cli.zoo.pretrained import Serpent", "",
        f'network = Serpent.from_pretrained("{repo}")  # (B, 3, H, W) in [0, 1]', "```", "",
        f"Network: {card.config.mixer}, widths {card.config.widths}; licence {card.licence};"
        f" sha256 `{card.sha256}`.", "",
    ]  # fmt: skip
    if card.scores:
        lines += ["| case | photographs | before | after |", "| --- | --- | --- | --- |"]
        lines += [
            f"| {s['case']} | {s['files']} | {_db(s.get('before_db'))} | {_db(s.get('after_db'))} |"
            for s in card.scores
        ]
    if card.limits:
        lines += ["", "What it does not do:", "", *(f"* {sentence}" for sentence in card.limits)]
    if card.data:
        lines += ["", "Trained on:", ""]
        lines += [f"* {r['source']}: {r['images']} ({r['licence']})" for r in card.data]
    return "\n".join(lines) + "\n"


def _db(value: Any) -> str:
    return "" if value is None else f"{value:.2f} dB"
