"""A training run of unit2unit: our few settings, and fairseq's options under fairseq's own names."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from avcore.errors import UsageError

RESUME = ("auto", "never")


@dataclass(frozen=True)
class TrainingRun:
    """What a run's yaml holds.

    run_dir: the run's folder; everything it makes goes there. data_dir: folder made by `prepare_pairs` (fine-tuning) or
    `prepare` (pre-training). init: checkpoint to start from, whose languages and sizes the run takes,
    None = untrained. resume: `auto` goes on from the last checkpoint in run_dir, `never` refuses a run_dir that has one.
    units_vocabulary: fingerprint of the units' quantizer where the data do not say it. allow_other_vocabulary: train
    although data and checkpoint come from different
    quantizers. check_only: stop before the first step. max_minutes: end after this much training time, counted over
    resumes, if `max_update` does not end it before, 0 = no limit; the schedule `timed_polynomial_decay` ends its decay then.
    generation: search settings stored with the model. fairseq: sections of fairseq's options; the sections' names are for
    the reader.
    """

    run_dir: str = "???"
    data_dir: str = "???"
    init: str | None = None
    resume: str = "auto"
    units_vocabulary: str = ""
    allow_other_vocabulary: bool = False
    check_only: bool = False
    max_minutes: float = 0.0
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
        """A fairseq option by its name, whatever its section."""
        return self.options().get(name, default)

    def changed(self, section: str, values: Mapping[str, Any]) -> "TrainingRun":
        """The run with other values of fairseq options, each in the section where it stands, else in `section`."""
        sections = {name: dict(options) for name, options in self.fairseq.items()}
        for name, value in values.items():
            place = next((one for one, options in sections.items() if name in options), section)
            sections.setdefault(place, {})[name] = value
        return replace(self, fairseq=sections)

    def options(self) -> dict[str, Any]:
        """All fairseq options that are set; raises UsageError for one that stands in two sections."""
        options: dict[str, Any] = {}
        for section in self.fairseq.values():
            for name, value in section.items():
                if name in options:
                    raise UsageError(f"the option '{name}' is set twice", found=f"{options[name]} and {value}")
                if value is not None:
                    options[name] = value
        return options
