"""The node's tables of docs/speed.md: what came out, how old, by stage, what the process used, and before and after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .bench_runs import by_rate
from .bench_tables import Rows, cell, md_table, spread_text

Run = dict[str, Any]

STAGES = {'receive age': 'age at receipt by the node', 'publish age': 'from stamp to published',
          'wait': 'wait for the image before',
          'total': 'the node, with the wait where that is told'}  # as the node's diagnostics call them: what they are
MAX_MINUTES = 30  # rows of a soak


def node_tables(result: dict[str, Any]) -> Iterator[str]:
    """Yield the tables of the runs of one command."""
    runs: list[Run] = result['runs']
    cloud = f'cloud of stride {runs[0]["stride"]}' if runs[0]['stride'] else 'no cloud'
    yield f'{runs[0]["network"]}; images of {runs[0]["image"]}, {cloud}. Times in ms: p50 / p90 / p99 / max.'
    yield outcome_table(runs)
    yield age_table(runs)
    yield stage_table(runs)
    yield process_table(runs)
    yield from (minute_table(run) for run in runs if run['minutes'])


def outcome_table(runs: Sequence[Run]) -> str:
    """Return what became of the images."""
    rows: Rows = [('rate', 'sent', 'never received', 'published', 'published Hz', 'dropped', 'longest run of missing',
                   'between stamps: median, longest')]
    for run in runs:
        even = run['evenness']
        gap = f'{cell(even["gap_ms"]["p50"])}, {cell(even["gap_ms"]["max"])}'
        rows.append((rate_text(run), run['sent'], run['lost'], run['published'], run['published_hz'],
                     dropped_text(run), even['longest_run'], gap))
    return md_table(rows)


def age_table(runs: Sequence[Run]) -> str:
    """Return how old depth and cloud are when they arrive."""
    rows: Rows = [('rate', 'age of depth', 'p99 / p50', 'p50 of each third', 'change a minute',
                   'age of cloud')]
    for run in runs:
        depth = run['age_ms']['depth']
        thirds = ', '.join(cell(depth[third]['p50']) for third in ('first', 'second', 'third'))
        rows.append((rate_text(run), spread_text(depth['all']), depth['all']['p99_of_p50'], thirds,
                     signed(run['age_ms_per_min']), spread_text(run['age_ms'].get('points', {}).get('all'))))
    return md_table(rows)


def stage_table(runs: Sequence[Run]) -> str:
    """Return the node's own times by stage."""
    names = dict.fromkeys(name for run in runs for name in run['stages_ms'])
    rows: Rows = [('stage, of the last frames', *map(rate_text, runs))]
    rows += [(STAGES.get(name, name), *(spread_text(run['stages_ms'].get(name)) for run in runs)) for name in names]
    return md_table(rows)


def process_table(runs: Sequence[Run]) -> str:
    """Return what the node's process used."""
    rows: Rows = [('rate', 'load before', 'cores', 'minor page faults a frame', 'memory MB: start, end, most',
                   'memory MB a minute')]
    for run in runs:
        used = run['process']
        if used:
            megabytes = ', '.join(f'{used[f"memory_{when}_mb"]:.0f}' for when in ('start', 'end', 'most'))
            rows.append((rate_text(run), run['load'], used['cpu_cores'], used['faults_per_frame'], megabytes,
                         signed(used['memory_mb_per_min'])))
    return md_table(rows)


def minute_table(run: Run) -> str:
    """Return a soak minute by minute, or of some minutes evenly where there are many."""
    minutes = run['minutes'][:: -(-len(run['minutes']) // MAX_MINUTES)]
    rows: Rows = [(f'minute, {rate_text(run)}', 'frames', 'age of depth p50', 'p99', 'memory MB')]
    return md_table([*rows, *((row['minute'], row['frames'], row['age_p50_ms'], row['age_p99_ms'], row['memory_mb'])
                              for row in minutes)])


def subscriber_table(result: dict[str, Any]) -> Iterator[str]:
    """Yield whether publishing takes longer the more subscribers there are."""
    rows: Rows = [('subscribers', 'rate', 'stage publish', 'age of depth', 'cores of the node')]
    yield 'Each subscriber takes depth and cloud in a process of its own. A message is serialised once for all of them.'
    yield md_table([*rows, *((run['subscribers'], rate_text(run), spread_text(run['stages_ms'].get('publish')),
                              spread_text(run['age_ms']['depth']['all']), run['process'].get('cpu_cores'))
                             for run in result['runs'])])


def before_and_after(before: Sequence[dict[str, Any]], entries: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield a table by stage for each rate that all versions ran at."""
    now = [entry['result'] for entry in entries if 'result' in entry]
    versions = [*before, *now]
    labels = [runs['label'] for runs in versions]
    found = [by_rate(runs['runs']) for runs in versions]
    yield '### Before and after'
    yield 'Medians and p99 of each stage of the node, and the ratio of the medians: last to first.'
    for rate in (rate for rate in found[-1] if all(rate in runs for runs in found)):
        runs = [runs[rate] for runs in found]
        yield md_table([(f'at {rate_text(runs[-1])}', *labels, 'ratio'), *compared(runs)])


def compared(runs: Sequence[Run]) -> Iterator[Sequence[object]]:
    """Yield a row for each stage that the last version knows, then ages and what the process used."""
    for name in runs[-1]['stages_ms']:
        spreads = [run['stages_ms'].get(name, {}) for run in runs]
        yield STAGES.get(name, name), *map(two, spreads), ratio([spread.get('p50') for spread in spreads])
    ages = [run['age_ms'].get('depth', {}).get('all', {}) for run in runs]
    yield 'age of depth at the subscriber', *map(two, ages), ratio([age.get('p50') for age in ages])
    yield 'load of the machine before', *(cell(run.get('load')) for run in runs), cell(None)
    for name, key in (('cores', 'cpu_cores'), ('minor page faults a frame', 'faults_per_frame'),
                      ('memory at the end, MB', 'memory_end_mb')):
        values = [run['process'].get(key) for run in runs]
        yield name, *map(cell, values), ratio(values)


def two(spread: dict[str, float]) -> str:
    """Return median and p99 of a stage."""
    return spread_text({key: spread[key] for key in ('p50', 'p99') if key in spread})


def ratio(values: Sequence[float | None]) -> str:
    """Return the last to the first.

    >>> ratio([2.0, 9.0, 1.0]), ratio([None, 1.0])
    ('0.50', '-')
    """
    first, last = values[0], values[-1]
    return f'{last / first:.2f}' if first and last is not None else cell(None)


def signed(value: float | None) -> str:
    """Return a change with its sign; a dash where it is not known."""
    return cell(value) if value is None else f'{value:+.2f}'


def dropped_text(run: Run) -> str:
    """Return the drops by reason."""
    return ', '.join(f'{count} {reason}' for reason, count in run['dropped'].items()) or '0'


def rate_text(run: Run) -> str:
    """Return a rate with its unit."""
    return run['rate'] if run['rate'] == 'max' else f'{run["rate"]} Hz'
