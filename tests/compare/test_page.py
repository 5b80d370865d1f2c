import base64
import hashlib
import json
import re
from pathlib import Path

import pytest

from serpent_cli.compare import page

NASTY = [
    "<script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "<!-- <script>",
    "]]>&amp;&lt;\u2028{{@STYLE@}}@SCRIPT@<!-- pairs -->",
]


def write(tmp_path: Path, title: str = "title", *blocks: bytes) -> Path:
    top, bottom = page.frame(title)
    path = tmp_path / "page.html"
    path.write_bytes(top + b"".join(blocks) + bottom)
    return path


@pytest.mark.parametrize("text", NASTY)
def test_markup_in_names_is_text(tmp_path: Path, parsed: type, text: str) -> None:
    plain = parsed(write(tmp_path, "title", page.facts_block({"name": "cup"})))
    nasty = parsed(write(tmp_path, text, page.facts_block({"name": text, "notes": [text]})))
    assert nasty.elements == plain.elements
    assert nasty.texts["title"].strip() == text
    assert nasty.facts == [{"name": text, "notes": [text]}]


def test_names_that_are_not_utf8_are_shown_somehow(tmp_path: Path, parsed: type) -> None:
    name = b"caf\xe9.png".decode("utf-8", "surrogateescape")
    shown = parsed(write(tmp_path, name, page.facts_block({"name": name})))
    assert shown.texts["title"].strip() == "caf?.png"
    assert shown.facts[0]["name"].startswith("caf")


def test_the_policy_allows_data_and_our_own_text_only(tmp_path: Path, parsed: type) -> None:
    path = write(tmp_path)
    text = path.read_text(encoding="utf-8")
    policy = next(
        attributes["content"]
        for tag, attributes in parsed(path).elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["img-src"] == "data:"
    for tag in ("style", "script"):
        bodies = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert len(bodies) == 1
        digest = base64.b64encode(hashlib.sha256(bodies[0].encode()).digest()).decode()
        assert rules[f"{tag}-src"] == f"'sha256-{digest}'"
    assert "unsafe" not in policy


def test_nothing_outside_is_named(tmp_path: Path) -> None:
    text = write(tmp_path).read_text(encoding="utf-8")
    assert "//" not in re.sub(r"^\s*//.*| // .*", "", text, flags=re.MULTILINE)
    assert not re.search(r"@import|url\(", text)


def test_facts_stay_one_block(tmp_path: Path) -> None:
    block = page.facts_block({"name": "</script>"}).decode()
    assert block.count("</script>") == 1
    assert json.loads(block.partition(">")[2].partition("<")[0])["name"] == "</script>"
