"""depth_eval's report: one HTML file with everything in it, for a browser without a network."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from msg_tools.cli import package_version
from msg_tools.errors import ConfigError
from msg_tools.html_page import html_page, key, legend, paragraph, ramps, section, table, tile_row
from msg_tools.svg_charts import bars
from msg_tools.whole_file import write_whole

from .bootstrap import MANY
from .confidence import DROPPED
from .evaluate_data import Frame
from .evaluate_predictors import Predictor
from .evaluate_scores import MAIN, Scores
from .evaluate_text import PAIRED, number, rows_of, signed
from .metrics import Protocol
from .report_charts import Interval, bubbles, curves, points
from .report_colors import CHANCE, COLORS, ORACLE, OTHERS
from .report_frames import chosen, gradients, pictures
from .sharpness import NAMES as EDGE_NAMES

SHOWN = ('abs_rel', 'rmse_m', 'delta1', 'edge_f1', 'kept80_abs_rel')  # beside a frame


def write_report(path: Path, result: dict[str, Any], scores: Scores, frames: Sequence[Frame], predictor: Predictor,
                 protocol: Protocol) -> None:
    """Write the page of a result; the frames shown are read and predicted once more."""
    colors = colors_of(result)
    sections = [warnings(result), whole(result, colors), by_drive(result, colors), by_distance(result, colors),
                edges(result, colors), confidence(result), examples(scores, frames, predictor, protocol)]
    drives = f', mean over {len(result["drives"])} drives' if 'drives' in result else ''
    head = (f'<h1>Depth evaluation</h1><p>{escape(result["prediction"])}<br>on <code>{escape(result["data"])}</code>: '
            f'{result["images"]} images{drives}; crop {result["crop"]}, {result["min_depth_m"]:g} to '
            f'{result["max_depth_m"]:g} m; metres as predicted, no scaling of any kind</p>')
    foot = f'<footer>depth_node {package_version()}, depth_eval, {datetime.now():%Y-%m-%d %H:%M}</footer>'
    page = html_page('Depth evaluation', f'{head}{tiles(result)}{"".join(sections)}{foot}')
    try:
        write_whole(path, page.encode(errors='backslashreplace'))  # a file's name may be no text
    except OSError as error:
        raise ConfigError(f'{path}: expected to write a report, got: {error}') from error


def make_room(path: Path) -> None:
    """Make the folder of a report; raises ConfigError where no file can be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f'{path}: expected a folder for the report, got: {error}') from error
    if path.is_dir():
        raise ConfigError(f'{path}: expected the name of a file for the report, got a folder')


def colors_of(result: dict[str, Any]) -> dict[str, str]:
    """Return a colour for each row of the tables."""
    others = iter(OTHERS * len(result['baselines']))
    return {name: COLORS.get(name) or next(others) for name, _ in rows_of(result)}


def cell(row: dict[str, Any], name: str) -> str:
    """Return a metric and its interval."""
    low, high = row['intervals'].get(name, (None, None))
    small = '' if low is None else f'<small>{low:.3f} to {high:.3f}</small>'
    return number(row.get(name, row['sharpness'].get(name))) + small


def tiles(result: dict[str, Any]) -> str:
    """Return the few numbers that matter most."""
    found = [(number(result['abs_rel']), 'abs_rel: mean relative error'),
             (f'{result["delta1"]:.1%}', 'of pixels within a factor of 1.25'),
             (f'{result["rmse_m"]:.2f} m', 'root mean square error')]
    if result['sharpness']['edge_f1'] is not None:
        found.append((number(result['sharpness']['edge_f1']), 'boundary F1 at depth edges'))
    if 'confidence' in result:
        found.append((f'{-result["confidence"]["kept80_gain"]:+.0%}', 'abs_rel without the 20 % least confident'))
    return tile_row(found)


def warnings(result: dict[str, Any]) -> str:
    """Return what a reader must know first."""
    lines = ''.join(paragraph(line) for line in result['warnings'])
    return f'<section class="warning"><h2>Warnings</h2>{lines}</section>' if lines else ''


def whole(result: dict[str, Any], colors: dict[str, str]) -> str:
    """Return the table of all metrics, beside the baselines."""
    rows = ([key(name, colors[name]), *(cell(row, metric) for metric in MAIN)] for name, row in rows_of(result))
    drives = len(result.get('drives', {}))
    drawn = f'{drives} drives and the images in them' if drives > 1 else 'images, of this one drive alone'
    rough = '' if drives >= MANY else ' Of so few drives it is narrower than it should be.'
    note = (f'Mean over the images of a drive, then over drives. Below each number: its 95 % interval by a bootstrap '
            f'over {drawn}.{rough} row_mean (the mean depth of each row) and flat_ground (below a level '
            'camera) look at no image.')
    paired = ([key(name, colors[name]), *(signed(row['difference'].get(metric)) for metric in PAIRED)]
              for name, row in rows_of(result) if name != 'prediction')
    return section('Metrics', paragraph(note), table(('', *MAIN), rows, 'lead'), '<h3>Prediction minus the others</h3>',
                   paragraph('Taken frame by frame: an interval without 0 is a difference that these drives can tell. '
                             'Of a crop among the views: on its own pixels.'),
                   table(('', *PAIRED), paired))


