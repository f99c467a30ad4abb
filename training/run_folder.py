"""The folder of a training run: which code, data and settings made it, its log, and what it needs to go on.

config.yaml, run.json (code, machine, data), log.jsonl (a line each log_every steps and validation), events for
TensorBoard where that is installed, state.pt (to resume), best.safetensors and last.safetensors.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import pickle
import platform
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

from depth_node.checkpoint import save_checkpoint
from msg_tools import cli
from msg_tools.camera import Array
from msg_tools.errors import CheckpointError, ConfigError, DepthNodeError
from msg_tools.whole_file import write_whole

from .batch import Batch
from .config import TrainConfig, changed, load_config, to_dict, without_paths
from .loader import Frames

try:
    from torch.utils.tensorboard import SummaryWriter
except ImportError:  # nice to have
    SummaryWriter = None  # type: ignore[assignment, misc]


class RunFolder:
    """What a run writes; with `writes` false (another process than the first) nothing."""

    def __init__(self, config: TrainConfig, frames: Frames, writes: bool = True) -> None:
        self.config = config
        self.model_config = config.model_config()  # now: the file that start= names may be another in an hour
        self.frames = frames
        self.writes = writes
        self.path = Path(config.out)
        self.logged = 0  # the last step with a line in the log
        self.board: Any = None

    def begin(self) -> tuple[int, dict[str, Any]]:
        """Start a new run; returns step 0 and no best. Raises DepthNodeError where one is in the folder already."""
        if (self.path / 'state.pt').exists() and self.writes:
            raise DepthNodeError(f'{self.path}: expected a new folder, got a run; go on with --resume {self.path}, '
                                 'or choose another out=')
        if self.writes:
            with writing(self.path):
                self.path.mkdir(parents=True, exist_ok=True)
                (self.path / 'log.jsonl').unlink(missing_ok=True)
            self.write('config.yaml', yaml.safe_dump(to_dict(self.config), sort_keys=False).encode())
            self.write('run.json', json.dumps(origin(self.frames), indent=1).encode())
        self.open_board(0)
        return 0, {}

    def load(self, parts: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Bring model, optimiser and the rest to where they were saved; returns the step and the best so far.

        Raises ConfigError, CheckpointError or DepthNodeError where settings, state or data are those of another run.
        """
        require_settings(self.path, self.config)
        path = self.path / 'state.pt'
        try:
            state = torch.load(path, map_location='cpu', weights_only=True)
            for name, part in parts.items():
                part.load_state_dict(state[name])
        except (OSError, RuntimeError, KeyError, ValueError, EOFError, pickle.UnpicklingError) as error:
            raise CheckpointError(f'{path}: expected the state of a run of these settings, got '
                                  f'{type(error).__name__}: {error}') from error
        if (made := state['data']) != fingerprint(self.frames):
            raise DepthNodeError(f'{path}: expected the data that the run began with ({made}), got '
                                 f'{fingerprint(self.frames)}; a run that goes on with other data is another run')
        self.logged = state['step']
        if self.writes:
            self.cut_log(state['step'])
        self.open_board(state['step'])
        return state['step'], json.loads(state['best'])

    def save(self, step: int, parts: dict[str, Any], best: dict[str, Any]) -> None:
        """Write all that the run needs to go on from this step; the file before stays until it is whole."""
        if not self.writes:
            return
        buffer = io.BytesIO()
        torch.save({'step': step, 'best': json.dumps(best), 'data': fingerprint(self.frames),
                    **{name: part.state_dict() for name, part in parts.items()}}, buffer)
        self.write('state.pt', buffer.getvalue())

    def write(self, name: str, data: bytes) -> None:
        """Write a file whole or not at all."""
        with writing(self.path):
            write_whole(self.path / name, data)

    def log(self, step: int, **values: Any) -> None:
        """Append one JSON line, readable while the run goes on, and tell TensorBoard."""
        self.logged = step
        if not self.writes:
            return
        with writing(self.path), (self.path / 'log.jsonl').open('a') as file:
            file.write(json.dumps({'step': step, **values}) + '\n')
        if self.board:
            for name, value in flat(values):
                self.board.add_scalar(name, value, step)

    def show(self, step: int, pictures: Callable[[], Iterable[tuple[str, Array]]]) -> None:
        """Give TensorBoard the pictures (H, W, 3) uint8 of a step, which are made only if it is there."""
        if self.board:
            for name, picture in pictures():
                self.board.add_image(name, picture, step, dataformats='HWC')

    def keep_best(self, step: int, model: nn.Module, val: dict[str, Any], best: dict[str, Any]) -> dict[str, Any]:
        """Log the metrics of a validation, and keep the model where none was better by abs_rel; returns the best.

        NaN, where the model sees nothing at all, is worse than any number.
        """
        self.log(step, val=val['mean'])
        least = best['val']['mean']['abs_rel'] if best else math.nan
        if math.isfinite(least) and not val['mean']['abs_rel'] < least:
            return best
        best = {'step': step, 'val': val}
        self.save_model('best.safetensors', model, best)
        return best

    def save_model(self, name: str, model: nn.Module, result: dict[str, Any]) -> None:
        """Write a checkpoint with the settings and results that explain it."""
        metadata = {'training': without_paths(self.config), 'made_with': machine(), **result}
        save_checkpoint(self.path / name, model, self.model_config, metadata)

    def finish(self, average: nn.Module) -> None:
        """Write the last checkpoint."""
        if self.writes:
            self.save_model('last.safetensors', average, {'step': self.config.steps})
            if self.board:
                self.board.close()

    def save_batch(self, batch: Batch, rank: int) -> Path:
        """Write a batch that broke the training, and return where."""
        path = self.path / f'bad_batch_{rank}.pt'
        torch.save({'rgb': batch.rgb, 'target': batch.target, 'weight': batch.weight}, path)
        return path

    def progress(self, stream: Iterable[Batch], start: int) -> Iterator[Batch]:
        """Show a progress bar where a person watches."""
        if not self.writes:
            return iter(stream)
        return iter(cli.progress(stream, total=self.config.steps - start, unit='step', text='training'))

    def cut_log(self, step: int) -> None:
        """Forget the lines after a step: the run that was cut off wrote them, and this one will again."""
        path = self.path / 'log.jsonl'
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        kept = [line for line in lines if line.endswith('\n') and json.loads(line)['step'] <= step]
        self.write(path.name, ''.join(kept).encode())

    def open_board(self, step: int) -> None:
        """Start TensorBoard's events where it is installed."""
        if self.writes and SummaryWriter is not None:
            self.board = SummaryWriter(str(self.path / 'tensorboard'), purge_step=step + 1)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Make a full disk, or a folder in which nobody may write, an error of ours that says what to do."""
    try:
        yield
    except OSError as error:
        raise DepthNodeError(f'{path}: expected to write there, got: {error}; make room, or choose another out=. What '
                             f'was saved before is whole: --resume {path} goes on from there') from error


def require_settings(path: Path, config: TrainConfig) -> None:
    """Raise ConfigError where the run in a folder was made with settings that make it another one than the config's."""
    if names := changed(config, kept := load_config(path / 'config.yaml')):
        was = ', '.join(f'{name}={getattr(kept, name)!r}' for name in names)
        raise ConfigError(f'{path}: expected the settings that its run began with ({was}), got others; a run with '
                          'other settings is another run: choose another folder (and start= from this one\'s weights)')


