"""Settings of a text-to-unit model's training run, which the yaml files in configs/text2unit are checked against."""

from dataclasses import dataclass, field, replace
from typing import Annotated

from msgspec import Meta

from avcore.bounds import Amount, Count, Number, Positive, Share, require
from avcore.data.corpus import MOST_COMMON, UnitCorpusConfig
from avcore.train.config import LoopConfig, OptimConfig, RunConfig
from text2unit.model import TextToUnitConfig


@dataclass(frozen=True, kw_only=True)
class TextDataConfig(UnitCorpusConfig):
    """Text and units of recordings; the recordings themselves are not read.

    train, valid: JSON lines with id and text, and units beside them; or JSON lines with id, units and text. All recordings of a
    sentence are held out together. allow_missing: also leave out texts that cannot be read aloud.
    """

    language: str = "ko"
    """language of the text; entries of other languages are left out"""
    speakers: str = ""
    """speakers to use, with commas between; empty = all. In one voice, the units of a sentence are the same each time"""
    trim: str = MOST_COMMON
    """unit of silence, which is removed from both ends of each recording, because its length there is random: a unit's number,
    "auto" for the most frequent unit at ends, or empty for none"""
    max_letters: Count = 600
    """longer texts are left out"""


@dataclass(frozen=True)
class TextLossConfig:
    """Weights of the losses of an aligned network; a CTC network has one loss."""

    forward_sum: Positive = 1.0
    """probability of the letters in their order, over all alignments"""
    binary: Amount = 0.5
    """probability of the chosen alignment"""
    binary_from: Share = 0.2
    """share of the run after which `binary` is used"""
    duration: Amount = 0.5
    label_smoothing: Annotated[float, Meta(ge=0, le=0.999)] = 0.0
    """for the classes of units"""


@dataclass(frozen=True)
class TextToUnitTrainConfig(RunConfig):
    """A run that trains a text-to-unit model. model.num_units: 0 = one more than the highest unit in the data."""

    loop: LoopConfig = field(default_factory=lambda: LoopConfig(best_metric="unit_errors"))
    data: TextDataConfig = field(default_factory=TextDataConfig)
    model: TextToUnitConfig = field(default_factory=TextToUnitConfig)
    losses: TextLossConfig = field(default_factory=TextLossConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    init: str = ""
    """checkpoint of the same sizes to start from; empty = from scratch"""
    num_samples: Number = 3
    """held-out sentences that are logged"""

    def check(self) -> None:
        """Raise UsageError for settings that cannot be used, before anything is read."""
        sizes = self.model if self.model.num_units else replace(self.model, num_units=1)
        misfit, trim = sizes.misfit(), self.data.trim
        require(
            not misfit, "these are no sizes of a text-to-unit model", expected="see text2unit.model.TextToUnitConfig", found=misfit
        )
        is_unit = trim in ("", MOST_COMMON) or trim.isdecimal()
        require(is_unit, "data.trim is no unit", expected=f"a number, {MOST_COMMON} or nothing", found=trim)