def by_drive(result: dict[str, Any], colors: dict[str, str]) -> str:
    """Return abs_rel of each drive with its interval, and the table behind it."""
    drives = result.get('drives', {})
    if not drives:
        return ''
    chart = [(drive, [interval(name, row, colors) for name, row in rows_of(of)]) for drive, of in drives.items()]
    names = [name for name in colors if name != 'prediction']
    rows = [[escape(drive), str(row['images']), *(number(row.get(metric)) for metric in PAIRED),
             number(row['sharpness']['edge_f1']), number(row.get('confidence', {}).get('kept80_abs_rel')),
             *(number(row['baselines'].get(name, {}).get('abs_rel')) for name in names)]
            for drive, row in drives.items()]
    head = ('drive', 'images', *PAIRED, 'edge_f1', 'kept80', *names)
    drawn = points(chart, 'abs_rel, with the interval of its images')
    return section('By drive', legend(colors), f'<div class="scroll"><div class="wide">{drawn}</div></div>',
                   paragraph('The last columns: abs_rel of the others.'), table(head, rows))


def interval(name: str, row: dict[str, Any], colors: dict[str, str]) -> Interval:
    """Return abs_rel as a point with its interval."""
    low, high = row['intervals']['abs_rel']
    return row['abs_rel'], low, high, colors[name]


def by_distance(result: dict[str, Any], colors: dict[str, str]) -> str:
    """Return abs_rel and delta1 in bins of the measured distance."""
    spans = list(result['bins'])

    def series(metric: str) -> list[tuple[str, list[float | None], str]]:
        return [(name, [row['bins'].get(span, {}).get(metric) for span in spans], colors[name])
                for name, row in rows_of(result)]

    groups = [f'{span} m' for span in spans]
    shares = ', '.join(f'{span} m {result["bins"][span]["share"]:.0%}' for span in spans)
    charts = ''.join(f'<div><h3>{metric}</h3>{bars(groups, series(metric), metric)}</div>'
                     for metric in ('abs_rel', 'delta1'))
    return section('By distance', paragraph(f'Of the pixels: {shares}.'), legend(colors),
                   f'<div class="two">{charts}</div>')


def edges(result: dict[str, Any], colors: dict[str, str]) -> str:
    """Return the table of sharpness."""
    if result['sharpness']['edge_f1'] is None:
        return ''
    note = ('Measured pixels along a row, 1/80 of the width apart, are compared. edge_f1: boundary F1 of Depth Pro '
            '(Bochkovskii et al. 2024) on these pairs; edge_contrast: how much of the ratio of depths at an edge the '
            'prediction has (1: all, 0: blurred away); edge_order: at how many edges the nearer side is nearer in it.')
    rows = ([key(name, colors[name]), *(cell(row, metric) for metric in EDGE_NAMES)] for name, row in rows_of(result))
    return section('Sharpness at depth edges', paragraph(note), table(('', *EDGE_NAMES), rows, 'lead'))


def confidence(result: dict[str, Any]) -> str:
    """Return the curves of the confidence."""
    if 'confidence' not in result:
        return ''
    found = result['confidence']
    curve, oracle = (found['sparsification'][name] for name in ('abs_rel', 'oracle'))
    dropped = DROPPED.tolist()
    left = curves([(dropped, [curve[0]] * len(dropped), CHANCE, True), (dropped, oracle, ORACLE, False),
                   (dropped, curve, COLORS['prediction'], False)], 'part of the pixels dropped', 'abs_rel of the rest')
    columns = [found['reliability'][name] for name in ('stated', 'delta1', 'share')]
    right = bubbles([row for row in zip(*columns, strict=True) if row[0] is not None], COLORS['prediction'],
                    'stated confidence', 'part within a factor of 1.25')
    keys = legend({'by confidence': COLORS['prediction'], 'by the true error (oracle)': ORACLE, 'at random': CHANCE})
    note = (f'Without the 20 % least confident pixels of each image abs_rel is {found["kept80_abs_rel"]:.3f}, not '
            f'{result["abs_rel"]:.3f}. Area above the oracle (ause) {found["ause"]:.3f}, area below random dropping '
            f'(aurg) {found["aurg"]:.3f}; expected calibration error {found["calibration_error"]:.3f}.')
    size = '<div class="legend"><span>on the diagonal what is stated comes true; size: part of the pixels</span></div>'
    return section('Confidence', paragraph(note), f'<div class="two"><div><h3>Sparsification</h3>{keys}{left}</div>'
                   f'<div><h3>Reliability</h3>{size}{right}</div></div>')


def examples(scores: Scores, frames: Sequence[Frame], predictor: Predictor, protocol: Protocol) -> str:
    """Return the worst, the median and the best frames in pictures."""
    by_name = {frame.name: frame for frame in frames}
    parts = [ramps(gradients())]
    for title, row in chosen(scores):
        frame = by_name[scores.names[row]].read()
        prediction = frame and predictor(frame)
        if frame and prediction:
            errors = scores.rows[row]
            figures = ''.join(f'<figure><img alt="{caption}" src="{data}"><figcaption>{caption}</figcaption></figure>'
                              for caption, data in pictures(frame, prediction, protocol))
            parts.append(f'<div class="frame"><h3>{title}<span>{escape(frame.name)}</span></h3>'
                         f'<div class="pictures">{figures}{numbers(errors)}</div></div>')
    return section('Frames: worst, median, best', *parts)


def numbers(errors: dict[str, float]) -> str:
    """Return a frame's own numbers."""
    known = {name: errors[name] for name in SHOWN if np.isfinite(errors.get(name, np.nan))}
    return f'<dl>{"".join(f"<dt>{name}</dt><dd>{value:.3f}</dd>" for name, value in known.items())}</dl>'
