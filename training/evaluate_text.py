"""The result of depth_eval as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msg_tools import cli

from .bootstrap import MANY
from .evaluate_scores import MAIN
from .sharpness import NAMES as EDGE_NAMES

NONE = '-'
PAIRED = ('abs_rel', 'rmse_m', 'delta1')


def print_result(result: dict[str, Any]) -> None:
    """Print all tables: the whole, intervals, distance, edges, confidence, drives."""
    drives = result.get('drives', {})
    mean = f', mean over {len(drives)} drives' if drives else ''
    print(f'{result["images"]} images{mean}; crop {result["crop"]}; {result["min_depth_m"]:g} to '
          f'{result["max_depth_m"]:g} m; no scaling')
    rows = dict(rows_of(result))
    print(cli.columns([('', *MAIN), *((name, *numbers(row, MAIN)) for name, row in rows.items())]))
    of = '95 %, of this drive' if len(drives) < 2 else '95 %, few drives' if len(drives) < MANY else '95 % interval'
    print('\n' + cli.columns([(of, *MAIN), *(limits(name, row) for name, row in rows.items())]))
    print('\n' + cli.columns(difference_table(rows)))
    print('\n' + cli.columns(bin_table(rows)))
    print('\n' + cli.columns([('at depth edges', *EDGE_NAMES),
                              *((name, *numbers(row['sharpness'], EDGE_NAMES)) for name, row in rows.items())]))
    if 'confidence' in result:
        print('\n' + confidence_text(result))
    if drives:
        print('\n' + cli.columns(drive_table(drives)))


def rows_of(result: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the prediction and the baselines that there are."""
    yield 'prediction', result
    yield from ((name, row) for name, row in result['baselines'].items() if row)


def limits(name: str, row: dict[str, Any]) -> tuple[str, ...]:
    """Return a row of intervals."""
    cells = (row['intervals'][metric] for metric in MAIN)
    return name, *(NONE if low is None else f'{low:.3f}-{high:.3f}' for low, high in cells)


def difference_table(rows: dict[str, dict[str, Any]]) -> list[tuple[str, ...]]:
    """Return how far the prediction is from each of the others, with the interval of that."""
    return [('prediction minus', *PAIRED), *((name, *(signed(row['difference'].get(metric)) for metric in PAIRED))
                                             for name, row in rows.items() if name != 'prediction')]


def signed(found: list[float | None] | None) -> str:
    """Format a difference and its interval."""
    mean, low, high = found or (None, None, None)
    return NONE if mean is None else f'{mean:+.3f}' + (f' ({low:+.3f} to {high:+.3f})' if low is not None else '')


def bin_table(rows: dict[str, dict[str, Any]]) -> list[tuple[str, ...]]:
    """Return abs_rel and delta1 by measured distance."""
    bins = rows['prediction']['bins']
    head = ('by distance', *(f'{span} m' for span in bins))
    body = [(f'{name} {metric}', *(number(row['bins'].get(span, {}).get(metric)) for span in bins))
            for name, row in rows.items() for metric in ('abs_rel', 'delta1')]
    return [head, *body, ('part of the pixels', *(number(bins[span]['share']) for span in bins))]


def confidence_text(result: dict[str, Any]) -> str:
    """Say what the confidence is worth."""
    found = result['confidence']
    return (f'confidence: without the 20 % least confident pixels abs_rel is {found["kept80_abs_rel"]:.3f} instead of '
            f'{result["abs_rel"]:.3f} ({-found["kept80_gain"]:+.0%})\n'
            f'            ause {found["ause"]:.3f} (0: as good as knowing the error), aurg {found["aurg"]:.3f} '
            f'(0: worth nothing), calibration error {found["calibration_error"]:.3f}')


def drive_table(drives: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the metrics of each drive."""
    names = list(next(iter(drives.values()))['baselines'])
    head = ('drive', 'images', *MAIN, *(f'{name} abs_rel' for name in names))
    return [head, *((drive, str(row['images']), *numbers(row, MAIN),
                     *(number(row['baselines'].get(name, {}).get('abs_rel')) for name in names))
                    for drive, row in drives.items())]


def numbers(row: dict[str, Any], names: tuple[str, ...]) -> list[str]:
    """Format the metrics of a row of the table."""
    return [number(row.get(name)) for name in names]


def number(value: float | None) -> str:
    """Format one metric; a dash where there is none."""
    return NONE if value is None else f'{value:.3f}'
