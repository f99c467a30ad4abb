"""Runs of velodyne_to_depth that are interrupted, killed, resumed or spread over processes, and disks that are full."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from fixtures_kitti import write_tiny_drive
from fixtures_sources import FaultySource, kill, kill_once, stumble

from msg_tools.ground_truth import cli, processes
from msg_tools.ground_truth.kitti_raw import KittiRawSource
from msg_tools.ground_truth.maps import MapMaker
from msg_tools.ground_truth.output import Output
from msg_tools.ground_truth.resume import only_run
from msg_tools.ground_truth.settings import TruthSettings
from msg_tools.ground_truth.spans import Span, span_length, spans
from msg_tools.ground_truth.work import Work

DEPTH = 'depth/0000000001.png'


def convert(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def manifest(out: Path) -> dict[int, dict[str, str]]:
    with (out / 'manifest.csv').open(newline='') as file:
        return {int(row['frame']): row for row in csv.DictReader(file)}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob('*') if path.is_file()}


def inodes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in (folder / 'depth').iterdir()}


@pytest.fixture
def out(tmp_path):
    return tmp_path / 'out'


@pytest.fixture
def faulty(monkeypatch, tmp_path):
    """Return what makes the command's source a faulty one."""
    def use(**how):
        monkeypatch.setattr(cli, 'source_of', lambda args: FaultySource(
            KittiRawSource.open(args.source, args.camera, True), tmp_path, **how))
    return use


def test_second_run_does_only_what_is_missing(tiny_drive, out, capsys):
    assert convert(tiny_drive, out) == 0
    before, made = contents(out), inodes(out)
    (out / DEPTH).unlink()
    assert convert(tiny_drive, out) == 0
    assert '3 frames (3 ok), 2 of them were there' in capsys.readouterr().out
    assert contents(out) == before
    after = inodes(out)
    assert [name for name in after if after[name] != made[name]] in ([], ['0000000001.png'])  # inodes are used again


def test_frame_without_its_image_is_made_again(tiny_drive, out, capsys):
    assert convert(tiny_drive, out) == 0
    (out / 'image/0000000002.png').unlink()
    assert convert(tiny_drive, out) == 0
    assert '2 of them were there' in capsys.readouterr().out
    assert (out / 'image/0000000002.png').exists()


def test_overlays_asked_for_later_are_made(tiny_drive, out, capsys):
    assert convert(tiny_drive, out) == 0
    assert convert(tiny_drive, out, '--overlay') == 0
    assert 'were there' not in capsys.readouterr().out
    assert len(list((out / 'overlay').iterdir())) == 3


def test_failed_frames_are_tried_again(tiny_drive, out, capsys):
    scan = tiny_drive / 'velodyne_points/data/0000000001.bin'
    whole = scan.read_bytes()
    scan.write_bytes(b'123')
    assert convert(tiny_drive, out) == 1
    scan.write_bytes(whole)
    assert convert(tiny_drive, out) == 0
    assert '2 of them were there' in capsys.readouterr().out
    assert [row['status'] for row in manifest(out).values()] == ['ok'] * 3


def test_other_recording_under_the_same_name_is_not_taken_for_done(tiny_drive, out, capsys):
    assert convert(tiny_drive, out) == 0
    stamps = tiny_drive / 'velodyne_points/timestamps.txt'
    stamps.write_text(stamps.read_text().replace('2011-09-26 13', '2011-09-26 14'))
    assert convert(tiny_drive, out, '--motion', 'auto') == 1  # poses of another hour
    assert 'were there' not in capsys.readouterr().out


def test_maps_of_other_settings_are_refused_and_overwritten_on_request(tiny_drive, out, capsys):
    assert convert(tiny_drive, out) == 0
    before = contents(out)
    assert convert(tiny_drive, out, '--camera', 3) == 1
    error = capsys.readouterr().err
    assert 'camera: 2, now 3' in error
    assert '--overwrite' in error
    assert error.count('\n') == 1
    assert contents(out) == before
    assert convert(tiny_drive, out, '--camera', 3, '--overwrite') == 0
    assert contents(out)[DEPTH] != before[DEPTH]
    assert len({row['settings'] for row in manifest(out).values()}) == 1


def test_overwriting_that_ends_early_leaves_no_old_maps_among_the_new(tiny_drive, out, faulty):
    assert convert(tiny_drive, out) == 0
    faulty(faults={1: interrupt})
    assert convert(tiny_drive, out, '--overwrite') == 130
    assert sorted(inodes(out)) == ['0000000000.png']
    assert list(manifest(out)) == [0]


def interrupt(_: Path) -> None:
    raise KeyboardInterrupt


