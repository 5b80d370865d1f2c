"""What a card says its weights were trained for.

A record holds a `mixture` of ways in which crops come to harm, or, in older cards, one way beside
the task. A range counts only in ways that use it: `radius` says nothing where no disk is drawn.
"""

from collections.abc import Sequence
from typing import Any

from serpent_cli.zoo.card import Card

OLD_KINDS = ("gaussian", "oval", "disk", "motion")  # in older cards, frequencies in this order

Way = dict[str, Any]


def ways(card: Card) -> list[Way]:
    """The ways in which the training crops came to harm; empty where the card is silent."""
    record: Way = card.trained.get("degradation", {})
    if not record:
        return []
    if "mixture" in record:
        return list(record["mixture"])
    if record.get("task") == "upscale":
        # Older training reduced clean crops and did nothing else, whatever the record's ranges say.
        return [{"clean_share": 1.0, "clean_untouched": 1.0}]
    return [record]


def within(strength: float, name: str, kinds: Sequence[str], trained: Sequence[Way]) -> bool:
    """Whether a strength lies in the widest range of the ways that draw one of these kinds of blur.

    Args:
        strength: In the unit of the range.
        name: Of the range, such as `sigma`.
        kinds: Kinds of blur that have this strength; empty: it belongs to none.
        trained: From `ways`; where all of them are silent about the range, nothing is outside.
    """
    known = [way for way in trained if name in way or not _blurs(way)]
    if not known:
        return True
    used = [way for way in known if name in way and _draws(way, kinds) and _touches(way, name)]
    lows, highs = [way[name][0] for way in used], [way[name][1] for way in used]
    return bool(used) and min(lows) <= strength <= max(highs)


def reduces(filter: str, antialias: bool, trained: Sequence[Way]) -> bool:
    """Whether one of the ways reduces so; an exact bicubic reduction is always among them."""
    if not trained or (filter == "bicubic" and antialias):
        return True
    drawn = [way for way in trained if _blurs(way) and way.get("filters", {}).get(filter, 0) > 0]
    return any(antialias or way.get("aliased_share", 0) > 0 for way in drawn)


def _blurs(way: Way) -> bool:
    return way.get("clean_share", 0) < 1


def _touches(way: Way, name: str) -> bool:
    """Whether the noise or codec of this range befalls any crop."""
    if not _blurs(way) and way.get("clean_untouched", 0) >= 1:
        return False
    if name == "noise":
        return way.get("noise_free_share", 0) < 1
    if name == "quality":
        shares = [way[key] for key in ("jpeg_share", "webp_share", "twice_share") if key in way]
        return not shares or max(shares) > 0
    return True


def _draws(way: Way, kinds: Sequence[str]) -> bool:
    """Whether one of these kinds is drawn; a way that lists no kinds is taken to draw them all."""
    if not kinds:
        return True
    listed: Any = way.get("kinds")
    if listed is None:
        return _blurs(way)
    shares: Any = listed if isinstance(listed, dict) else dict(zip(OLD_KINDS, listed, strict=False))
    return _blurs(way) and any(shares.get(kind, 0) > 0 for kind in kinds)
