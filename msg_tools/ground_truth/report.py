"""The quality report of a folder of depth maps: one HTML file with everything in it, for a browser without a network.

    python -m msg_tools.ground_truth.report OUT report.html
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from datetime import datetime
from html import escape
from pathlib import Path

from .. import cli
from ..errors import TruthSetError
from ..html_page import html_page, paragraph, tile_row
from ..whole_file import write_whole
from .calibration_check import CalibrationCheck, check_calibration
from .report_figures import Figures, choose, measure
from .report_sections import (
    calibration_section,
    depth_section,
    dropped_section,
    examples_section,
    frames_section,
    settings_section,
    time_section,
)
from .time_drift import TimeDrift, time_drift
from .truth_set import TruthSet

NAME = 'python -m msg_tools.ground_truth.report'
VERDICTS = {'fits': 'fits', 'misfit': 'does not fit', 'unknown': 'cannot tell'}
SHOWN_UNREAD = 10


def write_report(path: Path | str, truth: TruthSet, title: str = 'Depth maps') -> CalibrationCheck:
    """Write the report of a set; return the calibration check that is in it, for whoever must act on it.

    Raises TruthSetError where the file cannot be written. Frames that cannot be read are named on the page.
    """
    path = Path(path)
    check, figures = check_calibration(truth), measure(truth)
    page = html_page(title, report_body(title, truth, check, figures))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, page.encode(errors='backslashreplace'))  # a file's name may be no text
    except OSError as error:
        raise TruthSetError(f'{path}: expected to write a report, got: {error}') from error
    return check


def report_body(title: str, truth: TruthSet, check: CalibrationCheck, figures: Figures) -> str:
    """Return the page's body as HTML."""
    offsets = truth.manifest.column('offset_ms')
    drift = time_drift(offsets) if offsets is not None else TimeDrift('unknown', 'no stamps')
    head = (f'<h1>{escape(title)}</h1><p><code>{escape(str(truth.folder))}</code><br>'
            f'{len(truth.entries):,} maps of {len(truth.manifest.names):,} frames</p>')
    found = '\n'.join(paragraph(line) for line in warnings(truth, check, drift, figures))
    foot = f'<footer>depth_node {cli.package_version()}, velodyne_to_depth, {datetime.now():%Y-%m-%d %H:%M}</footer>'
    return ''.join([
        head, tiles(truth, check, figures, drift),
        f'<section class="warning"><h2>Look at this</h2>{found}</section>' if found else '',
        calibration_section(truth, check), examples_section(choose(truth, figures)), depth_section(truth, figures),
        time_section(truth, drift), dropped_section(truth), frames_section(truth), settings_section(truth.settings),
        foot,
    ])


def tiles(truth: TruthSet, check: CalibrationCheck, figures: Figures, drift: TimeDrift) -> str:
    """Return the few things that matter most."""
    counts = truth.manifest.counts()
    coverage = sorted(figures.coverage.values())
    found = [(f'{counts.get("ok", 0):,}', f'frames ok, of {sum(counts.values()):,}')]
    if coverage:
        found += [(f'{coverage[len(coverage) // 2]:.2%}', 'of pixels with depth, in the median'),
                  (f'{figures.median_m:.1f} m', 'median depth')]
    found.append((VERDICTS[check.verdict], 'calibration: image against LiDAR'))
    if drift.kind != 'unknown':
        found.append((drift.kind, f'time offset, {drift.median_ms:.1f} ms in the median'))
    return tile_row(found)


def warnings(truth: TruthSet, check: CalibrationCheck, drift: TimeDrift, figures: Figures) -> Iterator[str]:
    """Yield what a reader must know first."""
    if check.verdict == 'misfit':
        yield f'Calibration: {check.text}'
    if drift.kind in ('drifting', 'jumping'):
        yield f'Time between image and cloud: {drift.text}.'
    counts = truth.manifest.counts()
    bad = [f'{counts[status]:,} {status}' for status in counts if status != 'ok']
    if bad:
        yield f'Not all frames are ok: {", ".join(bad)}; the reasons are below.'
    unread = list(dict.fromkeys([*figures.unread, *check.unread]))
    for line in unread[:SHOWN_UNREAD]:
        yield f'Cannot be read: {line}'
    if len(unread) > SHOWN_UNREAD:
        yield f'{len(unread) - SHOWN_UNREAD} more cannot be read.'


def main(argv: list[str] | None = None) -> int:
    """Write a report from the command line."""
    parser = cli.parser(NAME, 'Write a quality report of a folder of depth maps as one HTML page.',
                        f'{NAME} depth_0005 depth_0005.html')
    parser.add_argument('folder', type=Path, metavar='OUT', help='what velodyne_to_depth wrote, or a folder of PNGs')
    parser.add_argument('file', type=Path, metavar='FILE.html', help='the report')
    parser.add_argument('--title', default='Depth maps', help='the headline; default: %(default)s')
    options = parser.parse_args(argv)
    return cli.run(NAME, lambda: _main(options))


def _main(options: argparse.Namespace) -> int:
    check = write_report(options.file, TruthSet.open(options.folder), options.title)
    print(f'{options.file}: calibration: {check.text}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
