"""Settings of a speller's training run, which the yaml files in configs/text2unit are checked against."""

from dataclasses import dataclass, field

from avcore.errors import UsageError
from avtrain.config import LoopConfig, OptimConfig, RunConfig
from text2unit.model import SpellerConfig

AUTO = "auto"


@dataclass(frozen=True)
class TextDataConfig:
    """Text and units of recordings.

    train, valid: manifests, JSON lines with id and text; or units that hold their text, JSON lines with id, units and text.
    Empty valid = `hold_out` sentences of train, chosen by the seed: all recordings of a sentence are held out together.
    units, valid_units: units by id for manifests (avdata.unit_store); empty valid_units = units. Recordings themselves are not
    read. language: of the text; entries of another are left out. speakers: only recordings of these, with commas between, empty =
    all; in one voice the units of a sentence are the same each time. frame_level: rows of units without durations are one id every
    20 ms. first_unit: the number that unit 0 has in the data. units_vocabulary: fingerprint of the quantizer where the data do
    not say it. allow_missing: leave out entries without text or units, and those whose text cannot be read aloud, instead of
    stopping.

    trim: the unit of silence, taken off both ends of each recording, where how much there is is chance: a unit's number, "auto"
    for the one at most ends, or empty: nothing is taken off. max_letters: longer ones are left out.
    """

    train: str = "???"
    valid: str = ""
    hold_out: int = 0
    units: str = ""
    valid_units: str = ""
    language: str = "ko"
    speakers: str = ""
    frame_level: bool = False
    first_unit: int = 0
    units_vocabulary: str = ""
    allow_missing: bool = False
    trim: str = AUTO
    max_letters: int = 600


@dataclass(frozen=True)
class TextLossConfig:
    """Weights of the losses of an aligned network; a CTC network has one loss.

    forward_sum: of the alignment: how probable the letters are in their order, over all alignments. binary: how probable the
    one alignment is that was chosen; from binary_from on, a share of the run. label_smoothing: of the units' classes.
    """

    forward_sum: float = 1.0
    binary: float = 0.5
    binary_from: float = 0.2
    duration: float = 0.5
    label_smoothing: float = 0.0


@dataclass(frozen=True)
class SpellerRunConfig(RunConfig):
    """A run that trains a speller.

    model.num_units: 0 = one more than the highest unit in the data. init: a speller's checkpoint to start from, of the same
    sizes; empty = from scratch. num_samples: held-out sentences that are shown. check_only: check everything and stop before the
    first step.
    """

    loop: LoopConfig = field(default_factory=lambda: LoopConfig(best_metric="unit_errors"))
    data: TextDataConfig = field(default_factory=TextDataConfig)
    model: SpellerConfig = field(default_factory=SpellerConfig)
    losses: TextLossConfig = field(default_factory=TextLossConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    init: str = ""
    num_samples: int = 3
    check_only: bool = False


def check_text_config(config: SpellerRunConfig) -> None:
    """Raise UsageError for settings that cannot work, before anything is read."""
    data, losses = config.data, config.losses
    sizes = config.model if config.model.num_units else SpellerConfig(**{**vars(config.model), "num_units": 1})
    if misfit := sizes.misfit():
        raise UsageError("these are no sizes of a speller", expected="see text2unit.model.SpellerConfig", found=misfit)
    if data.trim not in ("", AUTO) and not data.trim.isdecimal():
        raise UsageError("data.trim is no unit", expected=f"a number, {AUTO} or nothing", found=data.trim)
    if data.max_letters < 1 or data.hold_out < 0:
        raise UsageError(
            "data.max_letters must be 1 or more, data.hold_out 0 or more", found=f"{data.max_letters}, {data.hold_out}"
        )
    if min(losses.forward_sum, losses.binary, losses.duration) < 0 or losses.forward_sum == 0:
        raise UsageError("these losses align nothing", found=losses, hint="give losses.forward_sum a weight above 0")
    if not 0 <= losses.binary_from <= 1 or not 0 <= losses.label_smoothing < 1:
        raise UsageError("losses.binary_from and losses.label_smoothing are shares", expected="0..1", found=losses)
