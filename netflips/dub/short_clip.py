"""Dub one utterance, as published: footage played to and fro as long as the new speech takes."""

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from av2unit.trust import TrustedUnits, trusted_units
from avcore.answers import SpeakerVoice, Translation
from avcore.arrays import Samples
from avcore.compute.ahead import pictures_ahead, pictures_at_once
from avcore.contracts import Recognizer
from avcore.errors import MediaError, NoFaceError, NoSpeechError, NoSuchFaceError, UnitError
from avcore.faces.boxes import read_boxes_for
from avcore.faces.find import SpeakerFace, find_faces
from avcore.faces.geometry import MOUTH_CUT, MouthsToDraw, mouths_in_boxes
from avcore.faces.select import parse_face_choice
from avcore.media import PictureSource, VideoWriter, read_speech
from avcore.media.carried import CarriedOver
from avcore.media.lips import read_lip_crops
from avcore.notes import Notes
from avcore.progress import Progress, track
from avcore.provenance import synthetic_comment
from avcore.timeline import FRAME_RATE, pingpong, units_to_seconds
from avcore.units import Units
from netflips import __version__
from netflips.dub.clock import StageClock
from netflips.dub.judgement import Decide, go_on, judge_utterance
from netflips.models import Models
from netflips.options import DubOptions
from netflips.render.writing import Finish, Frame
from netflips.script.build import (
    bundle_used,
    finite_or_none,
    media_of,
    models_used,
    pitch_hz,
    settings_told,
    text_of,
    timings_of,
    tracks_told,
    units_heard,
    voice_told,
)
from netflips.script.notes import NO_FACE, NO_SUCH_FACE
from netflips.script.types import (
    DrawnPictures,
    FaceQuality,
    Made,
    Script,
    SeenFaces,
    SpeakerOf,
    TimeFit,
    TimeSpan,
    TranslatedUnits,
    UnitList,
    Utterance,
)
from netflips.subtitles.beside import write_beside
from netflips.subtitles.dubbed import SpokenUnits, Texts, side_as_text
from netflips.subtitles.inside import check_font, painter_of, shows_texts, tracks_of
from netflips.subtitles.reader import reader_of
from unit2av.lipsync.choose import opened_lip_sync
from unit2av.renderer import BATCH_PICTURES
from unit2av.rendering import FaceOf, Talk, drawn, faces_by_index, num_pictures_for, steady, told_of_speech, write_in_step
from unit2av.speakers.voice_of import read_voice, voice_of
from unit2text.stage import TEXT_READER
from unit2unit.inference import search_settings, truncation_note

_NUMBER, _SPEAKER = 1, "speaker 1"
"""Of the only utterance."""
_READING = frozenset({"read", "faces", "voice", "av2unit"})
"""Steps of the clock that read the input."""


@dataclass(frozen=True)
class ClipInput:
    """What was read from the input.

    speech: float32 [S] at 16 kHz, None without a sound track. mouths: one per 25 fps picture. lips: uint8 [T, 96, 96],
    None where no face was found. has_given_boxes: they are of a side file, and may hold another face than `face`.
    """

    source: PictureSource
    speech: Samples | None
    mouths: MouthsToDraw
    lips: NDArray[np.uint8] | None
    face: SpeakerFace | None
    has_given_boxes: bool = False

    @property
    def face_of(self) -> FaceOf:
        """What gives the face to draw in a picture. Landmarks go with it only where they are of the face in the box."""
        is_known = self.face is not None and not self.has_given_boxes and self.source.info.pixel_aspect == 1
        return faces_by_index(self.mouths, self.face.landmarks_at if self.face is not None and is_known else None)


