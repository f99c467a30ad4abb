"""Tell the size of an encoded image from its first bytes, without decoding it."""

from __future__ import annotations

from .camera import Size

JPEG_SIZES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # the frame headers: markers SOF0 to SOF15 but DHT, JPG, DAC


def encoded_size(data: bytes | memoryview) -> Size | None:
    """Return the size of a PNG or JPEG; None for another kind, or where it is cut before it says so.

    >>> encoded_size(bytes.fromhex('89504e470d0a1a0a0000000d49484452000000600000002008'))
    Size(height=32, width=96)
    """
    head = bytes(data[:24])
    if head.startswith(b'\x89PNG') and len(head) == 24:
        return Size(int.from_bytes(head[20:24], 'big'), int.from_bytes(head[16:20], 'big'))
    return _jpeg_size(data) if head.startswith(b'\xff\xd8') else None


def _jpeg_size(data: bytes | memoryview) -> Size | None:
    """Walk through a JPEG's segments to the one with its size."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        if data[at + 1] in JPEG_SIZES:
            return Size(int.from_bytes(data[at + 5 : at + 7], 'big'), int.from_bytes(data[at + 7 : at + 9], 'big'))
        at += 2 + int.from_bytes(data[at + 2 : at + 4], 'big')
    return None
