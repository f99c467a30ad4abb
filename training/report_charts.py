"""Charts of depth_eval's report: curves over parts of 1, points with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence

from msg_tools.svg_charts import BOTTOM, TOP, Axes, dot, grid, line, path, shown, svg, text, ticks


def curves(lines: Sequence[tuple[Sequence[float], Sequence[float], str, bool]], x_label: str, y_label: str) -> str:
    """Return a chart of curves (x, y, colour, dashed) over parts of 1, from y = 0."""
    axes = Axes(460, 300, (0.0, 1.0), (0.0, 1.1 * max(max(y) for _, y, _, _ in lines) or 1.0))
    drawn = [path(map(axes.at, x, y), color, dashed) for x, y, color, dashed in lines]
    return svg(axes.width, axes.height, [*grid(axes, x_label, y_label, percent='x'), *drawn], y_label)


def bubbles(points: Sequence[tuple[float, float, float]], color: str, x_label: str, y_label: str) -> str:
    """Return a chart of points (x, y, part of all) in 0..1, of a size by their part, beside the diagonal."""
    axes = Axes(460, 300, (0.0, 1.0), (0.0, 1.0))
    drawn = [dot(*axes.at(x, y), color, 3 + 18 * math.sqrt(part), f'{part:.1%} of pixels: stated {x:.2f}, true {y:.2f}')
             for x, y, part in points]
    diagonal = line(*axes.at(0, 0), *axes.at(1, 1), 'diagonal')
    return svg(axes.width, axes.height, [*grid(axes, x_label, y_label), diagonal, '<g opacity="0.8">', *drawn, '</g>'],
               y_label)


Interval = tuple[float, float | None, float | None, str]  # value, lower and upper limit, colour


def points(rows: Sequence[tuple[str, Sequence[Interval]]], label: str, left: int = 210) -> str:
    """Return a chart of values with intervals, a row each; the first values of the rows set the scale."""
    width, step = 1090, 24
    height = TOP + step * len(rows) + BOTTOM
    high = 3 * max(value for _, row in rows for value in row[0][:3] if value is not None)
    high = min(high, 1.05 * max(value for _, row in rows for item in row for value in item[:3] if value is not None))

    def at(value: float) -> float:
        return left + min(value / (high or 1.0), 1.0) * (width - left - 60)

    parts = []
    for value in ticks(0.0, high or 1.0, 8):
        parts += [line(at(value), TOP, at(value), height - BOTTOM), text(at(value), height - BOTTOM + 15, shown(value))]
    for i, (name, row) in enumerate(rows):
        y = TOP + (i + 0.5) * step
        parts.append(text(left - 10, y + 4, name, 'end', 'label'))
        for value, low, up, color in reversed(row):  # the first on top
            if low is not None and up is not None:
                parts.append(line(at(low), y, at(up), y, 'interval', color))
            parts.append(dot(at(value), y, color, 4.5, f'{name}: {value:.3f}'))
            if value > high:
                parts.append(text(at(value) + 9, y + 4, f'{value:.2f} \u203a', 'start'))
    return svg(width, height, [*parts, text((left + width) / 2, height - 4, label, kind='name')], label)
