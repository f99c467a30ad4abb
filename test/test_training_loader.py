"""Samples and batches: what sample i is depends on the seed and on i alone."""

import multiprocessing
from dataclasses import replace

import numpy as np
import pytest
import torch
from fixtures_training import tiny

from depth_node_training.datasets import open_sources
from depth_node_training.datasets.frame import DatasetError, Item
from depth_node_training.loader import Frames, Share, batches, load_frames


def same(a, b):
    return all(torch.equal(getattr(a, name), getattr(b, name)) for name in ('rgb', 'target', 'weight'))


def test_shape_and_layout(street_images, tmp_path):
    config = tiny(street_images, tmp_path)
    batch = next(iter(batches(load_frames(config), config)))
    assert batch.rgb.shape == (2, 3, 32, 64)
    assert batch.rgb.dtype == torch.uint8
    assert batch.rgb.is_contiguous(memory_format=torch.channels_last)
    assert batch.target.shape == batch.weight.shape == (2, 1, 16, 32)


def test_workers_do_not_change_the_batches(street_images, tmp_path):
    configs = [tiny(street_images, tmp_path, workers=workers) for workers in (0, 2)]
    alone, helped = (list(batches(load_frames(config), config)) for config in configs)
    assert len(alone) == 4
    assert all(same(a, b) for a, b in zip(alone, helped, strict=True))


def test_another_seed_gives_other_batches(street_images, tmp_path):
    first, other = (next(iter(batches(load_frames(config), config)))
                    for config in (tiny(street_images, tmp_path), tiny(street_images, tmp_path, seed=2)))
    assert not same(first, other)


def test_a_resumed_run_draws_what_is_left(street_images, tmp_path):
    config = tiny(street_images, tmp_path)
    frames = load_frames(config)
    assert all(same(a, b) for a, b in zip(list(batches(frames, config))[3:], batches(frames, config, 3), strict=True))


def test_two_processes_share_what_one_would_draw(street_images, tmp_path):
    config = tiny(street_images, tmp_path, batch=4, steps=2)
    assert [list(Share(config, 0, 0, 1)), list(Share(config, 0, 1, 2))] == [[[0, 1, 2, 3], [4, 5, 6, 7]],
                                                                           [[2, 3], [6, 7]]]


def test_a_long_drive_is_drawn_by_the_root_of_its_size(tmp_path):
    items = [Item('source', drive, str(i), lambda: None) for i, drive in enumerate(['long'] * 9 + ['short'])]
    chances = Frames(items, tiny(tmp_path, tmp_path)).chances
    assert chances[:9].sum() == pytest.approx(0.75)
    assert chances[9] == pytest.approx(0.25)


def test_frames_without_a_label_are_left_out(street_images, tmp_path):
    config = tiny(street_images, tmp_path, labels={'teacher': 1.0})
    with pytest.raises(DatasetError, match='6 images without a label'):
        load_frames(config)


class Breaking:
    """Reads a frame once, and then the file is gone."""

    def __init__(self, item):
        self.item, self.reads = item, 0

    def __call__(self):
        self.reads += 1
        if self.reads > 1:
            raise DatasetError('b_4.png: expected an image, got no file')
        return self.item.read()


def breaking(street_images, config):
    items = open_sources(config.train, config.data)
    return Frames([Item('images', items[0].drive, items[0].name, Breaking(items[0])), *items[1:]], config).fill()


def test_a_file_lost_on_the_way_is_named_and_stops_the_run(street_images, tmp_path):
    config = tiny(street_images, tmp_path, cache_gb=0.0, steps=20)
    with pytest.raises(DatasetError, match=r'b_4\.png'):
        list(batches(breaking(street_images, config), config))


def test_a_worker_names_it_in_one_line_too(street_images, tmp_path):
    config = tiny(street_images, tmp_path, cache_gb=0.0, steps=20, workers=1)
    with pytest.raises(DatasetError) as caught:
        list(batches(breaking(street_images, config), config))
    assert str(caught.value) == 'b_4.png: expected an image, got no file'


def test_workers_share_what_is_kept(street_images, tmp_path, monkeypatch):
    """Python 3.14 begins processes afresh, which would copy gigabytes to each; what cannot be copied shows it."""
    monkeypatch.setattr(multiprocessing.context._default_context, '_actual_context',
                        multiprocessing.get_context('forkserver'))
    config = tiny(street_images, tmp_path, workers=1)
    frames = load_frames(config)
    frames.items = [replace(found, read=lambda: None) for found in frames.items]
    assert len(list(batches(frames, config))) == 4


def test_images_without_a_label_take_no_room_of_the_others(street_images, tmp_path):
    config = tiny(street_images, tmp_path)
    items = open_sources(config.train, config.data)
    blank = [replace(found, read=lambda found=found: replace(found.read(), labels=())) for found in items[:3]]
    few, all_six = Frames([*blank, *items[3:]], config).fill(), Frames(items, config).fill()
    whole = config.cache_gb * 2**30
    assert len(few.kept) == 3
    assert whole - few.room == pytest.approx((whole - all_six.room) / 2)


def test_frames_under_other_settings_do_not_fill_the_memory_again(street_images, tmp_path):
    config = tiny(street_images, tmp_path)
    frames = load_frames(config)
    frames.room = 0
    del frames.kept[0]
    other = frames.under(tiny(street_images, tmp_path, seed=2))
    other[0]
    assert (len(other.kept), len(frames.kept), other.room) == (5, 5, 0)
    assert other.config.seed == 2


def test_or_it_is_named_and_skipped_where_the_settings_say_so(street_images, tmp_path, caplog):
    config = tiny(street_images, tmp_path, cache_gb=0.0, steps=20, on_error='skip')
    assert len(list(batches(breaking(street_images, config), config))) == 20
    assert 'b_4.png' in caplog.text


def test_a_run_without_any_file_left_stops(tmp_path):
    def gone():
        raise DatasetError('gone.png: expected an image, got no file')

    config = tiny(tmp_path, tmp_path, on_error='skip')
    frames = Frames([Item('source', 'drive', 'name', gone)], config)
    with pytest.raises(DatasetError, match='20 bad ones in a row'):
        list(batches(frames, config))


def test_no_cache_gives_the_same_batches(street_images, tmp_path):
    cached, read = (tiny(street_images, tmp_path, cache_gb=size) for size in (1.0, 0.0))
    assert all(same(a, b) for a, b in zip(batches(load_frames(cached), cached), batches(load_frames(read), read),
                                          strict=True))
    assert np.isclose(len(load_frames(read).kept), 0)
