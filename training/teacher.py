"""depth_data teacher: another network's depth of every image, for a student to learn from.

The teacher is a function MODULE:FUNCTION of yours, `rgb uint8 (H, W, 3), K (3, 3) -> depth_m (h, w)` of any size over
the image's view (0 or NaN: no estimate, +Inf: nothing within range), or a checkpoint or export of ours. Writes
OUT/SOURCE/NAME.npy (float16 m) for `maps.teacher=OUT` of depth_train; a second run makes what is missing.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from depth_node.estimator import DepthEstimator
from msg_tools import cli
from msg_tools.camera import Array
from msg_tools.errors import DepthNodeError

from .data_maps import Maker, read_note, report, run
from .data_sources import add_sources, positive
from .datasets import open_source, open_sources
from .datasets.frame import Item
from .teacher_scale import Teacher, scale_of

NAME = 'depth_data teacher'
EXAMPLE = f"""{NAME} my_network:depth kitti:kitti/training teacher_maps --data ../shared/data --flip \\
    --calibrate kitti:kitti/training#train
  {NAME} runs/first/best.safetensors images:my_camera teacher_maps"""


class TeacherError(DepthNodeError):
    """A teacher that cannot be loaded, or fails on an image, and why."""


def load_teacher(text: str, backend: str = 'auto') -> Teacher:
    """Return the teacher that MODULE:FUNCTION or a checkpoint's path names; raises TeacherError or CheckpointError.

    >>> load_teacher('numpy:add')(2, 3)
    5
    """
    module, colon, function = text.partition(':')
    if not colon or Path(text).exists():
        return estimated(DepthEstimator.from_checkpoint(text, backend=backend))
    if (folder := str(Path.cwd())) not in sys.path:  # a console script does not look there
        sys.path.insert(0, folder)
    try:
        found = getattr(importlib.import_module(module), function)
    except Exception as error:  # whatever somebody's module does when it is imported
        raise TeacherError(f'{text}: expected a function that can be imported, got {error!r}; '
                           'is the module in this folder or on PYTHONPATH?') from error
    if not callable(found):
        raise TeacherError(f'{text}: expected a function rgb, K -> depth_m, got {type(found).__name__}')
    return found


def estimated(estimator: DepthEstimator) -> Teacher:
    """Return an estimator of ours as a teacher; one image at a time, since it remembers the last one's plan."""
    lock = threading.Lock()

    def depth(rgb: Array, K: Array) -> Array:
        with lock:
            return estimator(rgb, K).depth_m

    return depth


def flip_averaged(teacher: Teacher) -> Teacher:
    """Return a teacher whose depth is the geometric mean of what it says of an image and of its mirror image.

    The mirror image's camera is mirrored with it. A pixel without an estimate in one has none.
    """

    def averaged(rgb: Array, K: Array) -> Array:
        mirrored = K.copy()
        mirrored[0, 2] = rgb.shape[1] - 1 - K[0, 2]
        return geometric_mean([teacher(rgb, K), teacher(np.ascontiguousarray(rgb[:, ::-1]), mirrored)[:, ::-1]])

    return averaged


def geometric_mean(maps: Sequence[Array]) -> Array:
    """Average depth maps (h, w) in log space, float32; 0 where one has no estimate."""
    stack = np.stack(maps)
    with np.errstate(invalid='ignore'):
        known = (stack > 0).all(0)
    return np.where(known, np.exp(np.log(np.where(known, stack, 1.0)).mean(0)), 0.0).astype(np.float32)


def widened(depth_m: Array, width: int) -> Array:
    """Grow a map (h, w) [m] to a width, linearly in log depth, as one looks at it; Inf and 0 stay what they are."""
    if depth_m.shape[1] >= width:
        return depth_m
    size = (width, round(depth_m.shape[0] * width / depth_m.shape[1]))
    nearest = cv2.resize(depth_m, size, interpolation=cv2.INTER_NEAREST)
    with np.errstate(invalid='ignore'):
        inside = np.isfinite(depth_m) & (depth_m > 0)
    whole = cv2.resize(inside.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) > 0.999
    log_depth = cv2.resize(np.log(np.where(inside, depth_m, 1.0)).astype(np.float32), size)
    return np.where(whole, np.exp(log_depth), nearest)


