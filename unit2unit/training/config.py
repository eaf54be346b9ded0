"""A training run of unit2unit: our few settings, and fairseq's options under fairseq's own names."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from avcore.errors import UsageError

NONE, AUTO, NEVER = "none", "auto", "never"
AUTOCAST = (NONE, "bfloat16", AUTO)
"""Number formats of matrix products."""
Stated = frozenset[str]
"""Settings given on the command line, as `fairseq.model.encoder_layers`."""

_OURS = {"optimization": "optimizer", "lr_scheduler": "optimizer", "model": "regularization"}
"""fairseq's sections, and the section of our yaml files, which group options by topic, for some of their options."""


@dataclass(frozen=True)
class TrainingRun:
    """The content of a run's yaml."""

    run_dir: str = "???"
    """the run's folder, for all its files"""
    data_dir: str = "???"
    """folder made by `prepare_pairs` (fine-tuning) or `prepare` (pre-training)"""
    init: str | None = None
    """checkpoint to start from, which determines languages and sizes; None = an untrained network"""
    resume: str = "auto"
    """`auto` resumes the last checkpoint in run_dir; `never` starts anew and moves an earlier run aside"""
    units_vocabulary: str = ""
    """fingerprint of the units' quantizer, if the data do not state it"""
    allow_other_vocabulary: bool = False
    """train although data and checkpoint come from different quantizers"""
    check_only: bool = False
    """stop before the first step; with an empty data_dir only settings are checked"""
    max_minutes: float = 0.0
    """end after this training time, counted over resumes, unless `max_update` ends the run earlier; 0 = no limit. The schedule
    `timed_polynomial_decay` ends its decay then"""
    update_tokens: int = 0
    """tokens of an update in all processes, if `max_tokens` or `update_freq` is `auto`; 0 = as many as fit"""
    generation: dict[str, Any] = field(default_factory=dict)
    """search settings that are stored with the model"""
    fairseq: dict[str, dict[str, Any]] = field(default_factory=dict)
    """fairseq's options in sections, whose names are for the reader"""

    @property
    def checkpoints(self) -> Path:
        """Folder of this run's checkpoints."""
        return Path(self.run_dir) / "checkpoints"

    @property
    def last_checkpoint(self) -> Path:
        """The checkpoint from which a run is resumed."""
        return self.checkpoints / "checkpoint_last.pt"

    def option(self, name: str, default: Any = None) -> Any:
        """Return a fairseq option by its name, in any section."""
        return self.options().get(name, default)

    def changed(self, section: str, values: Mapping[str, Any]) -> "TrainingRun":
        """Return the run with other values of fairseq options, each in the section that has it, or else in `section`."""
        sections = {name: dict(options) for name, options in self.fairseq.items()}
        for name, value in values.items():
            place = next((one for one, options in sections.items() if name in options), section)
            sections.setdefault(place, {})[name] = value
        return replace(self, fairseq=sections)

    def options(self) -> dict[str, Any]:
        """Return all fairseq options that are set. Raises UsageError for one that is in two sections."""
        options: dict[str, Any] = {}
        for section in self.fairseq.values():
            for name, value in section.items():
                if name in options:
                    raise UsageError(f"the option '{name}' is set twice", found=f"{options[name]} and {value}")
                if value is not None:
                    options[name] = value
        return options


def check_autocast(name: str) -> None:
    """Raise UsageError for an unknown number format."""
    if name not in AUTOCAST:
        raise UsageError("unknown number format", expected=", ".join(AUTOCAST), found=f"autocast={name}")


def stated_settings(arguments: Iterable[str]) -> Stated:
    """Return the keys of the `key=value` arguments of a command line."""
    return frozenset(
        argument.partition("=")[0].lstrip("+") for argument in arguments if "=" in argument and not argument.startswith("-")
    )


def is_stated(name: str, stated: Stated) -> bool:
    """Return whether a fairseq option was given on the command line, in any section."""
    return any(key.startswith("fairseq.") and key.rpartition(".")[2] == name for key in stated)


def in_one_section(run: TrainingRun, stated: Stated) -> TrainingRun:
    """Return the run with each option in one section, in case a user gave it in fairseq's section and our yaml has it in ours.

    A value from the command line is kept, or else the one in fairseq's section. Raises UsageError when both were stated and differ.
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
