"""Files appear whole or not at all."""

import os

import pytest

from msg_tools.whole_file import replacing, write_whole


def test_new_file_takes_the_old_ones_place(tmp_path):
    path = tmp_path / 'file'
    write_whole(path, b'old')
    write_whole(path, b'new')
    assert path.read_bytes() == b'new'
    assert os.listdir(tmp_path) == ['file']


def interrupted(path):
    path.write_bytes(b'ha')
    raise KeyboardInterrupt


def test_interrupted_write_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / 'file'
    write_whole(path, b'old')
    with pytest.raises(KeyboardInterrupt), replacing(path) as temporary:
        interrupted(temporary)
    assert path.read_bytes() == b'old'
    assert os.listdir(tmp_path) == ['file']


def test_hard_link_over_a_hard_link_to_the_same_file(tmp_path):
    original, path = tmp_path / 'original', tmp_path / 'link'
    original.write_bytes(b'data')
    for _ in range(2):  # rename does nothing where both names are one file already
        with replacing(path) as temporary:
            os.link(original, temporary)
    assert sorted(os.listdir(tmp_path)) == ['link', 'original']


def test_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / 'nowhere' / 'file', b'')
