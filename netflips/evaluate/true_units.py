"""A ceiling for dubs: speech that is right, said once more by the vocoder from its own units, in the voice of the source."""

import logging
from collections.abc import Sequence
from pathlib import Path

from avcore.checkpoints.stages import Running
from avcore.contracts import Voice
from avcore.errors import LanguageError, NetflipsError
from avcore.media import read_speech, write_speech
from avcore.progress import Progress, silent, track
from avcore.runs.cache import file_digest, key_of
from netflips.evaluate.cases import CaseFiles
from netflips.evaluate.judges import Judges
from netflips.evaluate.needs import EXTRACTOR, SPEAKER
from netflips.options import ModelPaths
from netflips.stages import load_voice

LOG = logging.getLogger("netflips")

_FOLDER, _STAGE = "true_units", "true units"
_FORMAT = "1"


def say_true_units(
    cases: Sequence[CaseFiles], judges: Judges, models: ModelPaths, out_dir: Path, progress: Progress = silent
) -> dict[str, Path]:
    """Say the references of cases from their own units; returns sound files by id, for those that could be said.

    Kept in `out_dir/true_units` under names made from what they are made of. Raises LanguageError where the vocoder does not speak
    the language.
    """
    from unit2av.speakers.voice_of import voice_of

    weights = [judges.identity(EXTRACTOR), file_digest(models.unit2av), judges.identity(SPEAKER)]
    found = dict[str, Path]()
    vocoder: Voice | None = None
    for case in track(cases, _STAGE, progress, len(cases)):
        if case.reference is None:
            continue
        spoken_by = case.source or case.reference
        path = out_dir / _FOLDER / f"{key_of(_FORMAT, file_digest(case.reference), file_digest(spoken_by), weights)}.wav"
        if not path.is_file():
            vocoder = vocoder or load_voice(models.unit2av, Running(judges.paths.device, target=case.language))
            try:
                units = judges.extractor.extract(read_speech(case.reference))
                voice = voice_of(read_speech(spoken_by), judges.speaker)
                write_speech(path, vocoder.synthesize(units, voice).samples)
            except LanguageError:
                raise
            except NetflipsError as error:
                LOG.warning("%s: its true units are not said: %s", case.id, error)
                continue
        found[case.id] = path
    return found