def guarded(teacher: Teacher, text: str) -> Teacher:
    """Return a teacher whose failures on an image are ours, so that they cost that image alone."""

    def run_it(rgb: Array, K: Array) -> Array:
        try:
            depth_m = np.asarray(teacher(rgb, K))
        except Exception as error:  # whatever somebody's network raises
            raise TeacherError(f'{text}: expected a depth map of an image {rgb.shape}, got {error!r}') from error
        if depth_m.ndim != 2 or depth_m.dtype.kind != 'f':
            raise TeacherError(f'{text}: expected a depth map float (h, w) [m], got {depth_m.dtype} {depth_m.shape}')
        return depth_m.astype(np.float32)

    return run_it


def scaled(teacher: Teacher, scale: float) -> Teacher:
    """Return a teacher whose depth is multiplied by a number."""
    return lambda rgb, K: teacher(rgb, K) * np.float32(scale)


def teacher_maker(args: argparse.Namespace) -> Maker:
    """Return how the maps that the options ask for are made."""
    path = Path(args.teacher)
    settings: dict[str, Any] = {'maker': 'teacher', 'teacher': path.name if path.is_file() else args.teacher,
                                'flip': args.flip, 'width': args.width, 'calibrated_on': args.calibrate, 'scale': 1.0}
    if path.is_file():  # a network trained again goes by the same name
        settings['sha256'] = digest(path)
    teacher = guarded(load_teacher(args.teacher, args.backend), args.teacher)
    teacher = flip_averaged(teacher) if args.flip else teacher
    if args.calibrate:
        noted = read_note(args.out)
        known = {**noted, 'scale': 1.0} == settings
        settings['scale'] = noted['scale'] if known else scale_of(teacher, open_source(args.calibrate, args.data))
        cli.warn(NAME, f'measured depth is {settings["scale"]:g} times what the teacher says; corrected')
    teacher = scaled(teacher, settings['scale'])
    return Maker(settings, read_image, lambda rgb, K: widened(teacher(rgb, K), args.width))


def digest(path: Path) -> str:
    """Return the SHA-256 of a network's file, and of the weights beside it where they are in a file of their own."""
    weights = path.with_suffix('.bin')
    data = path.read_bytes() + (weights.read_bytes() if path.suffix == '.xml' and weights.is_file() else b'')
    return hashlib.sha256(data).hexdigest()


def read_image(item: Item) -> tuple[Array, Array]:
    """Read what a teacher takes of a frame: image uint8 (H, W, 3) and K (3, 3)."""
    frame = item.read()
    return frame.rgb, frame.camera.K


def main(argv: list[str] | None = None) -> int:
    """Run depth_data teacher."""
    parser = cli.parser(NAME, __doc__ or '', EXAMPLE)
    parser.add_argument('teacher', metavar='TEACHER', help='MODULE:FUNCTION, or a checkpoint or export of ours')
    add_sources(parser)
    parser.add_argument('out', type=Path, metavar='OUT', help='folder for the maps')
    parser.add_argument('--flip', action='store_true', help='average with the mirrored image: better, twice the time')
    parser.add_argument('--calibrate', default='', metavar='SOURCE', help='multiply its depth by one number for all '
                        'images: the median ratio to the LiDAR of this source (of drives that are trained on)')
    parser.add_argument('--width', type=int, default=0, metavar='PX', help='grow smaller maps to this width (default: '
                        'as they are)')
    parser.add_argument('--backend', default='auto', help='what runs a checkpoint (default: auto)')
    parser.add_argument('--jobs', type=positive, default=1, metavar='N', help='threads that call it (default: 1)')
    parser.add_argument('--json', action='store_true', help='print a summary as JSON')
    args = parser.parse_args(argv)
    return cli.run(NAME, lambda: make_teacher(args))


def make_teacher(args: argparse.Namespace) -> int:
    """Make the teacher's map of every image of the sources."""
    items = open_sources(args.sources, args.data)
    return report(args.out, run(NAME, items, teacher_maker(args), args.out, args.jobs), args.json)


if __name__ == '__main__':
    raise SystemExit(main())
