"""Runs of frames to maps: chunks change nothing, each scan is read once, a broken frame is no one else's trouble."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from msg_tools.errors import ConfigError, ImageError
from msg_tools.ground_truth.kitti_raw import KittiRawSource
from msg_tools.ground_truth.maps import Chunk, DepthMap, Failure, MapMaker, baseline_of
from msg_tools.ground_truth.settings import TruthSettings
from msg_tools.ground_truth.spans import spans
from msg_tools.ground_truth.trajectory import Trajectory
from msg_tools.image_file import encode_rgb
from msg_tools.kitti import KittiDrive


def maker(drive, scanner: Trajectory | str | None = 'own', **settings) -> MapMaker:
    source = KittiRawSource.open(drive, 2, with_images=True)
    return MapMaker(source, TruthSettings(**settings), source.trajectory() if scanner == 'own' else scanner)


def maps(maker: MapMaker, length: int = 100) -> list[DepthMap | Failure]:
    entries = maker.source.entries()
    return [item for span in spans(np.arange(len(entries)), length)
            for item in maker.maps(span.chunk(entries, maker.settings.accumulate))]


@pytest.mark.parametrize(('accumulate', 'length', 'expected'), [
    (0, 2, [(0, 2, 0, 2), (2, 4, 0, 2), (4, 5, 0, 1)]),
    (1, 2, [(0, 3, 0, 2), (1, 5, 1, 3), (3, 5, 1, 2)]),
    (9, 9, [(0, 5, 0, 5)]),
])
def test_chunks_have_their_neighbours_scans(accumulate, length, expected):
    chunks = [span.chunk(range(5), accumulate) for span in spans(np.arange(5), length)]
    found = [(chunk.entries[0], chunk.entries[-1] + 1, chunk.first, chunk.stop) for chunk in chunks]
    assert found == expected


def test_a_scan_gives_a_map_with_its_facts(tiny_drive):
    first = maps(maker(tiny_drive))[0]
    assert first.steps.dtype == np.uint16
    assert first.steps.any()
    assert first.frame.entry.name == '0000000000'
    assert first.facts['points'] == 16 * 720
    assert first.exposure_ns == first.frame.entry.cloud_stamp_ns  # KITTI's scanner triggers its cameras
    assert first.T_world_camera.shape == (4, 4)


def test_exposure_at_the_images_stamp_when_asked(tiny_drive):
    entry = maps(maker(tiny_drive, exposure='image'))[0].frame.entry
    assert maps(maker(tiny_drive, exposure='image'))[0].exposure_ns == entry.image_stamp_ns != entry.cloud_stamp_ns


def test_without_poses_points_stay_where_they_are(tiny_drive):
    still = maps(maker(tiny_drive, None))[0]
    assert still.T_world_camera is None
    assert not np.array_equal(still.steps, maps(maker(tiny_drive))[0].steps)


@pytest.mark.parametrize('settings', [{}, {'accumulate': 1}, {'accumulate': 2, 'agree': 'none'}])
def test_chunks_change_nothing(tiny_drive, settings):
    whole = maps(maker(tiny_drive, **settings))
    for length in (1, 2):
        for one, other in zip(whole, maps(maker(tiny_drive, **settings), length), strict=True):
            assert np.array_equal(one.steps, other.steps)
            assert one.facts == pytest.approx(other.facts, nan_ok=True)


def test_chunks_change_no_pixel_of_a_real_bend(real_drive):  # points were moved by poses at the ends of what was cut
    made = maker(real_drive, accumulate=5)
    entries = [entry for entry in made.source.entries() if 40 <= entry.frame < 56]
    whole, single = ([item.steps for span in spans(np.arange(8, 12), length)
                      for item in made.maps(span.chunk(entries, 5))] for length in (4, 1))
    assert np.array_equal(whole, single)


def test_accumulation_adds_what_agrees_and_keeps_the_scan(tiny_drive):
    single, added = (maps(maker(tiny_drive, **settings))[1] for settings in ({}, {'accumulate': 1, 'tolerance': 0.3}))
    assert added.facts['scans'] == 3
    assert 0 < added.facts['agreed_points'] <= added.facts['added_points']
    assert np.count_nonzero(added.steps) > np.count_nonzero(single.steps)
    both = (single.steps > 0) & (added.steps > 0)
    assert np.array_equal(single.steps[both], added.steps[both])


def test_each_scan_is_read_once_for_a_chunk(tiny_drive, monkeypatch):
    counted = Counter()
    read = KittiDrive.read_scan
    monkeypatch.setattr(KittiDrive, 'read_scan', lambda self, frame: counted.update([frame]) or read(self, frame))
    maps(maker(tiny_drive, accumulate=2))
    assert counted == {0: 1, 1: 1, 2: 1}


def test_a_broken_scan_fails_alone(tiny_drive):
    (tiny_drive / 'velodyne_points/data/0000000001.bin').write_bytes(b'123')
    first, broken, last = maps(maker(tiny_drive, accumulate=1, tolerance=0.3))
    assert isinstance(broken, Failure)
    assert 'multiple of 16 bytes' in broken.reason
    assert not broken.skipped
    assert first.facts['scans'] == last.facts['scans'] == 1


def test_poses_that_end_too_early_fail_the_frames_after_them(tiny_drive):
    source = KittiRawSource.open(tiny_drive, 2, with_images=True)
    whole = source.trajectory()
    stamps = whole.stamps_ns - 10**9 * 3600
    result = maps(maker(tiny_drive, Trajectory(stamps, whole.poses)))
    assert all('another clock' in item.reason for item in result)


def test_accumulation_without_poses_is_refused(tiny_drive):
    with pytest.raises(ConfigError, match='expected poses to accumulate'):
        maker(tiny_drive, None, accumulate=1)


def test_stereo_without_a_pair_is_the_frames_error(tiny_drive):
    for file in (tiny_drive / 'image_03/data').iterdir():
        file.unlink()
    result = maps(maker(tiny_drive, accumulate=1, agree='stereo'))
    assert all('expected a stereo pair' in item.reason for item in result)


def test_stereo_of_two_sizes_or_swapped_is_the_frames_error(tiny_drive):
    wanted = maker(tiny_drive, accumulate=1, agree='stereo')
    view = wanted.source.view(wanted.source.entries()[0])
    for baseline_m, message in ((None, 'got no baseline'), (-0.5, r'got one -0\.500 m to the right')):
        with pytest.raises(ImageError, match=message):
            baseline_of(replace(view, baseline_m=baseline_m))
    for file in (tiny_drive / 'image_03/data').iterdir():
        file.write_bytes(encode_rgb(np.zeros((4, 6, 3), np.uint8)))
    assert all('expected a stereo pair of one size' in item.reason and '6x4' in item.reason for item in maps(wanted))


def test_monodepth2_mode_is_its_own(tiny_drive):
    own, theirs = (maps(maker(tiny_drive, None, occlusion='off', mode=mode))[0] for mode in ('nearest', 'monodepth2'))
    assert np.array_equal(own.steps[1:, 1:-1], theirs.steps[:-1, :-2])  # a pixel up and left


def test_vel_depth_is_the_scanners_x(tiny_drive):
    camera, scanner = (maps(maker(tiny_drive, None, occlusion='off', vel_depth=choice))[0] for choice in (False, True))
    seen = (camera.steps > 0) & (scanner.steps > 0)
    assert np.median((scanner.steps[seen] - camera.steps[seen].astype(int)) / 256) == pytest.approx(0.27, abs=0.02)


def test_real_drive_accumulates_four_times_the_pixels_and_agrees(real_drive):
    source = KittiRawSource.open(real_drive, 2, with_images=True)
    entries = source.entries()[:11]
    scanner = source.trajectory()
    single = next(MapMaker(source, TruthSettings(), scanner).maps(Chunk(entries[5:6], 0, 1)))
    dense = next(MapMaker(source, TruthSettings(accumulate=5), scanner).maps(Chunk(entries, 5, 6)))
    assert np.count_nonzero(dense.steps) > 4 * np.count_nonzero(single.steps)
    assert dense.facts['disagreement_m'] < 0.1
    assert dense.facts['agreed_points'] > 0.6 * dense.facts['added_points']


def test_scans_beyond_a_gap_are_left_out(tiny_drive):
    whole = maker(tiny_drive, accumulate=1, tolerance=0.3)
    entries = whole.source.entries()
    late = replace(entries[2], cloud_stamp_ns=entries[2].cloud_stamp_ns + 10**9)
    first, _ = [item for item in whole.maps(Chunk([entries[0], late], 0, 2)) if isinstance(item, DepthMap)] + [None]
    assert 'scans' not in first.facts
    assert next(whole.maps(Chunk(entries[:2], 0, 1))).facts['scans'] == 2


def test_shares_dropped_are_of_what_there_was(tiny_drive):
    facts = maps(maker(tiny_drive, accumulate=1))[1].facts
    assert facts['dropped_disagreeing'] == pytest.approx(1 - facts['agreed_points'] / facts['added_points'], abs=1e-5)


def test_scans_can_be_accumulated_as_if_each_were_of_its_stamp(tiny_drive):
    undone, still = (maps(maker(tiny_drive, accumulate=1, tolerance=0.3, motion=motion))[1] for motion in ('on', 'off'))
    alone = maps(maker(tiny_drive, None))[1]
    kept = (alone.steps > 0) & (still.steps > 0)
    assert np.array_equal(alone.steps[kept], still.steps[kept])
    assert still.facts['scans'] == 3
    assert not np.array_equal(undone.steps, still.steps)
