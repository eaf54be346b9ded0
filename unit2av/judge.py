"""A unit encoder that judges what is made in validation: whether speech says the units that it was made from.

It is another stage's model, so it is found among the stages that are installed and known by its protocol only. It is no outside
judge: units are what this stage works with; but a vocoder whose sound does not say them is not understood.
"""

from pathlib import Path
from typing import NamedTuple

from avcore.arrays import Samples
from avcore.checkpoints.stages import Running, stages
from avcore.compute.device import resolve_device
from avcore.contracts import Extractor
from avcore.errors import UsageError
from avcore.units import Ids, Units
from avcore.units.edit_distance import edit_distance
from avcore.units.vocabulary import require_same_vocabulary

_STAGE = "av2unit"


class UnitErrors(NamedTuple):
    """errors: fewest insertions, deletions and substitutions. length: units of what should be said, repeats merged."""

    errors: int
    length: int


def load_judge(path: str, vocabulary: str, device: str) -> Extractor | None:
    """Load the unit encoder of a run's validation, None for an empty path.

    vocabulary: fingerprint of the quantizer of the run's units, "" = unknown. device: as the run's loop names it. Raises
    CheckpointError for another file, VocabularyError for an encoder of other units, UsageError where no such stage is installed.
    """
    if not path:
        return None
    stage = next((one for one in stages() if one.name == _STAGE), None)
    if stage is None:
        raise UsageError("unit_encoder asks for a stage that is not installed", expected=_STAGE, hint="leave it out")
    extractor: Extractor = stage.load(Path(path), Running(device=str(resolve_device(device))))
    require_same_vocabulary(extractor.vocabulary, vocabulary, "what this run learns from")
    return extractor


def unit_errors(judge: Extractor, samples: Samples, frames: Ids) -> UnitErrors:
    """How far speech float32 [S] at 16 kHz says other units than those it was made from: frames int64 [T], every 20 ms."""
    wanted, found = Units.from_frames(frames).ids, judge.extract(speech=samples).merged().ids
    return UnitErrors(edit_distance(found, wanted), len(wanted))
