"""Cases as metrics look at them: what is found in a file is made once, and kept while neighbouring cases may ask for it."""

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
from avcore.media import MediaInfo, PictureSource, probe, read_speech
from avcore.timeline import samples_to_seconds
from avcore.units import Units
from netflips.evaluate.cases import DUBBED, SHUFFLED, CaseFiles
from netflips.evaluate.judges import Evaluators
from netflips.evaluate.lip_sync import FaceClip, LeastFace, clips_of

_MOST_CLIPS = 8
"""Files that are kept in memory, with what was found in them."""
_OF_SOUND = ("seconds", "speech", "heard", "voice", "text", "published_text", "in_its_language")
_MOST_OTHERS = 20
"""Voices of other people that a voice is compared with."""


class Clip:
    """A video or a sound as metrics look at it; each part is made when it is first asked for.

    Any of them may raise a NetflipsError: no sound, no face, a file that cannot be decoded.
    """

    def __init__(self, path: Path, judges: Evaluators, language: str) -> None:
        """language: of the dubs, two letters, which the recognizer listens for; "" = it finds out itself."""
        self.path, self._judges, self._language = path, judges, language

    @cached_property
    def info(self) -> MediaInfo:
        """What the file holds."""
        return probe(self.path)

    @cached_property
    def speech(self) -> Samples:
        """Its sound, float32 [S] at 16 kHz in -1..1. Raises MediaError without any."""
        return read_speech(self.path)

    @property
    def seconds(self) -> float:
        """How long its sound lasts; of a file without sound, its pictures."""
        return float(samples_to_seconds(len(self.speech)) if self.info.has_audio else self.info.duration_s)

    def pictures(self) -> Iterator[Pixels]:
        """Its pictures at 25 fps, uint8 [height, width, 3] RGB."""
        return (picture.rgb for picture in PictureSource(self.path))

    @cached_property
    def face(self) -> SpeakerFace:
        """The face of the one who speaks. Raises NoFaceError."""
        source, speech = PictureSource(self.path), self.speech if self.info.has_audio else None
        return find_faces(source, "auto", speech, total=len(source), source=self.path, pixel_aspect=self.info.pixel_aspect)

    def faces(self) -> Sequence[Box | None]:
        """Return where the speaker's face is in each picture at 25 fps, [4] in pixels; None = none was found. Raises
        NoFaceError."""
        return self.face.boxes

    def openings(self) -> Floats:
        """Return the gap between the lips in each picture at 25 fps, over the distance of the eyes' corners; NaN = unseen: float32
        [T]."""
        return np.array([one.opening if one is not None and one.is_found else np.nan for one in self.face.frames], np.float32)

    def face_clips(self, least: LeastFace) -> Iterator[FaceClip]:
        """Cut all faces out that are seen long enough and large enough, as SyncNet wants them. Raises MediaError, NoFaceError."""
        return clips_of(self.path, least)

    @cached_property
    def heard(self) -> Units:
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
        """Whose voice it is: float32 [E] of unit length. Raises NoSpeechError."""
        return self._judges.speaker.embed(self.speech)

    @cached_property
    def text(self) -> str:
        """What the recognizer writes of its sound; nothing where it hears no speech."""
        return self._heard_by(self._judges.recognizer, self._language).text

    @cached_property
    def published_text(self) -> str:
        """What it writes with the settings that papers use."""
        return self._heard_by(self._judges.published, self._language).text

    @cached_property
    def in_its_language(self) -> Transcript:
        """What the recognizer writes of its sound in the language that it finds out itself."""
        return self._heard_by(self._judges.recognizer, "")

    def _heard_by(self, recognizer: SpeechRecognizer, language: str) -> Transcript:
        try:
            return recognizer.transcribe(self.speech, language or None)
        except NoSpeechError:
            return Transcript("", language)


class UnderOtherSound:
    """The pictures of one clip with the sound of another: what a shuffled pair is."""

    def __init__(self, shown: Clip, said: Clip) -> None:
        self._shown, self._said = shown, said

    def __getattr__(self, name: str) -> Any:
        return getattr(self._said if name in _OF_SOUND else self._shown, name)


@dataclass(frozen=True, eq=False)
class Case:
    """What went in and what was expected, as metrics look at it, which ask only for what they say that they need."""

    files: CaseFiles
    clips: "Clips"

    @property
    def source(self) -> Clip:
        """What it was made from."""
        return self._side(self.files.source)

    @property
    def reference(self) -> Clip:
        """What is right: speech or a video of the same words."""
        return self._side(self.files.reference)

    def _side(self, path: Path | None) -> Clip:
        assert path is not None  # as needs say
        return self.clips.clip(path, self.files.language)

    @property
    def other_voices(self) -> Sequence[Floats]:
        """Voices of other people's sources in the set, some of them."""
        return self.clips.voices_beside(self.files)

    def model(self, need: str) -> Any:
        """Return the model that a need names."""
        return self.clips.judges.model(need)

    def there(self, outcome: Clip) -> frozenset[str]:
        """Return what metrics may need of this case: its sides, and the models that there are."""
        sides = {name: getattr(self.files, name) for name in ("source", "reference", "reference_text", "report")}
        sides |= {"faces": outcome.info.has_video, "others": self.clips.others_of(self.files)}
        return frozenset(name for name, is_there in sides.items() if is_there) | self.clips.judges.there


class Clips:
    """The clips of a set of cases. Holds the last few, with what was found in them."""

    def __init__(self, cases: Sequence[CaseFiles], judges: Evaluators) -> None:
        self._cases, self.judges = list(cases), judges
        self._kept: OrderedDict[Path, Clip] = OrderedDict()
        self._voices: dict[Path, Floats | None] = {}

    def clip(self, path: Path, language: str = "") -> Clip:
        """Return the clip of a file. language: that the recognizer listens for."""
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
        """Return whose sound a case gets in a shuffled pair: that of the next one with another text, None where there is none."""
        own = self._cases[number]
        for step in range(1, len(self._cases)):
            other = self._cases[(number + step) % len(self._cases)]
            says_other = not own.reference_text or other.reference_text != own.reference_text
            if other.group == own.group and other.dub != own.dub and says_other:
                return other
        return None

    def others_of(self, own: CaseFiles) -> list[Path]:
        """Sources of other people, evenly from the set: of another speaker where lines say who speaks, else of other cases."""
        others = (one for one in self._cases if not own.speaker or one.speaker != own.speaker)
        found = list(dict.fromkeys(one.source for one in others if one.source is not None and one.source != own.source))
        step = max(1, -(-len(found) // _MOST_OTHERS))
        return found[::step]

    def voices_beside(self, own: CaseFiles) -> list[Floats]:
        """Voices of other people's sources, float32 [E] each; those that have none are left out."""
        found = []
        for path in self.others_of(own):
            if path not in self._voices:
                self._voices[path] = None
                with suppress(NetflipsError):
                    self._voices[path] = Clip(path, self.judges, "").voice
            found.append(self._voices[path])
        return [voice for voice in found if voice is not None]
