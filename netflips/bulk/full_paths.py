"""Paths that mean the same in every process: workers on a cluster stand in folders of their own."""

from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Settings = TypeVar("Settings", bound="DataclassInstance")


def with_full_paths(settings: Settings) -> Settings:
    """Settings, a dataclass, with every path in it absolute, those of dataclasses inside it too."""
    return replace(settings, **{field.name: _full(getattr(settings, field.name)) for field in fields(settings) if field.init})


def _full(value: object) -> object:
    if isinstance(value, Path):
        return value.absolute()
    if isinstance(value, dict):
        return {name: _full(one) for name, one in value.items()}
    return with_full_paths(value) if is_dataclass(value) and not isinstance(value, type) else value
