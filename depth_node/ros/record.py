"""The command bag_record: record topics through rclpy, for machines without `ros2 bag record`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msg_tools import cli
from msg_tools.bag_writer import STORAGES, BagWriter
from msg_tools.errors import BagError

from .arguments import require_ros, split_ros_args

if TYPE_CHECKING:
    from .recorder import Recorder

NAME = 'bag_record'


def main(argv: list[str] | None = None) -> int:
    """Run bag_record."""
    own, ros = split_ros_args(sys.argv[1:] if argv is None else argv)
    parser = arguments()
    args = parser.parse_args(own)
    if not args.topics and not args.all:
        parser.error('expected --topics TOPIC... or --all')
    return cli.run(NAME, lambda: record(args, ros))


def record(args: argparse.Namespace, ros_args: Sequence[str]) -> None:
    """Record until SIGINT, SIGTERM or the end that the arguments set; then say what was written."""
    require_ros()
    from rclpy.node import Node
    from rclpy.parameter import Parameter

    from .recorder import Recorder
    from .spin import ros_context, spin

    with ros_context(ros_args, large_messages=False) as stop, BagWriter(args.out, args.storage, args.overwrite) as bag:
        clock = Parameter('use_sim_time', value=args.use_sim_time)
        node = Node(NAME, start_parameter_services=False, parameter_overrides=[clock])
        tell = lambda text: print(f'{NAME}: {text}', file=sys.stderr, flush=True)  # noqa: E731
        recorder = Recorder(node, bag, None if args.all else args.topics, stop, args.duration, args.until_idle, tell)
        try:
            spin(node, stop)
        except BagError as error:
            cli.warn(NAME, f'{error}; what was written until then is kept')
        recorder.finish()
    report(args, recorder, bag.counts)


def report(args: argparse.Namespace, recorder: Recorder, counts: dict[str, int]) -> None:
    """Print how many messages of each topic were written, and name the topics that were silent."""
    for topic in recorder.topics or []:
        if not counts.get(topic):
            cli.warn(NAME, f'{topic}: no message came; is it published, and in this ROS domain?')
    if args.json:
        cli.print_json({'bag': str(args.out), 'storage': args.storage, 'messages': counts})
    else:
        print(f'{args.out}:\n{cli.columns([("topic", "messages"), *counts.items()])}')


def arguments() -> argparse.ArgumentParser:
    """Return the command's parser."""
    text = f"""{__doc__}

Messages are written as the bytes that arrive, with the time of arrival. Arguments after --ros-args are rclpy's."""
    parser = cli.parser(NAME, text, f'{NAME} out --topics /depth/image_rect /points --until-idle 5')
    parser.add_argument('out', type=Path, metavar='OUT', help='the rosbag2 folder to make')
    parser.add_argument('--topics', nargs='+', metavar='TOPIC', help='what to record, once it is published')
    parser.add_argument('--all', action='store_true', help='record everything but /rosout and /parameter_events')
    parser.add_argument('--storage', choices=STORAGES, default='mcap', help='default: mcap')
    parser.add_argument('--duration', type=float, default=0.0, metavar='SECONDS', help='end after so much time')
    parser.add_argument('--until-idle', type=float, default=0.0, metavar='SECONDS',
                        help='end when, after the first message, none has come for so long')
    parser.add_argument('--use-sim-time', action='store_true', help='take the time from /clock')
    parser.add_argument('--overwrite', action='store_true', help='replace a bag that is there')
    parser.add_argument('--json', action='store_true', help='print a summary as JSON')
    return parser


if __name__ == '__main__':
    sys.exit(main())
