"""Each image with its camera_info."""

from types import SimpleNamespace

import pytest

from depth_node.frames import NO_INFO, OLD_INFO, Pair, Pairing, stamp_ns


def message(stamp_s=1.0, name=''):
    sec, fraction = divmod(stamp_s, 1)
    stamp = SimpleNamespace(sec=int(sec), nanosec=round(fraction * 1e9))
    return SimpleNamespace(header=SimpleNamespace(stamp=stamp), name=name)


@pytest.fixture
def dropped():
    return []


@pytest.fixture
def pairing(dropped):
    return Pairing(dropped.append)


def test_stamps_are_whole_nanoseconds():
    stamp = SimpleNamespace(sec=1317042272, nanosec=999999999)  # more digits than a float holds
    assert stamp_ns(SimpleNamespace(header=SimpleNamespace(stamp=stamp))) == 1317042272999999999


def test_the_info_with_the_images_stamp_is_preferred_to_a_newer_one(pairing, dropped):
    right, newer, image = message(1.0), message(1.1), message(1.0)
    pairing.add_info(right)
    pairing.add_info(newer)
    assert pairing.add_image(image) == Pair(image, right)
    assert not dropped


def test_else_the_last_info_that_came_is_used_however_old(pairing):
    first, last, image = message(0.0), message(0.5), message(999.0)
    pairing.add_info(first)
    pairing.add_info(last)
    assert pairing.add_image(image) == Pair(image, last)


def test_an_image_before_any_info_waits_for_it(pairing, dropped):
    image, info = message(1.0), message(1.0)
    assert pairing.add_image(image) is None
    assert pairing.add_info(info) == Pair(image, info)
    assert pairing.add_info(message(1.1)) is None  # once
    assert not dropped


def test_an_image_that_waits_is_given_up_for_a_newer_one_with_its_reason(pairing, dropped):
    second = message(2.0)
    pairing.add_image(message(1.0))
    pairing.add_image(second)
    assert dropped == [NO_INFO]
    assert pairing.add_info(message(0.0)).image is second


def test_an_info_that_is_too_old_is_not_used_where_there_is_a_limit(pairing, dropped):
    pairing.add_info(message(1.0))
    assert pairing.add_image(message(1.5), max_age_ns=500_000_000)
    assert pairing.add_image(message(1.6), max_age_ns=500_000_000) is None
    assert pairing.add_image(message(1.7), max_age_ns=500_000_000) is None
    assert dropped == [OLD_INFO]
    assert pairing.add_info(message(1.7), max_age_ns=500_000_000)


def test_time_that_jumps_back_as_a_bag_in_a_loop_changes_nothing(pairing, dropped):
    for stamp in (5.0, 5.1, 1.0, 1.1, 5.0):
        image, info = message(stamp), message(stamp)
        pairing.add_info(info)
        assert pairing.add_image(image) == Pair(image, info)
    assert not dropped


def test_few_infos_are_kept(pairing):
    for i in range(100):
        pairing.add_info(message(float(i)))
    assert len(pairing.infos) == 10
