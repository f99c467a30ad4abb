"""Metric depth from one camera: `from depth_node import DepthEstimator`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .estimator import DepthEstimator

__all__ = ['DepthEstimator']


def __getattr__(name: str) -> Any:
    """Import the estimator, and the network library with it, only when it is asked for."""
    if name == 'DepthEstimator':
        from .estimator import DepthEstimator

        return DepthEstimator
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
