"""Several processes train one network: each takes its part of every batch.

`accelerate launch` starts them, and accelerate joins them; a single process needs neither.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from serpent_cli.errors import DeviceError, UsageError
from serpent_cli.version import install


@dataclass(frozen=True)
class Processes:
    """The processes of a run, seen from one of them.

    Attributes:
        count: How many there are.
        rank: Number of this one; number 0 alone writes and speaks.
    """

    count: int = 1
    rank: int = 0

    def part_of(self, batch: int) -> int:
        """Crops of a batch that fall to each process.

        Raises:
            UsageError: They cannot be shared out evenly.
        """
        if batch % self.count:
            raise UsageError(f"data.batch must be a multiple of the {self.count} processes")
        return batch // self.count

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace every tensor by its mean over all processes, in one message."""
        if self.count == 1:
            return
        from accelerate.utils import reduce

        whole = reduce(torch.cat([tensor.reshape(-1) for tensor in tensors]), "mean")
        assert isinstance(whole, Tensor)
        parts = whole.split([tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def leave(self) -> None:
        """Take leave of the others, at the end."""
        if self.count > 1:
            from accelerate import PartialState

            PartialState().destroy_process_group()


ALONE = Processes()


def join_processes(device: torch.device) -> tuple[Processes, torch.device]:
    """Meet the other processes of this launch, if there are any.

    Args:
        device: Where the run was asked to compute; of several GPUs each process gets its own.

    Returns:
        The processes, and this one's device.

    Raises:
        DeviceError: The process was launched as one of several, and accelerate is not installed.
    """
    launched = torch.distributed.is_available() and torch.distributed.is_torchelastic_launched()
    if not launched:
        return ALONE, device
    try:
        from accelerate import PartialState
    except ImportError as error:
        raise DeviceError(
            "training in several processes needs accelerate, which is not installed",
            hint=f"{install('train')}, or start serpent without a launcher",
        ) from error
    state = PartialState(cpu=device.type == "cpu")
    return Processes(state.num_processes, state.process_index), state.device or device
