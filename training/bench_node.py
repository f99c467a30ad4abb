"""depth_bench node: from the image's stamp to the depth at a subscriber, over DDS and through three processes."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from depth_node.ros.arguments import require_ros
from msg_tools import cli

from .bench_node_figures import figures
from .bench_options import add_threads, at_least, positive
from .bench_peers import RUNTIMES

if TYPE_CHECKING:
    from depth_node.ros.bench_process import Call

NAME = 'depth_bench node'
FLAT_OUT = 'max'
TEXT = """Run the node in one process, a camera in a second one, and measure in this one how old depth and cloud are
when they arrive, what was dropped and what the node uses. Ages that grow from third to third mean a queue. At the rate
max the camera keeps two images on the way, and sends the next when the node has answered one: the rate that comes out
is what the machine can do, and an image that another one overtakes is no fault there. A run of --seconds 1200 is a
soak: the JSON then tells age and memory of each minute."""


def main(argv: list[str] | None = None) -> int:
    """Run the node on images at each rate and print tables, or one JSON object."""
    parser = cli.parser(NAME, TEXT, f'{NAME} --rate 10 30 60 max --seconds 30 --param backend:=torch')
    parser.add_argument('--bag', type=Path, metavar='BAG', help='images from here; default: synthetic, 1242x375')
    parser.add_argument('--rate', nargs='+', type=rate, default=['10'], metavar='HZ',
                        help=f'images a second, or {FLAT_OUT}; a run of each (default 10)')
    parser.add_argument('--seconds', type=positive, default=30.0, metavar='S', help='how long each (default 30)')
    parser.add_argument('--subscribers', nargs='+', type=at_least(1), default=[1], metavar='N',
                        help='processes that take depth and cloud; a run of each (default 1)')
    parser.add_argument('--no-cloud', action='store_true', help='subscribe to the depth image alone')
    parser.add_argument('--stride', type=at_least(1), default=2, metavar='N', help='of the cloud (default 2)')
    add_threads(parser)
    parser.add_argument('--param', nargs='+', default=[], metavar='NAME:=VALUE', help='parameters of the node')
    parser.add_argument('--package', type=Path, metavar='DIR',
                        help='run the node of this source tree, e.g. of an older version, measured by this program')
    parser.add_argument('--label', default='', metavar='NAME', help='what to call these runs in the JSON')
    add_peer(parser)
    parser.add_argument('--json', action='store_true')
    args = parser.parse_args(argv)
    if args.peer and (args.param or args.package):
        parser.error('--param and --package are for our node, not for --peer')
    return cli.run(NAME, lambda: report(args))


def add_peer(parser: argparse.ArgumentParser) -> None:
    """Add the options of the peer's node."""
    parser.add_argument('--peer', type=Path, metavar='ONNX',
                        help="instead of our node: one as usual wrappers are, with another project's network")
    parser.add_argument('--peer-queue', type=at_least(1), default=10, metavar='N',
                        help="depth of its subscription's queue (default 10)")
    parser.add_argument('--peer-runtime', choices=RUNTIMES, default='openvino', help='what runs it (default openvino)')


def rate(text: str) -> str:
    """Read a rate, for argparse; it stays as it is written."""
    return text if text == FLAT_OUT else f'{positive(text):g}'


def report(args: argparse.Namespace) -> None:
    """Measure and print; raises DepthNodeError where no depth arrived."""
    require_ros()
    runs = [run(args, rate, subscribers) for rate in args.rate for subscribers in args.subscribers]
    if args.json:
        cli.print_json({'label': args.label, 'runs': runs})
    else:
        print('\n\n'.join(map(table, runs)))


def run(args: argparse.Namespace, rate: str, subscribers: int) -> dict[str, Any]:
    """Return what one run was, and its figures."""
    from depth_node.ros.bench_listener import Setup, measure

    load = round(os.getloadavg()[0], 1)
    setup = Setup(command(args), rate, args.seconds, args.bag, not args.no_cloud, subscribers)
    about = {'rate': rate, 'seconds': args.seconds, 'subscribers': subscribers,
             'stride': None if args.no_cloud else args.stride, 'load': load}
    return {**about, **figures(measure(setup))}


def command(args: argparse.Namespace) -> Call:
    """Return the command of the node that is measured: ours, or a peer's."""
    from depth_node.ros.bench_listener import parameters
    from depth_node.ros.bench_process import Call

    if args.peer:
        words = [args.peer, args.peer_runtime, args.threads, args.peer_queue, args.stride]
        return Call(f'{__package__}.bench_peer_node', list(map(str, words)))
    settings = [f'cloud_stride:={args.stride}', f'threads:={args.threads}', *args.param]
    return Call('depth_node.node', parameters(settings), str(args.package.resolve()) if args.package else '')


def table(run: dict[str, Any]) -> str:
    """Return the figures of a run as text."""
    names = ('p50', 'p90', 'p99', 'max', 'p99_of_p50')
    ages: list[Sequence[object]] = [('age at receipt [ms]', '', 'p50', 'p90', 'p99', 'max', 'p99/p50')]
    for name, parts in run['age_ms'].items():
        ages += [(name, part, *(spread[key] for key in names)) for part, spread in parts.items()]
    stages = [('stage, last frames [ms]', *names[:4]),
              *((name, *(spread.get(key, '') for key in names[:4])) for name, spread in run['stages_ms'].items())]
    return '\n'.join([*head(run), '', cli.columns(ages), '', cli.columns(stages)])


def head(run: dict[str, Any]) -> list[str]:
    """Return the lines above the tables."""
    dropped = ', '.join(f'{count} {reason}' for reason, count in run['dropped'].items()) or 'none'
    even, used = run['evenness'], run['process']
    lines = [
        f'{run["image"]} at {run["rate"]}{"" if run["rate"] == FLAT_OUT else " Hz"}, {run["subscribers"]} subscribers; '
        f'{run["network"]}; load of the machine before {run["load"]}',
        f'{run["sent"]} images sent, {run["received"]} received, {run["published"]} depth images published '
        f'({run["published_hz"]} Hz), dropped: {dropped}',
        f'without warm-up {even["missing"]} of {even["of"]} missing, at most {even["longest_run"]} in a row; between '
        f'stamps {even["gap_ms"]["p50"]} ms (median), {even["gap_ms"]["max"]} ms (longest)',
    ]
    if used:
        lines.append(f'node: {used["cpu_cores"]} cores, {used["faults_per_frame"]} page faults a frame, '
                     f'{used["memory_start_mb"]:.0f} MB at the start, {used["memory_end_mb"]:.0f} MB at the end')
    trends = [(used.get('memory_mb_per_min'), 'MB of memory'), (run['age_ms_per_min'], 'ms of age')]
    changes = ', '.join(f'{trend:+.2f} {unit}' for trend, unit in trends if trend is not None)
    if changes:
        lines.append(f'change a minute: {changes}')
    return lines


if __name__ == '__main__':
    raise SystemExit(main())
