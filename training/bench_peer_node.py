"""The process of depth_bench node --peer: another project's network in a node as usual wrappers are written."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from depth_node.ros.arguments import split_ros_args
from msg_tools import cli
from msg_tools.camera import Array, Size
from msg_tools.errors import BackendError

from .bench_peers import RUNTIMES

NAME = 'bench_peer_node'


def main(argv: list[str] | None = None) -> int:
    """Run the node until a signal comes."""
    own, ros = split_ros_args(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(NAME)
    parser.add_argument('network', type=Path)
    parser.add_argument('runtime', choices=RUNTIMES)
    parser.add_argument('threads', type=int)
    parser.add_argument('queue', type=int)
    parser.add_argument('stride', type=int)
    args = parser.parse_args(own)
    return cli.run(NAME, lambda: run(args, ros))


def run(args: argparse.Namespace, ros: list[str]) -> None:
    """Load the network, run it once as ours is, and run the node; raises BackendError for a network of another kind."""
    from depth_node.ros.bench_peer_node import Network, run

    infer, shape = RUNTIMES[args.runtime](args.network, args.threads)
    require_map(args.network, infer(np.zeros(shape, np.float32)))
    run(Network(infer, Size(*shape[-2:]), f'{args.network.name} in {args.runtime}'), args.queue, args.stride, ros)


def require_map(path: Path, output: Array) -> None:
    """Raise BackendError where the output of a network is not one map."""
    if np.squeeze(output).ndim != 2:
        raise BackendError(f'{path}: expected a network whose output is one map (h, w), got {list(output.shape)}')


if __name__ == '__main__':
    raise SystemExit(main())
