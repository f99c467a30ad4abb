"""The options of velodyne_to_depth, and what they say as settings."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .. import cli
from ..errors import ConfigError
from ..kitti_messages import CAMERA_TOPICS, CLOUD_TOPIC
from .bag_topics import BagOptions
from .manifest import FORMATS
from .open_source import SourceOptions
from .output import IMAGE_CHOICES, LAYOUTS
from .settings import AGREEMENTS, EXPOSURES, MODES, MOTIONS, TruthSettings

NAME = 'velodyne_to_depth'
SUMMARY = 'Make depth PNGs (uint16, metres x 256) of LiDAR scans, from KITTI folders or bags, with matched images.'
EXAMPLE = f'{NAME} 2011_09_26/2011_09_26_drive_0005_sync depth_0005 --accumulate 5 --jobs 4'
AS_MONODEPTH2 = {'mode': 'monodepth2', 'motion': 'off', 'accumulate': 0, 'occlusion': 'off', 'mixed_edges': True}
SETTINGS = ('mode', 'motion', 'exposure', 'accumulate', 'agree', 'tolerance', 'occlusion', 'max_pose_gap_s',
            'max_speed_mps', 'mixed_edges', 'vel_depth')
SOURCE_CHOICES = ('calib', 'raw', 'pose_body', 'cloud_topic', 'image_topic', 'info_topic', 'right_topic', 'raw_images',
                  'pair_within_s', 'turn_s', 'time_field')  # what decides how a source is read


def arguments() -> argparse.ArgumentParser:
    """Return the command's parser; a setting that is not named is None."""
    parser = cli.parser(NAME, SUMMARY, EXAMPLE)
    parser.add_argument('source', type=Path, metavar='SOURCE', help='a KITTI folder, such as a raw drive, or a bag')
    parser.add_argument('out', type=Path, metavar='OUT',
                        help='folder for depth/, image/, manifest.csv, settings.json and intrinsics.txt')
    parser.add_argument('--camera', type=int, choices=CAMERA_TOPICS, default=2,
                        help="KITTI's number: 0, 1 grey left, right; 2, 3 colour left, right; default: 2")
    parser.add_argument('--calib', type=Path, metavar='PATH',
                        help="a folder with a drive's calib_*.txt files, if they are not beside it; or a file with "
                             'what a bag lacks: camera, extrinsics')
    parser.add_argument('--raw', type=Path, metavar='DIR', help="where the depth benchmark's raw drives are")
    add_maps(parser.add_argument_group('what the maps hold'))
    add_poses(parser.add_argument_group('motion'))
    add_files(parser.add_argument_group('files'))
    add_workers(parser.add_argument_group('who does the work'))
    add_topics(parser.add_argument_group('for a bag'))
    return parser


def add_maps(group: Any) -> None:
    """Add the options that say which points make a map."""
    group.add_argument('--mode', choices=MODES,
                       help='nearest: the right pixel; monodepth2: as its kitti_utils.py, faults included')
    group.add_argument('--accumulate', type=_whole, metavar='N', help='scans before and after to add; default: 0')
    group.add_argument('--agree', choices=AGREEMENTS,
                       help="what an accumulated point must agree with: the frame's own scan (default), the stereo "
                            "pair's depth, either, or nothing")
    group.add_argument('--tolerance', type=float, metavar='SHARE', help='by how much of the depth; default: 0.02')
    group.add_argument('--occlusion', metavar='STEP',
                       help='drop background seen through foreground: points farther than what surrounds them by '
                            'this much, as 5%%, 0.5m or off; default: 5%%')
    group.add_argument('--mixed-edges', action='store_true', default=None,
                       help="monodepth2's fault: the ends of two rows taken for one pixel (on in its mode)")
    group.add_argument('--vel-depth', action='store_true', default=None,
                       help="monodepth2's vel_depth: the scanner's x for depth")


def add_poses(group: Any) -> None:
    """Add the options about the motion of scanner and camera."""
    group.add_argument('--motion', choices=MOTIONS,
                       help="move each point to the camera's exposure: auto (default; where there are poses), on, off")
    group.add_argument('--poses', default='auto', metavar='HOW',
                       help="auto (default): the source's own; none; a file of KITTI's or TUM's form; a topic of the "
                            'bag; tf or tf:FRAME, the fixed one of /tf; kiss-icp: computed from the scans')
    group.add_argument('--pose-body', default='', metavar='FRAME',
                       help="what a pose file is of: scanner, camera, imu or a bag's frame; default: camera for "
                            "KITTI's form, scanner for TUM's")
    group.add_argument('--exposure', choices=EXPOSURES, help="whose stamp it has; default: auto, as the source knows")
    group.add_argument('--max-pose-gap', type=float, dest='max_pose_gap_s', metavar='SECONDS',
                       help='poses farther apart are not interpolated; default: 0.5')
    group.add_argument('--max-speed', type=float, dest='max_speed_mps', metavar='M_PER_S',
                       help='poses that are faster apart jump; default: 70')


