"""depth_train: read settings, train, keep the best on the validation drives. The loop is `train`, top to bottom."""

from __future__ import annotations

import copy
import json
import math
import platform
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn
from tqdm import tqdm

from depth_node.checkpoint import load_checkpoint, save_checkpoint
from depth_node.model import build_model
from msg_tools import cli
from msg_tools.errors import ConfigError, DepthNodeError

from .batches import Batch, ahead, batches, load_frames
from .config import TrainConfig, load_config, to_dict
from .losses import LOSSES, beyond_range, gradient, laplace_scale
from .validate import ValFrame, load_val, validate

NAME = 'depth_train'


class TrainingError(DepthNodeError):
    """A training run that cannot go on, and why."""


def train(config: TrainConfig, frames: list, val: list[ValFrame], out: Path) -> dict[str, Any]:
    """Train a network on the frames, write run folder `out`, return the metrics of the best checkpoint on `val`."""
    torch.manual_seed(config.seed)
    torch.set_num_threads(config.threads or torch.get_num_threads())
    model = start_model(config)
    average = copy.deepcopy(model).requires_grad_(False)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=config.lr, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: one_cycle(step / config.steps, config.warmup))
    best: dict[str, Any] = {}
    out.mkdir(parents=True, exist_ok=True)
    (out / 'config.yaml').write_text(yaml.safe_dump(to_dict(config)))
    with (out / 'log.jsonl').open('a') as log:
        begin = time.monotonic()
        stream = ahead(batches(frames, config, config.steps, config.seed))
        for step, batch in enumerate(progress(stream, config.steps), 1):
            losses = step_losses(model, batch, config)
            loss = losses['loss']
            if not math.isfinite(loss.item()):
                torch.save({'rgb': batch.rgb, 'target': batch.target, 'weight': batch.weight}, out / 'bad_batch.pt')
                raise TrainingError(f'expected a finite loss, got {loss.item()} at step {step}; '
                                    f'the batch is in {out / "bad_batch.pt"}; is the learning rate too high?')
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, config.clip)
            optimizer.step()
            schedule.step()
            update_average(average, model, min(config.ema, step / (step + 10)))

            if step % 50 == 0 or step == config.steps:
                minutes = (time.monotonic() - begin) / 60
                write(log, step=step, minutes=minutes, **{name: value.item() for name, value in losses.items()})
            if val and (step % config.eval_every == 0 or step == config.steps):
                metrics = validate(average, config.model_config(), val)
                write(log, step=step, val=metrics['mean'])
                if not best or metrics['mean']['abs_rel'] < best['val']['mean']['abs_rel']:
                    best = {'step': step, 'minutes': round((time.monotonic() - begin) / 60, 1), 'val': metrics}
                    save(out / 'best.safetensors', average, config, best)
    save(out / 'last.safetensors', average, config, {'step': config.steps})
    return best


def start_model(config: TrainConfig) -> nn.Module:
    """Build the network: from a checkpoint, or with ImageNet weights in its encoder, or at random."""
    model = build_model(config.model_config())
    if config.start:
        model.load_state_dict(load_checkpoint(config.start).state)
    elif config.encoder:
        fill_encoder(model.get_submodule('encoder'), config.encoder)
    if config.frozen_blocks:
        names = ['stem', *(f'blocks.{i}' for i in range(config.frozen_blocks))]
        for name in names:
            model.get_submodule(f'encoder.{name}').requires_grad_(False)
    return nn.Module.to(model, memory_format=torch.channels_last)  # type: ignore[call-overload]  # a third faster


def fill_encoder(encoder: nn.Module, path: str) -> None:
    """Fill the encoder with the ImageNet weights of a .tflite file; raises ConfigError where flatbuffers is missing."""
    try:
        from .pretrained import load_imagenet
    except ImportError as error:
        raise ConfigError("encoder: expected the package flatbuffers, got none; pip install 'depth_node[train]', "
                          'or start= from a checkpoint instead') from error
    load_imagenet(encoder, path)


def one_cycle(part: float, warmup: float) -> float:
    """Return the learning rate's factor after this part of the run: a linear rise from 0.1, then half a cosine to 0."""
    if part < warmup:
        return 0.1 + 0.9 * part / warmup
    return 0.5 + 0.5 * math.cos(math.pi * min(1.0, (part - warmup) / (1 - warmup)))


def step_losses(model: nn.Module, batch: Batch, config: TrainConfig) -> dict[str, Tensor]:
    """Return the loss of a batch and its parts."""
    log_depth, log_scale = model(batch.rgb)
    depth = LOSSES[config.loss](log_depth, batch.target, batch.weight)
    scale = laplace_scale(log_depth, log_scale, batch.target, batch.weight)
    beyond = beyond_range(log_depth, batch.target, batch.weight)
    edges = gradient(log_depth, batch.target, batch.weight)
    loss = (
        depth + config.gradient_weight * edges + config.scale_weight * scale + config.beyond_weight * beyond
    )
    return {'loss': loss, 'depth': depth, 'edges': edges, 'scale': scale, 'beyond': beyond}


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Move the averaged weights towards the model's: average = decay * average + (1 - decay) * model."""
    for mean, now in zip(average.parameters(), model.parameters(), strict=True):
        mean.lerp_(now, 1 - decay)


def save(path: Path, model: nn.Module, config: TrainConfig, result: dict[str, Any]) -> None:
    """Write a checkpoint with the settings and results that explain it."""
    machine = {'machine': platform.machine(), 'torch': torch.__version__, 'threads': torch.get_num_threads()}
    save_checkpoint(path, model, config.model_config(), {'training': to_dict(config), 'made_with': machine, **result})


def write(log: Any, **values: Any) -> None:
    """Append one JSON line, readable while the run goes on."""
    log.write(json.dumps(values) + '\n')
    log.flush()


def progress(items: Iterable[Batch], total: int) -> Iterable[Batch]:
    """Show a progress bar where a person watches."""
    return cli.progress(items, total=total, unit='step', text='training')


def main(argv: list[str] | None = None) -> int:
    """Run depth_train."""
    parser = cli.parser(NAME, __doc__ or '', f'{NAME} config/train.yaml data=../shared/data out=runs/first steps=2000')
    parser.add_argument('config', help='YAML file of settings (training/config.py says what there is)')
    parser.add_argument('changes', nargs='*', metavar='key=value', help='settings that differ from the file')
    parser.add_argument('--json', action='store_true', help='print the best metrics as one JSON object')
    args = parser.parse_args(argv)

    def body() -> None:
        config = load_config(args.config, args.changes)
        if not config.data:
            raise ConfigError('expected data=FOLDER with kitti/training in it, got none')
        best = train(config, load_frames(config), load_val(Path(config.data)), Path(config.out))
        if args.json:
            cli.print_json(best)
        else:
            tqdm.write(f'{config.out}/best.safetensors: ' + ', '.join(
                f'{name} {value:.3f}' for name, value in best['val']['mean'].items()))

    return cli.run(NAME, body)


if __name__ == '__main__':
    raise SystemExit(main())
