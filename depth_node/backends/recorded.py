"""Work on a device that is done again and again on the same memory: on a GPU recorded once, as a CUDA graph.

A graph starts as one call instead of some hundred; copies go through page-locked memory and beside other work.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch

from msg_tools.camera import Array

log = logging.getLogger(__name__)

WARM_UP = 3  # runs before a graph is recorded, in which the libraries choose their algorithms


class Mirror:
    """Memory of a device and as much of the host."""

    def __init__(self, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> None:
        self.tensor = torch.zeros(shape, dtype=dtype, device=device)
        self._host = torch.zeros(shape, dtype=dtype, pin_memory=device.type == 'cuda')
        self.array: Array = self._host.numpy()

    def upload(self) -> None:
        """Begin to copy the host's memory to the device."""
        self.tensor.copy_(self._host, non_blocking=True)

    def download(self) -> None:
        """Begin to copy the device's memory to the host."""
        self._host.copy_(self.tensor, non_blocking=True)


class Recorded:
    """Work from some memory to other memory of a device: `recorded()` uploads the inputs, works, and has the outputs.

    work takes nothing, and writes the outputs' tensors from the inputs'. What raises on the device raises RuntimeError.
    """

    def __init__(self, work: Callable[[], None], inputs: list[Mirror], outputs: list[Mirror],
                 device: torch.device) -> None:
        self.inputs, self.outputs, self.device = inputs, outputs, device
        self.stream = torch.cuda.Stream(device) if device.type == 'cuda' else None
        self.run = self._graph(work) if self.stream else work

    def __call__(self) -> None:
        with torch.inference_mode(), self._on_stream():
            for memory in self.inputs:
                memory.upload()
            self.run()
            for memory in self.outputs:
                memory.download()
        if self.stream:
            self.stream.synchronize()

    def _on_stream(self) -> AbstractContextManager[object]:
        return torch.cuda.stream(self.stream) if self.stream else nullcontext()

    def _graph(self, work: Callable[[], None]) -> Callable[[], None]:
        """Return what replays the work; the work itself where it cannot be recorded."""
        graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize(self.device)  # the memory was made on another stream
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, benchmark=True):
            with self._on_stream():
                for _ in range(WARM_UP):
                    work()
            torch.cuda.synchronize(self.device)
            try:
                with torch.cuda.graph(graph, stream=self.stream):
                    work()
            except RuntimeError as error:
                log.warning('the work on %s is not recorded as a CUDA graph, which costs time: %s', self.device, error)
                return work
        return graph.replay
