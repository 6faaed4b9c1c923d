"""Inline SVG plots without scripts: colours come from the page's CSS, so that they follow light and dark mode."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 760, 280
LEFT, RIGHT, TOP, BOTTOM = 64, 150, 16, 44


@dataclass(frozen=True)
class Series:
    """One line: its name, the CSS class of its colour, one value for every position (positive)."""

    name: str
    style: str
    values: Sequence[float]


def log_lines(series: Sequence[Series], labels: Sequence[str], x_title: str, y_title: str) -> str:
    """Lines over positions, with a logarithmic y axis; a `<svg>` element.

    Args:
        series: lines; values that are not positive are drawn at the bottom.
        labels: one for every position.
        x_title, y_title: of the axes.
    """
    positive = [v for line in series for v in line.values if v > 0]
    low, high = (min(positive), max(positive)) if positive else (1e-6, 1.0)
    bottom, top = math.floor(math.log10(low)), math.ceil(math.log10(high) + 1e-9)
    top = max(top, bottom + 1)
    inner_width, inner_height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x(position: int) -> float:
        return LEFT + inner_width * (position / max(len(labels) - 1, 1) if len(labels) > 1 else 0.5)

    def y(value: float) -> float:
        exponent = math.log10(value) if value > 0 else bottom
        return TOP + inner_height * (top - max(exponent, bottom)) / (top - bottom)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(y_title)} by {escape(x_title)}">']
    for exponent in range(bottom, top + 1):
        level = y(10.0**exponent)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{level:.1f}" y2="{level:.1f}"/>')
        at = f'x="{LEFT - 8}" y="{level + 4:.1f}"'
        parts.append(f'<text class="tick" {at} text-anchor="end">{_power(exponent)}</text>')
    every = math.ceil(len(labels) / 16) if labels else 1
    for i, label in enumerate(labels):
        if i % every == 0:
            at = f'x="{x(i):.1f}" y="{HEIGHT - BOTTOM + 18}"'
            parts.append(f'<text class="tick" {at} text-anchor="middle">{escape(label)}</text>')
    middle = LEFT + inner_width / 2
    parts.append(f'<text class="axis" x="{middle:.1f}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x_title)}</text>')
    parts.append(
        f'<text class="axis" transform="translate(14 {TOP + inner_height / 2:.1f}) rotate(-90)" text-anchor="middle">'
        f"{escape(y_title)}</text>"
    )
    taken: list[float] = []
    for line in series:
        points = " ".join(f"{x(i):.1f},{y(v):.1f}" for i, v in enumerate(line.values))
        parts.append(f'<polyline class="line {line.style}" points="{points}"/>')
        for i, v in enumerate(line.values):
            title = f"{line.name}, {labels[i]}: {v:.2e}"
            parts.append(
                f'<circle class="dot {line.style}" cx="{x(i):.1f}" cy="{y(v):.1f}" r="4"><title>{escape(title)}</title>'
                "</circle>"
            )
        if line.values:
            height = _free_place(y(line.values[-1]), taken)
            taken.append(height)
            at = f'x="{WIDTH - RIGHT + 12}" y="{height + 4:.1f}"'
            parts.append(f'<text class="name {line.style}" {at}>{escape(line.name)}</text>')
    return "".join([*parts, "</svg>"])


def _free_place(wanted: float, taken: Sequence[float]) -> float:
    """Height for a line's name that leaves 16 pixels to the names before it."""
    for other in sorted(taken):
        if abs(wanted - other) < 16:
            wanted = other + 16
    return wanted


def _power(exponent: int) -> str:
    digits = str(abs(exponent)).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{'⁻' if exponent < 0 else ''}{digits}"
