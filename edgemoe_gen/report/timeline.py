"""Pictures of a timed run as inline SVG without scripts: the timeline of all processes, and the roofline.

In: the facts of `timing.facts.timing_facts`. The colours come with the picture, for light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

WIDTH, LEFT, RIGHT = 1040, 138, 52
ROW, GAP = 16, 5  # height of a process, and between two
BLOCK_ROW, GROUP_ROW = 16, 10
STATES = (
    ("busy", "busy"),
    ("ddr", "waits for DDR"),
    ("starved", "starved: an input is empty"),
    ("blocked", "blocked: an output is full"),
)
# Hues far apart also for the colour-blind (Okabe and Ito, 2008), darker in light mode and brighter in dark mode.
STYLE = """
.timed { --busy: #2a6fbb; --ddr: #b0223f; --starved: #e0b43c; --blocked: #c66a1e; --lane: #eef0f3; --tint: #8a94a3; }
@media (prefers-color-scheme: dark) {
  .timed { --busy: #5b9be0; --ddr: #f0788c; --starved: #d8b04a; --blocked: #e08a48; --lane: #282d35; --tint: #6c7686; }
}
svg.timed { max-width: none; }
svg.timed .lane { fill: var(--lane); } svg.timed .busy { fill: var(--busy); stroke: none; }
svg.timed .ddr { fill: var(--ddr); } svg.timed .starved { fill: var(--starved); }
svg.timed .blocked { fill: var(--blocked); }
svg.timed .even { fill: var(--tint); opacity: .55; } svg.timed .odd { fill: var(--tint); opacity: .28; }
svg.timed .roof { fill: none; stroke: var(--busy); stroke-width: 2; }
svg.timed .drop { stroke: var(--ddr); stroke-width: 1; stroke-dasharray: 3 3; }
svg.timed .point { fill: var(--ddr); }
svg.timed text { font-size: 11.5px; } svg.timed .inside { font-size: 10px; text-anchor: middle; }
.key i.busy { background: var(--busy); } .key i.ddr { background: var(--ddr); }
.key i.starved { background: var(--starved); } .key i.blocked { background: var(--blocked); }
.key { display: flex; gap: 4px 16px; flex-wrap: wrap; font-size: 13px; margin: 0 0 8px; }
.key i { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 5px; }
""".strip()
_GROUP_COLOURS: Mapping[str, str] = {
    "load": "#9aa5b1", "patch embedding": "#7a5a43", "layer norms": "#4ab3b8", "query, key, value": "#3b6fb6",
    "attention scores": "#8b63b8", "attention × values": "#b85c9e", "projection": "#5f86c4", "routers": "#c94a5a",
    "gather": "#34486b", "experts": "#e07a2f", "dense MLP": "#3f9b57", "store": "#9aa5b1",
    "decoder: convolutions": "#2f6f8f", "decoder: doubling": "#7fb2c8", "decoder: norm, classes": "#a9c4cf",
}  # fmt: skip
_OTHER_COLOUR = "#b9bfc7"


def key_html() -> str:
    """What the colours of the timeline mean, as HTML."""
    return (
        '<div class="timed key">'
        + "".join(f'<span><i class="{state}"></i>{escape(meaning)}</span>' for state, meaning in STATES)
        + "<span>pale: not begun, or over</span></div>"
    )


def group_key_html(facts: Mapping[str, Any]) -> str:
    """What the colours of the layers mean: those that the run has."""
    present = dict.fromkeys(layer["group"] for layer in facts["timeline"]["layers"])
    items = (f'<span><i style="background: {_colour(g)}"></i>{escape(g)}</span>' for g in present)
    return '<div class="timed key">' + "".join(items) + "</div>"


def timeline_svg(facts: Mapping[str, Any]) -> str:
    """Processes as rows over time, layers along the top; a `<svg>` element with its style."""
    picture, cycles = facts["timeline"], facts["cycles"]
    rows = picture["rows"]
    has_blocks = any(layer["block"] is not None for layer in picture["layers"])
    top = 4 + (BLOCK_ROW + 3 if has_blocks else 0) + GROUP_ROW + 10
    height = top + len(rows) * (ROW + GAP) + 30
    shares = {row["name"]: row["busy_share"] for row in facts["processes"]}
    parts = [
        f'<svg class="timed" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="What each process did over {cycles:,} cycles"><style>{STYLE}</style>'
    ]
    parts.extend(_layer_bands(picture["layers"], cycles, has_blocks))
    for place, row in enumerate(rows):
        y = top + place * (ROW + GAP)
        parts.append(f'<rect class="lane" x="{LEFT}" y="{y}" width="{WIDTH - LEFT - RIGHT}" height="{ROW}"/>')
        parts.extend(_row(row, y, picture["bins"]))
        parts.append(f'<text x="{LEFT - 8}" y="{y + ROW - 4}" text-anchor="end">{escape(row["name"])}</text>')
        share = f"{100 * shares.get(row['name'], 0.0):.0f} %"
        parts.append(f'<text x="{WIDTH - RIGHT + 6}" y="{y + ROW - 4}">{share}</text>')
    parts.extend(_time_axis(cycles, facts["clock_mhz"], height))
    return "".join([*parts, "</svg>"])


def _x(cycle: float, cycles: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * cycle / max(cycles, 1)


def _layer_bands(layers: Sequence[Mapping[str, Any]], cycles: int, has_blocks: bool) -> Iterator[str]:
    y = 4
    if has_blocks:
        for start, end, block in _blocks(layers):
            x, width = _x(start, cycles), _x(end, cycles) - _x(start, cycles)
            style = "even" if block % 2 == 0 else "odd"
            yield (
                f'<rect class="{style}" x="{x:.1f}" y="{y}" width="{width:.1f}" height="{BLOCK_ROW}">'
                f"<title>block {block}: {end - start:,} cycles</title></rect>"
            )
            if width > 18:
                yield f'<text class="inside" x="{x + width / 2:.1f}" y="{y + 12}">{block}</text>'
        yield f'<text x="{LEFT - 8}" y="{y + 12}" text-anchor="end">block</text>'
        y += BLOCK_ROW + 3
    for layer in layers:
        x, width = _x(layer["start"], cycles), _x(layer["end"], cycles) - _x(layer["start"], cycles)
        yield (
            f'<rect x="{x:.1f}" y="{y}" width="{max(width, 0.2):.1f}" height="{GROUP_ROW}" '
            f'style="fill: {_colour(layer["group"])}"><title>{escape(layer["group"])}: '
            f"{layer['end'] - layer['start']:,} cycles</title></rect>"
        )
    yield f'<text x="{LEFT - 8}" y="{y + 9}" text-anchor="end">layer</text>'


def _blocks(layers: Sequence[Mapping[str, Any]]) -> list[tuple[int, int, int]]:
    """Spans of blocks: start, end, number."""
    spans: list[tuple[int, int, int]] = []
    for layer in layers:
        if layer["block"] is None:
            continue
        if spans and spans[-1][2] == layer["block"]:
            spans[-1] = (spans[-1][0], layer["end"], layer["block"])
        else:
            spans.append((layer["start"], layer["end"], layer["block"]))
    return spans


def _row(row: Mapping[str, Any], y: int, bins: int) -> Iterator[str]:
    """One process: its states stacked, in steps of a pixel, equal neighbours as one rectangle."""
    step = (WIDTH - LEFT - RIGHT) / max(bins, 1)
    below = [0.0] * bins
    for state, _ in STATES:
        above = [low + value for low, value in zip(below, row[state], strict=True)]
        edges = [(round(ROW * low), round(ROW * min(high, 1.0))) for low, high in zip(below, above, strict=True)]
        below = above
        path = []
        start = 0
        for i in range(1, bins + 1):
            if i < bins and edges[i] == edges[start]:
                continue
            low, high = edges[start]
            if high > low:
                x, width = LEFT + step * start, step * (i - start)
                path.append(f"M{x:.1f} {y + ROW - high}h{width:.1f}v{high - low}h-{width:.1f}z")
            start = i
        if path:
            yield f'<path class="{state}" d="{"".join(path)}"/>'


def _time_axis(cycles: int, clock_mhz: float, height: int) -> Iterator[str]:
    total = cycles / (clock_mhz * 1e3)  # ms
    step = _round_step(total / 8) if total > 0 else 1.0
    y = height - 12
    for i in range(int(total / step + 1e-9) + 1):
        x = _x(i * step * clock_mhz * 1e3, cycles)
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{y - 14}" y2="{y - 10}"/>'
        yield f'<text x="{x:.1f}" y="{y + 2}" text-anchor="middle">{i * step:g}</text>'
    yield f'<text x="{LEFT - 8}" y="{y + 2}" text-anchor="end">time, ms</text>'
    yield f'<text x="{WIDTH - RIGHT + 6}" y="{y + 2}">busy</text>'


def _round_step(value: float) -> float:
    """1, 2 or 5 times a power of ten, at least the value."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value * (1 - 1e-9))


def _colour(group: str) -> str:
    return _GROUP_COLOURS.get(group, _OTHER_COLOUR)


def roofline_svg(facts: Mapping[str, Any]) -> str:
    """Work a cycle over work a byte, both logarithmic: the roof of design and board, and the run below it."""
    r = facts["roofline"]
    width, height, left, right, top, bottom = 520, 300, 58, 20, 18, 46
    peak, rate = r["peak_macs_per_cycle"], r["ddr_bytes_per_cycle"]
    x_at, y_at = max(r["macs_per_byte"], 1e-3), max(r["macs_per_cycle"], 1e-3)
    ridge = peak / rate
    low_x, high_x = (math.log10(value) for value in (min(x_at, ridge) / 6, max(x_at, ridge) * 4))
    low_y, high_y = (math.log10(value) for value in (min(y_at, peak) / 12, max(y_at, peak) * 2))

    def x(value: float) -> float:
        return left + (width - left - right) * (math.log10(value) - low_x) / (high_x - low_x)

    def y(value: float) -> float:
        share = (math.log10(max(value, 10.0**low_y)) - low_y) / (high_y - low_y)
        return height - bottom - (height - top - bottom) * share

    parts = [
        f'<svg class="timed" style="max-width: {width}px" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="Roofline: {y_at:.0f} of {peak} multiply-accumulates a cycle"><style>{STYLE}</style>'
    ]
    for exponent in range(math.ceil(low_y), math.floor(high_y) + 1):
        level = y(10.0**exponent)
        parts.append(f'<line class="grid" x1="{left}" x2="{width - right}" y1="{level:.1f}" y2="{level:.1f}"/>')
        parts.append(f'<text x="{left - 7}" y="{level + 4:.1f}" text-anchor="end">{10.0**exponent:,g}</text>')
    for exponent in range(math.ceil(low_x), math.floor(high_x) + 1):
        label = f"{10.0**exponent:g}"
        place = x(10.0**exponent)
        parts.append(f'<text x="{place:.1f}" y="{height - bottom + 16}" text-anchor="middle">{label}</text>')
    start = max(10.0**low_x, 10.0**low_y / rate)
    roof = f"{x(start):.1f},{y(start * rate):.1f} {x(ridge):.1f},{y(peak):.1f} {x(10.0**high_x):.1f},{y(peak):.1f}"
    parts.append(f'<polyline class="roof" points="{roof}"/>')
    parts.append(f'<text x="{width - right}" y="{y(peak) - 6:.1f}" text-anchor="end">{peak:,} MACs a cycle</text>')
    most = min(peak, x_at * rate)
    parts.append(f'<line class="drop" x1="{x(x_at):.1f}" x2="{x(x_at):.1f}" y1="{y(most):.1f}" y2="{y(y_at):.1f}"/>')
    note = f"{y_at:,.0f} MACs a cycle, {100 * y_at / most:.0f} % of the roof"
    parts.append(f'<circle class="point" cx="{x(x_at):.1f}" cy="{y(y_at):.1f}" r="5"><title>{note}</title></circle>')
    # Below and to the right, where the roof never is; the note is at most 220 wide.
    place = min(x(x_at) + 10, width - right - 220)
    parts.append(f'<text x="{place:.1f}" y="{y(y_at) + 20:.1f}">{note}</text>')
    middle = (left + width - right) / 2
    parts.append(f'<text x="{middle:.1f}" y="{height - 8}" text-anchor="middle">MACs a byte of DDR</text>')
    parts.append(
        f'<text transform="translate(13 {(top + height - bottom) / 2:.0f}) rotate(-90)" text-anchor="middle">'
        "MACs a cycle</text>"
    )
    return "".join([*parts, "</svg>"])
