"""The log of a run: what a line says, the sums behind it, and the file."""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from serpent_cli.ops.clock import Stopwatch
from serpent_cli.whole_files import new_file


@dataclass(frozen=True)
class StepReport:
    """One line of the log: means since the line before.

    Attributes:
        step: Steps done.
        steps: Steps of the whole run.
        loss: Mean loss.
        lr: Learning rate of the last step.
        crops_per_second: Crops trained on per second.
        data_share: Share of the time spent on crops and degradations, 0 to 1.
        scan_share: Share of the time, of all cores that train, spent in the scans and their
            gradients, 0 to 1.
        seconds: Seconds of training done, over all legs.
        val_psnr: PSNR gained by the weights that are exported, on held-out crops, in dB; None if
            not measured at this step.
    """

    step: int
    steps: int
    loss: float
    lr: float
    crops_per_second: float
    data_share: float
    scan_share: float
    seconds: float
    val_psnr: float | None = None


@dataclass(frozen=True)
class Means:
    """Since the last line: mean loss, steps, seconds, and shares as in `StepReport`."""

    loss: float
    steps: int
    seconds: float
    data_share: float
    scan_share: float


class Meter:
    """What sums up between two lines; losses and a GPU's times stay there until it is read.

    Args:
        device: Where the run computes.
        scan: The stopwatch of its scans.
        workers: Threads whose scans run at the same time.
    """

    def __init__(self, device: torch.device, scan: Stopwatch, workers: int) -> None:
        self.data, self.scan, self.workers = Stopwatch(), scan, workers
        self._losses = torch.zeros((), device=device)
        self._steps, self._begun = 0, time.perf_counter()

    def add(self, loss: Tensor) -> None:
        """Count a step."""
        self._losses += loss
        self._steps += 1

    def read(self) -> Means:
        """Sum up; on a GPU the only place of a run that waits for it."""
        loss, seconds = float(self._losses) / self._steps, time.perf_counter() - self._begun
        scan_share = self.scan.take() / seconds / self.workers
        return Means(loss, self._steps, seconds, self.data.take() / seconds, scan_share)

    def restart(self) -> None:
        """Begin the next line; what ran since `read` belongs to none."""
        self._losses.zero_()
        self.scan.take()
        self._steps, self._begun = 0, time.perf_counter()


class RunLog:
    """The file log.jsonl, one `StepReport` per line."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, report: StepReport) -> None:
        """Append a line."""
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(asdict(report)) + "\n")

    def forget_after(self, step: int) -> None:
        """Drop what a killed leg logged after its last checkpoint: those steps are done again."""
        if not self.path.exists():
            return
        # A kill may leave half a line, always the last: it lies beyond the checkpoint too.
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
        if kept != lines:
            with new_file(self.path, force=True) as stream:
                stream.write("".join(kept).encode())
