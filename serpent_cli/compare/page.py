"""The page as text: one file that asks for nothing outside itself.

Its Content-Security-Policy forbids every address but data:, and every script and style but the two
of this package, named by their hashes: a file name cannot become markup that does anything.
"""

import base64
import hashlib
import html
import json
from importlib.resources import files
from typing import Any

_PAIRS = "<!-- pairs -->"
# Inside a script element only "<" could end it; the others cost nothing.
_ESCAPES = str.maketrans({sign: f"\\u{ord(sign):04x}" for sign in "<>&"})


def frame(title: str) -> tuple[bytes, bytes]:
    """What stands before and after the pairs.

    Args:
        title: Plain text; whatever is markup in it is shown, not obeyed.
    """
    page, style, script = _own("page.html"), _style(), _script()
    script_source, style_source = sources()
    policy = (
        f"default-src 'none'; img-src data:; style-src {style_source}; script-src {script_source};"
        " base-uri 'none'; form-action 'none'"
    )
    # The title comes last: nothing in it is taken for a place to fill.
    for place, text in (
        ("@STYLE@", style),
        ("@SCRIPT@", script),
        ("@POLICY@", html.escape(policy, quote=False)),
        ("@TITLE@", html.escape(title)),
    ):
        page = page.replace(place, text)
    top, bottom = page.split(_PAIRS)
    # A name that is not UTF-8 shows a question mark instead of ending the work.
    return top.encode("utf-8", "replace"), bottom.encode("utf-8", "replace")


def sources() -> tuple[str, str]:
    """The page's script and its style as a Content-Security-Policy names them, by their hashes."""
    return _hash(_script()), _hash(_style())


def facts_block(facts: dict[str, Any]) -> bytes:
    """Facts about a pair as a block of data that the browser never runs."""
    text = json.dumps(facts).translate(_ESCAPES)
    return f'<script type="application/json" class="pair">{text}</script>\n'.encode("ascii")


def copy_block(kind: str, number: int, address: str) -> bytes:
    """A picture as a block of text, which costs the browser nothing until it is chosen.

    Args:
        kind: "before", "after", "raw" for the smaller picture of a pair in its own size, or
            "spectra" for what `spectra` gave of two cubes.
        number: The pair's, from 0.
        address: As `data_address` gave it, or the codes of spectra.
    """
    return f'<script type="text/plain" id="{kind}-{number}">{address}</script>\n'.encode("ascii")


def _script() -> str:
    return _own("stage.js") + _own("spectra.js") + _own("page.js")


def _style() -> str:
    return _own("page.css")


def _own(name: str) -> str:
    return files("serpent_cli.compare").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
