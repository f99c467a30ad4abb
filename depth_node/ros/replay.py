"""The command bag_replay: publish a bag through rclpy, for machines without `ros2 bag play`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from msg_tools import cli
from msg_tools.bag import BagReader
from msg_tools.errors import BagError

from .arguments import require_ros, split_ros_args

if TYPE_CHECKING:
    from .player import Player

NAME = 'bag_replay'
CLOCK_HZ = 40.0  # as `ros2 bag play --clock`
LATE_S = 0.5


def main(argv: list[str] | None = None) -> int:
    """Run bag_replay."""
    own, ros = split_ros_args(sys.argv[1:] if argv is None else argv)
    args = arguments().parse_args(own)
    return cli.run(NAME, lambda: replay(args, ros))


def replay(args: argparse.Namespace, ros_args: Sequence[str]) -> None:
    """Replay the bag that the arguments name until its end, SIGINT or SIGTERM; then say what was published."""
    require_ros()
    from rclpy.node import Node

    from .player import Player, ReplayOptions
    from .spin import ros_context

    options = ReplayOptions(args.topics, args.rate, args.start, args.loop, args.clock, dict(args.remap))
    with BagReader(args.bag) as bag, ros_context(ros_args) as stop:
        require_start(bag, args.start)
        node = Node(NAME, start_parameter_services=False)
        try:
            player = Player(node, bag, options, stop)
            play(player, args.wait_for)
        finally:
            node.destroy_node()
    report(args, player)


def play(player: Player, wait_for: Sequence[str]) -> None:
    """Wait for subscribers, then replay with a progress bar."""
    for topic, why in player.report.left_out.items():
        cli.warn(NAME, f'{topic} is left out: {why}')
    if not player.publishers:
        raise BagError(f'{player.bag.path}: expected messages to publish, got none whose type is installed')
    if wait_for:
        for topic in wait_for:
            player.require(topic)
        if sys.stderr.isatty():
            print(f'{NAME}: waiting for subscribers of {", ".join(wait_for)}', file=sys.stderr)
        player.wait_for(wait_for)
    total = None if player.options.loop else sum(player.bag.topics[topic].count for topic in player.publishers)
    with tqdm(total=total, unit='message', file=sys.stderr, disable=not sys.stderr.isatty()) as bar:
        player.run(bar.update)


def report(args: argparse.Namespace, player: Player) -> None:
    """Print what was published, and how late it was."""
    result = player.report
    if result.max_late_s > LATE_S:
        cli.warn(NAME, f'up to {result.max_late_s:.1f} s late: this machine does not keep up; see --rate and --topics')
    late_ms = {'mean': 1e3 * result.mean_late_s, 'max': 1e3 * result.max_late_s}
    count = sum(result.counts.values())
    if args.json:
        cli.print_json({
            'bag': str(args.bag), 'messages': result.counts, 'left_out': result.left_out, 'late_ms': late_ms,
            'seconds': result.seconds,
        })
    else:
        print(f'{args.bag}: {count} messages of {len(result.counts)} topics in {result.seconds:.1f} s, '
              f'{late_ms["mean"]:.1f} ms late on average, {late_ms["max"]:.1f} ms at most')


def require_start(bag: BagReader, start_s: float) -> None:
    """Raise BagError where a bag holds nothing, or nothing so late."""
    length_s = (bag.end_ns - bag.start_ns) / 1e9
    if not bag.count:
        raise BagError(f'{bag.path}: expected messages, got a bag without any')
    if start_s > length_s:
        raise BagError(f'{bag.path}: expected --start within its {length_s:.3f} s, got {start_s}')


def arguments() -> argparse.ArgumentParser:
    """Return the command's parser."""
    text = f"""{__doc__}

Messages go out as the bytes that the bag holds, by its log time. With --loop, time starts anew each round, in /clock
too, as with `ros2 bag play`. Arguments after --ros-args are rclpy's."""
    parser = cli.parser(NAME, text, f'{NAME} drive_0005 --clock --rate 0.5 --topics /kitti/velo/pointcloud')
    parser.add_argument('bag', type=Path, metavar='BAG', help='a rosbag2 folder, .mcap, .db3 or rosbag1 .bag file')
    parser.add_argument('-r', '--rate', type=non_negative, default=1.0, help='default: 1; 0: as fast as it goes')
    parser.add_argument('-l', '--loop', action='store_true', help='start over at the end, until SIGINT')
    parser.add_argument('--start', type=non_negative, default=0.0, metavar='SECONDS', help='skip so much of the bag')
    parser.add_argument('--topics', nargs='+', metavar='TOPIC', help='default: all')
    parser.add_argument('--clock', type=non_negative, nargs='?', const=CLOCK_HZ, default=0.0, metavar='HZ',
                        help=f"publish the bag's time on /clock; default, without a number: {CLOCK_HZ:.0f} Hz")
    parser.add_argument('-m', '--remap', type=pair, nargs='+', default=[], metavar='OLD:=NEW', help='rename topics')
    parser.add_argument('--wait-for', nargs='+', default=[], metavar='TOPIC',
                        help="wait for a subscriber of each of these topics (the bag's names) before the start")
    parser.add_argument('--json', action='store_true', help='print a summary as JSON')
    return parser


def non_negative(text: str) -> float:
    """Read a number that is not negative."""
    value = float(text)
    if not 0 <= value < float('inf'):
        raise argparse.ArgumentTypeError(f'expected a number >= 0, got {text}')
    return value


def pair(text: str) -> tuple[str, str]:
    """Read 'OLD:=NEW'."""
    old, _, new = text.partition(':=')
    if not old or not new:
        raise argparse.ArgumentTypeError(f"expected OLD:=NEW, got '{text}'")
    return old, new


if __name__ == '__main__':
    sys.exit(main())
