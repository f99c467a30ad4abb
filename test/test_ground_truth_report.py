"""The report of a folder of depth maps: its numbers, every folder that can be odd, and the page in a real browser."""

import json
import re
import shutil
import subprocess
from html import escape
from pathlib import Path

import cv2
import numpy as np
import pytest
from fixtures_truth_set import CAMERA, write_truth_set

from msg_tools.camera import Size
from msg_tools.depth_png import write_depth_png
from msg_tools.errors import CalibrationError, TruthSetError
from msg_tools.ground_truth.cli import main as velodyne_to_depth
from msg_tools.ground_truth.manifest import Row, write_manifest
from msg_tools.ground_truth.report import main, write_report
from msg_tools.ground_truth.report_figures import DEPTH_EDGES_M, choose, condensed, measure
from msg_tools.ground_truth.time_drift import time_drift
from msg_tools.ground_truth.truth_set import TruthSet, read_intrinsics

CHROMIUM = shutil.which('chromium') or shutil.which('/usr/bin/chromium')
FLAGS = ('--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking',
         '--disable-component-update', '--disable-sync', '--enable-logging=stderr')
# What a page in a frame is found to be, written into the root element around it once everything is loaded
PROBE = """<script>
const found = parent.document.documentElement.dataset;
addEventListener('error', event => found.error = event.message);
addEventListener('load', () => Object.assign(found, {
  pictures: [...document.images].map(image => image.naturalWidth).join(' '),
  inner: innerWidth, scroll: document.documentElement.scrollWidth,
  charts: [...document.querySelectorAll('svg')].filter(svg => svg.getBoundingClientRect().height > 50).length,
  requests: performance.getEntriesByType('resource').filter(entry => !entry.name.startsWith('data:')).length,
}));
</script>"""


@pytest.fixture(scope='module')
def good(tmp_path_factory) -> Path:
    return write_truth_set(tmp_path_factory.mktemp('good') / 'set', frames=10)


@pytest.fixture(scope='module')
def bad(tmp_path_factory) -> Path:
    """Return a set that is off by a degree, with failures, a clock that jumps, and what later steps write."""
    folder = write_truth_set(tmp_path_factory.mktemp('bad') / 'set', frames=12, turn_deg=(1.0, 0, 0))
    lines = (folder / 'manifest.csv').read_text().splitlines()
    rows = [f'{line},{0.01 * i},{0.04 + 0.001 * i}' for i, line in enumerate(lines[1:])]
    later = [re.sub(r',(\d{19}),', lambda found: f',{int(found[1]) + 40_000_000},', row, count=1) for row in rows[6:]]
    rows[6:] = later
    failures = [f'{n:010d},,,,,,failed,scan {n}: expected 16 bytes a point <b>&,,' for n in (20, 21, 22)]
    head = f'{lines[0]},disagreement,dropped_occluded'
    (folder / 'manifest.csv').write_text('\n'.join([head, *rows, *failures, ',,,,,,skipped,no image near cloud 7,,']))
    settings = {'version': '0.1.0', 'occlusion': {'radius_px': 3}, 'source': '/data/' + 'long_name' * 30}
    (folder / 'settings.json').write_text(json.dumps(settings))
    return folder


def page_of(folder: Path, file: Path) -> str:
    write_report(file, TruthSet.open(folder))
    return file.read_text()


def test_set_is_read_lazily_and_by_name(good):
    truth = TruthSet.open(good)
    entry = truth.entries[2]
    depth_m = entry.depth_m()
    size = Size(200, 640)
    assert (entry.name, depth_m.shape, entry.rgb(size).shape) == ('0000000002', (200, 640), (200, 640, 3))
    assert entry.camera(size) == CAMERA
    assert truth.manifest.numbers['offset_ms'].tolist() == [10.5] * 10


def test_each_frame_may_have_intrinsics_of_its_own(tmp_path):
    folder = write_truth_set(tmp_path / 'set', frames=2)
    (folder / 'intrinsics').mkdir()
    (folder / 'intrinsics/0000000001.txt').write_text('100 0 50 0 100 40 0 0 1')
    first, second = TruthSet.open(folder).entries
    assert (first.camera(Size(200, 640)).fx, second.camera(Size(200, 640)).fx) == (720, 100)


@pytest.mark.parametrize('text', ['', '1 2 3', 'a b c d e f g h i', '0 0 0 0 0 0 0 0 0', 'nan 0 1 0 1 1 0 0 1'])
def test_intrinsics_that_are_none_are_refused(tmp_path, text):
    (tmp_path / 'K.txt').write_text(text)
    with pytest.raises(CalibrationError, match='expected'):
        read_intrinsics(tmp_path / 'K.txt', Size(10, 10))


