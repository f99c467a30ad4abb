"""The parts of a report of depth maps, each as HTML; '' where there is nothing to tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from ..camera import Array
from ..errors import DepthNodeError
from ..html_page import figure, legend, paragraph, ramps, section, table
from ..page_pictures import depth_ramp
from ..svg_charts import lines, log_histogram, series, span_of
from .calibration_check import AXES, LIMIT_DEG, CalibrationCheck
from .report_figures import DEPTH_EDGES_M, Choice, Figures, condensed
from .report_pictures import edge_pictures, frame_pictures
from .time_drift import TimeDrift
from .truth_set import TruthEntry, TruthSet

BLUE, GREEN, ORANGE = '#2f7bf5', '#12a879', '#f0a020'
AXIS_COLORS = dict(zip(AXES, (BLUE, GREEN, ORANGE), strict=True))
DROPPED = 'dropped_'  # columns of the manifest: the share of the points that a step dropped
COLUMNS = {
    'points': 'points of the scan', 'pixels': 'pixels with depth', 'coverage': 'coverage',
    'offset_ms': 'image minus cloud [ms]', 'turn_deg': 'turn of the scanner [deg]',
    'lowest_deg': 'lowest beam [deg]', 'disagreement': 'disagreement', 'disagreement_m': 'disagreement [m]',
    'disagreement_rel': 'disagreement, relative', 'png_bytes': 'size of the PNG [bytes]',
}
MOST_REASONS = 30


def frames_section(truth: TruthSet) -> str:
    """Return how many frames have which status, why some are not ok, and the manifest's numbers."""
    counts = truth.manifest.counts()
    total = sum(counts.values())
    parts = [table(('status', 'frames', 'share'), [[escape(status), f'{count:,}', f'{count / total:.1%}']
                                                   for status, count in counts.items()])]
    reasons = sorted(truth.manifest.reasons.values(), key=lambda reason: -reason.frames)
    if reasons:
        rows = [[escape(reason.status), f'{reason.frames:,}', escape(reason.name or '-'),
                 f'<span>{escape(reason.text)}</span>'] for reason in reasons[:MOST_REASONS]]
        parts += ['<h3>Why not ok</h3>', paragraph('Reasons that differ in numbers alone are counted as one.'),
                  table(('status', 'frames', 'first', 'reason'), rows, 'words')]
    rows = [_spread_row(name, label, values) for name, label in COLUMNS.items()
            if (values := truth.manifest.column(name)) is not None]
    if rows:
        parts += ['<h3>Numbers</h3>', table(('', 'median', 'lowest', 'highest'), rows)]
    return section('Frames', *parts)


def _spread_row(name: str, label: str, values: Array) -> list[str]:
    known = values[np.isfinite(values)]
    return [escape(label), *(_shown(name, float(value)) for value in (np.median(known), known.min(), known.max()))]


def calibration_section(truth: TruthSet, check: CalibrationCheck) -> str:
    """Return what the check of image against LiDAR found, with its curves and a close-up of the edges."""
    verdict = f'<p class="verdict {check.verdict}">{escape(check.text)}</p>'
    if not check.profiles:
        return section('Calibration: do image and LiDAR fit?', verdict)
    rows = [[axis, f'{angle:+.2f}', f'{spread:.2f}', f'{limit:g}'] for axis, angle, spread, limit in
            zip(AXES, check.turn_deg.tolist(), check.spread_deg, LIMIT_DEG.tolist(), strict=True)]
    note = (f'Depth edges on image edges, over {check.frames} frames and {check.edges:,} edges: mean gradient '
            f'{check.score:.2f} as the set is, {check.best_score:.2f} at best, {check.chance:.2f} by chance; the peak '
            f'is {check.peak:.1f} standard deviations high and leads by {check.lead:.1f}. Angles within their limit '
            'are no error: a scan that was not motion compensated looks up to 0.25 degrees off.')
    curves = [(profile.turns_deg.tolist(), profile.score.tolist(), AXIS_COLORS[axis])
              for axis, profile in check.profiles.items()]
    chart = lines(curves, 'error of the LiDAR [deg]', 'score', marks=(0.0,))
    drawn = f'<div><h3>Score by angle</h3>{legend(AXIS_COLORS)}{chart}</div>'
    found = table(('', 'error found [deg]', 'spread [deg]', 'limit [deg]'), rows)
    signs = paragraph('Yaw above 0: depth is too far right; pitch: too high; roll: turned clockwise. Spread: standard '
                      'deviation over frames drawn with replacement.')
    return section('Calibration: do image and LiDAR fit?', verdict, paragraph(note),
                   f'<div class="two">{drawn}<div>{found}{signs}</div></div>', _close_ups(truth, check))


def _close_ups(truth: TruthSet, check: CalibrationCheck) -> str:
    for entry in truth.spread(5)[2:3] + truth.spread(5):
        try:
            found = ''.join(figure(caption, data) for caption, data in edge_pictures(entry, check))
        except DepthNodeError:  # is among the unread
            continue
        if found:
            head = f'<h3>Close-up<span>{escape(entry.name)}</span></h3>'
            return f'<div class="frame">{head}{_pictures(found, " close")}</div>'
    return ''


