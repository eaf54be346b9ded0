"""The stages and the bundle of this installation, as the module says that lists them.

The ground floor names no room above it. Which module has the list is an entry point of the project (`[project.entry-points]` in
pyproject.toml). In a checkout that file itself is read, because the metadata of an editable installation are as old as the
installation. It is looked up where it is needed only: when a file is none of what was asked for, and for the default models.
"""

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from avcore.checkpoints.stages import Stage

PROJECT, GROUP, NAME = "netflips", "netflips.house", "stages"
"""Of the project, and of the entry point in it."""


class House(Protocol):
    """The module that lists what is installed. SHIPPED: the folder of the bundle that comes with it, whether or not it is there."""

    STAGES: tuple[Stage[Any], ...]
    SHIPPED: Path


def stages() -> tuple[Stage[Any], ...]:
    """All stages that are installed; none where the ground floor stands alone."""
    house = _house()
    return () if house is None else house.STAGES


def shipped_bundle() -> Path | None:
    """The folder of the models that come with the installation; None where none do."""
    house = _house()
    return None if house is None else house.SHIPPED


@cache
def _house() -> House | None:
    root = Path(__file__).resolve().parents[2]
    module = _in_checkout(root / "pyproject.toml") or _in_metadata()
    return None if module is None else cast(House, import_module(module))


def _in_checkout(path: Path) -> str | None:
    """What pyproject.toml beside the packages says; None where it is not there, or another project's."""
    import tomllib

    try:
        project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        return str(project["entry-points"][GROUP][NAME]) if project["name"] == PROJECT else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _in_metadata() -> str | None:
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        found = distribution(PROJECT).entry_points.select(group=GROUP, name=NAME)
    except PackageNotFoundError:
        return None
    return next((one.value for one in found), None)
