"""depth_data: look at training data, check it, cut a piece out of it, and make labels for it."""

from __future__ import annotations

import sys
from importlib import import_module

from msg_tools import cli

PARTS = {
    'show': ('.data_show', 'a picture of each frame and its labels, to files or in a window'),
    'check': ('.data_check', 'read everything once and name what is wrong or looks so'),
    'subset': ('.data_subset', 'write some of the frames as a folder of their own'),
    'stereo': ('.stereo', 'labels from stereo pairs'),
    'teacher': ('.teacher', "labels from another network's depth"),
}


def main(argv: list[str] | None = None) -> int:
    """Hand over to the part that the first argument names; each has its own --help."""
    argv = sys.argv[1:] if argv is None else argv
    parser = cli.parser('depth_data', __doc__ or '', 'depth_data show images:my_camera#train --out pictures --every 10')
    parts = parser.add_subparsers(dest='part', required=True, metavar='|'.join(PARTS))
    for name, (_, text) in PARTS.items():
        parts.add_parser(name, help=text, add_help=False)
    part = parser.parse_args(argv[:1]).part
    return int(import_module(PARTS[part][0], __package__).main(argv[1:]))


if __name__ == '__main__':
    raise SystemExit(main())
