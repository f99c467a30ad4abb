"""Charts of depth_eval's report as plain SVG: lines, bars in groups, points with intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

LEFT, RIGHT, TOP, BOTTOM = 58, 22, 12, 38  # margins [px]


@dataclass(frozen=True, slots=True)
class Axes:
    """A plot's frame of width x height px, and the ranges (low, high) that it shows."""

    width: int
    height: int
    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return where a value lies [px]."""
        across, up = ((value - low) / (high - low) for value, (low, high) in ((x, self.x), (y, self.y)))
        return (LEFT + across * (self.width - LEFT - RIGHT),
                self.height - BOTTOM - up * (self.height - TOP - BOTTOM))


def svg(width: int, height: int, parts: Iterable[str], label: str) -> str:
    """Return an SVG of these parts; label is what a screen reader says."""
    return (f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>')


def text(x: float, y: float, words: str, anchor: str = 'middle', kind: str = 'tick') -> str:
    """Return a text at (x, y) px."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def line(x0: float, y0: float, x1: float, y1: float, kind: str = 'grid', color: str = '') -> str:
    """Return a line from (x0, y0) to (x1, y1) px."""
    stroke = f' style="stroke:{color}"' if color else ''
    return f'<line class="{kind}" x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}"{stroke}/>'


def dot(x: float, y: float, color: str, radius: float = 4.0, title: str = '') -> str:
    """Return a filled circle at (x, y) px; title is shown where the mouse rests."""
    return (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" style="fill:{color}">'
            f'<title>{escape(title)}</title></circle>')


def path(points: Iterable[tuple[float, float]], color: str, dashed: bool = False) -> str:
    """Return a line through points [px]."""
    joined = ' '.join(f'{x:.1f},{y:.1f}' for x, y in points)
    return f'<polyline class="curve{" dashed" if dashed else ""}" points="{joined}" style="stroke:{color}"/>'


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return round numbers from low to high, about `count` of them."""
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * nice for nice in (1, 2, 5, 10) if power * nice >= raw * 0.999)
    return [step * i for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def grid(axes: Axes, x_label: str, y_label: str, x_ticks: bool = True, percent: str = '') -> list[str]:
    """Return grid lines, numbers and names of the axes; percent names the axes ('x', 'y') that are parts of 1."""
    parts = []
    (left, bottom), (right, top) = axes.at(axes.x[0], axes.y[0]), axes.at(axes.x[1], axes.y[1])
    for value in ticks(*axes.y):
        _, y = axes.at(axes.x[0], value)
        parts += [line(left, y, right, y), text(left - 6, y + 4, shown(value, 'y' in percent), 'end')]
    for value in ticks(*axes.x) if x_ticks else ():
        x, _ = axes.at(value, axes.y[0])
        parts += [line(x, bottom, x, top), text(x, bottom + 15, shown(value, 'x' in percent))]
    middle = (top + bottom) / 2
    return [*parts, text((left + right) / 2, axes.height - 4, x_label, kind='name'),
            f'<g transform="rotate(-90 12 {middle:.1f})">{text(12, middle, y_label, kind="name")}</g>']


def shown(value: float, percent: bool = False) -> str:
    """Format the number of a tick."""
    return f'{value:.0%}' if percent else f'{value:.10g}'


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


def bars(groups: Sequence[str], series: Sequence[tuple[str, Sequence[float | None], str]], y_label: str) -> str:
    """Return a chart of bars: for each group one of each series (name, values, colour)."""
    highest = max((value for _, values, _ in series for value in values if value is not None), default=0.0)
    axes = Axes(460, 260, (0.0, float(len(groups))), (0.0, 1.1 * highest or 1.0))
    parts = grid(axes, 'measured distance', y_label, x_ticks=False)
    width = 0.8 / len(series)
    for i, group in enumerate(groups):
        parts.append(text(axes.at(i + 0.5, 0)[0], axes.height - BOTTOM + 15, group))
        for k, (name, values, color) in enumerate(series):
            value = values[i]
            if value is not None:
                (x0, y0), (x1, y1) = axes.at(i + 0.1 + k * width, 0), axes.at(i + 0.1 + (k + 1) * width, value)
                parts.append(f'<rect x="{x0 + 1:.1f}" y="{y1:.1f}" width="{x1 - x0 - 2:.1f}" height="{y0 - y1:.1f}" '
                             f'style="fill:{color}"><title>{escape(name)}, {group}: {value:.3f}</title></rect>')
    return svg(axes.width, axes.height, parts, y_label)


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
