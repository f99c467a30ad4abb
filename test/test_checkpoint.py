import json
import os
import pickle
import resource
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from depth_node.checkpoint import KEY, default_checkpoint, load_checkpoint, save_checkpoint
from depth_node.model import NETWORKS, ModelConfig, build_model
from msg_tools.errors import CheckpointError

CONFIG = ModelConfig(height=32, width=64, focal_px=40.0, decoder=(8, 8, 8, 8))


@pytest.fixture(scope='module')
def model():
    torch.manual_seed(3)
    return build_model(CONFIG)


@pytest.fixture
def saved(model, tmp_path):
    path = tmp_path / 'net.safetensors'
    save_checkpoint(path, model, CONFIG, {'training': {'steps': 7}, 'val': {'abs_rel': 0.125}})
    return path


def test_round_trip(model, saved):
    checkpoint = load_checkpoint(saved)
    assert checkpoint.model_config == CONFIG
    assert checkpoint.metadata == {'training': {'steps': 7}, 'val': {'abs_rel': 0.125}}
    wanted = {name: tensor.half().float() for name, tensor in model.state_dict().items()}
    assert all(torch.equal(checkpoint.state[name], tensor) for name, tensor in wanted.items())
    image = torch.rand(1, 3, 32, 64) * 255
    assert torch.allclose(checkpoint.model()(image)[0], model.eval()(image)[0], atol=0.02)


def test_file_is_small(saved):
    assert saved.stat().st_size < 8e6


def test_default_checkpoint_ships_and_loads():
    checkpoint = load_checkpoint()
    assert default_checkpoint().stat().st_size < 8e6
    assert checkpoint.metadata['training']['steps'] > 0
    assert checkpoint.model().training is False


def test_missing(tmp_path):
    with pytest.raises(CheckpointError, match=r'nothing\.safetensors: expected a checkpoint.*No such file'):
        load_checkpoint(tmp_path / 'nothing.safetensors')


def test_folder(tmp_path):
    with pytest.raises(CheckpointError, match='directory'):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize('part', [0.0, 0.001, 0.5, 0.9999])
def test_truncated(saved, part):
    data = saved.read_bytes()
    saved.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(CheckpointError, match='cut short'):
        load_checkpoint(saved)


def test_pickle_is_refused_unopened(tmp_path):
    class Bomb:
        def __reduce__(self):
            return open, (str(tmp_path / 'executed'), 'w')

    for name, data in (('bare.pth', pickle.dumps(Bomb())), ('zip.pth', None)):
        path = tmp_path / name
        if data is None:
            torch.save({'weight': torch.zeros(1), 'bomb': Bomb()}, path)
        else:
            path.write_bytes(data)
        with pytest.raises(CheckpointError, match=r'got a pickle.*convert'):
            load_checkpoint(path)
    assert not (tmp_path / 'executed').exists()


def test_git_lfs_pointer(tmp_path):
    path = tmp_path / 'net.safetensors'
    path.write_text('version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3848256\n')
    with pytest.raises(CheckpointError, match='git lfs pull'):
        load_checkpoint(path)


def test_safetensors_of_another_program(tmp_path):
    save_file({'weight': torch.zeros(3)}, tmp_path / 'other.safetensors')
    with pytest.raises(CheckpointError, match='another program'):
        load_checkpoint(tmp_path / 'other.safetensors')


@pytest.mark.parametrize('header', ['not json', '[]', '{"format": 99, "model": {}}', '{"format": 1}',
                                    '{"format": 1, "model": 5}', '{"format": 1, "model": {"name": "mobilenet_v2"}}',
                                    pytest.param('[' * 200_000, id='deep')])
def test_other_header(tmp_path, header):
    save_file({'weight': torch.zeros(3)}, tmp_path / 'odd.safetensors', {KEY: header})
    with pytest.raises(CheckpointError, match=r'odd\.safetensors: expected'):
        load_checkpoint(tmp_path / 'odd.safetensors')