def test_failure_takes_away_the_map_that_an_earlier_run_made(tiny_drive, out):
    assert convert(tiny_drive, out) == 0
    (tiny_drive / 'velodyne_points/data/0000000001.bin').write_bytes(b'123')
    (out / 'image/0000000001.png').unlink()  # so that it is made again
    assert convert(tiny_drive, out) == 1
    assert not (out / DEPTH).exists()


def test_mistake_of_ours_fails_its_frame_alone(tiny_drive, out, faulty):
    faulty(faults={1: stumble})
    assert convert(tiny_drive, out) == 1
    assert [row['status'] for row in manifest(out).values()] == ['ok', 'failed', 'ok']
    assert manifest(out)[1]['reason'].startswith('ZeroDivisionError: a mistake')


def test_killed_process_is_replaced_and_its_frames_are_made(tmp_path, out, faulty):
    drive = write_tiny_drive(tmp_path, frames=12)
    faulty(faults={5: kill_once})
    assert convert(drive, out, '--jobs', 2) == 0
    assert (tmp_path / 'killed').exists()
    assert convert(drive, tmp_path / 'one') == 0
    assert contents(out) == contents(tmp_path / 'one')


def test_frame_that_kills_every_process_is_given_up(tmp_path, out, faulty):
    drive = write_tiny_drive(tmp_path, frames=10)
    faulty(faults={5: kill})
    assert convert(drive, out, '--jobs', 2) == 1
    rows = manifest(out)
    assert [frame for frame, row in rows.items() if row['status'] == 'failed'] == [5]
    assert 'got 3 that ended, the last with -9' in rows[5]['reason']
    assert len(rows) == 10


@pytest.mark.slow
def test_frame_that_kills_takes_only_those_along_that_it_would_be_added_to(tmp_path, out, faulty, monkeypatch):
    monkeypatch.setattr(processes, 'TRIES', 1)
    drive = write_tiny_drive(tmp_path, frames=12)
    faulty(faults={5: kill})
    assert convert(drive, out, '--jobs', 2, '--accumulate', 1, '--occlusion', 'off') == 1
    assert [frame for frame, row in manifest(out).items() if row['status'] == 'failed'] == [4, 5, 6]


def test_processes_that_all_die_end_the_run(tmp_path, out, faulty, monkeypatch, capsys):
    monkeypatch.setattr(processes, 'DEATHS_PER_SCAN', 3)
    drive = write_tiny_drive(tmp_path, frames=10)
    faulty(faults=dict.fromkeys(range(10), kill))
    assert convert(drive, out, '--jobs', 2) == 1
    errors = capsys.readouterr().err.splitlines()
    assert 'expected the worker processes to live' in errors[-1]


COMMAND = """
import signal
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from fixtures_sources import FaultySource, kill
from msg_tools.ground_truth import cli, processes
from msg_tools.ground_truth.kitti_raw import KittiRawSource
if __name__ == '__main__':
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background ignores it
    cli.source_of = lambda args: FaultySource(KittiRawSource.open(args.source, 2, True), Path(), {how})
    sys.exit(cli.main(sys.argv[1:]))
"""


def command(tmp_path: Path, how: str, *arguments: object, **popen) -> subprocess.Popen:
    """Start the command with a faulty source in a process of its own."""
    script = tmp_path / 'command.py'
    script.write_text(COMMAND.format(tests=str(Path(__file__).parent), how=how))
    return subprocess.Popen([sys.executable, script, *map(str, arguments)], stderr=subprocess.PIPE, text=True, **popen)


def test_killed_run_is_gone_on_with(tiny_drive, out, tmp_path, capsys):
    process = command(tmp_path, '{2: kill}', tiny_drive, out)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (out / 'manifest.csv').exists()
    with (out / 'manifest.part.jsonl').open('a') as journal:
        journal.write('{"name": "00000')  # torn by the end
    (out / 'depth/.0000000002.png.0123.part').write_bytes(b'half')
    assert convert(tiny_drive, out) == 0
    assert '2 of them were there' in capsys.readouterr().out
    assert convert(tiny_drive, tmp_path / 'one') == 0
    assert contents(out) == contents(tmp_path / 'one')


def test_ctrl_c_ends_all_processes_and_keeps_what_is_done(tmp_path, out):
    drive = write_tiny_drive(tmp_path, frames=60)
    process = command(tmp_path, '{}, 0.1', drive, out, '--jobs', 2, start_new_session=True)
    journal = out / 'manifest.part.jsonl'
    deadline_s = time.monotonic() + 60
    while not (journal.exists() and journal.stat().st_size) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
    errors = process.communicate(timeout=30)[1]
    assert (process.returncode, errors) == (130, 'velodyne_to_depth: error: interrupted\n')
    rows = manifest(out)
    assert 0 < len(rows) < 60
    assert {f'{row["name"]}.png' for row in rows.values()} <= set(inodes(out))
    assert not [path for path in out.rglob('*') if path.name.endswith(('.part', '.jsonl'))]


