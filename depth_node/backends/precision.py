"""Precisions by name: the numbers that a network computes with. int8 is a file's own (depth_export --int8)."""

from __future__ import annotations

from msg_tools.errors import BackendError

PRECISIONS = ('auto', 'fp32', 'bf16', 'fp16')  # auto: fp32 on the CPU
REDUCED = ('bf16', 'fp16')


def require_precision(precision: str) -> None:
    """Raise BackendError where a precision is none that we know."""
    if precision not in PRECISIONS:
        raise BackendError(f'expected a precision out of {", ".join(PRECISIONS)}, got {precision!r}')


def require_fp32(precision: str, runs: str) -> None:
    """Raise BackendError where another precision is asked of what runs in fp32 alone, e.g. 'ONNX Runtime'."""
    if precision in REDUCED:
        raise BackendError(f'{runs}: expected precision auto or fp32, got {precision}; leave it at auto, or take a '
                           'checkpoint in backend openvino or torch')
