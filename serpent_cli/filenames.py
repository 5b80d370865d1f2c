"""Names of files are bytes: Python keeps what is no text in them as lone surrogates (PEP 383).

As text they cannot be encoded; here is how they get into JSON and onto a terminal all the same.
"""

import json
import unicodedata
from typing import Any

_TURNS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of writing: with them a name shows another suffix."""
_STEERING = frozenset(("Cc", "Cs", "Zl", "Zp"))
"""Unicode's categories of controls, surrogates, and ends of lines and paragraphs."""


def json_text(record: Any, *, encoding: str = "utf-8", **how: Any) -> str:
    r"""JSON that can be encoded: all as it is, or if that cannot be, escaped as in \udce9.

    Args:
        record: What to write.
        encoding: Of what it is written to.
        how: Further arguments of `json.dumps`.
    """
    text = json.dumps(record, ensure_ascii=False, **how)
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return json.dumps(record, **how)
    return text


def printable(text: str) -> str:
    r"""Text that steers no terminal: controls, ends of lines, stray bytes become \x1b and such."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    if unicodedata.category(character) not in _STEERING and character not in _TURNS:
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no text
        return f"\\x{code - 0xDC00:02x}"
    return ascii(character)[1:-1]
