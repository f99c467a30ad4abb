"""A tiny dataset of the layout `images`: what a network can learn in a second."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from depth_node_training.config import TrainConfig
from msg_tools.depth_png import write_depth_png

FOCAL = 70.0


def write_images(root: Path, drives: dict[str, list[str]]) -> Path:
    """Write images whose brightness falls with depth, a flat ground 1.65 m below; drives of each split."""
    rows = []
    depth_m = np.where(np.arange(64) > 34, FOCAL * 1.65 / np.maximum(np.arange(64) - 31.5, 1), 30.0)
    root.mkdir(parents=True, exist_ok=True)
    for seed, (split, drive) in enumerate((split, drive) for split, names in drives.items() for drive in names):
        rng = np.random.default_rng(seed)
        image = (255 - 3 * depth_m[:, None, None]) * rng.uniform(0.8, 1.0) + rng.normal(0, 5, (64, 128, 3))
        name = f'{drive}_{seed}'
        cv2.imwrite(str(root / f'{name}.png'), image.clip(0, 255).astype(np.uint8))
        write_depth_png(root / f'{name}_depth.png', np.repeat(depth_m[:, None], 128, 1).astype(np.float32))
        rows.append({'split': split, 'file': f'{name}.png', 'drive': drive, 'fx': FOCAL, 'fy': FOCAL, 'cx': 63.5,
                     'cy': 31.5, 'depth': f'{name}_depth.png', 'truth': 'lidar'})
    with (root / 'index.csv').open('w', newline='') as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return root


@pytest.fixture(scope='session')
def street_images(tmp_path_factory) -> Path:
    """Return a folder with `images` in it: six images of two drives to train on, two of a third to validate."""
    root = tmp_path_factory.mktemp('data')
    write_images(root / 'images', {'train': ['a', 'a', 'a', 'a', 'b', 'b'], 'val': ['c', 'c']})
    return root


def tiny(data: Path, out: Path, **changes: object) -> TrainConfig:
    """Return settings of a training of seconds."""
    settings = {'height': 32, 'width': 64, 'focal_px': 35.0, 'batch': 2, 'steps': 4, 'lr': 2e-3, 'threads': 1,
                'warmup': 0.1, 'ema': 0.5, 'eval_every': 100, 'workers': 0, 'log_every': 1, 'save_every': 2,
                'train': ('images:images#train',), 'val': ('images:images#val',)}
    return TrainConfig(data=str(data), out=str(out), **{**settings, **changes})


@pytest.fixture(autouse=True, scope='session')
def kept_threads():
    """Give torch its threads back: a training run sets them for the whole process."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
