"""A unit encoder in validation: whether speech says the units that it was made from.

The encoder is any checkpoint whose model keeps the protocol `Extractor`; the installation loads it by what the file is. It is no
outside judge: units are what this stage works with; but a vocoder whose sound does not say them is not understood.
"""

from pathlib import Path
from typing import NamedTuple

from avcore.arrays import Samples
from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.checkpoints.stages import Running, load_installed
from avcore.compute.inference import resolve_device
from avcore.contracts import Extractor
from avcore.errors import UsageError
from avcore.units import Ids, Units, edit_distance, require_same_vocabulary


class UnitErrors(NamedTuple):
    """errors: fewest insertions, deletions and substitutions. length: units of what should be said, repeats merged."""

    errors: int
    length: int


def load_evaluation_encoder(path: str, vocabulary: str, device: str) -> Extractor | None:
    """Load the unit encoder of a run's validation, None for an empty path.

    vocabulary: fingerprint of the quantizer of the run's units, "" = unknown. device: as the run's loop names it. Raises
    CheckpointError for another file, VocabularyError for an encoder of other units, UsageError for a model that extracts no units.
    """
    if not path:
        return None

    kind = read_checkpoint(path, None).stage
    extractor: Extractor = load_installed(kind, Path(path), Running(device=str(resolve_device(device))))
    if not hasattr(extractor, "extract"):
        raise UsageError(
            "unit_encoder takes a unit encoder", expected="a model that extracts units", found=f"a {kind.kind}: {path}"
        )

    require_same_vocabulary(extractor.vocabulary, vocabulary, "what this run learns from")
    return extractor


def unit_errors(judge: Extractor, samples: Samples, frames: Ids) -> UnitErrors:
    """Return how far speech float32 [S] at 16 kHz says other units than those it was made from: frames int64 [T], every 20 ms."""
    wanted, found = Units.from_frames(frames).ids, judge.extract(speech=samples).merged().ids
    return UnitErrors(edit_distance(found, wanted), len(wanted))
