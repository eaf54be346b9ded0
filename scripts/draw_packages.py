"""Draw the packages and their direct imports, found in the code: `python scripts/draw_packages.py`."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IMAGE = ROOT / "docs" / "images" / "packages.svg"
LAYERS = (
    ("recipes",),
    ("netflips",),
    ("av2unit", "unit2unit", "unit2av", "unit2text", "text2unit"),
    ("avtrain", "avdata"),
    ("avcore",),
)
"""From top to bottom; a package imports those below it."""
_WIDTH, _HEIGHT, _BOX_HEIGHT, _ROW = 900, 560, 58, 112
_INSIDE = 12
"""Most names of sub-packages that are written into a box."""


def imports(package: str) -> set[str]:
    """Return the packages that the modules of a package import, including imports inside functions."""
    return {name for path in (ROOT / package).rglob("*.py") for name in _named(path)} - {package}


def _named(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def parts(package: str) -> list[str]:
    """Return the sub-packages of a package."""
    return sorted(path.parent.name for path in (ROOT / package).glob("*/__init__.py"))


def graph() -> str:
    """Return the drawing as SVG."""
    boxes = {}
    for row, layer in enumerate(LAYERS):
        width = (_WIDTH - 20 * (len(layer) + 1)) / len(layer)
        for column, name in enumerate(layer):
            boxes[name] = 20 + column * (width + 20), 10 + row * _ROW, width
    below = {name: imports(name) & set(boxes) for name in boxes}
    # An arrow is left out where another package connects the two.
    lines = [
        _arrow(boxes[one], boxes[other])
        for one in boxes
        for other in sorted(below[one])
        if not any(other in below[between] for between in below[one])
    ]
    shapes = [_box(name, *place) for name, place in boxes.items()]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif">'
    size = 'markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto"'
    mark = f'<marker id="a" {size}><path d="M0 0L8 4L0 8z" fill="#667"/></marker>'
    back = f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>'
    return "\n".join([head, f"<defs>{mark}</defs>{back}", *lines, *shapes, "</svg>", ""])


def _arrow(start: tuple[float, float, float], end: tuple[float, float, float]) -> str:
    x1, y1 = start[0] + start[2] / 2, start[1] + _BOX_HEIGHT
    x2, y2 = end[0] + end[2] / 2, end[1]
    # Arrows between distant boxes end beside the middle, so that arrows from several layers stay distinct.
    x2 += (x1 - x2) * 0.2
    return f'<path d="M{x1:.0f} {y1:.0f}L{x2:.0f} {y2:.0f}" stroke="#99a" fill="none" marker-end="url(#a)"/>'


def _box(name: str, x: float, y: float, width: float) -> str:
    inside = ", ".join(parts(name)[:_INSIDE])
    letters = int(width / 5.6)
    inside = inside if len(inside) <= letters else inside[: letters - 1].rpartition(",")[0] + ", ..."
    middle = x + width / 2
    return (
        f'<rect x="{x:.0f}" y="{y}" width="{width:.0f}" height="{_BOX_HEIGHT}" rx="6" fill="#e8f0fe" stroke="#1a5fb4"/>'
        f'<text x="{middle:.0f}" y="{y + 24}" text-anchor="middle" font-size="16" font-weight="bold">{name}</text>'
        f'<text x="{middle:.0f}" y="{y + 44}" text-anchor="middle" font-size="10" fill="#445">{inside}</text>'
    )


if __name__ == "__main__":
    IMAGE.write_text(graph(), encoding="utf-8")
