"""Copies to a device and back that neither the device nor the machine waits for.

On CUDA each direction has a stream of its own and page-locked memory, so that a tile travels while
another one is computed. Elsewhere they are plain copies.
"""

import torch
from torch import Tensor


class PendingCopy:
    """A tensor on its way to the machine's memory.

    Args:
        tensor: Where it arrives.
        event: What happens when it has; None: it is there.
    """

    def __init__(self, tensor: Tensor, event: torch.Event | None = None) -> None:
        self._tensor, self._event = tensor, event

    def wait(self) -> Tensor:
        """The tensor, on the CPU, once it is whole."""
        if self._event is not None:
            self._event.synchronize()
        return self._tensor


class DeviceCopies:
    """Moves tensors between the CPU and one device.

    Args:
        device: Where networks run.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        streams = 2 if device.type == "cuda" else 0
        self._streams = [torch.cuda.Stream(device) for _ in range(streams)]

    def upload(self, tensor: Tensor) -> Tensor:
        """A tensor of the CPU, on the device; work queued from now on finds it there."""
        if not self._streams:
            return tensor.to(self.device)
        stream, work = self._streams[0], torch.cuda.current_stream(self.device)
        with torch.cuda.stream(stream):
            there = tensor.pin_memory().to(self.device, non_blocking=True)
        work.wait_stream(stream)
        there.record_stream(work)
        return there

    def download(self, tensor: Tensor) -> PendingCopy:
        """Send a tensor of the device to the CPU as soon as the work queued until now is done."""
        if not self._streams:
            return PendingCopy(tensor.cpu())
        stream = self._streams[1]
        stream.wait_stream(torch.cuda.current_stream(self.device))
        here = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        with torch.cuda.stream(stream):
            here.copy_(tensor, non_blocking=True)
            event = stream.record_event()
        tensor.record_stream(stream)
        return PendingCopy(here, event)
