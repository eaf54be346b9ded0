"""A training run of unit2unit: our few settings, fairseq's options under fairseq's own names, and what a user states of them."""

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
"""fairseq's own section of an option, and ours, where they differ: our yaml has them by what they are about."""


@dataclass(frozen=True)
class TrainingRun:
    """What a run's yaml holds.

    run_dir: the run's folder; everything it makes goes there. data_dir: folder made by `prepare_pairs` (fine-tuning) or
    `prepare` (pre-training). init: checkpoint to start from, whose languages and sizes the run takes, None = untrained.
    resume: `auto` goes on from the last checkpoint in run_dir, `never` begins anew and puts an earlier run aside. units_vocabulary:
    fingerprint of the units' quantizer where the data do not say it. allow_other_vocabulary: train although data and
    checkpoint come from different quantizers. check_only: stop before the first step; with `data_dir=` only
    settings are looked at. max_minutes: end after this much training time, counted over resumes, if `max_update` does not end it
    before, 0 = no limit; the schedule
    `timed_polynomial_decay` ends its decay then. update_tokens: of an update in all processes, where `max_tokens` or `update_freq`
    is `auto`; 0 = what fits. generation: search settings stored with the model. fairseq: sections of
    fairseq's options; the sections' names are for the reader.
    """

    run_dir: str = "???"
    data_dir: str = "???"
    init: str | None = None
    resume: str = "auto"
    units_vocabulary: str = ""
    allow_other_vocabulary: bool = False
    check_only: bool = False
    max_minutes: float = 0.0
    update_tokens: int = 0
    generation: dict[str, Any] = field(default_factory=dict)
    fairseq: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def checkpoints(self) -> Path:
        """Where fairseq keeps this run's checkpoints."""
        return Path(self.run_dir) / "checkpoints"

    @property
    def last_checkpoint(self) -> Path:
        """The checkpoint that a run goes on from."""
        return self.checkpoints / "checkpoint_last.pt"

    def option(self, name: str, default: Any = None) -> Any:
        """Return a fairseq option by its name, whatever its section."""
        return self.options().get(name, default)

    def changed(self, section: str, values: Mapping[str, Any]) -> "TrainingRun":
        """Return the run with other values of fairseq options, each in the section where it stands, else in `section`."""
        sections = {name: dict(options) for name, options in self.fairseq.items()}
        for name, value in values.items():
            place = next((one for one, options in sections.items() if name in options), section)
            sections.setdefault(place, {})[name] = value
        return replace(self, fairseq=sections)

    def options(self) -> dict[str, Any]:
        """Return all fairseq options that are set; raises UsageError for one that stands in two sections."""
        options: dict[str, Any] = {}
        for section in self.fairseq.values():
            for name, value in section.items():
                if name in options:
                    raise UsageError(f"the option '{name}' is set twice", found=f"{options[name]} and {value}")
                if value is not None:
                    options[name] = value
        return options


def check_autocast(name: str) -> None:
    """Raise UsageError for a format that there is not."""
    if name not in AUTOCAST:
        raise UsageError("unknown number format", expected=", ".join(AUTOCAST), found=f"autocast={name}")


def stated_settings(arguments: Iterable[str]) -> Stated:
    """Return the keys of the `key=value` arguments of a command line."""
    return frozenset(one.partition("=")[0].lstrip("+") for one in arguments if "=" in one and not one.startswith("-"))


def is_stated(name: str, stated: Stated) -> bool:
    """Return whether a fairseq option was given on the command line, in whatever section."""
    return any(key.startswith("fairseq.") and key.rpartition(".")[2] == name for key in stated)


def in_one_section(run: TrainingRun, stated: Stated) -> TrainingRun:
    """Return the run with each option in one section, where a user has put it into fairseq's own beside the one in our yaml.

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
