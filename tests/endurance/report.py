"""What a driver found, as a table and as JSON."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDEST = 60  # characters of a column: longer cells stand out


@dataclass(frozen=True)
class Check:
    """One thing that was counted or measured.

    Attributes:
        what: What it is.
        value: The figure.
        unit: Its unit; empty for a count.
        most: Largest value that is right; None: any.
    """

    what: str
    value: float
    unit: str = ""
    most: float | None = None

    @property
    def right(self) -> bool:
        """Whether the value is one that it may be."""
        return self.most is None or self.value <= self.most


def table(checks: Sequence[Check]) -> str:
    """The checks as aligned text."""
    lines = [["what", "value", "at most", "right"]]
    for each in checks:
        most = "" if each.most is None else f"{each.most:g} {each.unit}"
        right = "" if each.most is None else "yes" if each.right else "NO"
        lines.append([each.what, f"{each.value:.4g} {each.unit}", most, right])
    widths = [min(WIDEST, max(len(line[i]) for line in lines)) for i in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
