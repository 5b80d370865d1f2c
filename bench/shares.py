"""Where the time of a pass through the network goes: seconds of every kind of operation."""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

from bench.timing import Row

KINDS = {
    "scan": ("serpent.cross_scan",),
    "products": ("aten.mm", "aten.linear", "aten.addmm", "aten.conv"),
    "norms and gates": ("serpent.gated_norm", "aten.layer_norm", "aten.native_layer_norm"),
    "depthwise convolutions": ("serpent.depthwise",),
    "casts": ("aten.to.", "aten._to_copy"),
}


class OperationClock(TorchDispatchMode):
    """Within, notes every operation of this thread and its seconds, in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[tuple[str, float]] = []

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run the operation, and note its time."""
        del types
        begun = time.perf_counter()
        out = func(*args, **dict(kwargs or {}))
        self.noted.append((str(func), time.perf_counter() - begun))
        return out


def kind_of(operation: str) -> str:
    """The kind in `KINDS` of an operation's name, `other` if it is of none."""
    for kind, beginnings in KINDS.items():
        if operation.startswith(beginnings):
            return kind
    return "other"


def seconds_by_kind(function: Callable[[], object], runs: int = 3) -> dict[str, float]:
    """Seconds of each kind of operation in `function`, of each operation's fastest run."""
    function()
    notes: list[list[tuple[str, float]]] = []
    for _ in range(runs):
        with OperationClock() as clock:
            function()
        notes.append(clock.noted)
    found = dict.fromkeys((*KINDS, "other"), 0.0)
    for same in zip(*notes, strict=True):
        found[kind_of(same[0][0])] += min(seconds for _, seconds in same)
    return found


def share_rows(name: str, found: Mapping[str, float]) -> list[Row]:
    """The share of each kind in the sum, largest first."""
    total = sum(found.values())
    parts = defaultdict(float, found)
    return [
        Row(f"  {name}: {kind}", 100 * parts[kind] / total, "%")
        for kind in sorted(parts, key=lambda kind: -parts[kind])
    ]
