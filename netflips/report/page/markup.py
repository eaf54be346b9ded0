"""HTML by functions, so that text is escaped wherever it comes from."""

from collections.abc import Iterable
from html import escape

from avcore.plain_text import shown

_KEPT = "\n\t"
_VOID = {"meta", "img", "br", "hr", "input"}
_NO_CHILDREN = {"path", "rect", "line"}


class Markup(str):
    """Text that is HTML already; every other string is escaped when it goes into a tag."""

    __slots__ = ()


Child = str | int | Iterable["Child"] | None


def tag(name: str, /, *children: Child, **attributes: object) -> Markup:
    """Make an element of children, which may be nested in lists; None is left out.

    attributes: `class_` means class, other underscores mean hyphens; None and False leave one out, True gives it without
    a value.
    """
    opening = "".join([name, *(_attribute(key, value) for key, value in attributes.items())])
    if name in _VOID:
        return Markup(f"<{opening}>")
    if name in _NO_CHILDREN:
        return Markup(f"<{opening}/>")
    return Markup(f"<{opening}>{together(children)}</{name}>")


def together(children: Child) -> Markup:
    """One piece of markup of children side by side."""
    if children is None:
        return Markup()
    if isinstance(children, Markup):
        return children
    if isinstance(children, str | int):
        return Markup(escape(shown(children, _KEPT)))
    return Markup("".join(together(child) for child in children))


def _attribute(key: str, value: object) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-").replace("viewbox", "viewBox")
    return f" {name}" if value is True else f' {name}="{escape(shown(value, _KEPT))}"'
