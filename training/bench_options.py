"""Options that several benchmarks share, and their checks: a number that makes no sense is a usage error."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from depth_node.backends.precision import PRECISIONS


def at_least(low: int) -> Callable[[str], int]:
    """Return argparse's type of whole numbers from low on.

    >>> at_least(1)('3')
    3
    """

    def number(text: str) -> int:
        if not text.strip().isdigit() or int(text) < low:
            raise argparse.ArgumentTypeError(f'expected a whole number from {low} on, got {text!r}')
        return int(text)

    return number


def positive(text: str) -> float:
    """Read a number greater than 0, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float('inf'):
        raise argparse.ArgumentTypeError(f'expected a number greater than 0, got {text!r}')
    return value


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Add --threads."""
    parser.add_argument('--threads', type=at_least(0), default=0, metavar='N',
                        help='CPU threads of the network; 0: its library decides')


def add_repeat(parser: argparse.ArgumentParser, default: int, what: str) -> None:
    """Add --repeat, and --json, which every benchmark has."""
    parser.add_argument('--repeat', type=at_least(1), default=default, metavar='N', help=f'{what} (default {default})')
    parser.add_argument('--json', action='store_true')


def add_precision(parser: argparse.ArgumentParser) -> None:
    """Add --precision, as the node's parameter."""
    parser.add_argument('--precision', choices=PRECISIONS, default='auto',
                        help="as the node's parameter (default auto)")