class ShortDub:
    """One dub of a clip of one utterance: H.264 and AAC at 25 fps and 16 kHz, as long as the new speech."""

    def __init__(
        self,
        source: PictureSource,
        out_video: Path,
        models: Models,
        options: DubOptions,
        progress: Progress,
        clock: StageClock,
        decide: Decide = go_on,
    ) -> None:
        self._source, self._in, self._out = source, source.path, out_video
        self._models, self._options, self._progress, self._clock = models, options, progress, clock
        self._notes, self._mouth, self._decide = Notes(source.path), "", decide

    def run(self, is_draft: bool = False) -> Script:
        """Do everything; see `netflips.pipeline.dub`."""
        check_font(self._options)
        reader = reader_of(self._models, self._options)
        with self._clock.stage("read"):
            material = self._read()
        voice = self._voice(material.speech)
        with self._clock.stage("av2unit"):
            heard = self._listen(material)
        with self._clock.stage("unit2unit"):
            translation = self._translate(heard.extraction.units)
        judgement = judge_utterance(self._models, heard, translation, translation.truncated)
        if judgement.notice is not None:
            self._notes.add(judgement.notice)
        for note in judgement.others:
            self._notes.add(note)
        self._decide(judgement.understanding)
        with self._clock.stage("speech"):
            said = self._models.vocoder.predict_durations(translation.units)
        with ThreadPoolExecutor(1, "texts") as beside, self._clock.stage("write"):
            reading = beside.submit(self._read_texts, reader, heard.extraction.units, said)
            writer = None if is_draft else self._write(material, said, voice, reading)
        texts = reading.result()
        if self._options.subtitles is not None and not is_draft:
            write_beside(self._options.subtitles, self._out, (self._options.source, self._options.target), texts)
        read_by = {} if reader is None else {TEXT_READER.name: reader.fingerprint}
        script = self._script(material, heard, translation, said, writer, voice, texts, read_by)
        utterances = (replace(one, understood=judgement.understanding) for one in script.utterances)
        return replace(script, utterances=tuple(utterances), understood=judgement.understanding)

    # Reading

    def _read(self) -> ClipInput:
        source = self._source
        speech = read_speech(self._in) if source.info.has_audio else None
        if self._options.uses_audio and not self._options.decides and speech is None:
            raise MediaError("it has no sound track", path=self._in, hint="use --modalities video with --speaker-path voice.wav")
        given_boxes = None if self._options.boxes is None else read_boxes_for(source, self._options.boxes)
        given_lips = None if self._options.lips is None else read_lip_crops(self._options.lips)
        face = None
        if given_boxes is None or (given_lips is None and self._options.uses_video):
            face = self._find_face(source, speech)
        mouths = face.mouths if face is not None else MouthsToDraw.of([None] * len(source))
        if given_boxes is not None:
            size = source.info.height, source.info.width
            mouths = MouthsToDraw.of(given_boxes) if self._options.hard_paste else mouths_in_boxes(given_boxes, size)
        lips = given_lips if given_lips is not None else face.lips if face is not None and self._options.uses_video else None
        return ClipInput(source, speech, mouths, lips, face, given_boxes is not None)

    def _find_face(self, source: PictureSource, speech: Samples | None) -> SpeakerFace | None:
        needs_face = self._options.uses_video and not self._options.decides and self._options.lips is None
        choice = parse_face_choice(self._options.face)
        try:
            with self._clock.stage("faces"):
                return find_faces(source, choice, speech, self._progress, len(source), self._in, source.info.pixel_aspect)
        except NoFaceError as error:
            if needs_face:
                raise
            number = int(self._options.face) if isinstance(error, NoSuchFaceError) else None
            self._notes.add(NO_FACE(of_clip=True) if number is None else NO_SUCH_FACE(face=number))
            return None

    def _voice(self, speech: Samples | None) -> SpeakerVoice:
        with self._clock.stage("voice"):
            if self._options.speaker is not None:
                return read_voice(self._options.speaker, lambda: self._models.speaker_encoder)
            if speech is None:
                raise NoSpeechError("it has no sound to take the voice from", path=self._in, hint="give --speaker-path x.wav")
            try:
                return voice_of(speech, self._models.speaker_encoder)
            except NoSpeechError as error:
                raise NoSpeechError(
                    "there is no usable speech to take the voice from",
                    path=self._in,
                    found=error.what,
                    hint="give another voice with --speaker-path x.wav",
                ) from error

    # The three stages

    def _listen(self, material: ClipInput) -> TrustedUnits:
        speech = material.speech if self._options.uses_audio else None
        lips = material.lips if self._options.uses_video else None
        bound = self._models.extractor.agreement if self._options.decides else None
        heard = trusted_units(self._models.extractor, speech, lips, bound, self._progress)
        self._models.done_with(self._models.extractor)
        if heard.note is not None:
            self._notes.add(heard.note)
        return heard.in_language(self._options.source)

    def _translate(self, units: Units) -> Translation:
        translator, options = self._models.translator, self._options
        search = search_settings(translator.default_search, options.beam, options.max_target_units)
        translation = translator.translate(units, options.source, options.target, search, self._progress)
        self._models.done_with(translator)
        note = truncation_note(translation)
        if note is not None:
            self._notes.add(note)
        if not len(translation.units):
            raise UnitError("the translation is empty", path=self._in, hint="is there speech in it, in the language of --src-lang?")
        return translation

    def _write(self, material: ClipInput, said: Units, voice: SpeakerVoice, reading: Future[Texts]) -> VideoWriter:
        """Write the dub; what it says is read as text meanwhile, unless the texts are seen in it."""
        options, models, clock = self._options, self._models, self._clock
        texts = reading.result() if shows_texts(options) else Texts()
        total = num_pictures_for(said)
        info = material.source.info
        depth, batch = pictures_ahead(info.width, info.height), pictures_at_once(info.width, info.height, BATCH_PICTURES)
        comment = synthetic_comment(options.target, models.fingerprints.values(), options.source)
        choice = replace(options.mouth, is_hard=options.hard_paste)
        opened = opened_lip_sync(choice, models.paths.unit2av, models.how.device, models.how.precision, models.renderer, batch)
        with opened as mouth:
            self._mouth = mouth.name
            told, sound = told_of_speech(mouth, said, clock.timed(models.vocoder.iter_synthesize(said, voice), "speech"))
            writer = Frame.of(info, FRAME_RATE).writer(
                self._out,
                sound,
                comment=comment,
                subtitles=tracks_of(options, texts),
                carried=CarriedOver(self._in),
                language=options.target,
            )
            with writer:
                footage = material.source.pingpong(total, among=material.source.own)
                talk = Talk(_NUMBER, Fraction(0), mouth.codes(told))
                shown = clock.ahead(steady(footage, FRAME_RATE, talk, material.face_of), "read", depth)
                finished = Finish(options.label, painter_of(options, texts)).all(clock.ahead(drawn(mouth, shown), "lips", depth))
                write_in_step(writer, track(finished, "lips", self._progress, total), sound)
                reading.result()  # before the dub gets its name: nothing is written where the texts cannot be read
        return writer

    def _read_texts(self, reader: Recognizer | None, heard: Units, said: Units) -> Texts:
        """Both sides as text; what was heard runs along the new speech, which is of another length."""
        end_s, heard_s = (float(units_to_seconds(one.num_steps)) for one in (said, heard))
        with nullcontext() if reader is None else self._clock.stage("texts"):
            source = side_as_text(reader, {_NUMBER: SpokenUnits(0.0, heard, end_s / max(heard_s, 1e-9))}, self._options.source)
            target = side_as_text(reader, {_NUMBER: SpokenUnits(0.0, said)}, self._options.target)
        return Texts(source, target, end_s=end_s)

    # What was done

    def _script(
        self,
        material: ClipInput,
        heard: TrustedUnits,
        translation: Translation,
        said: Units,
        writer: VideoWriter | None,
        voice: SpeakerVoice,
        texts: Texts,
        reader: dict[str, str],
    ) -> Script:
        options, info = self._options, material.source.info
        input_s, output_s = float(info.duration_s), float(units_to_seconds(said.num_steps))
        own = material.source.own
        shown = [own[pingpong(step, len(own))] for step in range(num_pictures_for(said))]
        num_cut = int(material.mouths.is_cut[shown].sum())
        if num_cut:
            self._notes.add(MOUTH_CUT(count=num_cut, total=len(shown)))
        face = material.face
        drawn = sum(material.mouths.boxes[place] is not None for place in shown)
        unseen = len(shown) - drawn - num_cut
        left = {name: count for name, count in (("no_face", unseen), ("cut_off", num_cut)) if count}
        spoken = TimeSpan(0.0, output_s)
        pace = output_s / max(float(units_to_seconds(heard.extraction.units.num_steps)), 1e-9)
        utterance = Utterance(
            number=_NUMBER,
            place=TimeSpan(0.0, input_s),
            speaker=_SPEAKER,
            heard=units_heard(heard),
            text=text_of(texts.source, _NUMBER, 0.0, "reader", "person", pace),
            seen=SeenFaces(
                () if face is None else tracks_told(map(asdict, face.tracks)),
                quality=_quality(face, drawn + num_cut, len(shown)),
                absent="no_face" if face is None and not material.has_given_boxes else "",
            ),
            target=TranslatedUnits(
                UnitList.of(translation.units),
                finite_or_none(translation.score),
                translation.truncated,
                translation.weakest,
                text_of(texts.target, _NUMBER, 0.0, "reader", "person"),
            ),
            fit=TimeFit(spoken, len(translation.units), output_s, output_s),
            drawn=DrawnPictures(len(shown), drawn, left),
            notes=tuple(self._notes.of_all),
        )
        made = (
            None
            if writer is None
            else Made(
                version=__version__,
                output=str(self._out),
                duration_s=output_s,
                width=writer.out_width,
                height=writer.out_height,
                has_grown=writer.grew,
                pictures=len(shown),
                lips=self._mouth,
                models=models_used(self._models, reader),
                bundle=bundle_used(self._models),
                settings=settings_told(options),
                timings=timings_of(self._clock, _READING),
            )
        )
        return Script(
            source=options.source,
            target=options.target,
            schedule="to_and_fro",
            media=media_of(info),
            speakers=(SpeakerOf(_SPEAKER, voice_told(options.speaker), options.face, pitch_hz(self._models.vocoder, voice)),),
            utterances=(utterance,),
            notes=info.notes,
            made=made,
        )


def _quality(face: SpeakerFace | None, num_seen: int, num_pictures: int) -> FaceQuality | None:
    heights = [] if face is None else [one.mean_box[3] - one.mean_box[1] for one in face.tracks if one.is_chosen]
    return FaceQuality(num_seen / num_pictures, heights[0]) if heights and num_pictures else None
