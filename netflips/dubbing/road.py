"""What the steps of a dub ask of its road."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from avcore.media import MediaSource
from netflips.dubbing.options import DubOptions
from netflips.dubbing.recognize import RecognizedSpeech
from netflips.dubbing.sound import Sound
from netflips.model_paths import ModelPaths
from netflips.models import Models
from netflips.quality_estimation import QualityEstimate
from netflips.script.types import Script
from netflips.script.utterance import Utterance

_Job = TypeVar("_Job", contravariant=True)


class Road(Protocol[_Job]):
    """What differs between a dub over units and one over text."""

    translates_texts: bool
    """whether it translates texts, so that each utterance is one of a recording; otherwise it translates units"""
    needs_sound: str
    """what a user can do about a video without sound"""

    @property
    def recognizer(self) -> Path | None:
        """Folder of the recognizer; None: the road has none."""

    def source_language(self, source: MediaSource, models: Models) -> str:
        """Return the language that is spoken, where the user did not name it. Raises UsageError on a road that cannot tell."""

    def check_files(self, paths: ModelPaths, target: str) -> None:
        """Check the files of the road before any model is loaded. target: language of the dub. Raises NetflipsError."""

    def check(self, models: Models, options: DubOptions) -> None:
        """Check the models of the road before any work, as far as options need them. Raises NetflipsError."""

    def fingerprints(self, models: Models, options: DubOptions) -> dict[str, str]:
        """Return the fingerprints of all models of the road, by name."""

    def recognized(self, job: _Job, sound: Sound) -> RecognizedSpeech | None:
        """Return what a recognizer understands of a recording, made when it is asked for; None: nothing recognizes its words."""

    def understand(
        self, script: Script, job: _Job, sound: Sound, lips_of: Callable[[Utterance], NDArray[np.uint8] | None]
    ) -> Script:
        """Fill in the source of each utterance of the part, units or a text, except where a person keeps the original.

        lips_of: returns the lips of an utterance, uint8 [T, 96, 96] at 25 fps, None where they are not seen.
        """

    def translate(self, script: Script, job: _Job, sound: Sound) -> Script:
        """Fill in the target of each utterance that has none."""

    def estimate(self, script: Script, job: _Job, sound: Sound) -> dict[int, QualityEstimate]:
        """Return how likely the words of each utterance of the part are right, by number; add notes about what is unusual."""

    def encode_targets(self, script: Script, job: _Job, sound: Sound) -> Script:
        """Fill in the units of each target. Utterances without any are left alone, with a note of the reason."""

    def finish(self, script: Script, job: _Job) -> None:
        """Keep what is spoken in the end, after the check."""
