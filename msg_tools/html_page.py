"""The parts that our reports are put together from: a page that needs nothing from the network, sections, tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from .page_style import STYLE

# The page can ask for nothing: a browser refuses whatever is not written in the page itself
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def html_page(title: str, body: str) -> str:
    """Return a whole page around a body of HTML."""
    return (f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"><link rel="icon" href="data:,">'
            f'<style>{STYLE}</style></head><body><main>{body}</main></body></html>')


def section(title: str, *parts: str) -> str:
    """Return a titled part of the page."""
    return f'<section><h2>{escape(title)}</h2>{"".join(parts)}</section>'


def paragraph(words: str) -> str:
    """Return a paragraph of plain text."""
    return f'<p>{escape(words)}</p>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]], kind: str = '') -> str:
    """Return a table of cells that are HTML already; of kind `lead` the first row is set off."""
    top = ''.join(f'<th>{escape(cell)}</th>' for cell in head)
    body = ''.join(f'<tr>{"".join(f"<td>{cell}</td>" for cell in row)}</tr>' for row in rows)
    return (f'<div class="scroll"><table class="{kind}"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>'
            '</div>')


def legend(colors: dict[str, str]) -> str:
    """Return which colour is what."""
    return f'<div class="legend">{"".join(f"<span>{key(name, color)}</span>" for name, color in colors.items())}</div>'


def key(name: str, color: str) -> str:
    """Return a name beside its colour."""
    return f'<span class="key" style="background:{color}"></span>{escape(name)}'


def tile_row(found: Iterable[tuple[str, str]]) -> str:
    """Return a row of boxes: a number as HTML, and what it is."""
    boxes = ''.join(f'<div class="tile"><b>{value}</b><span>{escape(name)}</span></div>' for value, name in found)
    return f'<div class="tiles">{boxes}</div>'


def figure(caption: str, data: str) -> str:
    """Return a picture, a data URI, with its caption."""
    words = escape(caption)
    return f'<figure><img alt="{words}" src="{data}"><figcaption>{words}</figcaption></figure>'


def ramps(found: Mapping[str, tuple[str, Sequence[str]]]) -> str:
    """Return colour bars: by name a CSS gradient and the numbers below it."""
    bars = (f'<div class="ramp">{escape(name)}<i style="background:{ramp}"></i><div>'
            f'{"".join(f"<span>{escape(tick)}</span>" for tick in marks)}</div></div>'
            for name, (ramp, marks) in found.items())
    return f'<div class="ramps">{"".join(bars)}</div>'
