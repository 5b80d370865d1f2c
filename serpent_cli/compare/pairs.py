"""Which picture belongs to which."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True)
class Pair:
    """Two files that show the same.

    Attributes:
        before: The file that was worked on.
        after: What became of it.
        folder: Where both lie below the two trees that are compared, with forward slashes.
    """

    before: Path
    after: Path
    folder: str = ""

    @property
    def name(self) -> str:
        """What to call both: their stem where they share it, after their folder in a tree."""
        above = f"{self.folder}/" if self.folder else ""
        if self.before.stem == self.after.stem:
            return above + self.after.stem
        return f"{above}{self.before.name} → {self.after.name}"


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


def pair_by_name(
    before: Sequence[Path], after: Sequence[Path], trees: tuple[Path, Path] | None = None
) -> Pairing:
    """Pair files of the same name, then of the same stem where that leaves no choice.

    A restored picture keeps its name, but takes the suffix .png where its format can be read and
    not written: so `a.gif` belongs to `a.png`. With `a.gif` and `a.bmp` nobody could say which.

    Args:
        before: Files before.
        after: Files after.
        trees: The folders above them: files are then paired within the same subfolder of both.

    >>> pair_by_name([Path("x/a.gif"), Path("x/b.png")], [Path("y/a.png")]).pairs[0].after.name
    'a.png'
    """
    firsts, seconds = (
        {path: _below(path, trees and trees[side]) for path in paths}
        for side, paths in enumerate((before, after))
    )
    partners = _matches(firsts, seconds, str)
    taken = set(partners.values())
    partners |= _matches(
        {path: below for path, below in firsts.items() if path not in partners},
        {path: below for path, below in seconds.items() if path not in taken},
        lambda below: str(below.with_suffix("")),
    )
    taken = set(partners.values())
    return Pairing(
        tuple(
            Pair(path, partners[path], _folder(firsts[path])) for path in before if path in partners
        ),
        tuple(path for path in before if path not in partners),
        tuple(path for path in after if path not in taken),
    )


def _below(path: Path, tree: Path | None) -> PurePosixPath:
    """What a file is called: its name, or its path in a tree."""
    return PurePosixPath(path.name if tree is None else path.relative_to(tree).as_posix())


def _folder(below: PurePosixPath) -> str:
    return "" if below.parent == PurePosixPath() else str(below.parent)


def _matches(
    before: Mapping[Path, PurePosixPath],
    after: Mapping[Path, PurePosixPath],
    key: Callable[[PurePosixPath], str],
) -> dict[Path, Path]:
    """Partners whose key is the only one of its kind on both sides."""
    counts = [Counter(map(key, names.values())) for names in (before, after)]
    known = {key(below): path for path, below in after.items()}
    return {
        path: known[key(below)]
        for path, below in before.items()
        if all(count[key(below)] == 1 for count in counts)
    }
