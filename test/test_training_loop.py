"""The training loop: it learns, goes on after a kill with the same losses, and two processes give those of one."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
import yaml
from fixtures_training import tiny
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision

from depth_node.checkpoint import load_checkpoint
from depth_node_training.config import TrainConfig, to_dict
from depth_node_training.datasets import open_sources
from depth_node_training.datasets.frame import DatasetError
from depth_node_training.loader import Frames, batches, load_frames
from depth_node_training.losses import LOSSES
from depth_node_training.run_folder import RunFolder, commit
from depth_node_training.train import (
    TrainingError,
    main,
    settings,
    start_fabric,
    start_model,
    step_losses,
    train,
    update_average,
)
from depth_node_training.validate import load_val
from msg_tools.errors import CheckpointError, ConfigError, DepthNodeError


def run(config, resume=False, val=True):
    frames = load_frames(config)
    held_out = load_val(open_sources(config.val, config.data)) if val else []
    return train(config, frames, held_out, start_fabric(config), resume)


def losses(out):
    lines = [json.loads(line) for line in (out / 'log.jsonl').read_text().splitlines()]
    return {line['step']: line['loss'] for line in lines if 'loss' in line}


def command(config, path, *extra):
    """Return the command of a run as a user types it, its settings in a file beside its folder."""
    path.write_text(yaml.safe_dump(to_dict(config)))
    return [sys.executable, '-m', 'depth_node_training.train', str(path), *extra]


def test_a_run_lowers_the_loss_and_keeps_the_best(street_images, tmp_path):
    config = tiny(street_images, tmp_path / 'run', steps=30, eval_every=15)
    best = run(config)
    checkpoint = load_checkpoint(tmp_path / 'run' / 'best.safetensors')
    assert checkpoint.metadata['val']['mean'] == best['val']['mean']
    assert checkpoint.metadata['training']['steps'] == 30
    assert load_checkpoint(tmp_path / 'run' / 'last.safetensors').model_config.focal_px == 35.0
    batch = next(iter(batches(load_frames(config), tiny(street_images, tmp_path, seed=99))))
    torch.manual_seed(config.seed)
    before, after = (step_losses(model, batch, {'log_l1': 1.0})['loss'].item()
                     for model in (start_model(config), checkpoint.model()))
    assert after < 0.7 * before


def test_a_run_folder_says_which_code_data_and_settings(street_images, tmp_path):
    run(tiny(street_images, tmp_path / 'run', steps=1), val=False)
    origin = json.loads((tmp_path / 'run' / 'run.json').read_text())
    assert origin['drives'] == {'images/a': 4, 'images/b': 2}
    assert origin['frames'] == 6
    assert origin['torch'] == torch.__version__
    assert yaml.safe_load((tmp_path / 'run' / 'config.yaml').read_text())['batch'] == 2


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_with_the_same_losses(street_images, tmp_path):
    """To the bit, and so are the weights at the end: each run is a process of its own, as users start them."""
    whole, cut = (tiny(street_images, tmp_path / name, steps=12, save_every=3, val=()) for name in ('whole', 'cut'))
    subprocess.run(command(whole, tmp_path / 'whole.yaml'), check=True, capture_output=True)
    process = subprocess.Popen(command(cut, tmp_path / 'cut.yaml'), stderr=subprocess.DEVNULL)
    log = tmp_path / 'cut' / 'log.jsonl'
    deadline = time.monotonic() + 100
    while not (log.exists() and len(log.read_text().splitlines()) >= 7) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    subprocess.run([sys.executable, '-m', 'depth_node_training.train', '--resume', str(tmp_path / 'cut')], check=True)
    assert losses(tmp_path / 'cut') == losses(tmp_path / 'whole')
    assert sorted(losses(tmp_path / 'cut')) == list(range(1, 13))
    last = [load_checkpoint(tmp_path / name / 'last.safetensors').state for name in ('whole', 'cut')]
    assert all(torch.equal(last[0][name], last[1][name]) for name in last[0])


@pytest.mark.slow
def test_two_processes_give_the_losses_of_one(street_images, tmp_path):
    config = tiny(street_images, tmp_path / 'one', steps=6, batch=4, lr=2e-4)
    run(config, val=False)
    two = tiny(street_images, tmp_path / 'two', steps=6, batch=4, lr=2e-4)
    text = command(two, tmp_path / 'two.yaml')
    subprocess.run([sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2', *text[1:]],
                   check=True, capture_output=True, timeout=110, env={**os.environ, 'OMP_NUM_THREADS': '1'})
    assert losses(tmp_path / 'two') == pytest.approx(losses(tmp_path / 'one'), rel=1e-4)
    assert len(losses(tmp_path / 'two')) == 6


def test_a_loss_that_is_not_a_number_stops_the_run_and_keeps_the_batch(street_images, tmp_path, monkeypatch):
    monkeypatch.setitem(LOSSES, 'log_l1', lambda output, batch: output.log_depth.mean() * float('nan'))
    with pytest.raises(TrainingError, match=r'finite loss.*bad_batch_0\.pt'):
        run(tiny(street_images, tmp_path / 'run'), val=False)
    assert torch.load(tmp_path / 'run' / 'bad_batch_0.pt', weights_only=True)['rgb'].shape == (2, 3, 32, 64)


def test_a_new_run_does_not_overwrite_an_old_one(street_images, tmp_path):
    config = tiny(street_images, tmp_path / 'run', steps=2)
    run(config, val=False)
    with pytest.raises(DepthNodeError, match='--resume'):
        run(config, val=False)


def test_a_run_does_not_go_on_with_other_data(street_images, tmp_path):
    config = tiny(street_images, tmp_path / 'run', steps=2)
    run(config, val=False)
    frames = load_frames(config)
    fewer = Frames(frames.items[:-1], config).fill()
    with pytest.raises(DepthNodeError, match='other data'):
        train(config, fewer, [], start_fabric(config), resume=True)


def test_a_run_does_not_go_on_with_other_settings(street_images, tmp_path):
    """Its optimiser and schedule would keep the old ones, whatever is asked for."""
    config = tiny(street_images, tmp_path / 'run', steps=2)
    run(config, val=False)
    for other in (replace(config, lr=1e-5), replace(config, steps=4)):
        with pytest.raises(ConfigError, match=r'settings that its run began with \((lr=0\.002|steps=2)\)'):
            run(other, resume=True, val=False)
    run(replace(config, workers=1, log_every=2), resume=True, val=False)


def test_settings_of_another_file_do_not_go_into_a_run(street_images, tmp_path):
    RunFolder(tiny(street_images, tmp_path / 'run'), Frames([], tiny(street_images, tmp_path))).begin()
    assert settings('workers=1', ['note=more'], str(tmp_path / 'run')).note == 'more'
    with pytest.raises(ConfigError, match=r"expected key=value, got 'config/new\.yaml'"):
        settings('config/new.yaml', [], str(tmp_path / 'run'))


def test_a_loss_scale_goes_on_where_it_was(street_images, tmp_path):
    config = tiny(street_images, tmp_path / 'run', steps=1, precision='16')
    for resume in (False, True):
        scaler = torch.amp.GradScaler('cpu', init_scale=2.0**10 if resume else 2.0**4)
        fabric = Fabric(accelerator='cpu', devices=1, plugins=[MixedPrecision('16-mixed', 'cpu', scaler)])
        train(config, load_frames(config), [], fabric, resume)
        assert scaler.get_scale() == 2.0**4


def test_the_rise_may_be_one_step(street_images, tmp_path):
    run(tiny(street_images, tmp_path / 'run', steps=2, warmup=0.5), val=False)
    assert sorted(losses(tmp_path / 'run')) == [1, 2]


def test_a_validation_that_sees_nothing_is_not_the_best(street_images, tmp_path):
    config = tiny(street_images, tmp_path / 'run')
    folder, model = RunFolder(config, Frames([], config)), start_model(config)
    folder.begin()
    best = {}
    for step, abs_rel in enumerate([math.nan, 0.3, math.nan, 0.2, 0.2, 0.25], 1):
        best = folder.keep_best(step, model, {'mean': {'abs_rel': abs_rel}}, best)
    assert best == {'step': 4, 'val': {'mean': {'abs_rel': 0.2}}}
    assert load_checkpoint(tmp_path / 'run' / 'best.safetensors').metadata['step'] == 4


def test_images_to_validate_on_without_measured_depth_are_named(street_images):
    items = [replace(item, read=lambda item=item: replace(item.read(), labels=()))
             for item in open_sources(('images:images#val',), street_images)]
    assert load_val([]) == []
    with pytest.raises(DatasetError, match=r'val: expected images with measured depth .*got 2 without, such as'):
        load_val(items)


@pytest.mark.parametrize('length', [0, 1000])
def test_a_state_that_is_cut_short_is_named(street_images, tmp_path, length):
    config = tiny(street_images, tmp_path / 'run', steps=2)
    run(config, val=False)
    state = tmp_path / 'run' / 'state.pt'
    state.write_bytes(state.read_bytes()[:length])
    with pytest.raises(CheckpointError, match=r'state\.pt'):
        run(config, resume=True, val=False)


def test_a_full_disk_leaves_the_last_state(street_images, tmp_path, monkeypatch):
    import depth_node_training.run_folder as run_folder

    config = tiny(street_images, tmp_path / 'run', steps=4, save_every=2)
    written = run_folder.write_whole

    def full(path, data):
        if path.name == 'state.pt' and path.exists():
            raise OSError(28, 'No space left on device')
        written(path, data)

    monkeypatch.setattr(run_folder, 'write_whole', full)
    with pytest.raises(DepthNodeError, match=r'No space left.*--resume'):
        run(config, val=False)
    monkeypatch.setattr(run_folder, 'write_whole', written)
    run(config, resume=True, val=False)
    assert sorted(losses(tmp_path / 'run')) == [1, 2, 3, 4]


def test_a_folder_that_cannot_be_is_named(street_images, tmp_path):
    (tmp_path / 'file').touch()
    config = tiny(street_images, tmp_path / 'file' / 'run')
    with pytest.raises(DepthNodeError, match=r'file/run: expected to write there.*choose another out='):
        RunFolder(config, Frames([], config)).begin()


@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='no full device here')
def test_a_log_on_a_full_disk_is_named(street_images, tmp_path):
    config = tiny(street_images, tmp_path / 'run')
    folder = RunFolder(config, Frames([], config))
    folder.begin()
    (tmp_path / 'run' / 'log.jsonl').symlink_to('/dev/full')
    with pytest.raises(DepthNodeError, match='No space left'):
        folder.log(1, loss=1.0)


def test_a_full_disk_leaves_the_log_of_a_run_that_goes_on(street_images, tmp_path, monkeypatch):
    import depth_node_training.run_folder as run_folder

    def full(path, data):
        raise OSError(28, 'No space left on device')

    config = tiny(street_images, tmp_path / 'run')
    folder = RunFolder(config, Frames([], config))
    folder.begin()
    folder.log(1, loss=1.0)
    monkeypatch.setattr(run_folder, 'write_whole', full)
    with pytest.raises(DepthNodeError, match='No space left'):
        folder.cut_log(1)
    assert losses(tmp_path / 'run') == {1: 1.0}


def test_a_package_in_somebody_elses_checkout_has_no_commit(tmp_path, monkeypatch):
    import depth_node_training.run_folder as run_folder

    subprocess.run(['git', 'init', '-q', tmp_path], check=True)
    somebody = '-c', 'user.name=a', '-c', 'user.email=a@example.org'
    subprocess.run(['git', '-C', tmp_path, *somebody, 'commit', '-qm', 'theirs', '--allow-empty'], check=True)
    (tmp_path / 'run_folder.py').touch()
    monkeypatch.setattr(run_folder, '__file__', str(tmp_path / 'run_folder.py'))
    assert commit() is None


def test_bfloat16_trains(street_images, tmp_path):
    run(tiny(street_images, tmp_path / 'run', steps=2, precision='bf16'), val=False)
    assert all(loss < 10 for loss in losses(tmp_path / 'run').values())


def test_tensorboard_gets_numbers_and_pictures(street_images, tmp_path):
    pytest.importorskip('tensorboard')
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run(tiny(street_images, tmp_path / 'run', steps=2))
    events = EventAccumulator(str(tmp_path / 'run' / 'tensorboard'))
    events.Reload()
    assert {'loss', 'lr', 'images_per_s', 'val/abs_rel'} <= set(events.Tags()['scalars'])
    assert events.Tags()['images']


def test_the_encoder_has_a_learning_rate_of_its_own(street_images, tmp_path):
    """Adam's step does not depend on the gradient's size: weights move by their learning rates."""
    config = tiny(street_images, tmp_path / 'run', steps=6, lr=1e-3, encoder_lr=0.05, weight_decay=0.0, ema=0.0)
    torch.manual_seed(config.seed)
    before = start_model(config).state_dict()
    run(config, val=False)
    after = load_checkpoint(tmp_path / 'run' / 'last.safetensors').state
    moved = {part: torch.cat([(after[name] - before[name].half().float()).abs().flatten() for name in before
                              if name.startswith(part) and name.endswith('.weight')]).mean().item()
             for part in ('encoder.', 'decoder.')}
    assert 0 < moved['encoder.'] < 0.25 * moved['decoder.']


def test_frozen_blocks_keep_their_weights():
    model = start_model(TrainConfig(height=32, width=64, frozen_blocks=2))
    frozen = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    assert frozen
    assert all(name.startswith(('encoder.stem', 'encoder.blocks.0.', 'encoder.blocks.1.')) for name in frozen)


def test_more_frozen_blocks_than_there_are():
    with pytest.raises(ConfigError, match='frozen_blocks: expected blocks that the network has, got 99'):
        start_model(TrainConfig(height=32, width=64, frozen_blocks=99))


def test_without_flatbuffers_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, 'depth_node_training.pretrained', None)
    with pytest.raises(ConfigError, match='pip install'):
        start_model(TrainConfig(height=32, width=64, encoder='weights.tflite'))


def test_average_by_hand():
    average, model = (torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.BatchNorm1d(1)) for _ in range(2))
    average.requires_grad_(False)
    torch.nn.init.constant_(average[0].weight, 1.0)
    torch.nn.init.constant_(model[0].weight, 3.0)
    model[1].running_mean.fill_(5.0)
    update_average(average, model, 0.75)
    assert average[0].weight.item() == 1.5
    assert average[1].running_mean.item() == 5.0


def test_overlapping_drives_are_refused(street_images, tmp_path, capsys):
    config = tiny(street_images, tmp_path / 'run', val=('images:images#train',))
    assert main(command(config, tmp_path / 'train.yaml')[3:]) == 1
    assert 'drives apart' in capsys.readouterr().err


def test_command_trains_and_says_where(street_images, tmp_path, capsys):
    config = tiny(street_images, tmp_path / 'run', steps=1)
    assert main([*command(config, tmp_path / 'train.yaml')[3:], 'eval_every=1', '--json']) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])['step'] == 1


def test_command_without_settings_says_what_it_wants(capsys):
    assert main([]) == 1
    assert main(['steps=3']) == 1
    assert capsys.readouterr().err.count('depth_train: error: expected a YAML file of settings') == 2


def test_a_run_begins_from_a_checkpoint_with_its_network(street_images, tmp_path):
    run(tiny(street_images, tmp_path / 'first', steps=2), val=False)
    begun = tiny(street_images, tmp_path / 'second', start=str(tmp_path / 'first' / 'last.safetensors'))
    first = load_checkpoint(tmp_path / 'first' / 'last.safetensors')
    assert all(torch.equal(tensor, first.state[name]) for name, tensor in start_model(begun).state_dict().items())
    assert tiny(street_images, tmp_path, start='default').model_config().focal_px == 35.0
    folder = RunFolder(begun, Frames([], begun))
    folder.begin()
    (tmp_path / 'first' / 'last.safetensors').rename(tmp_path / 'moved.safetensors')  # while the second is training
    folder.save_model('best.safetensors', first.model(), {})
    (tmp_path / 'moved.safetensors').rename(tmp_path / 'first' / 'last.safetensors')
    with pytest.raises(ConfigError, match="start: expected weights of 'fastdepth'"):
        start_model(tiny(street_images, tmp_path, start=begun.start, network='fastdepth'))
