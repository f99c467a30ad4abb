"""What a backend is: the network at any input size, from bytes to two small maps."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from msg_tools.camera import Array

if TYPE_CHECKING:
    from ..result import DepthResult

INPUT = 'rgb'  # of a graph: uint8 (1, h, w, 3)
OUTPUTS = ('log_depth', 'log_scale')  # of a graph, in this order: float32 (1, 1, h/2, w/2)


class Backend(Protocol):
    """A network that runs: `log_depth, log_scale = backend(rgb)`; not for two threads at once."""

    @property
    def description(self) -> str:
        """Say which library runs the network, on what, e.g. 'OpenVINO 2024.4 on CPU, 2 threads'."""

    def __call__(self, rgb: Array) -> tuple[Array, Array]:
        """Run the network on uint8 (h, w, 3), h and w multiples of 32; return log_depth and log_scale (h/2, w/2).

        Both are float32 and the caller's own. Raises BackendError where the library fails.
        """


@runtime_checkable
class WholeBackend(Backend, Protocol):
    """A backend that also resizes the image and scales the answer back where it runs, so that the host need not."""

    @property
    def whole(self) -> Callable[..., DepthResult]:
        """Return what does it all: `result = whole(rgb, plan, limits, out)`, as HostPath."""
