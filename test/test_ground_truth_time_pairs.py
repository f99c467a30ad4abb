"""Pairing two streams by time, message by message."""

from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msg_tools.ground_truth.time_pairs import MAX_WAITING, Stamped, pair_by_time


def stream(clouds: Iterable[int], images: Iterable[int], order=lambda item: item[1].stamp_ns):
    """Return clouds (True) and images (False) in the order of their stamps, or another."""
    both = [(True, Stamped(t, n, None)) for n, t in enumerate(clouds)]
    both += [(False, Stamped(t, n, None)) for n, t in enumerate(images)]
    return sorted(both, key=order)


def pairs(*args, tolerance_ns: float = 50, **kwargs) -> list[tuple[int, int | None]]:
    return [(a.stamp_ns, b and b.stamp_ns) for a, b in pair_by_time(stream(*args, **kwargs), tolerance_ns)]


def test_each_cloud_gets_the_image_next_to_it():
    assert pairs([100, 200, 300], [110, 210, 310]) == [(100, 110), (200, 210), (300, 310)]


def test_image_before_the_cloud_may_be_nearer_than_the_one_after():
    assert pairs([100, 200], [90, 140, 195, 240]) == [(100, 90), (200, 195)]


def test_faster_camera_gives_the_nearest_of_its_images():
    assert pairs([100, 200], range(0, 300, 30), tolerance_ns=15) == [(100, 90), (200, 210)]


def test_slower_camera_leaves_clouds_without():
    assert pairs([100, 200, 300, 400], [110, 310]) == [(100, 110), (200, None), (300, 310), (400, None)]


def test_too_far_is_no_pair():
    assert pairs([100], [151]) == [(100, None)]
    assert pairs([100], [150]) == [(100, 150)]


def test_lost_image_does_not_shift_the_others():
    assert pairs([100, 200, 300], [105, 305]) == [(100, 105), (200, None), (300, 305)]


def test_image_is_given_away_once():
    assert pairs([100, 120], [110], tolerance_ns=50) == [(100, 110), (120, None)]


@pytest.mark.parametrize('late', [True, False])
def test_one_stream_may_be_recorded_later_than_the_other(late):
    def recorded(item):
        return item[1].stamp_ns + (250 if item[0] == late else 0)

    assert pairs([100, 200, 300], [110, 210, 310], order=recorded) == [(100, 110), (200, 210), (300, 310)]


def test_no_images_at_all():
    assert pairs([100, 200], []) == [(100, None), (200, None)]
    assert pairs([], [100, 200]) == []


def test_what_waits_is_bounded_however_long_the_stream():
    def counted() -> Iterator[tuple[bool, Stamped]]:
        for n in range(1000):
            taken.append(n)
            yield True, Stamped(n * 100, n, None)

    taken: list[int] = []
    result = pair_by_time(counted(), 50)
    next(result)
    assert len(taken) <= MAX_WAITING + 1


@given(st.lists(st.integers(0, 5000), unique=True), st.lists(st.integers(0, 5000), unique=True))
def test_every_cloud_comes_out_once_and_every_pair_is_close(clouds, images):
    found = pairs(sorted(clouds), sorted(images), tolerance_ns=20)
    assert [cloud for cloud, _ in found] == sorted(clouds)
    used = [image for _, image in found if image is not None]
    assert len(used) == len(set(used))
    assert all(abs(cloud - image) <= 20 for cloud, image in found if image is not None)
