"""Settings of a text-to-unit model's training run, which the yaml files in configs/text2unit are checked against."""

from dataclasses import dataclass, field, replace
from typing import Annotated

from avcore.bounds import Amount, Bounds, Count, Number, Positive, Share, require
from avdata.corpus import UnitCorpusConfig
from avtrain.config import LoopConfig, OptimConfig, RunConfig
from text2unit.model import TextToUnitConfig

AUTO = "auto"


@dataclass(frozen=True, kw_only=True)
class TextDataConfig(UnitCorpusConfig):
    """Text and units of recordings.

    train, valid: JSON lines with id and text, and units beside them; or units that hold their text, JSON lines with id, units and
    text. All recordings of a sentence are held out together. Recordings themselves are not read. language: of the text; entries of
    another are left out. speakers: only recordings of these, with commas between, empty = all; in one voice the units of a sentence
    are the same each time. allow_missing: also leaves out texts that cannot be read aloud.

    trim: the unit of silence, taken off both ends of each recording, where how much there is is chance: a unit's number, "auto"
    for the one at most ends, or empty: nothing is taken off. max_letters: longer ones are left out.
    """

    language: str = "ko"
    speakers: str = ""
    trim: str = AUTO
    max_letters: Count = 600


@dataclass(frozen=True)
class TextLossConfig:
    """Weights of the losses of an aligned network; a CTC network has one loss.

    forward_sum: of the alignment: how probable the letters are in their order, over all alignments. binary: how probable the
    one alignment is that was chosen; from binary_from on, a share of the run. label_smoothing: of the units' classes.
    """

    forward_sum: Positive = 1.0
    binary: Amount = 0.5
    binary_from: Share = 0.2
    duration: Amount = 0.5
    label_smoothing: Annotated[float, Bounds(0, 0.999)] = 0.0


@dataclass(frozen=True)
class TextToUnitTrainConfig(RunConfig):
    """A run that trains a text-to-unit model.

    model.num_units: 0 = one more than the highest unit in the data. init: a checkpoint to start from, of the same
    sizes; empty = from scratch. num_samples: held-out sentences that are shown.
    """

    loop: LoopConfig = field(default_factory=lambda: LoopConfig(best_metric="unit_errors"))
    data: TextDataConfig = field(default_factory=TextDataConfig)
    model: TextToUnitConfig = field(default_factory=TextToUnitConfig)
    losses: TextLossConfig = field(default_factory=TextLossConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    init: str = ""
    num_samples: Number = 3

    def check(self) -> None:
        """Raise UsageError for settings that cannot work, before anything is read."""
        sizes = self.model if self.model.num_units else replace(self.model, num_units=1)
        misfit, trim = sizes.misfit(), self.data.trim
        require(
            not misfit, "these are no sizes of a text-to-unit model", expected="see text2unit.model.SpellerConfig", found=misfit
        )
        is_unit = trim in ("", AUTO) or trim.isdecimal()
        require(is_unit, "data.trim is no unit", expected=f"a number, {AUTO} or nothing", found=trim)
