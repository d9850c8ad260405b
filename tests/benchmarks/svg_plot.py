"""Line plots as plain SVG: panels in a row-major grid, one legend below. Nothing to install."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

COLOURS = ("#000000", "#999999", "#56b4e9", "#009e73", "#e69f00", "#cc79a7", "#d55e00", "#0072b2")
"""Okabe and Ito's, told apart by colour-blind readers too."""
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 400, 290, 58, 34, 14, 46


class Line(NamedTuple):
    name: str
    points: Sequence[tuple[float, float]]
    marked: bool = False
    """Points instead of a line."""


class Panel(NamedTuple):
    title: str
    lines: Sequence[Line]


class Axis(NamedTuple):
    label: str
    low: float
    high: float
    ticks: Sequence[float]
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """Where a value lies between the ends, in [0, 1]."""
        at = (math.log10 if self.logarithmic else float)(max(value, self.low))
        low, high = (math.log10(v) if self.logarithmic else v for v in (self.low, self.high))
        return min(max((at - low) / (high - low), 0.0), 1.0)


def draw_panels(panels: Sequence[Panel], x: Axis, ys: Sequence[Axis], columns: int = 2, diagonal: bool = False) -> str:
    """One SVG document; a line's colour is the place of its name among all names. ys: an axis a panel."""
    names = list(dict.fromkeys(line.name for panel in panels for line in panel.lines))
    rows = -(-len(panels) // columns)
    legend_rows = -(-len(names) // (2 * columns))
    width, height = WIDTH * columns, HEIGHT * rows + 22 * legend_rows + 12
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for number, (panel, y) in enumerate(zip(panels, ys, strict=True)):
        left, top = number % columns * WIDTH, number // columns * HEIGHT
        parts += [f'<g transform="translate({left} {top})">', *_frame(panel.title, x, y, diagonal)]
        parts += [_line(line, COLOURS[names.index(line.name) % len(COLOURS)], x, y) for line in panel.lines]
        parts.append("</g>")
    for number, name in enumerate(names):
        left = LEFT + number % (2 * columns) * (width - LEFT) / (2 * columns)
        top = HEIGHT * rows + 16 + 22 * (number // (2 * columns))
        colour = COLOURS[number % len(COLOURS)]
        parts.append(f'<rect x="{left:.0f}" y="{top - 5}" width="22" height="4" fill="{colour}"/>')
        parts.append(f'<text x="{left + 28:.0f}" y="{top + 1}" fill="#222222">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _at(x: Axis, y: Axis, point: tuple[float, float]) -> tuple[float, float]:
    return (
        LEFT + x.place(point[0]) * (WIDTH - LEFT - RIGHT),
        HEIGHT - BOTTOM - y.place(point[1]) * (HEIGHT - TOP - BOTTOM),
    )


def _frame(title: str, x: Axis, y: Axis, diagonal: bool) -> list[str]:
    parts = [f'<text x="{LEFT}" y="{TOP - 12}" font-weight="bold" fill="#222222">{escape(title)}</text>']
    for tick in x.ticks:
        across, down = _at(x, y, (tick, y.low))
        parts.append(f'<line x1="{across:.1f}" y1="{TOP}" x2="{across:.1f}" y2="{down:.1f}" stroke="#e4e4e4"/>')
        parts.append(f'<text x="{across:.1f}" y="{down + 16:.1f}" text-anchor="middle" fill="#444444">{tick:g}</text>')
    for tick in y.ticks:
        across, down = _at(x, y, (x.low, tick))
        parts.append(f'<line x1="{LEFT}" y1="{down:.1f}" x2="{WIDTH - RIGHT}" y2="{down:.1f}" stroke="#e4e4e4"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{down + 4:.1f}" text-anchor="end" fill="#444444">{tick:g}</text>')
    if diagonal:
        (a, b), (c, d) = _at(x, y, (x.low, y.low)), _at(x, y, (x.high, y.high))
        parts.append(
            f'<line x1="{a:.1f}" y1="{b:.1f}" x2="{c:.1f}" y2="{d:.1f}" stroke="#888" stroke-dasharray="4 4"/>'
        )
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text x="{middle:.0f}" y="{HEIGHT - 10}" text-anchor="middle" fill="#222222">{escape(x.label)}</text>'
    )
    across = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(
        f'<text transform="translate(14 {across:.0f}) rotate(-90)" text-anchor="middle" fill="#222222">'
        f"{escape(y.label)}</text>"
    )
    return parts


def _line(line: Line, colour: str, x: Axis, y: Axis) -> str:
    places = [_at(x, y, point) for point in line.points]
    if line.marked or len(places) == 1:
        return "".join(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="4" fill="{colour}"/>' for a, b in places)
    joined = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    return f'<polyline points="{joined}" fill="none" stroke="{colour}" stroke-width="1.8" stroke-linejoin="round"/>'
