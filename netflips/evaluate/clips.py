"""Cases as metrics see them. What is found in a file is computed once, and kept while neighbouring cases may need it."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np

from avcore.arrays import Floats, Pixels, Samples
from avcore.contracts import SpeechRecognizer, Transcript
from avcore.errors import NetflipsError, NoSpeechError
from avcore.faces.find import SpeakerFace, find_faces
from avcore.faces.geometry import Box
from avcore.media import FrameSource, MediaInfo, probe, read_speech
from avcore.timeline import samples_to_seconds
from avcore.units import Units
from netflips.evaluate.cases import DUBBED, SHUFFLED, CaseFiles
from netflips.evaluate.judges import Evaluators
from netflips.evaluate.lip_sync import FaceClip, LeastFace, clips_of

_MOST_CLIPS = 8
"""Number of files that are kept in memory, with what was found in them."""
_OF_SOUND = ("seconds", "speech", "audio_units", "voice", "text", "published_text", "in_its_language")
_MOST_OTHERS = 20
"""Number of other voices that a voice is compared with."""


class Clip:
    """A video or a sound as metrics see it; each part is computed when it is first needed.

    Any part may raise a NetflipsError: no sound, no face, a file that cannot be decoded.
    """

    def __init__(self, path: Path, judges: Evaluators, language: str) -> None:
        """language: of the dubs, two letters, for the recognizer; "" = it detects the language."""
        self.path, self._judges, self._language = path, judges, language

    @cached_property
    def info(self) -> MediaInfo:
        """Streams and properties of the file."""
        return probe(self.path)

    @cached_property
    def speech(self) -> Samples:
        """Its sound, float32 [S] at 16 kHz in -1..1. Raises MediaError without any."""
        return read_speech(self.path)

    @property
    def seconds(self) -> float:
        """Length of its sound; in a file without sound, of its frames."""
        return float(samples_to_seconds(len(self.speech)) if self.info.has_audio else self.info.duration_s)

    def frames(self) -> Iterator[Pixels]:
        """Yield its frames at 25 fps, uint8 [height, width, 3] RGB."""
        return (frame.rgb for frame in FrameSource(self.path))

    @cached_property
    def face(self) -> SpeakerFace:
        """The face of the active speaker. Raises NoFaceError."""
        source, speech = FrameSource(self.path), self.speech if self.info.has_audio else None
        return find_faces(source, "auto", speech, total=len(source), source=self.path, pixel_aspect=self.info.pixel_aspect)

    def faces(self) -> Sequence[Box | None]:
        """Return the box of the speaker's face in each frame at 25 fps, [4] in pixels; None = no face was found. Raises
        NoFaceError."""
        return self.face.boxes

    def openings(self) -> Floats:
        """Return the gap between the lips in each frame at 25 fps, over the distance of the eyes' corners: float32 [T], NaN =
        unseen."""
        return np.array(
            [frame.opening if frame is not None and frame.is_found else np.nan for frame in self.face.frames], np.float32
        )

    def face_clips(self, least: LeastFace) -> Iterator[FaceClip]:
        """Cut out all faces that are seen long enough and large enough, as SyncNet takes them. Raises MediaError, NoFaceError."""
        return clips_of(self.path, least)

    @cached_property
    def audio_units(self) -> Units:
        """Units of the sound alone."""
        if not len(self.speech):
            raise NoSpeechError("its sound track is empty", path=self.path)
        return self._judges.extractor.extract(self.speech)

    @cached_property
    def seen(self) -> Units:
        """Units of the lips alone."""
        return self._judges.extractor.extract(None, self.face.lips)

    @cached_property
    def voice(self) -> Floats:
        """Its voice vector, float32 [E] of unit length. Raises NoSpeechError."""
        return self._judges.speaker.embed(self.speech)

    @cached_property
    def text(self) -> str:
        """The transcript of its sound; empty where there is no speech."""
        return self._heard_by(self._judges.recognizer, self._language).text

    @cached_property
    def published_text(self) -> str:
        """The transcript with the settings that papers use."""
        return self._heard_by(self._judges.published, self._language).text

    @cached_property
    def in_its_language(self) -> Transcript:
        """The transcript of its sound in the language that the recognizer detects."""
        return self._heard_by(self._judges.recognizer, "")

    def _heard_by(self, recognizer: SpeechRecognizer, language: str) -> Transcript:
        try:
            return recognizer.transcribe(self.speech, language or None)
        except NoSpeechError:
            return Transcript("", language)


class UnderOtherSound:
    """A shuffled pair: the frames of one clip with the sound of another."""

    def __init__(self, shown: Clip, spoken: Clip) -> None:
        self._shown, self._said = shown, spoken

    def __getattr__(self, name: str) -> Any:
        return getattr(self._said if name in _OF_SOUND else self._shown, name)


@dataclass(frozen=True, eq=False)
class Case:
    """A case as metrics see it: source and references. A metric may only use what it declares as its needs."""

    files: CaseFiles
    """its line of the manifest"""
    clips: "Clips"
    """the set that it belongs to"""

    @property
    def source(self) -> Clip:
        """The source that the dub was made from."""
        return self._side(self.files.source)

    @property
    def reference(self) -> Clip:
        """The reference: speech or a video of the same words."""
        return self._side(self.files.reference)

    def _side(self, path: Path | None) -> Clip:
        assert path is not None  # a metric that asks for it declares it as a need
        return self.clips.clip(path, self.files.language)

    @property
    def other_voices(self) -> Sequence[Floats]:
        """Voices of other people's sources in the set, some of them."""
        return self.clips.voices_beside(self.files)

    def model(self, need: str) -> Any:
        """Return the model that a need names."""
        return self.clips.judges.model(need)

    def there(self, outcome: Clip) -> frozenset[str]:
        """Return the needs of metrics that this case meets: its sides, and the models that there are."""
        sides = {name: getattr(self.files, name) for name in ("source", "reference", "reference_text")}
        sides["report"] = self.files.report_of(outcome.path)
        sides |= {"faces": outcome.info.has_video, "others": self.clips.others_of(self.files)}
        return frozenset(name for name, is_there in sides.items() if is_there) | self.clips.judges.there