def add_files(group: Any) -> None:
    """Add the options about the output."""
    group.add_argument('--images', choices=IMAGE_CHOICES, default='link',
                       help="link: the source's files, taking no space (a bag's are written as PNG); default: link")
    group.add_argument('--overlay', action='store_true', help='draw the depth over each image')
    group.add_argument('--sparse', action='store_true', help='also write u, v and depth as sparse/NAME.npz')
    group.add_argument('--layout', choices=LAYOUTS, default='default',
                       help="benchmark: the KITTI depth benchmark's folders, in OUT/DRIVE")
    group.add_argument('--manifest', choices=FORMATS, default='csv', help='default: csv')
    group.add_argument('--overwrite', action='store_true', help='make all again; otherwise only what is missing')
    group.add_argument('--report', type=Path, metavar='FILE.html', help='write a page about the quality of the maps')
    group.add_argument('--compare', type=Path, metavar='DIR', help="compare with other people's maps of these frames")
    group.add_argument('--json', action='store_true', help='print a summary as JSON')


def add_workers(group: Any) -> None:
    """Add the options about processes and clusters."""
    group.add_argument('--jobs', type=_count, default=1, metavar='N', help='processes of this machine; default: 1')
    group.add_argument('--scheduler', default='', metavar='ADDRESS',
                       help="a Dask scheduler's (tcp://...), whose workers see the same folders")


def add_topics(group: Any) -> None:
    """Add the options that name a bag's topics."""
    group.add_argument('--cloud-topic', default='', metavar='TOPIC', help=f'default: {CLOUD_TOPIC}')
    group.add_argument('--image-topic', default='', metavar='TOPIC', help=f'default: {CAMERA_TOPICS[2]}/image_raw')
    group.add_argument('--info-topic', default='', metavar='TOPIC', help='default: camera_info beside the image')
    group.add_argument('--right-topic', default='', metavar='TOPIC',
                       help="the stereo pair's other image, for --agree stereo; default: left's right")
    group.add_argument('--raw-images', action='store_true',
                       help='keep raw images as they are and project through their distortion; default: rectify them')
    group.add_argument('--pair-within', type=_seconds, dest='pair_within_s', metavar='SECONDS',
                       help='how far an image may be from its cloud; default: half a period')
    group.add_argument('--turn', type=_seconds, dest='turn_s', metavar='SECONDS',
                       help='a turn of the scanner, clockwise from the rear, where the points carry no times')
    group.add_argument('--time-field', default='', metavar='NAME',
                       help="of the points' times, where it is not found; off: take none")


def settings_of(args: argparse.Namespace) -> TruthSettings:
    """Return the settings that the arguments ask for.

    Raises ConfigError where a value is out of its range, or contradicts monodepth2's mode.
    """
    named = {name: value for name in SETTINGS if (value := getattr(args, name)) is not None}
    if named.get('mode') == 'monodepth2':
        for name, value in AS_MONODEPTH2.items():
            if named.get(name, value) != value:
                raise ConfigError(f'expected --{name} {value} with --mode monodepth2, got {named[name]}')
        named |= AS_MONODEPTH2
    if args.scheduler and args.jobs > 1:
        raise ConfigError('expected --jobs or --scheduler, got both; a cluster has the workers that it has')
    return TruthSettings(**named)


def source_options(args: argparse.Namespace) -> SourceOptions:
    """Return what the arguments want of a source."""
    bag = BagOptions(cloud=args.cloud_topic, image=args.image_topic, info=args.info_topic,
                     right=args.right_topic or ('auto' if args.agree in ('stereo', 'either') else ''),
                     raw_images=args.raw_images, tolerance_s=args.pair_within_s, time_field=args.time_field)
    return SourceOptions(args.camera, args.images != 'none' or args.overlay, args.calib, args.raw, args.turn_s, bag)


def _seconds(text: str) -> float:
    """Read a time."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 3600:
        raise argparse.ArgumentTypeError(f'expected seconds above 0, got {text!r}')
    return value


def _whole(text: str) -> int:
    """Read a number of scans."""
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f'expected a number of scans from 0 on, got {text!r}')
    return int(text)


def _count(text: str) -> int:
    """Read a number of processes."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'expected a number of processes from 1 on, got {text!r}')
    return int(text)
