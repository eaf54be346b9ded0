"""Modules that only the repository has, not the installed package: the demo's voices, recipe and exam."""

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from avcore.errors import UsageError


def from_checkout(name: str) -> ModuleType:
    """Return a module of the recipes. Raises UsageError outside of a checkout, which has none."""
    if find_spec(name.partition(".")[0]) is None:
        raise UsageError(
            "this needs the repository, not the installed package alone", found=f"no {name}", hint="run it in a clone of NetfLips"
        )
    return import_module(name)
