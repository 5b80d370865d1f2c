"""Which picture belongs to which."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Pair:
    """Two files that show the same.

    Attributes:
        before: The file that was worked on.
        after: What became of it.
    """

    before: Path
    after: Path

    @property
    def name(self) -> str:
        """What to call both: their stem where they share it."""
        if self.before.stem == self.after.stem:
            return self.after.stem
        return f"{self.before.name} → {self.after.name}"


@dataclass(frozen=True)
class Pairing:
    """What pairing two folders gave; every file is in exactly one place.

    Attributes:
        pairs: In the order of the files before.
        lonely_before: Files before without a partner.
        lonely_after: Files after without a partner.
    """

    pairs: tuple[Pair, ...]
    lonely_before: tuple[Path, ...]
    lonely_after: tuple[Path, ...]


def pair_by_name(before: Sequence[Path], after: Sequence[Path]) -> Pairing:
    """Pair files of the same name, then of the same stem where that leaves no choice.

    A restored picture keeps its name, but takes the suffix .png where its format can be read and
    not written: so `a.gif` belongs to `a.png`. With `a.gif` and `a.bmp` nobody could say which.

    >>> pair_by_name([Path("x/a.gif"), Path("x/b.png")], [Path("y/a.png")]).pairs[0].after.name
    'a.png'
    """
    partners = _matches(before, after, lambda path: path.name)
    taken = set(partners.values())
    rest = [path for path in before if path not in partners]
    partners |= _matches(
        rest, [path for path in after if path not in taken], lambda path: path.stem
    )
    taken = set(partners.values())
    return Pairing(
        tuple(Pair(path, partners[path]) for path in before if path in partners),
        tuple(path for path in before if path not in partners),
        tuple(path for path in after if path not in taken),
    )


def _matches(
    before: Sequence[Path], after: Sequence[Path], key: Callable[[Path], str]
) -> dict[Path, Path]:
    """Partners whose key is the only one of its kind on both sides."""
    counts = [Counter(map(key, paths)) for paths in (before, after)]
    known = {key(path): path for path in after}
    return {
        path: known[key(path)] for path in before if all(count[key(path)] == 1 for count in counts)
    }
