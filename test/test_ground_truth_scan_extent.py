"""How much a scan covers, and which scans broke off."""

import numpy as np
import pytest
from fixtures_kitti import tiny_scan

from msg_tools.ground_truth.scan_extent import ScanExtent, scan_extent, usual_extent
from msg_tools.kitti import KittiDrive

WHOLE = ScanExtent(360.0, -24.0)


def test_whole_scan_goes_all_the_way_round_and_down():
    extent = scan_extent(tiny_scan())
    assert extent.turn_deg == 360.0
    assert extent.lowest_deg == pytest.approx(-24.0, abs=0.1)
    assert extent.missing(WHOLE) == ''


def test_file_cut_short_lacks_the_lowest_beams():
    cut = scan_extent(tiny_scan()[: 720 * 12 + 300])
    assert cut.turn_deg == 360.0
    assert cut.missing(WHOLE) == 'partial scan: without the beams below -19 degrees (usual: -24)'


def test_scanner_stopped_in_its_turn_lacks_a_sector():
    points = tiny_scan()
    cut = scan_extent(points[points[:, 0] > 0])
    assert cut.turn_deg == pytest.approx(180.0, abs=5.0)
    assert cut.missing(WHOLE).endswith('of 360 degrees of the turn')


def test_fewer_points_all_round_are_no_partial_scan():
    assert scan_extent(tiny_scan()[::2]).missing(WHOLE) == ''


def test_both_are_said():
    text = ScanExtent(90.0, -10.0).missing(WHOLE)
    assert text == 'partial scan: without 270 of 360 degrees of the turn and the beams below -10 degrees (usual: -24)'


@pytest.mark.parametrize('beams', [16, 32, 64, 128])
def test_order_of_a_spinning_scanner_is_seen_by_every_beam(beams):
    elevation, azimuth = np.deg2rad(np.linspace(-24, 2, beams)), np.linspace(-np.pi, np.pi, 2000)
    x, y = (np.repeat(f(azimuth)[:, None], beams, 1) for f in (np.cos, np.sin))  # all beams, azimuth by azimuth
    points = np.stack([x, y, np.tan(elevation) + 0 * x], -1).reshape(-1, 3)
    extent = scan_extent(points)
    assert extent.turn_deg == 360.0
    assert extent.lowest_deg == pytest.approx(-24.0, abs=0.5)


@pytest.mark.filterwarnings('error')
def test_points_without_direction_do_not_count():
    nothing = scan_extent(np.zeros((64, 4), np.float32))
    assert np.isnan(nothing.turn_deg)
    assert nothing.missing(WHOLE) == ''
    points = tiny_scan()
    points[::64, 2] = np.nan
    assert scan_extent(points).missing(WHOLE) == ''
    assert np.isnan(scan_extent(points[:0]).turn_deg)


@pytest.mark.filterwarnings('error')
def test_bytes_that_are_no_points_do_not_overflow():
    assert scan_extent(np.array([[1e-19, 0, -3e38], [1e-19, 0, -3e38]], np.float32)).lowest_deg == -90


def test_usual_is_the_median_of_those_that_have_points():
    whole, none = (360.0, -24.0), (np.nan, np.nan)
    assert usual_extent(np.array([whole, (90.0, -3.0), none, whole])) == WHOLE
    assert np.isnan(usual_extent(np.array([none])).turn_deg)
    assert np.isnan(usual_extent(np.zeros((0, 2))).turn_deg)


def test_last_scan_of_the_real_drive_is_the_only_partial_one(real_drive):
    drive = KittiDrive(real_drive)
    extents = {frame: scan_extent(drive.read_scan(frame)) for frame in drive.scans()}
    usual = usual_extent(np.array([(extent.turn_deg, extent.lowest_deg) for extent in extents.values()]))
    assert [frame for frame, extent in extents.items() if extent.missing(usual)] == [153]
