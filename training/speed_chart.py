"""Draw accuracy against time, as SVG: python -m depth_node_training.speed_chart docs/speed-network.csv OUT.svg

The CSV has a row for each network that was measured: `group`, `name`, `time` (of the reference's, which has 1),
`change` (of abs_rel, from the reference's) and `spread` (of that change over seeds, +-).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from msg_tools import cli
from msg_tools.errors import ConfigError
from msg_tools.svg_charts import Axes, dot, grid, line, svg, text

NAME = 'speed_chart'
COLORS = ('#2f7bf5', '#e4508a', '#12a879', '#a45cf0')
STYLE = """<style>svg { background: #fff; font-family: system-ui, sans-serif } .grid { stroke: #e3e7ec }
.tick, .name { fill: #5d6877; font-size: 11.5px } .label { fill: #1c2430; font-size: 11px }
.interval { stroke-width: 2; opacity: .35 }</style>"""


@dataclass(frozen=True, slots=True)
class Point:
    """A network that was measured, beside the reference."""

    group: str
    name: str
    time: float
    change: float
    spread: float


def read_points(path: Path) -> list[Point]:
    """Read the rows of a CSV; raises ConfigError where it is none."""
    try:
        with path.open(newline='') as file:
            found = [Point(row['group'], row['name'], *(float(row[name]) for name in ('time', 'change', 'spread')))
                     for row in csv.DictReader(file)]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f'{path}: expected rows of group, name, time, change, spread, got: {error!r}') from error
    if not found:
        raise ConfigError(f'{path}: expected rows of group, name, time, change, spread, got none')
    return found


def chart(points: list[Point]) -> str:
    """Return the SVG: time to the right, loss of accuracy upwards, so that better is left and below."""
    low, high = (sign * max(sign * item.change + item.spread for item in points) for sign in (-1, 1))
    margin = 0.1 * (high - low)
    axes = Axes(900, 520, (0.0, 1.1 * max(item.time for item in points)), (low - margin, high + margin))
    groups = dict(zip(dict.fromkeys(item.group for item in points), COLORS, strict=False))
    parts = [STYLE, *grid(axes, 'time of the network, parts of the one that ships',
                          'abs_rel, difference to the one that ships')]
    for item in points:
        parts += marked(axes, item, groups[item.group], crowded(axes, item, points))
    for i, (group, color) in enumerate(groups.items()):
        parts += [dot(700, 24 + 18 * i, color), text(710, 28 + 18 * i, group, 'start', 'label')]
    drawn = svg(axes.width, axes.height, parts, 'accuracy against time')
    return drawn.replace('<svg ', f'<svg xmlns="http://www.w3.org/2000/svg" width="{axes.width}" ', 1)


def crowded(axes: Axes, item: Point, points: list[Point]) -> bool:
    """Tell whether another point lies where a point's name would stand, to its right."""
    x, y = axes.at(item.time, item.change)
    others = (axes.at(other.time, other.change) for other in points if other is not item)
    return any(0 <= right - x < 60 and abs(down - y) < 12 for right, down in others)


def marked(axes: Axes, item: Point, color: str, left: bool) -> list[str]:
    """Return a point with its spread and its name, which stands to the right or to the left."""
    x, y = axes.at(item.time, item.change)
    ends = (axes.at(item.time, item.change + sign * item.spread)[1] for sign in (-1, 1))
    title = f'{item.name}: {item.time:.2f} of the time, {item.change:+.3f} ± {item.spread:.3f}'
    return [line(x, next(ends), x, next(ends), 'interval', color), dot(x, y, color, 4.5, title),
            text(x - 8 if left else x + 8, y + 4, item.name, 'end' if left else 'start', 'label')]


def main(argv: list[str] | None = None) -> int:
    """Draw the chart."""
    parser = cli.parser(NAME, __doc__ or '', 'python -m depth_node_training.speed_chart docs/speed-network.csv out.svg')
    parser.add_argument('table', type=Path, help='CSV: group, name, time, change, spread')
    parser.add_argument('out', type=Path, help='SVG file')
    args = parser.parse_args(argv)

    def body() -> None:
        args.out.write_text(chart(read_points(args.table)))

    return cli.run(NAME, body)


if __name__ == '__main__':
    raise SystemExit(main())
