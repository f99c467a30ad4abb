"""The figures of a node's run from its record: ages, evenness of drops, trends, and the node's own times."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from msg_tools.camera import Array
from msg_tools.errors import DepthNodeError

if TYPE_CHECKING:
    from depth_node.ros.bench_listener import Record, Series

THIRDS = ('first', 'second', 'third')
STAGE = re.compile(r'(.+?) (p\d+(?: / (?:p\d+|max))*) \[ms\]')  # how the node's diagnostics name a stage's times
DROPPED = 'dropped: '
TREND_BINS = 20
TREND_S = 20.0  # shorter runs have no trend
LONG_S = 120.0  # runs from here on are told minute by minute

Spread = dict[str, float]


def figures(record: Record) -> dict[str, Any]:
    """Return the figures of a run as plain JSON values; raises DepthNodeError where no depth came."""
    depth, status = record.ages['depth'], record.status
    if len(depth) < len(THIRDS):
        raise DepthNodeError(f'expected depth images, got {len(depth)} of {len(record.sent_ns)} images; the node says: '
                             f'{status.get("message", "nothing")}')
    ages = {name: series for name, series in record.ages.items() if len(series) >= len(THIRDS)}
    return {
        'image': record.image,
        'network': status.get('network', ''),
        **counts(record),
        'evenness': evenness(record.sent_ns, np.array(record.depth_ns)),
        'age_ms': {name: {'all': spread(series.values), **by_thirds(series.values)} for name, series in ages.items()},
        'stages_ms': stages(record.steady),
        'process': process(record),
        'age_ms_per_min': slope_per_min(depth, 1e3),
        'minutes': minutes(record) if depth.times[-1] >= LONG_S else [],
    }


def counts(record: Record) -> dict[str, Any]:
    """Return what became of the images, warm-up included: lost are those that the node never got, and never counted."""
    status = record.status
    sent, received = len(record.sent_ns), int(status.get('received', 0))
    dropped = {key.removeprefix(DROPPED): int(n) for key, n in status.items() if key.startswith(DROPPED)}
    return {'sent': sent, 'received': received, 'lost': max(0, sent - received),
            'published': int(status.get('published', 0)), 'dropped': dropped,
            'published_hz': rate_hz(np.array(record.depth_ns))}


def rate_hz(stamps_ns: Array) -> float:
    """Return how many images a second came, from the stamps [ns] of those that came."""
    span_s = (stamps_ns[-1] - stamps_ns[0]) * 1e-9 if len(stamps_ns) else 0.0
    return round(float((len(stamps_ns) - 1) / span_s), 2) if span_s > 0 else 0.0


def spread(seconds: Sequence[float]) -> Spread:
    """Return p50, p90, p99 and the greatest of durations [s] in ms, and how far p99 is from the median.

    >>> spread([0.010, 0.010, 0.020])
    {'p50': 10.0, 'p90': 18.0, 'p99': 19.8, 'max': 20.0, 'p99_of_p50': 1.98}
    """
    values = 1e3 * np.asarray(seconds)
    p50, p90, p99 = np.percentile(values, (50, 90, 99)).tolist()
    return {'p50': round(p50, 2), 'p90': round(p90, 2), 'p99': round(p99, 2), 'max': round(float(values.max()), 2),
            'p99_of_p50': round(p99 / p50, 2) if p50 else 0.0}


def by_thirds(seconds: Sequence[float]) -> dict[str, Spread]:
    """Return the same for each third of the run: a queue shows as growth from one to the next."""
    return {name: spread(part.tolist())
            for name, part in zip(THIRDS, np.array_split(np.asarray(seconds), len(THIRDS)), strict=True)}


def evenness(sent_ns: Array, arrived_ns: Array) -> dict[str, Any]:
    """Return whether missing images are spread evenly, between the first and the last that came, by their stamps [ns].

    Two frames of three dropped in turns is a gap of three periods and a run of two; a stall is a long run.
    """
    arrived_ns = np.unique(arrived_ns)
    sent_ns = sent_ns[(sent_ns >= arrived_ns[0]) & (sent_ns <= arrived_ns[-1])]
    missing = ~np.isin(sent_ns, arrived_ns)
    gaps_ms = np.diff(arrived_ns) * 1e-6
    return {'missing': int(missing.sum()), 'of': len(sent_ns), 'longest_run': longest_run(missing),
            'gap_ms': {'p50': round(float(np.median(gaps_ms)), 1), 'max': round(float(gaps_ms.max()), 1)}}


def longest_run(flags: Array) -> int:
    """Return the length of the longest run of True.

    >>> longest_run(np.array([True, False, True, True]))
    2
    """
    ends = np.flatnonzero(~np.concatenate([[False], flags, [False]]))
    return int(np.diff(ends).max() - 1)


def stages(status: Mapping[str, str]) -> dict[str, Spread]:
    """Read the times [ms] of the stages from the node's diagnostics, e.g. 'infer p50 / p90 / p99 [ms]': '1 / 2 / 3'.

    They are of the last frames (the node's window), and whichever percentiles the node tells; words are left out.
    """
    found = {}
    for key, text in status.items():
        match = STAGE.fullmatch(key)
        if match and re.fullmatch(r'-?[\d.]+( / -?[\d.]+)*', text):
            found[match[1]] = dict(zip(match[2].split(' / '), map(float, text.split(' / ')), strict=False))
    return found


def process(record: Record) -> dict[str, float | None]:
    """Return what the node's process used from the first sample of its memory to the last."""
    memory = record.memory_mb
    if len(memory) < 2:
        return {}
    seconds = memory.times[-1] - memory.times[0]
    return {
        'cpu_cores': round(record.used.cpu_s / seconds, 2),
        'faults_per_frame': round(record.used.faults / max(1, record.frames), 1),
        'memory_start_mb': round(memory.values[0], 1),
        'memory_end_mb': round(memory.values[-1], 1),
        'memory_most_mb': round(max(memory.values), 1),
        'memory_mb_per_min': slope_per_min(memory),
    }


def slope_per_min(series: Series, scale: float = 1.0) -> float | None:
    """Return how fast a series grows [its unit times scale per minute]; None where it is too short to tell.

    It is the slope of a line through the medians of equal pieces, so that a single hiccup does not tilt it.
    """
    if series.times[-1] - series.times[0] < TREND_S:
        return None
    pieces = min(TREND_BINS, len(series))
    times, values = (np.array_split(np.array(column), pieces) for column in (series.times, series.values))
    t, v = ([float(np.median(piece)) for piece in column] for column in (times, values))
    return round(60.0 * scale * float(np.polyfit(t, v, 1)[0]), 3)


def minutes(record: Record) -> list[dict[str, float]]:
    """Return age of depth [ms] and memory [MB] for each whole minute."""
    age, memory = record.ages['depth'], record.memory_mb
    rows = []
    for minute in range(int(age.times[-1] // 60)):
        seconds, megabytes = in_minute(age, minute), in_minute(memory, minute)
        if len(seconds) and len(megabytes):
            p50, p99 = np.percentile(1e3 * seconds, (50, 99)).round(1).tolist()
            rows.append({'minute': minute, 'frames': len(seconds), 'age_p50_ms': p50, 'age_p99_ms': p99,
                         'memory_mb': round(float(np.median(megabytes)), 1)})
    return rows


def in_minute(series: Series, minute: int) -> Array:
    """Return the values of one minute of the run."""
    return np.array(series.values)[np.array(series.times) // 60 == minute]
