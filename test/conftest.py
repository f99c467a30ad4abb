"""Fixtures that several test files share."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

pytest_plugins = ['fixtures_kitti', 'fixtures_ros', 'fixtures_training']

sys.modules.setdefault('openvino_telemetry', None)  # some tests import openvino before our backend does the same


@pytest.fixture(scope='session')
def shared_data() -> Path:
    """Return the folder of real KITTI frames and bags, named by DEPTH_NODE_DATA; skip where there is none."""
    folder = Path(os.environ.get('DEPTH_NODE_DATA', Path(__file__).parents[2] / 'shared' / 'data'))
    if not folder.is_dir():
        pytest.skip('no real data: set DEPTH_NODE_DATA to the folder that holds kitti/ and bags/')
    return folder


@pytest.fixture(scope='session')
def real_drive(shared_data: Path) -> Path:
    """Return a real KITTI raw drive with scans, images, timestamps and calibration."""
    return shared_data / 'kitti/raw/2011_09_26/2011_09_26_drive_0005_sync'


@pytest.fixture(autouse=True, scope='session')
def cache_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep networks that were built for a device in a folder of this test run, not of the user."""
    folder = tmp_path_factory.mktemp('cache')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(folder))
        yield folder


@pytest.fixture(autouse=True, scope='module')
def seeded() -> None:
    """Start every test file with the same random weights: a test that fails one time in three teaches nobody."""
    torch.manual_seed(0)
