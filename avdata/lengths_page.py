"""Lengths of a corpus as a page: a histogram of the seconds of a manifest, and with the other side of its pairs one of ratios."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np

from avcore.arrays import Doubles
from avcore.files import write_text
from avcore.notes import several
from avdata.manifest import Manifest

_BARS, _WIDTH, _HEIGHT, _GAP = 40, 800, 220, 24
_SHARES = (0.05, 0.5, 0.95)
_MOST = 0.995
"""Share of the values that lie within the picture; longer ones are counted in its last bar."""
_STYLE = (
    "body{font:16px system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}"
    "svg{width:100%;height:auto}rect{fill:#3b6ea5}line{stroke:#888}text{font-size:13px;fill:#444}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}text{fill:#bbb}rect{fill:#7fb0e6}}"
)


def lengths_by_id(manifest: Manifest) -> dict[str, float]:
    """Return the stated seconds of each entry that states them, by id."""
    return {entry.id: entry.seconds for entry in manifest.entries if entry.seconds}


def write_lengths(out: Path, sides: Mapping[str, Mapping[str, float]]) -> dict[str, str]:
    """Write a page with a histogram of each side's lengths and, of two, one of their ratios (second to first) for equal ids.

    sides: seconds by id, by the name of their manifest. Returns what each shows, in words, by its title. Raises OutputError.
    """
    shown = {f"{name}: seconds": np.array([*lengths.values()]) for name, lengths in sides.items()}
    if len(sides) > 1:
        (first, ours), (second, theirs) = sides.items()
        both = [name for name in ours if name in theirs]
        shown[f"{second} to {first}: ratio of lengths"] = np.array([theirs[name] / ours[name] for name in both])
    words = {title: _in_words(values) for title, values in shown.items()}
    parts = [f"<h2>{escape(title)}</h2><p>{words[title]}</p>{''.join(_bars(values))}" for title, values in shown.items()]
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Lengths</title><style>{_STYLE}</style>'
    write_text(out, f"{head}<h1>Lengths</h1>{''.join(parts)}</html>\n")
    return words


def _in_words(values: Doubles) -> str:
    if not len(values):
        return "no lengths"
    quantiles = ", ".join(f"{share:.0%} below {np.quantile(values, share):.2f}" for share in _SHARES)
    return f"{several(len(values), 'value')}: {quantiles}; most {values.max():.2f}"


def _bars(values: Doubles) -> Iterator[str]:
    """Yield a histogram as SVG."""
    if not len(values):
        return
    top = float(np.quantile(values, _MOST)) or 1.0
    counts, edges = np.histogram(np.minimum(values, top), _BARS, (0.0, top))
    width, scale = _WIDTH / _BARS, _HEIGHT / counts.max()
    yield f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT + _GAP}" role="img">'
    for place, number in enumerate(counts.tolist()):
        height = number * scale
        told = f"{edges[place]:.2f} to {edges[place + 1]:.2f}: {number}"
        yield f'<rect x="{place * width:.1f}" y="{_HEIGHT - height:.1f}" width="{width - 1:.1f}" height="{height:.1f}">'
        yield f"<title>{told}</title></rect>"
    yield f'<line x1="0" y1="{_HEIGHT}" x2="{_WIDTH}" y2="{_HEIGHT}"/>'
    yield from _ticks(edges)
    yield "</svg>"


def _ticks(edges: Sequence[float] | Doubles) -> Iterator[str]:
    for share, anchor in ((0.0, "start"), (0.25, "middle"), (0.5, "middle"), (0.75, "middle"), (1.0, "end")):
        at = edges[0] + share * (edges[-1] - edges[0])
        yield f'<text x="{share * _WIDTH:.0f}" y="{_HEIGHT + 17}" text-anchor="{anchor}">{at:.2f}</text>'
