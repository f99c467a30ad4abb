"""velodyne_to_depth on a real Dask scheduler with worker processes, one of which is killed half way."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fixtures_kitti import write_tiny_drive
from fixtures_sources import FaultySource

pytest.importorskip('distributed')

from msg_tools.ground_truth import cli, cluster
from msg_tools.ground_truth.kitti_raw import KittiRawSource
from msg_tools.ground_truth.maps import MapMaker
from msg_tools.ground_truth.output import Output
from msg_tools.ground_truth.settings import TruthSettings
from msg_tools.ground_truth.work import Work

QUIET = {'DASK_LOGGING__DISTRIBUTED': 'error'}


def convert(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob('*') if path.is_file()}


def dask(kind: str, file: Path, *options: str) -> subprocess.Popen:
    """Start a scheduler or a worker."""
    here = Path(__file__).parent
    paths = os.pathsep.join([str(here), str(here.parent), os.environ.get('PYTHONPATH', '')])
    return subprocess.Popen(
        [sys.executable, '-m', f'distributed.cli.dask_{kind}', '--scheduler-file', file, '--no-dashboard', *options],
        env={**os.environ, **QUIET, 'PYTHONPATH': paths}, cwd=file.parent,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.fixture
def scheduler(tmp_path):
    """Return the address of a scheduler with two workers, and the workers' processes."""
    file = tmp_path / 'scheduler.json'
    processes = [dask('scheduler', file, '--port', '0', '--host', '127.0.0.1')]
    try:
        deadline_s = time.monotonic() + 60
        while not file.exists() and time.monotonic() < deadline_s:
            time.sleep(0.05)
        processes += [dask('worker', file, '--no-nanny', '--nthreads', '1') for _ in range(2)]
        yield json.loads(file.read_text())['address'], processes[1:]
    finally:
        for process in reversed(processes):
            process.kill()
            process.wait()


@pytest.mark.slow
def test_worker_killed_half_way_leaves_the_same_files_as_a_run_on_one(tmp_path, scheduler, monkeypatch):
    address, workers = scheduler
    drive = write_tiny_drive(tmp_path, frames=40)
    (drive / 'velodyne_points/data/0000000007.bin').write_bytes(b'123')
    assert convert(drive, tmp_path / 'one') == 1
    monkeypatch.setattr(cli, 'source_of', lambda args: FaultySource(
        KittiRawSource.open(args.source, 2, True), tmp_path, pause_s=0.05))
    add = cluster.Tasks._rows_of
    seen = []

    def killing(self, future, span):
        seen.append(span)
        if len(seen) == 3:
            os.kill(workers[0].pid, signal.SIGKILL)
        return add(self, future, span)

    monkeypatch.setattr(cluster.Tasks, '_rows_of', killing)
    assert convert(drive, tmp_path / 'out', '--scheduler', address) == 1
    assert workers[0].wait() == -signal.SIGKILL
    assert workers[1].poll() is None
    assert contents(tmp_path / 'out') == contents(tmp_path / 'one')
    assert convert(drive, tmp_path / 'again', '--scheduler', address) == 1  # by the one that is left
    assert contents(tmp_path / 'again') == contents(tmp_path / 'one')


def test_no_scheduler_is_a_clear_error(tiny_drive, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cluster, 'CONNECT_S', 0.5)
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        address = f'tcp://127.0.0.1:{free.getsockname()[1]}'
        assert convert(tiny_drive, tmp_path / 'out', '--scheduler', address) == 1
    errors = capsys.readouterr().err.splitlines()
    assert errors[-1].startswith(f'velodyne_to_depth: error: {address}: expected a Dask scheduler, got none within')


def test_jobs_and_scheduler_exclude_each_other(tiny_drive, tmp_path, capsys):
    with pytest.raises(SystemExit) as exit_info:
        convert(tiny_drive, tmp_path / 'out', '--scheduler', 'tcp://127.0.0.1:1', '--jobs', 2)
    assert exit_info.value.code == 2
    assert 'expected --jobs or --scheduler' in capsys.readouterr().err


@pytest.fixture
def share(tiny_drive, tmp_path):
    """Return what a worker gets, all being well."""
    source = KittiRawSource.open(tiny_drive, 2, True)
    probe = tmp_path / 'probe'
    probe.touch()
    work = Work(MapMaker(source, TruthSettings(), None), Output(tmp_path), '')
    return cluster.Share(work, cluster.package_version(), probe)


def test_worker_that_can_do_it_has_no_problem(share):
    share.setup(None)
    assert share.problem == ''


def test_worker_of_another_version(share):
    share.version = '0.0.1'
    share.setup(None)
    assert share.problem.startswith('expected depth_node 0.0.1, got ')


def test_worker_without_the_shared_storage(share, tiny_drive):
    share.probe.unlink()
    share.setup(None)
    assert 'do the workers share the storage?' in share.problem
    tiny_drive.rename(tiny_drive.parent / 'elsewhere')
    share.setup(None)
    assert share.problem.startswith(f'expected to find {tiny_drive}')


def test_worker_that_may_not_write(share, monkeypatch):
    monkeypatch.setattr(Path, 'write_bytes', lambda *_: (_ for _ in ()).throw(PermissionError(13, 'Permission denied')))
    share.setup(None)
    assert share.problem == f'expected to write to {share.probe.parent}, got: Permission denied'
