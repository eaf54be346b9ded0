"""Who says an utterance: the face that is drawn and the voice that is spoken in.

The seam between those who decide who speaks (`casting`) and all that follows, which knows only roles.
"""

from dataclasses import dataclass

from netflips.recording.faces import FaceStretch
from netflips.recording.hearing import Samples


@dataclass(frozen=True)
class Role:
    """One person in one utterance. name: for reports. voice: float32 [E]. face: may have no picture with a face.

    evidence: how much the face looks like saying it, None = it was not asked. note: why nobody is shown, "" = somebody is.
    """

    name: str
    voice: Samples
    face: FaceStretch
    evidence: float | None = None
    note: str = ""