def test_plain_folder_of_maps_is_a_set(tmp_path):
    for name in 'ab':
        write_depth_png(tmp_path / f'{name}.png', np.full((20, 30), 5.0))
    truth = TruthSet.open(tmp_path)
    assert ([entry.name for entry in truth.entries], truth.manifest.counts()) == (['a', 'b'], {'ok': 2})
    page = page_of(tmp_path, tmp_path / 'report.html')
    assert 'at least 5 frames with image and intrinsics, got 0' in page
    assert 'Time between' not in page


def test_manifest_may_be_parquet(tmp_path):  # it was passed over, and with it whatever had failed
    pytest.importorskip('pyarrow')
    (tmp_path / 'depth').mkdir()
    (tmp_path / 'depth/a.png').write_bytes(b'')
    rows = [Row('a', 's', 0, 10**18 + 10_500_000, 10**18, coverage=0.25, facts={'hidden': 3}),
            Row('b', 's', 1, status='failed', reason='no scan')]
    write_manifest(tmp_path / 'manifest.parquet', lambda: rows, {})
    truth = TruthSet.open(tmp_path)
    assert truth.manifest.counts() == {'ok': 1, 'failed': 1}
    assert [truth.manifest.numbers[name][0] for name in ('coverage', 'hidden', 'offset_ms')] == [0.25, 3.0, 10.5]


def test_folder_without_maps_is_an_error(tmp_path):
    for folder in (tmp_path, tmp_path / 'missing'):
        with pytest.raises(TruthSetError, match=r'expected depth maps \(\*\.png\) or a manifest\.csv, found none'):
            TruthSet.open(folder)


def test_run_that_failed_altogether_has_a_report_that_says_why(tmp_path):
    (tmp_path / 'depth').mkdir()
    (tmp_path / 'manifest.csv').write_text('name,status,reason\n0000000000,failed,no such scan\n')
    page = page_of(tmp_path, tmp_path / 'report.html')
    assert 'Not all frames are ok: 1 failed' in page
    assert 'no such scan' in page


@pytest.mark.parametrize('options', [('--manifest', 'parquet'), ('--layout', 'benchmark', '--camera', '3')])
def test_report_knows_every_form_that_the_tool_writes(tiny_drive, tmp_path, options):
    (tiny_drive / 'velodyne_points/data/0000000001.bin').write_bytes(b'')
    out = tmp_path / 'out'
    velodyne_to_depth([str(tiny_drive), str(out), *options])
    velodyne_to_depth([str(tiny_drive), str(out), *options, '--camera', '2', '--tolerance', '0.5'])  # refused
    truth = TruthSet.open(out if 'parquet' in options else out / tiny_drive.name)
    assert [entry.name for entry in truth.entries] == ['0000000000', '0000000002']
    assert truth.manifest.counts() == {'ok': 2, 'failed': 1}
    assert np.nanmedian(truth.manifest.column('offset_ms')) == pytest.approx(9.4, abs=0.1)
    assert truth.entries[0].rgb(Size(32, 96)) is not None
    assert truth.entries[0].camera(Size(32, 96)) is not None


@pytest.mark.parametrize(('name', 'text', 'message'), [
    ('manifest.csv', 'frame,reason\n1,\n', 'expected the columns name and status, got no name and no status'),
    ('manifest.csv', '', 'expected the columns'),
    ('settings.json', '{', 'expected settings as JSON'),
    ('settings.json', '[]', 'expected a JSON object of settings, got list'),
])
def test_malformed_files_are_errors(tmp_path, name, text, message):
    folder = write_truth_set(tmp_path / 'set', frames=1)
    (folder / name).write_text(text)
    with pytest.raises(TruthSetError, match=f'{name}: {message}'):
        write_report(tmp_path / 'report.html', TruthSet.open(folder))


def test_reasons_that_differ_in_numbers_are_counted_as_one(bad):
    manifest = TruthSet.open(bad).manifest
    assert manifest.counts() == {'ok': 12, 'skipped': 1, 'failed': 3}
    assert [(reason.frames, reason.name) for reason in manifest.reasons.values()] == [(3, '0000000020'), (1, '')]


