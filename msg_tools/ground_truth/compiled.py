"""Compile loops over points and pixels with Numba where it is installed; without it they run as they stand, slowly.

One implementation serves both, so that the maps are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np

try:
    import numba
except ImportError:  # no wheel for this Python or machine yet
    numba = None  # type: ignore[assignment]

F = TypeVar('F', bound=Callable[..., Any])

SLOW = ('Numba is not installed: the loops over points run as plain Python, about a hundred times slower; '
        'pip install numba')


def compiled(function: F) -> F:
    """Compile a function over arrays and numbers when it is first called; the result is kept on the disk if possible.

    No fast-math: NaN and the order of operations count, and with them the same pixels on every machine.
    """
    if numba is None:
        return cast(F, np.errstate(all='ignore')(function))  # compiled loops do not warn of NaN, either
    options: Any = {'nogil': True, 'error_model': 'numpy'}
    try:
        result: Any = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        result = numba.njit(**options)(function)
    return cast(F, result)


def is_compiled() -> bool:
    """Return whether the loops are compiled."""
    return numba is not None