class Clips:
    """The clips of a set of cases. The last few stay in memory, with what was found in them."""

    def __init__(self, cases: Sequence[CaseFiles], judges: Evaluators) -> None:
        self._cases, self.judges = list(cases), judges
        self._kept: OrderedDict[Path, Clip] = OrderedDict()
        self._voices: dict[Path, Floats | None] = {}

    def clip(self, path: Path, language: str = "") -> Clip:
        """Return the clip of a file. language: for the recognizer."""
        # Out and in again: the dict is in the order of use, and the oldest goes first.
        found = self._kept.pop(path, None) or Clip(path, self.judges, language)
        self._kept[path] = found
        while len(self._kept) > _MOST_CLIPS:
            self._kept.popitem(last=False)
        return found

    def outcome(self, number: int, subject: str = DUBBED) -> Clip | None:
        """Return what stands in the dub's place; None where the case has no such subject."""
        files = self._cases[number]
        path = files.standing(subject)
        if path is None:
            return None

        own = self.clip(path, files.language)
        if subject != SHUFFLED:
            return own

        other = self.partner(number)
        return None if other is None else cast(Clip, UnderOtherSound(own, self.clip(other.dub, files.language)))

    def partner(self, number: int) -> CaseFiles | None:
        """Return the case whose sound a case gets in a shuffled pair: the next one with another text, None where there is none."""
        own = self._cases[number]
        for step in range(1, len(self._cases)):
            other = self._cases[(number + step) % len(self._cases)]
            says_other = not own.reference_text or other.reference_text != own.reference_text
            if other.group == own.group and other.dub != own.dub and says_other:
                return other
        return None

    def others_of(self, own: CaseFiles) -> list[Path]:
        """Return sources of other people, evenly spread over the set: other speakers where the lines name the speaker, else other
        cases."""
        others = (case for case in self._cases if not own.speaker or case.speaker != own.speaker)
        found = list(dict.fromkeys(one.source for one in others if one.source is not None and one.source != own.source))
        # Rounded up, so that there are never more of them.
        step = max(1, -(-len(found) // _MOST_OTHERS))
        return found[::step]

    def voices_beside(self, own: CaseFiles) -> list[Floats]:
        """Return voices of other people's sources, float32 [E] each. Sources without a voice are left out."""
        found = []
        for path in self.others_of(own):
            if path not in self._voices:
                # None is kept as well: a source without a voice is not read again.
                self._voices[path] = None
                # Not by `self.clip`: other people's sources would push the files of the case out of memory.
                with suppress(NetflipsError):
                    self._voices[path] = Clip(path, self.judges, "").voice
            found.append(self._voices[path])
        return [voice for voice in found if voice is not None]
