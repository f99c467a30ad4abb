"""docs/speed.md from what `depth_bench all` measured: a table of each part, beside its command."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .bench_render_node import before_and_after, node_tables, subscriber_table
from .bench_sources import source, title
from .bench_tables import Rows, cell, md_table

HEAD = """# Speed

Made by `depth_bench all` and `depth_bench all --render`, from the JSON files beside this text; don't edit it by hand.
Times are in milliseconds. Medians and ratios tell more than the last digit: what else ran on the machine is in the load
before each part (waiting and running threads, of the last minute). What precisions cost and bring is in
[speed-precision.md](speed-precision.md), what the network's shape does in [speed-network.md](speed-network.md).

![Latency beside other networks, and age of depth by rate](images/speed.png)
"""
UNMEASURED = 'The GPU part is unmeasured: no CUDA device was there.'
PEERS = """Other people's networks with weights at random: speed only, nothing here says how good they are. Each runs
at the input size of its file, in turns with ours. They get a ready-made float input, where ours starts from an image's
bytes: what is left out favours them. The ratio is to the first row."""
CALLBACK = """From an image's bytes to filled messages of depth, camera_info and cloud (*callback*), in turns with the
network alone; then what rclpy does with these messages, publishing to one subscriber in another process."""
NODE = """A camera, the node and a subscriber of depth and cloud, each a process, over DDS, all on this machine's cores.
The age of depth is from the image's stamp to the subscriber's callback. Images sent, received, published and dropped
are those of the whole run; the rest leaves out its first seconds, and what comes after the camera's end. At *max* the
camera keeps two images on the way and sends the next when one is answered: the rate is what the machine can do, and
overtaken images are no fault there."""
SOAK = 'The same for long: age and memory, minute by minute.'
NODE_PEERS = """The same camera, DDS profile and subscriber with a node as usual wrappers of published networks are
written: a subscription whose queue holds 10 images (or 1), everything in its callback, NumPy in float32, a cloud of the
same size. The network's weights are at random, which changes the values and not the time. A queue shows as age: where
the camera is faster than the node, every image waits behind those in the queue, and is older by their number over the
rate."""

Entry = dict[str, Any]


def markdown(results: Sequence[dict[str, Any]]) -> str:
    """Return the text of docs/speed.md from what was measured, one chapter for each machine."""
    chapters = [chapter(result) for result in results]
    gpu = [] if any(result['machine']['gpu'] for result in results) else [UNMEASURED]
    return '\n\n'.join([HEAD.rstrip(), *gpu, *chapters]) + '\n'


def chapter(result: dict[str, Any]) -> str:
    """Return what one machine did."""
    machine, parts = result['machine'], result['parts']
    blocks = [f'## {", ".join([*machine["gpu"], machine["cpu"]])}, {machine["cores"]} cores', about(machine)]
    for part, (name, text, tables) in PARTS.items():
        if part in parts:
            blocks += [f'### {name}', *([text] if text else [])]
            for entry in parts[part]:
                blocks += section(entry, tables)
    if result.get('before') and 'node' in parts:
        blocks += list(before_and_after(result['before'], parts['node']))
    return '\n\n'.join(blocks)


def about(machine: dict[str, Any]) -> str:
    """Return the facts of a machine as a table."""
    has = [name for name, there in machine['instructions'].items() if there]
    lacks = [name for name, there in machine['instructions'].items() if not there]
    return md_table([
        ('what', 'here'),
        ('processor', f'{machine["cpu"]}, {machine["cores"]} cores{", virtual machine" if machine["virtual"] else ""}'),
        ('instruction sets', f'{", ".join(has) or "none of these"}; not: {", ".join(lacks) or "none"}'),
        ('GPU', ', '.join(machine['gpu']) or 'none'),
        ('memory', f'{machine["memory_gb"]} GB'),
        ('system', f'{machine["system"]}, Python {machine["python"]}'),
        ('packages', ', '.join(f'{name} {number}' for name, number in machine['versions'].items())),
    ])


def section(entry: Entry, tables: Callable[[dict[str, Any]], Iterator[str]]) -> list[str]:
    """Return a command and what it measured, or why it failed."""
    head = f'`{entry["command"]}`; {entry["date"]}, load before {entry["load_before"]}'
    if 'error' in entry:
        return [head, f'This part failed: {entry["error"]}']
    return [head, *tables(entry['result'])]


def network_tables(result: dict[str, Any]) -> Iterator[str]:
    """Yield our network in each backend and size."""
    rows: Rows = [('backend', 'input', 'median', 'p90', 'p99', 'ratio')]
    yield md_table([*rows, *((row['backend'], row['size'], *times(row), row['ratio']) for row in result['rows'])])
    yield 'The ratio is to the first row of the same input size.'


def peer_tables(result: dict[str, Any]) -> Iterator[str]:
    """Yield ours and others."""
    rows: Rows = [('network', 'from', 'runtime', 'input', 'median', 'p90', 'p99', 'ratio')]
    yield md_table([*rows, *((title(row['network']), source(row['network']), row['backend'], row['size'], *times(row),
                              row['ratio']) for row in result['rows'])])


def callback_tables(result: dict[str, Any]) -> Iterator[str]:
    """Yield the stages of the node's work on an image."""
    rows: Rows = [('stage', 'median', 'p90', 'p99', 'p99 / median', 'of the network alone')]
    yield (f'{result["network"]}; images of {result["image"]}. {result["faults_per_frame"]:g} minor page faults an '
           f'image; Python and NumPy allocate {result["allocated_mb"]:g} MB at most during one.')
    yield md_table([*rows, *((row['stage'], *times(row), row['p99_of_median'], cell(row['ratio']))
                             for row in result['rows'])])


def times(row: dict[str, Any]) -> tuple[str, ...]:
    """Return the columns of times."""
    return tuple(cell(row[key]) for key in ('median_ms', 'p90_ms', 'p99_ms'))


PARTS: dict[str, tuple[str, str, Callable[[dict[str, Any]], Iterator[str]]]] = {
    'network': ('The network alone', '', network_tables),
    'peers': ("The network beside other people's", PEERS, peer_tables),
    'callback': ('The work on one image', CALLBACK, callback_tables),
    'node': ('The node over DDS', NODE, node_tables),
    'subscribers': ('More subscribers', '', subscriber_table),
    'soak': ('Twenty minutes', SOAK, node_tables),
    'node_peers': ('A plain node beside ours', NODE_PEERS, node_tables),
}
