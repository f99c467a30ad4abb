"""depth_bench: how fast networks, node, training and ground-truth tool are here, beside peers where given."""

from __future__ import annotations

import sys
from importlib import import_module

from msg_tools import cli

PARTS = {
    'network': ('.bench_network', 'the network alone, per backend and size'),
    'callback': ('.bench_callback', 'what the node does with one image, by stage, without DDS'),
    'node': ('.bench_node', 'the node end to end over DDS: ages, drops, memory'),
    'precision': ('.bench_precision', 'each precision of the CPU: accuracy lost beside fp32, and speed'),
    'all': ('.bench_all', 'network, callback and node, beside peers, into tables and a chart: docs/speed.md'),
    'training': ('.bench_training', 'the training loop: images a second, and how much of its time the network has'),
    'ground_truth': ('.bench_ground_truth', "velodyne_to_depth's projection, beside monodepth2's"),
    'scale': ('.bench_scale', 'velodyne_to_depth over thousands of frames: processes, memory'),
    'truth': ('.bench_truth', 'how wrong velodyne_to_depth is after each step, on a drive with exact depth'),
}


def main(argv: list[str] | None = None) -> int:
    """Hand over to the benchmark that the first argument names; each has its own --help."""
    argv = sys.argv[1:] if argv is None else argv
    parser = cli.parser('depth_bench', 'Measure speed on this machine.', 'depth_bench network --threads 2')
    parts = parser.add_subparsers(dest='part', required=True, metavar='|'.join(PARTS))
    for name, (_, text) in PARTS.items():
        parts.add_parser(name, help=text, add_help=False)
    part = parser.parse_args(argv[:1]).part
    return int(import_module(PARTS[part][0], __package__).main(argv[1:]))


if __name__ == '__main__':
    raise SystemExit(main())
