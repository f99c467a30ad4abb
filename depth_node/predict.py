"""depth_predict: images, folders and videos to metric depth, without ROS."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from msg_tools import cli
from msg_tools.calibration_file import CameraFile, read_calibration
from msg_tools.camera import Array, Intrinsics, Size, cloud_of
from msg_tools.camera_info import Rectifier
from msg_tools.colors import depth_colors
from msg_tools.depth_png import beyond_as_largest, write_depth_png
from msg_tools.errors import ConfigError, DepthNodeError, ImageError
from msg_tools.image_file import read_rgb
from msg_tools.ply import write_ply

from .backends.precision import PRECISIONS
from .estimator import DepthEstimator, DepthResult

NAME = 'depth_predict'
IMAGES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp', '.ppm', '.pgm')
VIDEOS = ('.mp4', '.avi', '.mkv', '.mov', '.webm', '.m4v')


def main(argv: list[str] | None = None) -> int:
    """Predict depth for the images on the command line."""
    args = _arguments().parse_args(argv)
    return cli.run(NAME, lambda: predict(args))


def predict(args: argparse.Namespace) -> int:
    """Predict and write every input; an unreadable one is reported and the rest goes on. Return the exit status."""
    camera = Camera.from_arguments(args)
    files = list(_files([Path(name) for name in args.input]))
    estimator = DepthEstimator.from_checkpoint(args.checkpoint, device=args.device, backend=args.backend,
                                               precision=args.precision)
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    written, failed = 0, 0
    for path in cli.progress(files, unit='file'):
        try:
            for name, rgb in _frames(path):
                rgb, intrinsics = camera.view(rgb)
                write(out, name, estimator(rgb, intrinsics), rgb, intrinsics, args)
                written += 1
        except DepthNodeError as error:
            cli.warn(NAME, str(error))
            failed += 1
    if args.json:
        cli.print_json({'written': written, 'failed': failed, 'out': str(out)})
    return 1 if failed else 0


def write(
    out: Path, name: str, result: DepthResult, rgb: Array, camera: Intrinsics | None, args: argparse.Namespace
) -> None:
    """Write one depth map, and its preview and cloud where they were asked for."""
    if args.format == 'png':
        write_depth_png(out / f'{name}.png', beyond_as_largest(result.depth_m))
    else:
        np.save(out / f'{name}.npy', result.depth_m)
    if args.color:
        cv2.imwrite(str(out / f'{name}_color.jpg'), depth_colors(result.depth_m)[..., ::-1])
    if args.cloud and camera is not None:
        write_ply(out / f'{name}.ply', cloud_of(result.depth_m, camera.rays()), rgb)


@dataclass
class Camera:
    """The camera that took the images: from a calibration file, from numbers, or unknown."""

    file: CameraFile | None = None
    focal: tuple[float, float, float | None, float | None] | None = None  # fx, fy, cx, cy
    rectifier: Rectifier | None = None

    @classmethod
    def from_arguments(cls, args: argparse.Namespace) -> Camera:
        """Read --calib, or --fx and what else was given of a pinhole."""
        if args.calib and args.fx:
            raise ConfigError('expected --calib or --fx, got both; leave one out')
        if args.calib:
            file = read_calibration(Path(args.calib), args.camera)
            return cls(file, rectifier=Rectifier(file) if file.distorted and not args.rectified else None)
        if args.fx:
            return cls(focal=(args.fx, args.fy or args.fx, args.cx, args.cy))
        cli.warn(NAME, "no camera given (--calib or --fx): metres hold only for KITTI's field of view")
        if args.cloud:
            raise ConfigError('expected a camera (--calib FILE or --fx PX) for --cloud, got none')
        return cls()

    def view(self, rgb: Array) -> tuple[Array, Intrinsics | None]:
        """Return the rectified image and its intrinsics; None where the camera is unknown."""
        size = Size(*rgb.shape[:2])
        if self.rectifier:
            rgb = self.rectifier.rectify(rgb)
        if self.file:
            return rgb, self.file.intrinsics(size)
        if self.focal is None:
            return rgb, None
        fx, fy, cx, cy = self.focal
        center = ((size.width - 1) / 2 if cx is None else cx), ((size.height - 1) / 2 if cy is None else cy)
        return rgb, Intrinsics(fx, fy, *center, size)


def _files(inputs: list[Path]) -> Iterator[Path]:
    """List the images and videos; a folder stands for those in it. Raise where nothing, or a name twice, is found."""
    seen: dict[str, Path] = {}
    for path in inputs:
        found = sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGES + VIDEOS) if path.is_dir() else [path]
        if not found or not found[0].exists():
            raise ImageError(f'{path}: expected an image, a video or a folder of them, got '
                             f'{"a folder without any" if path.is_dir() else "nothing of this name"}')
        for file in found:
            if file.stem in seen:
                raise ImageError(f'{file}: expected inputs of different names, since each becomes a file of that name '
                                 f'in --out, got {seen[file.stem]} too; run them apart')
            seen[file.stem] = file
            yield file


def _frames(path: Path) -> Iterator[tuple[str, Array]]:
    """Yield the name and the RGB pixels uint8 (H, W, 3) of an image, or of each frame of a video."""
    if path.suffix.lower() not in VIDEOS:
        yield path.stem, read_rgb(path)
        return
    video = cv2.VideoCapture(str(path))
    if not video.isOpened():
        raise ImageError(f'{path}: expected a video that OpenCV reads, got something else; is the file whole?')
    count = 0
    while (read := video.read())[0]:
        yield f'{path.stem}_{count:06d}', np.ascontiguousarray(read[1][..., ::-1])
        count += 1


def _arguments() -> argparse.ArgumentParser:
    parser = cli.parser(
        NAME, 'Predict metric depth for images, folders of images and videos.',
        f'{NAME} street.png --out depth --fx 721.5 --color',
    )
    parser.add_argument('input', nargs='+', metavar='INPUT', help='image, folder or video')
    parser.add_argument('--out', required=True, metavar='DIR', help='for NAME.png (uint16, metres x 256) or .npy')
    camera = parser.add_argument_group('camera (pixels of the input image)')
    camera.add_argument('--calib', metavar='FILE', help='KITTI calibration text, or a camera_info YAML')
    camera.add_argument('--camera', type=int, default=2, help='which camera of a KITTI file (default 2, colour left)')
    camera.add_argument('--rectified', action='store_true', help='the images are rectified already')
    for name in ('fx', 'fy', 'cx', 'cy'):
        camera.add_argument(f'--{name}', type=float, metavar='PX')
    parser.add_argument('--format', choices=('png', 'npy'), default='png', help='sky: 65535 in a png, +Inf in a npy')
    parser.add_argument('--cloud', action='store_true', help='also NAME.ply, a coloured point cloud')
    parser.add_argument('--color', action='store_true', help='also NAME_color.jpg, a preview')
    parser.add_argument('--checkpoint', metavar='FILE', help='another network than the one that ships')
    parser.add_argument('--device', choices=('auto', 'cpu', 'cuda'), default='auto')
    parser.add_argument('--backend', choices=('auto', 'torch', 'openvino', 'onnxruntime', 'tensorrt'), default='auto')
    parser.add_argument('--precision', choices=PRECISIONS, default='auto',
                        help='the numbers that the network computes with; auto: fp32 on the CPU')
    parser.add_argument('--json', action='store_true', help='print a summary as one JSON object')
    return parser


if __name__ == '__main__':
    raise SystemExit(main())
