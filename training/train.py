"""depth_train: read settings, train, keep the best on the validation drives. The loop is `train`, top to bottom.

One process on a CPU or GPU by itself; several under `torchrun --nproc-per-node N -m depth_node_training.train ...`,
which share each batch and give the same losses as one.
"""

from __future__ import annotations

import copy
import math
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from depth_node.checkpoint import load_checkpoint
from depth_node.model import Encoder, ModelConfig, build_model
from msg_tools import cli
from msg_tools.errors import ConfigError, DepthNodeError

from .batch import Batch, Output
from .config import PRECISIONS, TrainConfig, load_config
from .datasets import open_sources, refuse_overlap
from .loader import Frames, batches, load_frames
from .losses import LOSSES
from .networks.shapes import ShapedNet
from .networks.slim import SlimEncoder
from .pictures import val_pictures
from .run_folder import RunFolder
from .validate import ValFrame, load_val, validate

NAME = 'depth_train'


class TrainingError(DepthNodeError):
    """A training run that cannot go on, and why."""


def train(config: TrainConfig, frames: Frames, val: Sequence[ValFrame], fabric: Fabric, resume: bool = False) -> dict:
    """Train a network on the frames, write the run folder, return the metrics of the best checkpoint on `val`."""
    run = RunFolder(config, frames, fabric.is_global_zero)
    torch.manual_seed(config.seed)
    model = start_model(config)
    average = fabric.to_device(copy.deepcopy(model).requires_grad_(False))
    groups = trained(model, config)
    optimizer = torch.optim.AdamW(groups, lr=config.lr, weight_decay=config.weight_decay)
    model, optimizer = fabric.setup(model, optimizer)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, [group['lr'] for group in groups], config.steps,
                                                   pct_start=rising(config), cycle_momentum=False, div_factor=10,
                                                   final_div_factor=100)
    parts = {'model': model, 'average': average, 'optimizer': optimizer, 'schedule': schedule,
             **({'precision': fabric.strategy.precision} if config.precision == '16' else {})}  # its loss is scaled
    start, best = run.load(parts) if resume else run.begin()
    stream = batches(frames, config, start, fabric.global_rank, fabric.world_size)
    clock, waited, asked = time.monotonic(), 0.0, time.monotonic()

    model.train()
    for step, batch in enumerate(run.progress(stream, start), start + 1):
        waited += time.monotonic() - asked
        batch = Batch(*(fabric.to_device(item) for item in (batch.rgb, batch.target, batch.weight)))
        losses = step_losses(model, batch, config.losses)
        fabric.backward(losses['loss'])
        fabric.clip_gradients(model, optimizer, max_norm=config.clip, error_if_nonfinite=False)
        total = float(fabric.all_reduce(losses['loss'].detach(), reduce_op='mean'))  # type: ignore[arg-type]
        if not math.isfinite(total):
            raise TrainingError(f'expected a finite loss, got {total} at step {step}; the batch is in '
                                f'{run.save_batch(batch, fabric.global_rank)}; is the learning rate too high?')
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        update_average(average, model, min(config.ema, step / (step + 10)))

        if step % config.log_every == 0 or step == config.steps:
            seconds = time.monotonic() - clock
            run.log(step, loss=total, **{name: losses[name].item() for name in config.losses},
                    lr=schedule.get_last_lr()[0], images_per_s=(step - run.logged) * config.batch / seconds,
                    waited=waited / seconds)
            clock, waited = time.monotonic(), 0.0
        if val and (step % config.eval_every == 0 or step == config.steps):
            if fabric.is_global_zero:
                best = run.keep_best(step, average, validate(average, run.model_config, val), best)
                run.show(step, lambda: val_pictures(average, run.model_config, val))
            fabric.barrier()
            clock, waited = time.monotonic(), 0.0
        if step % config.save_every == 0 or step == config.steps:
            run.save(step, parts, best)
        asked = time.monotonic()
    run.finish(average)
    return best


def start_fabric(config: TrainConfig) -> Fabric:
    """Start the engine: on a GPU where there is one, on several processes where torchrun started us so."""
    if config.threads:
        torch.set_num_threads(config.threads)
    here, world = (int(os.environ.get(name, 1)) for name in ('LOCAL_WORLD_SIZE', 'WORLD_SIZE'))
    if config.batch % world:
        raise ConfigError(f'batch: expected a multiple of the {world} processes, got {config.batch}')
    fabric = Fabric(devices=here, num_nodes=world // here, strategy='ddp' if world > 1 else 'auto',
                    precision=PRECISIONS[config.precision])  # type: ignore[arg-type]
    fabric.launch()
    return fabric


def start_model(config: TrainConfig) -> nn.Module:
    """Build the network: from a checkpoint, or with ImageNet weights in its encoder, or at random."""
    model = build_model(config.model_config())
    if config.start:
        fill_from(model, config)
    elif config.encoder:
        fill_encoder(model, config.encoder)
    if config.frozen_blocks:
        freeze(model, config.frozen_blocks)
    return nn.Module.to(model, memory_format=torch.channels_last)  # type: ignore[call-overload]  # a third faster


