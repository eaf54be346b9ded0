"""What a user states beside a yaml: which options came on the command line, and options in fairseq's own sections."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from avcore.errors import UsageError
from unit2unit.utut_common.config import TrainingRun

Stated = frozenset[str]
"""Settings given on the command line, as `fairseq.model.encoder_layers`."""

_OURS = {"optimization": "optimizer", "lr_scheduler": "optimizer", "model": "regularization"}
"""fairseq's own section of an option, and ours, where they differ: our yaml has them by what they are about."""


def stated_settings(arguments: Iterable[str]) -> Stated:
    """The keys of the `key=value` arguments of a command line."""
    return frozenset(one.partition("=")[0].lstrip("+") for one in arguments if "=" in one and not one.startswith("-"))


def is_stated(name: str, stated: Stated) -> bool:
    """Whether a fairseq option was given on the command line, in whatever section."""
    return any(key.startswith("fairseq.") and key.rpartition(".")[2] == name for key in stated)


def in_one_section(run: TrainingRun, stated: Stated) -> TrainingRun:
    """The run with each option in one section, where a user has put it into fairseq's own beside the one in our yaml.

    What stands on the command line holds, else what stands in fairseq's own section. Raises UsageError when both were stated.
    """
    sections = {name: dict(options) for name, options in run.fairseq.items()}
    for theirs, ours in _OURS.items():
        for name in sections.get(theirs, {}).keys() & sections.get(ours, {}).keys():
            del sections[_weaker(sections, name, theirs, ours, stated)][name]
    return replace(run, fairseq=sections)


def _weaker(sections: dict[str, dict[str, Any]], name: str, theirs: str, ours: str, stated: Stated) -> str:
    has_theirs, has_ours = (f"fairseq.{section}.{name}" in stated for section in (theirs, ours))
    if has_theirs and has_ours and sections[theirs][name] != sections[ours][name]:
        raise UsageError(f"the option '{name}' is set twice", found=f"fairseq.{theirs}.{name} and fairseq.{ours}.{name}")
    return theirs if has_ours and not has_theirs else ours
