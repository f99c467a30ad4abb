"""What every command of ours has in common: --version, an example in --help, one-line errors and exit codes."""

from __future__ import annotations

import argparse
import atexit
import io
import json
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeVar

from tqdm import tqdm

from .errors import DepthNodeError

T = TypeVar('T')


def parser(name: str, summary: str, example: str) -> argparse.ArgumentParser:
    """Return an argument parser with our common options; usage errors exit with 2."""
    result = argparse.ArgumentParser(
        name, description=summary, epilog=f'example:\n  {example}', formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument('--version', action='version', version=f'%(prog)s {package_version()}')
    return result


def package_version() -> str:
    """Return the installed version of this package, or 'unknown' in a bare source tree."""
    try:
        return version('depth_node')
    except PackageNotFoundError:
        return 'unknown'


def run(name: str, body: Callable[[], int | None]) -> int:
    """Run a command's body; turn our own errors into one line on stderr and exit status 1."""
    try:
        return body() or 0
    except DepthNodeError as error:
        print(f'{name}: error: {" ".join(str(error).split())}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)  # a third Ctrl-C does not hurry the end
        print(f'{name}: error: interrupted', file=sys.stderr)
        return 130


def warn(name: str, text: str) -> None:
    """Print one warning line on stderr, above a running progress bar."""
    tqdm.write(f'{name}: warning: {text}', file=sys.stderr)


def progress(items: Iterable[T], total: int | None = None, unit: str = 'frame', text: str = '') -> Iterable[T]:
    """Iterate with a progress bar on stderr where that is a terminal, and silently elsewhere."""
    return tqdm(items, desc=text, total=total, unit=unit, file=sys.stderr, disable=not sys.stderr.isatty())


def print_any_name() -> None:
    """Let stdout print names of files that are no text in its encoding, escaped, as stderr does."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors='backslashreplace')


def print_json(value: dict[str, Any]) -> None:
    """Print one JSON object as the last line of stdout, as --json promises."""
    print(json.dumps(value), flush=True)


def columns(rows: Sequence[Sequence[object]]) -> str:
    """Align rows of cells as a plain text table; the first row is the header."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    return '\n'.join('  '.join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in cells)