def test_depths_are_counted_in_bins_of_equal_ratio(tmp_path):
    depth_m = np.zeros((100, 10))
    depth_m[50:, :4] = 0.5, 10.0, 10.0, 255.0
    write_depth_png(tmp_path / 'a.png', depth_m)
    figures = measure(TruthSet.open(tmp_path))
    assert (figures.near, figures.far, figures.coverage) == (0.25, 0.25, {'a': 0.2})
    place = int(figures.shares.argmax())
    assert figures.shares[place] == 0.5
    assert DEPTH_EDGES_M[place] <= 10.0 <= DEPTH_EDGES_M[place + 1]
    assert figures.median_m == pytest.approx(10, rel=0.13)  # a bin
    assert figures.row_coverage[[0, 24, 25, 49]] == pytest.approx([0, 0, 0.4, 0.4])


def test_frames_are_chosen_by_disagreement_where_there_is_one(good, bad):
    truth = TruthSet.open(bad)
    found = choose(truth, measure(truth))
    assert found.measure == 'disagreement'
    assert [(title, entry.name[-2:], value) for title, entry, value in found.frames] == [
        ('worst', '11', 0.11), ('median', '05', 0.05), ('best', '00', 0.0)]
    truth = TruthSet.open(good)
    found = choose(truth, measure(truth))
    coverage = truth.manifest.numbers['coverage']
    assert (found.measure, [value for _, _, value in found.frames]) == (
        'coverage', [coverage.min(), np.sort(coverage)[5], coverage.max()])


def test_many_frames_become_few_points_that_keep_the_outlier():
    values = np.full(10_000, 2.0)
    values[[5000, 7000]] = 9.0, np.nan
    at, low, middle, high = condensed(values, 100)
    assert (len(at), low.min(), middle.max(), high.max()) == (100, 2.0, 2.0, 9.0)
    assert condensed(np.full(3, np.nan))[0].size == 0


NOISE_MS = np.random.default_rng(0).normal(0, 0.3, 100)


@pytest.mark.parametrize(('offset_ms', 'kind'), [
    (10.5 + NOISE_MS, 'constant'),
    (10.5 + NOISE_MS + 50 * (np.arange(100) == 40), 'constant'),  # one frame alone is no jump
    (10.5 + NOISE_MS + np.linspace(0, 8, 100), 'drifting'),
    (10.5 + NOISE_MS + 30 * (np.arange(100) >= 40), 'jumping'),
    (np.where(np.arange(100) < 92, np.nan, 10.5), 'unknown'),
])
def test_time_is_constant_drifting_or_jumping(offset_ms, kind):
    assert time_drift(offset_ms).kind == kind


def test_drift_and_jumps_are_told_in_numbers():
    assert time_drift(np.linspace(0, 8, 100)).drift_ms == pytest.approx(8)
    offsets = np.zeros(100)
    offsets[40:], offsets[70:] = 30, 0
    assert time_drift(offsets).jumps == (40, 70)
    assert 'changes for good at frame 41 of the set, and 1 more' in time_drift(offsets).text


def test_page_of_a_good_set_has_nothing_to_warn_of(good, tmp_path):
    page = page_of(good, tmp_path / 'new/report.html')
    assert 'Look at this' not in page
    assert 'Fits: yaw and pitch within 0.3' in page
    assert 'constant: 10.5 ms' in page
    assert page.count('<img ') == 7  # two each of worst, median, best; and a close-up


def test_page_of_a_bad_set_says_what_is_wrong(bad, tmp_path):
    page = page_of(bad, tmp_path / 'report.html')
    warned = page[page.index('Look at this') : page.index('Calibration: do image')]
    assert 'degrees too far right (yaw)' in warned
    assert 'jumping: the offset changes for good at frame 7' in warned
    assert '1 skipped, 3 failed' in warned
    assert 'the same edges where they fit best' in page
    assert 'Dropped by each step' in page
    assert 'occlusion.radius_px' in page
    assert '&lt;b&gt;&amp;' in page
    assert '<b>&' not in page


def test_map_that_cannot_be_read_is_named_and_the_page_is_written(tmp_path):
    folder = write_truth_set(tmp_path / 'set', frames=6)
    (folder / 'depth/0000000002.png').write_bytes(b'\x89PNG')
    page = page_of(folder, tmp_path / 'report.html')
    assert 'Cannot be read: 0000000002: ' in page


def test_report_that_cannot_be_written_is_an_error(good, tmp_path, capsys):
    (tmp_path / 'file').write_text('')
    assert main([str(good), str(tmp_path / 'file/report.html')]) == 1
    assert 'report.html: expected to write a report, got' in capsys.readouterr().err


