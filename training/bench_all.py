"""depth_bench all: every benchmark one after the other, into docs/speed.json, docs/speed.md and a chart."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from msg_tools import cli
from msg_tools.errors import ConfigError

from .bench_chart import draw
from .bench_machine import machine
from .bench_options import add_threads, at_least, positive
from .bench_render import markdown
from .bench_runs import read_runs

NAME = 'depth_bench all'
USUAL = ('network', 'peers', 'callback', 'node', 'subscribers', 'node_peers')
PARTS = (*USUAL, 'soak')  # which takes twenty minutes, and runs where it is asked for by name
SOAK = ('--rate', '30', '--seconds', '1200')
SIZES = ('160x512', '192x640', '256x832')
RATES = ('10', '30', '60', 'max')
QUEUES = (10, 1)  # of the peer's node: what is usual, and what is best
TEXT = """Run the benchmarks one after the other, each in a process of its own, and write OUT/speed.json, OUT/speed.md
and OUT/images/speed.png. What a part measured is written when it ends: a part that fails costs no other, and --only
runs single parts again. Leave the machine alone meanwhile; its load before each part is noted. Afterwards --render
makes text and chart again from what was measured, here or on other machines."""

Result = dict[str, Any]


def main(argv: list[str] | None = None) -> int:
    """Measure and write, or write alone."""
    parser = cli.parser(NAME, TEXT, f'{NAME} --out docs --peer peers/*.onnx --node-peer peers/dav2_s.onnx --seconds 60')
    parser.add_argument('--out', type=Path, default=Path('docs'), metavar='DIR', help='where to write (default docs)')
    parser.add_argument('--name', default='speed', help='of the JSON file: speed_gpu for a second machine')
    parser.add_argument('--only', nargs='+', choices=PARTS, default=USUAL, metavar='PART',
                        help=f'parts to run, out of {", ".join(PARTS)} (default: all but the last); what the file '
                             'holds of others stays')
    parser.add_argument('--peer', nargs='+', default=[], metavar='ONNX', help="other people's networks, beside ours")
    parser.add_argument('--node-peer', nargs='+', default=[], metavar='ONNX', help='those to run in a plain node')
    parser.add_argument('--seconds', type=positive, default=60.0, metavar='S', help='of each run (default 60)')
    parser.add_argument('--repeat', type=at_least(1), default=50, metavar='N', help='of each network (default 50)')
    parser.add_argument('--device', choices=('cpu', 'cuda'), default='cpu', help='where ours runs (default cpu)')
    add_threads(parser)
    parser.set_defaults(threads=2)
    parser.add_argument('--label', default='now', help='what to call the runs of our node (default now)')
    parser.add_argument('--before', nargs='+', type=Path, default=[], metavar='JSON',
                        help='what `depth_bench node --json` printed of older versions: columns beside this one')
    parser.add_argument('--render', type=Path, metavar='JSON',
                        help='measure nothing: write text and chart from this file and the speed*.json beside it')
    args = parser.parse_args(argv)
    return cli.run(NAME, lambda: report(args))


def report(args: argparse.Namespace) -> int:
    """Do what the arguments ask for; return 1 where a part failed. Raises ConfigError for a file that is not ours."""
    if args.render:
        add_before(args.render, args.before)
        render(args.render)
        return 0
    path = args.out / f'{args.name}.json'
    args.out.mkdir(parents=True, exist_ok=True)
    if args.before:
        write(path, read(path) if path.exists() else begin())
        add_before(path, args.before)
    failed = [part for part, commands in plan(args).items() if not run_part(path, part, commands)]
    render(path)
    if failed:
        cli.warn(NAME, f'failed: {", ".join(failed)}; run them again with --only')
    return 1 if failed else 0


def plan(args: argparse.Namespace) -> dict[str, list[list[str]]]:
    """Return the commands of each part that is asked for; peers run on the CPU alone, and are left out on a GPU."""
    threads, device = ['--threads', str(args.threads)], ['--device', args.device]
    repeat = ['--repeat', str(args.repeat)]
    cpu = args.device == 'cpu'
    node, seconds = ['node', *threads], ['--seconds', f'{args.seconds:g}']
    ours = [*node, '--label', args.label, *([] if cpu else ['--param', f'device:={args.device}'])]
    peers = ['network', *threads, '--backend', 'openvino', 'onnxruntime', '--size', SIZES[1], *repeat, '--peer']
    parts = {
        'network': [['network', *threads, *device, '--size', *SIZES, *repeat]],
        'peers': [[*peers, *args.peer]] if args.peer and cpu else [],
        'callback': [['callback', *threads, *device]],
        'node': [[*ours, *seconds, '--rate', *RATES]],
        'subscribers': [[*ours, *seconds, '--rate', RATES[0], '--subscribers', '1', '2', '4']],
        'soak': [[*ours, *SOAK]],
        'node_peers': [[*node, *seconds, '--rate', *RATES, '--peer', path, '--peer-queue', str(queue)]
                       for path in (args.node_peer if cpu else []) for queue in QUEUES],
    }
    return {part: commands for part, commands in parts.items() if part in args.only and commands}


def run_part(path: Path, part: str, commands: Sequence[list[str]]) -> bool:
    """Run the commands of a part, note what came out in the file, and return whether all went well."""
    outcomes = []
    for words in commands:
        print(shown(words), file=sys.stderr, flush=True)
        outcomes.append(run(words))
        result = read(path) if path.exists() else begin()
        result['machine'] = machine()
        result['parts'][part] = outcomes
        write(path, result)
    return not any('error' in outcome for outcome in outcomes)


def run(words: Sequence[str]) -> Result:
    """Run one command in a process of its own and return its result, or its error."""
    about = {'command': shown(words), 'date': f'{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC',
             'load_before': round(os.getloadavg()[0], 2)}
    code, out, errors = output_of([sys.executable, '-m', f'{__package__}.bench', *words, '--json'])
    sys.stderr.write(errors)
    if code:
        return {**about, 'error': errors.strip().splitlines()[-1] if errors.strip() else f'exit status {code}'}
    return {**about, 'result': json.loads(out.splitlines()[-1])}


def output_of(words: Sequence[str]) -> tuple[int, str, str]:
    """Run a command and return its exit status and what it printed; if we are stopped, so is it, with its processes."""
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        out, errors = process.communicate()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
    return process.returncode, out, errors


def shown(words: Sequence[str]) -> str:
    """Return a command as the text tells it: files by their names, wherever they lie here."""
    return ' '.join(['depth_bench', *(Path(word).name if os.sep in word else word for word in words)])


def begin() -> Result:
    """Return a result without any part."""
    return {'machine': machine(), 'parts': {}, 'before': []}


def add_before(path: Path, before: Sequence[Path]) -> None:
    """Put runs of older versions into a result's file, instead of those of the same label."""
    if before:
        result, added = read(path), [read_runs(file) for file in before]
        labels = {runs['label'] for runs in added}
        result['before'] = [*(runs for runs in result.get('before', []) if runs['label'] not in labels), *added]
        write(path, result)


def read(path: Path) -> Result:
    """Read a result; raises ConfigError where the file holds none."""
    try:
        result: Result = json.loads(path.read_text())
        result['machine'], result['parts']
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f'{path}: expected what {NAME} has written, got {type(error).__name__}: {error}') from error
    return result


def write(path: Path, result: Result) -> None:
    """Write a result, whole or not at all."""
    part = path.with_suffix('.part')
    part.write_text(json.dumps(result, indent=1) + '\n')
    part.replace(path)


def render(path: Path) -> None:
    """Write text and chart from a result and the others beside it, the chart from the first by name."""
    folder = path.parent
    results = [read(file) for file in sorted({path, *folder.glob('speed*.json')})]
    (folder / 'speed.md').write_text(markdown(results))
    (folder / 'images').mkdir(exist_ok=True)
    draw(results[0], folder / 'images' / 'speed.png')


if __name__ == '__main__':
    raise SystemExit(main())
