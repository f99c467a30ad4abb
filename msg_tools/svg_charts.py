"""Charts as plain SVG for our reports: axes, lines, dots, bars in groups."""

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


def bars(groups: Sequence[str], series: Sequence[tuple[str, Sequence[float | None], str]], y_label: str,
         x_label: str = 'measured distance') -> str:
    """Return a chart of bars: for each group one of each series (name, values, colour)."""
    highest = max((value for _, values, _ in series for value in values if value is not None), default=0.0)
    axes = Axes(460, 260, (0.0, float(len(groups))), (0.0, 1.1 * highest or 1.0))
    parts = grid(axes, x_label, y_label, x_ticks=False)
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


def span_of(values: Sequence[float], least: float = 1e-9) -> tuple[float, float]:
    """Return a range that shows all values with a little room, at least so wide."""
    low, high = min(values), max(values)
    room = max(0.08 * (high - low), least / 2)
    return low - room, high + room


def lines(found: Sequence[tuple[Sequence[float], Sequence[float], str]], x_label: str, y_label: str,
          y_span: tuple[float, float] | None = None, percent: str = '', marks: Sequence[float] = ()) -> str:
    """Return a chart of lines (x, y, colour); marks are vertical dashed lines at these x."""
    x = [value for xs, _, _ in found for value in xs]
    y = [value for _, ys, _ in found for value in ys]
    axes = Axes(460, 260, (min(x), max(max(x), min(x) + 1e-9)), y_span or span_of(y))
    drawn = [path(map(axes.at, xs, ys), color) for xs, ys, color in found]
    dashes = [line(*axes.at(mark, axes.y[0]), *axes.at(mark, axes.y[1]), 'diagonal') for mark in marks]
    return svg(axes.width, axes.height, [*grid(axes, x_label, y_label, percent=percent), *dashes, *drawn], y_label)


def series(x: Sequence[float], low: Sequence[float], middle: Sequence[float], high: Sequence[float], color: str,
           x_label: str, y_label: str, y_span: tuple[float, float] | None = None, percent: str = '') -> str:
    """Return a chart of a value over frames: its middle as a line, from low to high as a band."""
    axes = Axes(460, 260, (min(x), max(max(x), min(x) + 1e-9)), y_span or span_of([*low, *high]))
    around = [axes.at(*at) for at in (*zip(x, high, strict=True), *reversed([*zip(x, low, strict=True)]))]
    corners = ' '.join(f'{across:.1f},{down:.1f}' for across, down in around)
    band = f'<polygon points="{corners}" style="fill:{color};opacity:.25"/>'
    drawn = [band, path(map(axes.at, x, middle), color)]
    return svg(axes.width, axes.height, [*grid(axes, x_label, y_label, percent=percent), *drawn], y_label)


def log_histogram(edges: Sequence[float], shares: Sequence[float], color: str, x_label: str, y_label: str) -> str:
    """Return a chart of shares (n,) in bins between edges (n + 1,), which are drawn at equal ratios."""
    axes = Axes(460, 260, (math.log10(edges[0]), math.log10(edges[-1])), (0.0, 1.1 * max(shares) or 1.0))
    parts = grid(axes, x_label, y_label, x_ticks=False, percent='y')
    for value in (n * 10.0 ** power for power in range(-2, 4) for n in (1, 2, 5)):
        if edges[0] <= value <= edges[-1]:
            across, bottom = axes.at(math.log10(value), 0)
            parts += [line(across, bottom, across, TOP), text(across, bottom + 15, shown(value))]
    for low, high, share in zip(edges[:-1], edges[1:], shares, strict=True):
        (x0, y0), (x1, y1) = axes.at(math.log10(low), 0), axes.at(math.log10(high), share)
        parts.append(f'<rect x="{x0 + 0.5:.1f}" y="{y1:.1f}" width="{x1 - x0 - 1:.1f}" height="{y0 - y1:.1f}" '
                     f'style="fill:{color}"><title>{low:.1f} to {high:.1f} m: {share:.2%}</title></rect>')
    return svg(axes.width, axes.height, parts, y_label)
