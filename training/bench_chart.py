"""The picture of docs/speed.md: networks by the ratio of their times to ours, and the age of depth by rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from depth_node.demo.canvas import RGB, write
from msg_tools.camera import Array

from .bench_sources import title

# Okabe and Ito's colours, which look different to every eye; a shape of its own beside each
OURS: RGB = (0, 114, 178)
OTHERS: tuple[RGB, ...] = ((213, 94, 0), (230, 159, 0), (0, 158, 115), (204, 121, 167))
SHAPES = ('circle', 'square', 'triangle', 'diamond', 'cross')
CORNERS = {'square': [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)],
           'triangle': [(0.0, -1.3), (1.2, 1.0), (-1.2, 1.0)],
           'diamond': [(0.0, -1.4), (1.4, 0.0), (0.0, 1.4), (-1.4, 0.0)]}
INK: RGB = (28, 36, 48)
SOFT: RGB = (93, 104, 119)
LINE: RGB = (224, 228, 233)
WIDTH, LEFT, TOP, ROW = 1500, 470, 110, 40  # px
PLOT_HEIGHT, LEGEND_ROW, MARGIN = 430, 40, 60
TEXT, SMALL = 15, 13  # height of a capital [px]


@dataclass(frozen=True, slots=True)
class Curve:
    """A node's ages of depth [ms] by rate: median and p99."""

    name: str
    color: RGB
    shape: str
    p50: dict[str, float]
    p99: dict[str, float]


def draw(result: dict[str, Any], path: Path) -> None:
    """Write the picture of what one machine did."""
    panels = [panel for panel in (ratio_panel(ratios(result)), age_panel(curves(result))) if panel is not None]
    if panels:
        picture = cv2.cvtColor(np.vstack(panels), cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(path), picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])


def ratios(result: dict[str, Any]) -> list[tuple[str, float, float]]:
    """Return each network of the peers' part by its faster runtime, fastest first: name, ratio to ours, median [ms]."""
    rows = [row for entry in result['parts'].get('peers', []) for row in entry.get('result', {}).get('rows', [])]
    best: dict[tuple[str, str], dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: row['median_ms']):
        best.setdefault((row['network'], row['size']), row)
    ours = [row['median_ms'] for (name, _), row in best.items() if name == 'default']
    return [(f'{title(name)}, {size}', row['median_ms'] / ours[0], row['median_ms'])
            for (name, size), row in best.items()] if ours else []


def curves(result: dict[str, Any]) -> list[Curve]:
    """Return the ages of our node, and of each peer's with each queue."""
    found = [('depth_node (ours)', entry) for entry in result['parts'].get('node', [])]
    found += [(peer_name(entry), entry) for entry in result['parts'].get('node_peers', [])]
    measured = [(name, entry['result']['runs']) for name, entry in found if 'result' in entry]
    colors = [OURS, *OTHERS]
    return [Curve(name, colors[i % len(colors)], SHAPES[i % len(SHAPES)],
                  *({run['rate']: run['age_ms']['depth']['all'][key] for run in runs} for key in ('p50', 'p99')))
            for i, (name, runs) in enumerate(measured)]


def peer_name(entry: dict[str, Any]) -> str:
    """Return what to call a plain node, by its command.

    >>> peer_name({'command': 'depth_bench node --rate 10 --peer fastdepth.onnx --peer-queue 1'})
    'plain node, FastDepth, not pruned, queue of 1'
    """
    words = entry['command'].split()
    options = dict(pairwise(words))
    return f'plain node, {title(Path(options["--peer"]).stem)}, queue of {options["--peer-queue"]}'


def ratio_panel(rows: Sequence[tuple[str, float, float]]) -> Array | None:
    """Draw a bar from ours to each network, on a scale of powers; None where there is none."""
    if not rows:
        return None
    canvas = paper(TOP + ROW * len(rows) + MARGIN, 'Time of the network alone, ours = 1',
                   'medians, in the faster of OpenVINO and ONNX Runtime on the CPU; others with weights at random; '
                   'left is faster')
    low, high = min(0.5, *(ratio for _, ratio, _ in rows)), max(2.0, *(ratio for _, ratio, _ in rows))
    bottom = TOP + ROW * len(rows)

    def x(value: float) -> int:
        return round(LEFT + math.log(value / low) / math.log(high / low) * (WIDTH - LEFT - 220))

    for tick in (value for value in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if low <= value <= high):
        cv2.line(canvas, (x(tick), TOP - 8), (x(tick), bottom), SOFT if tick == 1 else LINE, 2 if tick == 1 else 1)
        write(canvas, f'{tick:g}', (x(tick), bottom + 28), SMALL, SOFT, 'middle')
    for i, (name, ratio, median_ms) in enumerate(rows):
        ours, y = name.startswith(title('default')), TOP + ROW * i
        ends = sorted((x(1.0), x(ratio)))  # from ours: a bar from 0 has no meaning on a scale of powers
        cv2.rectangle(canvas, (ends[0] - 3, y + 8), (ends[1] + 3, y + ROW - 8), OURS if ours else OTHERS[0], -1)
        write(canvas, name, (LEFT - 24, y + 27), SMALL, INK, 'right')
        write(canvas, f'{ratio:.2f}   ({median_ms:.1f} ms)', (ends[1] + 16, y + 27), SMALL, INK if ours else SOFT)
    return canvas


