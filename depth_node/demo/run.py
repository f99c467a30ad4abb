"""The command depth_demo: a drive goes in as a bag, depth comes out of the node, and is measured and drawn."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2

from msg_tools import cli
from msg_tools.camera import Array, Size
from msg_tools.errors import DepthNodeError, KittiError
from msg_tools.kitti import KittiDrive

from ..ros.arguments import require_ros
from . import pipeline
from .drives import choose_frames, demo_frame, frames_by_stamp
from .pictures import demo_picture, video_frame
from .recording import Recorded, flow, recorded_frames
from .report import Clock, flow_report, notes, picture_table, tell
from .video import Video

NAME = 'depth_demo'
TITLE = 'depth_node: metric depth from one camera'
SYNTHETIC_FRAMES = 20
VIDEO_HZ = 5.0  # half as fast as it was driven: there is much to see


def main(argv: list[str] | None = None) -> int:
    """Run the demo."""
    args = arguments().parse_args(argv)
    return cli.run(NAME, lambda: demo(args))


def arguments() -> argparse.ArgumentParser:
    """Declare the options."""
    parser = cli.parser(NAME, __doc__ or '', f'{NAME} --drive 2011_09_26/2011_09_26_drive_0005_sync --frames 0:50')
    parser.add_argument('--drive', type=Path, help='a KITTI raw drive (_sync folder); default: a synthetic street')
    parser.add_argument('--out', type=Path, default=Path('demo_out'), help='folder for all (default: %(default)s)')
    parser.add_argument('--frames', type=frame_range, metavar='A:B',
                        help='B is excluded; default: the longest run of frames without a gap, 100 at most')
    parser.add_argument('--rate', type=positive, default=1.0, help='speed of the replay (default: 1, as it was driven)')
    parser.add_argument('--checkpoint', default='', help='another network than the one that ships')
    parser.add_argument('--device', default='', choices=('auto', 'cpu', 'cuda'))
    parser.add_argument('--backend', default='', choices=('auto', 'torch', 'openvino', 'onnxruntime'))
    parser.add_argument('--no-ros', action='store_true', help='predict from the files, without bag, node and ages')
    parser.add_argument('--json', action='store_true', help='print the report as JSON')
    return parser


def frame_range(text: str) -> tuple[int, int]:
    """Read A:B."""
    first, _, stop = text.partition(':')
    if not (first.isdigit() and stop.isdigit() and int(first) < int(stop)):
        raise argparse.ArgumentTypeError(f'expected A:B with A < B, got {text!r}')
    return int(first), int(stop)


def positive(text: str) -> float:
    """Read a number > 0."""
    value = float(text)
    if not 0 < value < float('inf'):
        raise argparse.ArgumentTypeError(f'expected a number > 0, got {text}')
    return value


def demo(args: argparse.Namespace) -> int:
    """Go through all the steps; raises DepthNodeError, with the step's own words, where one fails."""
    if not args.no_ros:
        need_ros()
    out = args.out.resolve()
    make_folder(out)
    clock = Clock(quiet=args.json)
    options = pipeline.Options(out, args.rate, args.checkpoint, args.device, args.backend)
    with clock.step('synthetic drive' if args.drive is None else 'drive'):
        wanted = SYNTHETIC_FRAMES if args.frames is None else args.frames[1]
        drive = KittiDrive(args.drive or pipeline.make_drive(out, wanted))
        frames = choose_frames(drive, args.frames)
    left_out = len(drive.frames(2)) - len(frames)
    clock.say(f'{len(frames)} frames, {frames[0]} to {frames[-1]}, of {drive.path}'
              + (f'; {left_out} more left out (--frames A:B chooses)' if left_out and not args.frames else ''))
    report = predict(drive, frames, options, clock, args.no_ros)
    with clock.step('ground truth and metrics'):
        truth = pipeline.make_truth(drive, report['frames'], out)
        report['metrics'] = pipeline.evaluate(drive, truth, report['frames'], out)
    with clock.step('picture and video'):
        images = report.pop('images')
        report['files'] = draw(drive, images(), report, out)
    report['seconds'] = clock.seconds
    (out / 'report.json').write_text(json.dumps(report, indent=2) + '\n')
    tell(report, out, args.json)
    return 0


def need_ros() -> None:
    """Raise DepthNodeError where rclpy is missing, and name both ways on."""
    try:
        require_ros()
    except DepthNodeError as error:
        raise DepthNodeError(f'{error}; or run it without, with --no-ros') from error


def make_folder(out: Path) -> None:
    """Make the folder for all that the demo writes."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KittiError(f'{out}: expected a folder to write to, got: {error}') from error


def predict(drive: KittiDrive, frames: Sequence[int], options: pipeline.Options, clock: Clock,
            no_ros: bool) -> dict[str, Any]:
    """Let the node, or depth_predict, make the depth of the frames; return what is known, and how to read it again."""
    if no_ros:
        with clock.step('depth without ROS'):
            pipeline.predict_without_ros(drive, frames, options)
        return {'frames': list(frames), 'images_in': len(frames), 'depth_out': len(frames),
                'images': lambda: pipeline.predicted_frames(drive, frames, options.out)}
    with clock.step('bag'):
        bag = pipeline.make_bag(drive, frames, options.out)
    with clock.step('node on the bag'):
        recording, images_in = pipeline.run_node(bag, options)
    with clock.step('depth maps'):
        found = flow(recording)
        done = pipeline.write_predictions(recording, frames_by_stamp(drive, frames), options.out)
    if not done:
        raise DepthNodeError(f'expected depth images from the node, got none; see {options.out / "logs"}')
    return {**flow_report(found, images_in), 'frames': done, 'images': lambda: recorded_frames(recording)}


def draw(drive: KittiDrive, images: Iterable[Recorded], report: dict[str, Any], out: Path) -> dict[str, str]:
    """Draw the picture of the middle frame and the video of all; return their files."""
    by_stamp = frames_by_stamp(drive, report['frames'])
    middle = sorted(by_stamp)[len(by_stamp) // 2]
    video: Video | None = None
    for image in cli.progress(images, len(by_stamp)):
        frame = demo_frame(drive, by_stamp[image.stamp_ns], image.depth_m, image.cloud)
        if image.stamp_ns == middle:
            save(out / 'demo.png', demo_picture(frame, TITLE, notes(report), picture_table(report)))
        rgb = video_frame(frame, TITLE)
        video = video or Video(out / 'demo.mp4', Size(*rgb.shape[:2]), VIDEO_HZ)
        video.write(rgb)
    if video is not None:
        video.writer.release()
    return {'picture': str(out / 'demo.png'), 'video': str(video.path) if video else ''}


def save(path: Path, rgb: Array) -> None:
    """Write a picture."""
    cv2.imwrite(str(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == '__main__':
    raise SystemExit(main())
