"""Who says an utterance: the face that is drawn and the voice that is spoken in.

The seam between those who decide who speaks (`casting`) and all that follows, which knows only roles.
"""

from dataclasses import dataclass

from netflips.recording.faces import FaceStretch
from unit2av.voice.speech import SpeakerVoice


@dataclass(frozen=True)
class Role:
    """One person in one utterance.

    name: for reports. voice: with its pitch where that was measured. face: may have no picture with a face.
    evidence: how much the face looks like saying it, None = it was not asked. note: why nobody is shown, "" = somebody is.
    """

    name: str
    voice: SpeakerVoice
    face: FaceStretch
    evidence: float | None = None
    note: str = ""