def flat(values: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield the numbers of nested values as name/name, value."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from ((f'{name}/{inner}', number) for inner, number in flat(value))
        else:
            yield name, value


def origin(frames: Frames) -> dict[str, Any]:
    """Return which code on which machine trains on what."""
    drives = Counter(f'{item.source}/{item.drive}' for item in frames.items)
    return {'version': cli.package_version(), 'commit': commit(), **machine(), 'data': fingerprint(frames),
            'frames': len(frames), 'drives': dict(sorted(drives.items()))}


def fingerprint(frames: Frames) -> str:
    """Return a hash of the names of a run's frames, in their order."""
    names = '\n'.join(f'{item.source}/{item.name}' for item in frames.items)
    return hashlib.sha256(names.encode()).hexdigest()[:16]


def machine() -> dict[str, Any]:
    """Return what trains: processor, GPU, torch, threads."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {'machine': platform.machine(), 'gpu': gpu, 'torch': torch.__version__, 'threads': torch.get_num_threads()}


def commit() -> str | None:
    """Return the commit of the code, with + where files differ from it; None where it is no git checkout."""
    def git(*words: str) -> str:
        return subprocess.run(['git', '-C', str(Path(__file__).parent), *words], capture_output=True, text=True,
                              check=True).stdout.strip()

    try:
        git('ls-files', '--error-unmatch', Path(__file__).name)  # not installed in somebody else's checkout
        return git('rev-parse', '--short=12', 'HEAD') + ('+' if git('status', '--porcelain', '-uno', '.') else '')
    except (OSError, subprocess.CalledProcessError):
        return None