def fill_from(model: nn.Module, config: TrainConfig) -> None:
    """Fill a network with a checkpoint's weights; raises ConfigError where they are another network's."""
    begun = load_checkpoint(config.start_path)
    try:
        if isinstance(model, ShapedNet) and begun.model_config.name == ModelConfig().name:
            model.take(begun.model())  # type: ignore[arg-type]
        else:
            model.load_state_dict(begun.state)
    except RuntimeError as error:
        raise ConfigError(f'start: expected weights of {config.network!r}, got those of {begun.model_config.name!r}; '
                          'leave network= empty to go on with that one') from error


def fill_encoder(model: nn.Module, path: str) -> None:
    """Fill the encoder with the ImageNet weights of a .tflite file; raises ConfigError where that cannot be."""
    try:
        from .pretrained import load_imagenet
    except ImportError as error:
        raise ConfigError("encoder: expected the package flatbuffers, got none; pip install 'depth_node[train]', "
                          'or start= from a checkpoint instead') from error
    encoder = model.get_submodule('encoder')
    if isinstance(encoder, SlimEncoder):
        load_imagenet(whole := Encoder(), path)
        encoder.prune(whole)
    else:
        load_imagenet(encoder, path)


def freeze(model: nn.Module, blocks: int) -> None:
    """Keep the weights of the encoder's stem and first blocks; raises ConfigError where it has no such."""
    for name in ['stem', *(f'blocks.{i}' for i in range(blocks))]:
        try:
            model.get_submodule(f'encoder.{name}').requires_grad_(False)
        except AttributeError as error:
            raise ConfigError(f'frozen_blocks: expected blocks that the network has, got {blocks} ({error})') from error


def trained(model: nn.Module, config: TrainConfig) -> list[dict[str, Any]]:
    """Return the parameters that are trained, those of the encoder with a learning rate of their own."""
    weights = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    groups = [{'params': [weight for name, weight in weights if name.startswith('encoder.') == inside], 'lr': lr}
              for inside, lr in ((False, config.lr), (True, config.lr * config.encoder_lr))]
    return [group for group in groups if group['params']]


def rising(config: TrainConfig) -> float:
    """Return the part of the steps in which the learning rate rises; OneCycleLR divides by 0 where that is one step."""
    return config.warmup * (1 + 1e-6 * (config.warmup * config.steps == 1))


def step_losses(model: nn.Module, batch: Batch, weights: dict[str, float]) -> dict[str, Tensor]:
    """Return the loss of a batch and its parts by name, before they are weighted."""
    output = Output(*model(batch.rgb.float()))
    parts = {name: LOSSES[name](output, batch) for name in weights}
    return {'loss': torch.stack([weights[name] * part for name, part in parts.items()]).sum(), **parts}


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Move the averaged weights towards the model's, average = decay * average + (1 - decay) * model; copy buffers."""
    for mean, now in zip(average.parameters(), model.parameters(), strict=True):
        if now.requires_grad:
            mean.lerp_(now, 1 - decay)
    for kept, seen in zip(average.buffers(), model.buffers(), strict=True):
        kept.copy_(seen)


def main(argv: list[str] | None = None) -> int:
    """Run depth_train."""
    parser = cli.parser(NAME, __doc__ or '', f'{NAME} config/train.yaml data=DATA out=runs/first steps=2000')
    parser.add_argument('config', nargs='?', help='YAML file of settings (training/config.py says what there is)')
    parser.add_argument('changes', nargs='*', metavar='key=value', help='settings that differ from the file')
    parser.add_argument('--resume', metavar='RUN', help='go on with the run in this folder, from where it was saved')
    parser.add_argument('--json', action='store_true', help='print the best metrics as one JSON object')
    args = parser.parse_args(argv)

    def body() -> None:
        config = settings(args.config, args.changes, args.resume)
        config.model_config()  # what is wrong with it is said before all images are read
        fabric = start_fabric(config)
        items = open_sources(config.val, config.data)
        refuse_overlap(open_sources(config.train, config.data), items)
        best = train(config, load_frames(config), load_val(items), fabric, bool(args.resume))
        if fabric.is_global_zero:
            report(best, config, args.json)

    return cli.run(NAME, body)


def settings(path: str | None, changes: list[str], resume: str | None) -> TrainConfig:
    """Read a run's settings from its file, or from the folder of the run that goes on."""
    if resume:
        return load_config(Path(resume) / 'config.yaml', [*([path] if path else []), *changes, f'out={resume}'])
    if not path or '=' in path:
        raise ConfigError('expected a YAML file of settings, then key=value; or --resume RUN (see --help)')
    return load_config(path, changes)


def report(best: dict[str, Any], config: TrainConfig, as_json: bool) -> None:
    """Say where the best checkpoint is and how good."""
    if as_json:
        cli.print_json(best)
        return
    mean = best.get('val', {}).get('mean', {})
    print(f'{config.out}/{"best" if mean else "last"}.safetensors'
          + ''.join(f', {name} {value:.3f}' for name, value in mean.items()))


if __name__ == '__main__':
    raise SystemExit(main())