def age_panel(lines: Sequence[Curve]) -> Array | None:
    """Draw the age by rate, on a scale of powers; None where nothing was measured."""
    if not lines:
        return None
    top = TOP + LEGEND_ROW * len(lines)
    bottom = top + PLOT_HEIGHT
    canvas = paper(bottom + MARGIN + 20, 'Age of depth at a subscriber, by the rate of the camera',
                   'from the stamp of the image; marks: median, with a line up to p99; max: two images on the way')
    rates = list(dict.fromkeys(rate for line in lines for rate in line.p50))
    values = [value for line in lines for ages in (line.p50, line.p99) for value in ages.values()]
    low, high = decade(min(values), math.floor), decade(max(values), math.ceil)

    def at(i: float, value: float) -> tuple[int, int]:
        across = (i + 0.5) / len(rates)
        up = math.log(max(value, low) / low) / math.log(high / low)
        return round(160 + across * (WIDTH - 220)), round(bottom - up * PLOT_HEIGHT)

    for tick in ticks(low, high):
        y = at(0, tick)[1]
        cv2.line(canvas, (160, y), (WIDTH - 60, y), LINE, 1)
        write(canvas, f'{tick:g} ms' if tick < 1000 else f'{tick / 1000:g} s', (148, y + 6), SMALL, SOFT, 'right')
    for i, rate in enumerate(rates):
        write(canvas, rate if rate == 'max' else f'{rate} Hz', (at(i, low)[0], bottom + 34), TEXT, INK, 'middle')
    for k, line in enumerate(lines):
        draw_curve(canvas, line, [(rate, at(i + 0.1 * (k - (len(lines) - 1) / 2), line.p50[rate]),
                                   at(i + 0.1 * (k - (len(lines) - 1) / 2), line.p99[rate]))
                                  for i, rate in enumerate(rates) if rate in line.p50])
        mark(canvas, (176, TOP + LEGEND_ROW * k + 4), line)
        write(canvas, line.name, (200, TOP + LEGEND_ROW * k + 11), TEXT, INK)
    return canvas


def draw_curve(canvas: Array, line: Curve, points: Sequence[tuple[str, tuple[int, int], tuple[int, int]]]) -> None:
    """Join the medians of rates in Hz, and mark each with a line up to its p99."""
    joined = [middle for rate, middle, _ in points if rate != 'max']
    for one, other in pairwise(joined):
        cv2.line(canvas, one, other, line.color, 2, cv2.LINE_AA)
    for _, middle, upper in points:
        cv2.line(canvas, middle, upper, line.color, 2, cv2.LINE_AA)
        cv2.line(canvas, (upper[0] - 8, upper[1]), (upper[0] + 8, upper[1]), line.color, 2, cv2.LINE_AA)
        mark(canvas, middle, line)


def mark(canvas: Array, at: tuple[int, int], line: Curve, size: int = 9) -> None:
    """Draw a curve's mark."""
    x, y = at
    if line.shape in CORNERS:
        points = np.array(at) + size * np.array(CORNERS[line.shape])
        cv2.fillPoly(canvas, [np.rint(points).astype(np.int32)], line.color, cv2.LINE_AA)
    elif line.shape == 'cross':
        for sign in (-1, 1):
            cv2.line(canvas, (x - size, y - sign * size), (x + size, y + sign * size), line.color, 4, cv2.LINE_AA)
    else:
        cv2.circle(canvas, at, size, line.color, -1, cv2.LINE_AA)


def paper(height: int, heading: str, note: str) -> Array:
    """Return a white canvas uint8 (height, WIDTH, 3) with a heading and a note below it."""
    canvas = np.full((height, WIDTH, 3), 255, np.uint8)
    write(canvas, heading, (40, 48), 20, INK)
    write(canvas, note, (40, 80), SMALL, SOFT)
    return canvas


def decade(value: float, rounded: Any) -> float:
    """Return the power of ten below or above a value."""
    return 10.0 ** rounded(math.log10(max(value, 0.1)))


def ticks(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 times the powers of ten from low to high.

    >>> ticks(10.0, 100.0)
    [10.0, 20.0, 50.0, 100.0]
    """
    powers = range(round(math.log10(low)), round(math.log10(high)) + 1)
    return [value for power in powers for value in (10.0**power * step for step in (1, 2, 5)) if value <= high * 1.001]