def test_command_writes_the_page_and_tells_the_verdict(good, tmp_path, capsys):
    assert main([str(good), str(tmp_path / 'r.html'), '--title', 'Street <1>']) == 0
    assert 'calibration: Fits' in capsys.readouterr().out
    assert '<h1>Street &lt;1&gt;</h1>' in (tmp_path / 'r.html').read_text()


def test_page_asks_for_nothing(bad, tmp_path):
    page = page_of(bad, tmp_path / 'report.html')
    assert re.findall(r'(?:src|href)="(?!data:)', page) == []
    assert 'url(' not in page
    assert '@import' not in page
    assert "default-src 'none'" in page


def in_browser(page: str, folder: Path, width: int) -> tuple[dict[str, str], str]:
    """Load a page and return what the probe wrote, and what the console said.

    It is in a frame of this width: the browser's own window is never narrower than 500 px.
    """
    probed = page.replace("default-src 'none'", "default-src 'none'; script-src 'unsafe-inline'")
    probed = escape(probed.replace('</title>', f'</title>{PROBE}', 1))
    frame = f'<iframe style="border:0;width:{width}px;height:900px" srcdoc="{probed}"></iframe>'
    (folder / 'around.html').write_text(f'<!doctype html><html><body>{frame}</body></html>')
    run = subprocess.run([CHROMIUM, *FLAGS, f'--user-data-dir={folder / "profile"}', '--window-size=1400,1000',
                          '--dump-dom', (folder / 'around.html').as_uri()], capture_output=True, text=True, timeout=100)
    root = re.search(r'<html[^>]*>', run.stdout)
    assert root, run.stderr[-2000:]
    console = '\n'.join(line for line in run.stderr.splitlines() if 'CONSOLE' in line)
    return dict(re.findall(r'data-(\w+)="([^"]*)"', root[0])), console


@pytest.mark.skipif(not CHROMIUM, reason='no chromium here (apt-get install chromium)')
@pytest.mark.parametrize('width', [1280, 400])
def test_page_renders_in_a_browser(bad, tmp_path, width):
    found, console = in_browser(page_of(bad, tmp_path / 'report.html'), tmp_path, width)
    assert console == ''
    assert 'error' not in found
    assert [int(size) > 100 for size in found['pictures'].split()] == [True] * 8
    assert int(found['charts']) == 5  # score, depths, rows, frames, time
    assert int(found['scroll']) <= int(found['inner']) == width
    assert found['requests'] == '0'


@pytest.mark.skipif(not CHROMIUM, reason='no chromium here (apt-get install chromium)')
def test_browser_test_sees_a_page_that_is_too_wide_and_asks(bad, tmp_path):
    """The test above can fail: a wide element, a broken picture, a request and an error are found."""
    worse = page_of(bad, tmp_path / 'report.html').replace('</main>', (
        '<div style="width:3000px">wide</div><img src="data:image/png;base64,AAAA"><img src="missing.png"></main>'))
    found, console = in_browser(worse, tmp_path, 400)
    assert int(found['scroll']) > 2900
    assert found['pictures'].split()[-1] == '0'
    assert 'Content Security Policy' in console


@pytest.mark.skipif(not CHROMIUM, reason='no chromium here (apt-get install chromium)')
@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_page_is_light_or_dark_as_the_reader_likes(good, tmp_path, scheme):
    page_of(good, tmp_path / 'report.html')
    subprocess.run([CHROMIUM, *FLAGS, f'--user-data-dir={tmp_path / "profile"}', '--window-size=800,600',
                    f'--blink-settings=preferredColorScheme={["dark", "light"].index(scheme)}',
                    f'--screenshot={tmp_path / "page.png"}', (tmp_path / 'report.html').as_uri()],
                   capture_output=True, timeout=100, check=True)
    picture = cv2.imread(str(tmp_path / 'page.png'))
    assert (np.median(picture) > 128) == (scheme == 'light')


def test_real_drive_has_a_report_without_an_alarm(real_drive, tmp_path):
    assert velodyne_to_depth([str(real_drive), str(tmp_path / 'out')]) == 0
    if not (tmp_path / 'out/intrinsics.txt').exists():
        (tmp_path / 'out/intrinsics.txt').write_text('721.5377 0 609.5593 0 721.5377 172.854 0 0 1')
    check = write_report(tmp_path / 'report.html', TruthSet.open(tmp_path / 'out'))
    assert check.verdict == 'fits'
    page = (tmp_path / 'report.html').read_text()
    assert 'constant: 10.5 ms in the median' in page
    assert 'Not all frames are ok: 1 partial' in page