def _pictures(found: str, kind: str = '') -> str:
    return f'<div class="pictures{kind}">{found}</div>'


def examples_section(choice: Choice) -> str:
    """Return the worst, the median and the best frame in pictures."""
    if not choice.frames:
        return ''
    parts = [ramps({'depth': depth_ramp()})]
    for title, entry, value in choice.frames:
        parts.append(f'<div class="frame"><h3>{title}<span>{escape(entry.name)}, {escape(choice.measure)} '
                     f'{_shown(choice.measure, value)}</span></h3>{_pictures(_figures_of(entry))}</div>')
    least = 'least' if choice.measure == 'coverage' else 'most'
    note = f'Chosen by {choice.measure}: the worst has the {least} of it.'
    return section('Frames in pictures', paragraph(note), *parts)


def _shown(name: str, value: float) -> str:
    """Format the number of a column."""
    return f'{value:.2%}' if name == 'coverage' else f'{value:,.0f}' if abs(value) >= 1000 else f'{value:.4g}'


def _figures_of(entry: TruthEntry) -> str:
    try:
        return ''.join(figure(caption, data) for caption, data in frame_pictures(entry))
    except DepthNodeError as error:
        return paragraph(f'No picture: {error}')


def depth_section(truth: TruthSet, figures: Figures) -> str:
    """Return the histogram of depths, and coverage by image row and over the frames."""
    if not figures.maps:
        return ''
    outside = (f' {figures.near:.1%} are nearer than {DEPTH_EDGES_M[0]:g} m, {figures.far:.1%} farther than '
               f'{DEPTH_EDGES_M[-1]:g} m.' if figures.near + figures.far >= 0.0005 else '')
    histogram = log_histogram(DEPTH_EDGES_M.tolist(), figures.shares.tolist(), BLUE, 'depth [m]', 'share of pixels')
    rows = np.linspace(0, figures.shape[0], len(figures.row_coverage)).tolist()
    filled = figures.row_coverage.tolist()
    by_row = lines([(rows, filled, GREEN)], 'image row, 0 at the top', 'pixels with depth',
                   (0.0, 1.1 * max(filled) or 1.0), percent='y')
    charts = [('Depths', histogram), ('Coverage by image row', by_row)]
    column = truth.manifest.column('coverage')
    per_frame = np.array([*figures.coverage.values()]) if column is None else column
    charts += [('Coverage over the frames', _over_frames(per_frame, BLUE, 'coverage', percent='y', from_zero=True))]
    note = f'Of {figures.maps} maps, spread evenly over the set. Median depth {figures.median_m:.1f} m.{outside}'
    return section('Depth and coverage', paragraph(note), _two(charts))


def _over_frames(values: Array, color: str, label: str, percent: str = '', from_zero: bool = False) -> str:
    at, low, middle, high = (found.tolist() for found in condensed(values))
    if not at:
        return paragraph('No numbers.')
    span = (0.0, 1.1 * max(high) or 1.0) if from_zero else None
    return series(at, low, middle, high, color, 'frame of the set', label, span, percent)


def _two(charts: Sequence[tuple[str, str]]) -> str:
    return f'<div class="two">{"".join(f"<div><h3>{escape(title)}</h3>{chart}</div>" for title, chart in charts)}</div>'


def time_section(truth: TruthSet, drift: TimeDrift) -> str:
    """Return how the time between image and cloud goes over the frames."""
    column = truth.manifest.column('offset_ms')
    if column is None:
        return ''
    at, low, middle, high = (found.tolist() for found in condensed(column))
    chart = series(at, low, middle, high, ORANGE, 'frame of the set', 'image minus cloud [ms]',
                   span_of([*low, *high], 2.0))
    words = f'The offset is {drift.text}.' if drift.kind != 'unknown' else f'The offset: {drift.text}.'
    return section('Time between image and cloud', paragraph(words), f'<div class="one">{chart}</div>')


def dropped_section(truth: TruthSet) -> str:
    """Return what share of the points each step dropped, where the manifest says so."""
    names = [name for name in truth.manifest.numbers if name.startswith(DROPPED)]
    found = {name: values for name in names if (values := truth.manifest.column(name)) is not None}
    if not found:
        return ''
    rows = []
    for name, values in found.items():
        known = values[np.isfinite(values)]
        label = name.removeprefix(DROPPED).replace('_', ' ')
        rows.append([escape(label), *(f'{value:.2%}' for value in (np.median(known), known.min(), known.max())),
                     f'<span class="bar" style="width:{100 * min(max(float(np.median(known)), 0), 1):.1f}px"></span>'])
    return section('Dropped by each step', paragraph('Shares of the points, by frame.'),
                   table(('step', 'median', 'lowest', 'highest', ''), rows))


def settings_section(settings: Mapping[str, Any]) -> str:
    """Return how the set was made."""
    rows = [[f'<code>{escape(name)}</code>', f'<span>{escape(value)}</span>']
            for name, value in _flat(settings)]
    return section('Settings', table(('setting', 'value'), rows, 'words')) if rows else ''


def _flat(settings: Mapping[str, Any], before: str = '') -> Iterator[tuple[str, str]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f'{before}{name}.')
        else:
            yield f'{before}{name}', str(value)
