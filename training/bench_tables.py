"""Tables in Markdown, and numbers as they stand in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Rows = list[Sequence[object]]
NOTHING = '-'


def md_table(rows: Sequence[Sequence[object]]) -> str:
    """Return rows of cells as a Markdown table; the first row is the header.

    >>> print(md_table([('a', 'b'), (1, 2.5)]))
    | a | b |
    |---|---|
    | 1 | 2.5 |
    """
    lines = ['| ' + ' | '.join(map(str, row)) + ' |' for row in rows]
    return '\n'.join([lines[0], '|' + '---|' * len(rows[0]), *lines[1:]])


def cell(value: Any) -> str:
    """Return a number with three digits that count, a dash for None, and anything else as it is.

    >>> [cell(value) for value in (0.06789, 0.1, 20.94, 1204.3, 7, None)]
    ['0.0679', '0.1', '20.9', '1204', '7', '-']
    """
    if value is None:
        return NOTHING
    if not isinstance(value, float):
        return str(value)
    return f'{value:.0f}' if abs(value) >= 1000 else f'{value:.3g}'


def spread_text(spread: dict[str, float] | None) -> str:
    """Return percentiles in one cell: p50 / p90 / p99 / max, as many as there are.

    >>> spread_text({'p50': 1.0, 'p90': 2.0})
    '1 / 2'
    """
    if not spread:
        return NOTHING
    return ' / '.join(cell(spread[key]) for key in ('p50', 'p90', 'p99', 'max') if key in spread)
