"""RVL: fast lossless compression of 16-bit images, as image_transport writes depth.

A. D. Wilson, "Fast Lossless Depth Image Compression", ISS 2017: runs of zeros and of other values by turns, each other
value as its difference to the one before; numbers in groups of three bits, the lowest first, each a nibble whose fourth
bit says that more follow; eight nibbles to a little-endian word, the first on top.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .errors import ImageError

Bytes = NDArray[np.uint8]
Values = NDArray[np.uint16]
Numbers = NDArray[np.uint32]

MORE = 8  # of a nibble: the number goes on
MAX_NIBBLES = 10  # of a number below 2**30


def compress(values: Values) -> Bytes:
    """Compress uint16 of any shape, in C order, to bytes uint8 (N,); the shape is for the caller to keep."""
    nibbles = to_nibbles(to_numbers(np.ascontiguousarray(values).reshape(-1)))
    padded = np.zeros(-(-nibbles.size // 8) * 8, np.uint8)
    padded[: nibbles.size] = nibbles
    pairs = padded.view('<u2')
    return (pairs << 4 | pairs >> 8).astype(np.uint8).view(np.uint32).byteswap().view(np.uint8)


def decompress(data: Bytes, size: int) -> Values:
    """Decompress bytes uint8 (N,) to so many values uint16 (size,). Raises ImageError where they hold others."""
    octets = data[: data.size // 4 * 4].view(np.uint32).byteswap().view(np.uint8)
    return from_numbers(from_nibbles(np.stack([octets >> 4, octets & 15], -1).reshape(-1)), size)


def to_numbers(values: Values) -> Numbers:
    """Return what is written of values (N,): a run's zeros before it, its length and its differences, run by run."""
    is_kept = values != 0
    edges = np.flatnonzero(np.diff(is_kept, prepend=False, append=False))
    ends, lengths = edges[1::2], edges[1::2] - edges[0::2]
    kept = values[is_kept].astype(np.int32)
    deltas = np.diff(kept, prepend=np.int32(0))
    tail = values.size - (int(ends[-1]) if ends.size else 0)  # zeros at the end are a run with nothing after it
    numbers = np.zeros(kept.size + edges.size + (2 if tail else 0), np.uint32)
    heads = np.arange(lengths.size) * 2 + np.cumsum(lengths) - lengths
    is_delta = np.ones(numbers.size, bool)
    is_delta[heads] = is_delta[heads + 1] = False
    numbers[heads], numbers[heads + 1] = np.diff(ends, prepend=0) - lengths, lengths
    if tail:
        is_delta[-2:], numbers[-2] = False, tail
    numbers[is_delta] = deltas << 1 ^ deltas >> 31  # 0, -1, 1, -2 become 0, 1, 2, 3
    return numbers


def from_numbers(numbers: Numbers, size: int) -> Values:
    """Undo `to_numbers`. Raises ImageError where the runs are not so long together, or numbers are missing."""
    is_kept, parts = np.zeros(size, bool), []
    at = filled = 0
    while filled < size:
        zeros, count = (int(number) for number in numbers[at : at + 2]) if at + 2 <= numbers.size else (size, size)
        begin, filled = filled + zeros, filled + zeros + count
        parts.append(numbers[at + 2 : at + 2 + count])
        at += 2 + count
        if filled > size or at > numbers.size:
            raise ImageError(f'expected RVL data of {size} values, got others; was the message cut short?')
        is_kept[begin:filled] = True
    deltas = np.concatenate(parts) if parts else np.zeros(0, np.uint32)
    values = np.zeros(size, np.uint16)
    values[is_kept] = np.cumsum((deltas >> 1).astype(np.int32) ^ -(deltas & 1).astype(np.int32)).astype(np.uint16)
    return values


def to_nibbles(numbers: Numbers) -> Bytes:
    """Return the nibbles (N,) of numbers, 0..15 each."""
    long = np.flatnonzero(numbers >= MORE)  # few, where depth is smooth
    counts = np.ones(numbers.size, np.int32)
    counts[long] += sum((numbers[long] >= 8**k).astype(np.int32) for k in range(1, MAX_NIBBLES))
    places = np.cumsum(counts) - counts
    nibbles = np.empty(int(counts.sum()), np.uint8)
    nibbles[places] = numbers & 7
    nibbles[places[long]] |= MORE
    left, places = numbers[long] >> 3, places[long] + 1
    while left.size:
        goes_on = left >= MORE
        nibbles[places] = left & 7 | goes_on * MORE
        left, places = left[goes_on] >> 3, places[goes_on] + 1
    return nibbles


def from_nibbles(nibbles: Bytes) -> Numbers:
    """Undo `to_nibbles`; what is left at the end, without an end of its own, is no number. Raises ImageError."""
    ends = np.flatnonzero(nibbles < MORE) + 1
    counts = np.diff(ends, prepend=0)
    if counts.size and counts.max() > MAX_NIBBLES:
        raise ImageError(f'expected numbers of up to {MAX_NIBBLES} nibbles in RVL data, got one of {counts.max()}')
    starts = ends - counts
    numbers = (nibbles[starts] & 7).astype(np.uint32)
    left, k = np.flatnonzero(counts > 1), 1
    while left.size:
        numbers[left] |= (nibbles[starts[left] + k] & 7).astype(np.uint32) << np.uint32(3 * k)
        k += 1
        left = left[counts[left] > k]
    return numbers