def test_weights_of_another_architecture(tmp_path):
    header = json.dumps({'format': 1, 'model': CONFIG.to_dict()})
    save_file({'backbone.conv.weight': torch.zeros(3)}, tmp_path / 'odd.safetensors', {KEY: header})
    with pytest.raises(CheckpointError, match=r"'mobilenet_v2_light' with \d+ tensors, got 1.*another network"):
        load_checkpoint(tmp_path / 'odd.safetensors')


def test_weights_of_another_width(model, tmp_path):
    wider = replace(CONFIG, decoder=(8, 8, 8, 33))
    save_checkpoint(tmp_path / 'odd.safetensors', model, wider, {})
    with pytest.raises(CheckpointError, match=r'33.*got \(.*8'):
        load_checkpoint(tmp_path / 'odd.safetensors')


def test_unknown_architecture(model, tmp_path):
    save_checkpoint(tmp_path / 'odd.safetensors', model, ModelConfig(name='resnet50'), {})
    with pytest.raises(CheckpointError, match=r"odd\.safetensors: expected a network.*'resnet50'.*depth_export"):
        load_checkpoint(tmp_path / 'odd.safetensors')


def test_diverged_weights_are_not_saved_over_good_ones(model, saved):
    before = saved.read_bytes()
    bad = build_model(CONFIG)
    bad.load_state_dict(model.state_dict())
    with torch.no_grad():
        bad.encoder.stem[1].bias[0] = float('nan')
    with pytest.raises(CheckpointError, match=r'encoder\.stem\.1\.bias'):
        save_checkpoint(saved, bad, CONFIG, {})
    assert saved.read_bytes() == before


def test_unwritable(model, tmp_path):
    with pytest.raises(CheckpointError, match='disk full'):
        save_checkpoint(tmp_path / 'no' / 'folder' / 'net.safetensors', model, CONFIG, {})


@pytest.mark.parametrize('room', [0, 1000, -1])
def test_a_disk_that_is_full_leaves_the_old_file(model, saved, room):
    """The limit of a file's size stands for the end of the disk: writing fails in the middle, as it does there."""
    before = saved.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) - 1 if room < 0 else room, limits[1]))
    try:
        with pytest.raises(CheckpointError, match=r'net\.safetensors: expected to write a checkpoint.*disk full'):
            save_checkpoint(saved, model, CONFIG, {'training': {'steps': 7}, 'val': {'abs_rel': 0.125}})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_a_counter_of_many_batches_is_kept_whole(tmp_path, monkeypatch):
    """In half precision 100000 is infinite: a long training of a network with batch norm could not be saved."""
    monkeypatch.setitem(NETWORKS, 'normed', lambda config: torch.nn.BatchNorm2d(2))
    model = torch.nn.BatchNorm2d(2)
    model.num_batches_tracked += 100_000
    config = replace(CONFIG, name='normed')
    save_checkpoint(tmp_path / 'net.safetensors', model, config, {})
    assert load_checkpoint(tmp_path / 'net.safetensors').model().num_batches_tracked.item() == 100_000


def test_others_may_read_what_was_saved(saved):
    """The file mode that safetensors' own save_file gives is for the owner alone."""
    os.umask(mask := os.umask(0))
    assert saved.stat().st_mode & 0o777 == 0o666 & ~mask


def test_a_header_whose_length_begins_like_a_pickle_is_none(tmp_path):
    """The first byte of a safetensors file is that of its header's length: 0x80 in one file of 32."""
    for extra in range(0, 400, 8):
        path = tmp_path / 'weights.safetensors'
        save_checkpoint(path, build_model(CONFIG), CONFIG, {'note': ' ' * extra})
        if path.read_bytes()[0] == 0x80:
            break
    assert path.read_bytes()[0] == 0x80
    assert load_checkpoint(path).metadata['note'] == ' ' * extra
