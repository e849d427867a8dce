"""Draws bars as PNG. What was drawn is in the file too, as a digest, so that a picture can be told from an older one."""

import hashlib
import json
import struct
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from bench.page.section import Bars

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DIGEST = "Comment"
DPI = 110
WIDTH_IN, BAR_IN, REST_IN = 9.0, 0.17, 1.3
COLOURS = ("#1b5e8c", "#d98a29", "#5a8f3d", "#8c4a7c", "#7a7a7a", "#b8483e", "#3ba3a0", "#c7b42c")


def digest(bars: Bars) -> str:
    return hashlib.sha256(json.dumps(asdict(bars), sort_keys=True).encode()).hexdigest()


def draw(bars: Bars, path: Path) -> None:
    """The same bars give the same file, with one version of matplotlib."""
    from matplotlib.figure import Figure

    rows = len(bars.labels) * (len(bars.series) + 1)
    figure = Figure(figsize=(WIDTH_IN, REST_IN + BAR_IN * rows), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    _bars(axes, bars)
    axes.set_title(bars.title, fontsize=10, loc="left")
    axes.set_xlabel(bars.axis, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    if bars.mark is not None:
        axes.axvline(bars.mark, color="#333333", linewidth=1, linestyle="--")
    if bars.log:
        axes.set_xscale("log")
    if len(bars.series) > 1:
        axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    figure.savefig(path, metadata={"Software": None, DIGEST: digest(bars)})


def _bars(axes: "Axes", bars: Bars) -> None:
    """A group a label, the first on top."""
    step = len(bars.series) + 1
    for k, (name, values) in enumerate(bars.series.items()):
        there = [(group * step + k, value) for group, value in enumerate(values) if value is not None]
        colour = COLOURS[k % len(COLOURS)]
        drawn = axes.barh([at for at, _ in there], [value for _, value in there], 0.9, label=name, color=colour)
        axes.bar_label(drawn, fmt="%.3g", fontsize=7, padding=2)
    axes.set_yticks([group * step + (len(bars.series) - 1) / 2 for group in range(len(bars.labels))], bars.labels)
    axes.invert_yaxis()
    axes.margins(x=0.08)


def drawn(path: Path) -> str | None:
    """The digest of what a picture shows; None where it is no picture of ours."""
    for kind, data in _chunks(path.read_bytes()):
        name, _, text = data.partition(b"\0")
        if kind == b"tEXt" and name.decode() == DIGEST:
            return text.decode()
    return None


def _chunks(raw: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Of a PNG: eight bytes, then length, kind, data and a checksum each."""
    at = 8
    while at + 8 <= len(raw):
        (length,) = struct.unpack(">I", raw[at : at + 4])
        yield raw[at + 4 : at + 8], raw[at + 8 : at + 8 + length]
        at += length + 12