def test_impatient_ctrl_c_prints_no_more_than_the_first(tmp_path, out):
    drive = write_tiny_drive(tmp_path, frames=60)
    process = command(tmp_path, '{}, 0.1', drive, out, '--jobs', 2, start_new_session=True)
    while process.poll() is None and not list(out.glob('depth/*.png')):
        time.sleep(0.05)
    for _ in range(10):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.02)
    assert process.communicate(timeout=30)[1] == 'velodyne_to_depth: error: interrupted\n'
    assert process.returncode == 130
    assert convert(drive, out) == 0
    assert len(manifest(out)) == 60


def test_process_that_is_just_starting_is_not_interrupted(tiny_drive, out):
    source = KittiRawSource.open(tiny_drive, 2, True)
    output = Output(out)
    output.make_folders()
    worker = processes.start_worker(Work(MapMaker(source, TruthSettings(motion='off'), None), output, ''))
    os.kill(worker.process.pid, signal.SIGINT)  # it has hardly begun to import anything
    worker.give(Span(0, 1), source.entries(), 0)
    assert worker.line.recv().status == 'ok'
    worker.line.close()
    worker.process.join()


@pytest.mark.parametrize(('limit', 'options', 'file'), [
    (3500, ['--overlay'], 'overlay/0000000000.png'),
    (3500, ['--overlay', '--jobs', '2'], 'overlay/00000000'),
    (1500, [], 'manifest.part.jsonl'),  # a depth map is smaller; the fourth row of the journal no longer fits
])
def test_disk_that_takes_no_more_ends_the_run_with_one_error(tmp_path, out, limit, options, file):
    drive = write_tiny_drive(tmp_path, frames=4)
    process = subprocess.run(
        [sys.executable, '-c', f'import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit})); '
         'from msg_tools.ground_truth.cli import main; sys.exit(main(sys.argv[1:]))', str(drive), str(out), *options],
        capture_output=True, text=True, check=False)
    assert process.returncode == 1
    assert process.stderr.count('\n') == 1
    assert f'error: {out}/{file}' in process.stderr
    assert ': expected to write it, got: ' in process.stderr
    assert not [path for path in out.rglob('*') if path.name.endswith('.part')]


def test_folder_that_cannot_be_written_to(tiny_drive, out, monkeypatch, capsys):
    monkeypatch.setattr(os, 'access', lambda *_: False)
    assert convert(tiny_drive, out) == 1
    assert 'got no permission' in capsys.readouterr().err


def test_output_inside_the_source(tiny_drive, capsys):
    assert convert(tiny_drive, tiny_drive / 'depth') == 1
    assert 'expected a folder outside the source' in capsys.readouterr().err
    assert not (tiny_drive / 'depth').exists()


def test_two_runs_at_once_into_one_folder(tiny_drive, out, capsys):
    out.mkdir()
    with only_run(out):
        assert convert(tiny_drive, out) == 1
    assert 'another run writes to' in capsys.readouterr().err
    assert convert(tiny_drive, out) == 0


def test_first_failures_are_listed_and_the_others_counted(tmp_path, out, capsys):
    drive = write_tiny_drive(tmp_path, frames=25)
    for path in (drive / 'velodyne_points/data').glob('*.bin'):
        path.write_bytes(b'123')
    assert convert(drive, out) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 21
    assert lines[-1] == f'velodyne_to_depth: warning: 5 more failed: see {out}/manifest.csv'


def test_spans_end_at_gaps_and_know_their_neighbours():
    assert list(spans(np.array([], int), 3)) == []
    assert list(spans(np.array([0, 1, 2, 3, 7, 8]), 3)) == [Span(0, 3), Span(3, 4), Span(7, 9)]
    chunk = Span(3, 5).chunk(list('abcdefghij'), 2)
    assert (chunk.entries, chunk.first, chunk.stop) == (list('bcdefg'), 2, 4)
    chunk = Span(0, 2).chunk(list('abc'), 5)
    assert (chunk.entries, chunk.first, chunk.stop) == (list('abc'), 0, 2)


def test_spans_are_short_for_few_frames_and_long_where_neighbours_are_read():
    assert span_length(17, 2, 0) == 4
    assert span_length(10_000, 2, 0) == 32
    assert span_length(10_000, 2, 5) == 50
    assert span_length(17, 2, 5) == 10
