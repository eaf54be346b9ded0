"""Dub one utterance, as published: footage played to and fro as long as the new speech takes."""

from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from av2unit.trust import TrustedUnits, rest_unit, trusted_units
from avcore.arrays import Samples
from avcore.compute.threads import pictures_ahead
from avcore.contracts import SpeakerVoice, Translation
from avcore.errors import NoFaceError, NoSpeechError, NoSuchFaceError, UnitError
from avcore.faces.boxes import read_boxes_for
from avcore.faces.find import SpeakerFace, find_faces, with_shots
from avcore.faces.geometry import MOUTH_CUT, MOUTH_HIDDEN
from avcore.faces.select import parse_face_choice
from avcore.media import Picture, PictureSource, VideoWriter
from avcore.media.carried import CarriedOver
from avcore.media.pictures import read_lip_crops
from avcore.progress import track
from avcore.speech.audio import match_loudness
from avcore.speech.pitch import measure_pitch
from avcore.timeline import (
    FRAME_RATE,
    SAMPLE_RATE,
    frames_to_seconds,
    frames_to_units,
    seconds_to_samples,
    units_to_samples,
    units_to_seconds,
)
from avcore.units import Units
from netflips.dub.job import DubJob
from netflips.dub.utterances import TimedUtterance
from netflips.recording.compositing import FacePath, follow, paste_lower_face
from netflips.recording.faces import FaceTable, LipSource, given_face
from netflips.recording.plan import Watch
from netflips.recording.reporting import drawn_told, quality_of
from netflips.recording.tracking import Scenes
from netflips.recording.translation import NewSpeech, silent_frames
from netflips.recording.voice_activity import mean_voice, require_voice
from netflips.render.writing import Finish, Frame
from netflips.script.build import (
    finite_or_none,
    made_of,
    media_of,
    pitch_hz,
    text_of,
    tracks_told,
    units_heard,
    voice_told,
)
from netflips.script.notes import NO_FACE, NO_SUCH_FACE
from netflips.script.types import (
    SPEAKER,
    DrawnPictures,
    Script,
    SeenFaces,
    SpeakerOf,
    TimeFit,
    TimeSpan,
    TranslatedUnits,
    UnitList,
    Utterance,
)
from netflips.subtitles.dubbed import SpokenUnits, Texts, side_as_text
from netflips.subtitles.inside import painter_of, shows_texts, tracks_of
from netflips.understanding import Understanding, UtteranceJudgement, judge_utterance, whole_of
from unit2av.lipsync import Said
from unit2av.rendering import (
    FaceOf,
    FaceToDraw,
    Reason,
    SoundFeed,
    Talk,
    counted,
    drawn,
    indices_to_and_fro,
    num_pictures_for,
    steady,
    write_in_step,
)
from unit2av.speaker import read_voice
from unit2unit.inference import search_settings, truncation_note

_NUMBER = 1
"""Of the only utterance."""
_READING = frozenset({"read", "faces", "voice", "av2unit"})
"""Steps of the clock that read the input."""


@dataclass(frozen=True)
class ClipInput:
    """What was read from the input.

    speech: float32 [S] at 16 kHz, as long as the pictures at 25 fps, None without a sound track. face: that is drawn, path: where
    and how strongly. lips: uint8 [T, 96, 96], None where no face was found. found: the face that was followed, if any.
    """

    source: PictureSource
    speech: Samples | None
    face: FaceTable
    path: FacePath
    lips: NDArray[np.uint8] | None
    found: SpeakerFace | None

    def face_of(self) -> FaceOf:
        """Return what gives the face to draw in a picture."""
        shots: dict[tuple[int, int], int] = {}

        def face_of(picture: Picture) -> FaceToDraw:
            time = frames_to_seconds(picture.index)
            box, strength, reason = self.path.at(time)
            return FaceToDraw(box, strength, shots.setdefault(self.path.place_of(time), len(shots)), reason=reason)

        return face_of


def dub_clip(job: DubJob, is_draft: bool = False) -> Script:
    """Dub a clip of one utterance: H.264 and AAC at 25 fps and 16 kHz, as long as the new speech; see `netflips.pipeline.dub`."""
    models, clock = job.models, job.clock
    with clock.stage("read"):
        material = read_clip(job)
    spoken = _speech(job.source, seconds_to_samples(job.info.duration_s))
    voice = _voice(job, spoken)
    with clock.stage("av2unit"):
        heard, rest = _listen(job, material)
    with clock.stage("unit2unit"):
        translation = _translate(job, heard.extraction.units)
    judgement = judge_utterance(models, heard, translation, translation.truncated)
    for note in (judgement.notice, *judgement.others):
        if note is not None:
            job.notes.add(note)
    job.decide(_understood(job, judgement))
    with clock.stage("speech"):
        said = models.vocoder.predict_durations(translation.units)
    with ThreadPoolExecutor(1, "texts") as beside, clock.stage("write"):
        reading = beside.submit(_read_texts, job, heard.extraction.units, said)
        writer, pictures = None, DrawnPictures()
        if not is_draft:
            new = _speak(job, said, voice, spoken)
            writer, pictures = _write(job, material, said, new, rest, reading)
    texts = reading.result()
    if not is_draft:
        job.write_subtitles(texts)
    return _script(job, material, heard, rest, translation, judgement, said, pictures, writer, voice, texts)


def _understood(job: DubJob, judgement: UtteranceJudgement) -> Understanding:
    return whole_of({_NUMBER: judgement}, [_whole(job)])


def _whole(job: DubJob) -> TimedUtterance:
    """The only utterance: all of the clip."""
    return TimedUtterance(_NUMBER, 0.0, float(job.info.duration_s))


# Reading


def read_clip(job: DubJob) -> ClipInput:
    """Read the sound, the face and the lips of a clip. Raises NetflipsError."""
    source, options = job.source, job.options
    speech = _speech(source, units_to_samples(frames_to_units(len(source))))
    given_boxes = None if options.boxes is None else read_boxes_for(source, options.boxes)
    given_lips = None if options.lips is None else read_lip_crops(options.lips)
    found = None
    if given_boxes is None or (given_lips is None and options.uses_video):
        found = _find_face(job, speech)
    if given_boxes is not None:
        size = None if options.hard_paste else (job.info.height, job.info.width)
        face = given_face(_watch(source), given_boxes, size)
    else:
        face = FaceTable.joined([] if found is None else [_table(found)])
    cuts = _cuts(source) if found is None else found.cuts
    path = follow(face, _watch(source), Scenes([float(frames_to_seconds(cut)) for cut in cuts]))
    crops = given_lips if given_lips is not None else found.lips if found is not None and options.uses_video else None
    lips = None if crops is None or not len(crops) else LipSource("", lambda: crops).first(len(source))
    return ClipInput(source, speech, face, path, lips, found)


def _watch(source: PictureSource) -> Watch:
    """All pictures."""
    return Watch(0, len(source), len(source))


def _cuts(source: PictureSource) -> list[int]:
    """Return the pictures that begin a new shot."""
    shots = [shot for _, shot in with_shots(source)]
    return [place for place, (before, here) in enumerate(pairwise(shots), 1) if here != before]


def _table(found: SpeakerFace) -> FaceTable:
    there = [(place, frame) for place, frame in enumerate(found.frames) if frame is not None]
    figures = np.array([(one.pose.yaw, one.pose.pitch, one.sharpness, one.margin) for _, one in there], np.float32)
    return FaceTable(
        np.array([place for place, _ in there], np.int64),
        np.array([found.track_numbers[place] for place, _ in there], np.int64),
        np.array([one.box for _, one in there], np.float32),
        *figures.T,
    )


def _speech(source: PictureSource, num_samples: int) -> Samples | None:
    """Return the first samples of the sound, float32 [num_samples], silence behind its end; None without a sound track."""
    if source.speech is None:
        return None
    return np.pad(source.speech[:num_samples], (0, max(num_samples - len(source.speech), 0)))


def _find_face(job: DubJob, speech: Samples | None) -> SpeakerFace | None:
    source, options = job.source, job.options
    needs_face = options.uses_video and not options.decides and options.lips is None
    choice = parse_face_choice(options.face)
    try:
        with job.clock.stage("faces"):
            return find_faces(source, choice, speech, job.progress, len(source), source.path, source.info.pixel_aspect)
    except NoFaceError as error:
        if needs_face:
            raise
        number = int(options.face) if isinstance(error, NoSuchFaceError) else None
        job.notes.add(NO_FACE(of_clip=True) if number is None else NO_SUCH_FACE(face=number))
        return None


def _voice(job: DubJob, spoken: Samples | None) -> SpeakerVoice:
    """Return the voice to speak in. spoken: the clip's own sound."""
    with job.clock.stage("voice"):
        if job.options.speaker is not None:
            return read_voice(job.options.speaker, lambda: job.models.speaker_encoder)
        if spoken is None:
            raise NoSpeechError("it has no sound to take the voice from", path=job.source.path, hint="give --voice x.wav")
        try:
            heard = job.models.speaker_encoder.embed(spoken)
        except NoSpeechError:
            heard = None
        vector = require_voice(mean_voice([heard], [_whole(job)]), job.source.path)
        return SpeakerVoice(vector, measure_pitch(spoken) if job.models.vocoder.takes_pitch else None)


# The three stages


def _listen(job: DubJob, material: ClipInput) -> tuple[TrustedUnits, int | None]:
    """Return the units of the clip, and the one of its silent moments, None where it has none."""
    speech = material.speech if job.options.uses_audio else None
    lips = material.lips if job.options.uses_video else None
    bound = job.models.extractor.agreement if job.options.decides else None
    heard = trusted_units(job.models.extractor, speech, lips, bound, job.progress)
    job.models.done_with(job.models.extractor)
    if heard.note is not None:
        job.notes.add(heard.note)
    rest = None if speech is None else rest_unit(heard.extraction.units.frames(), speech)
    return heard.in_language(job.options.source), rest


def _translate(job: DubJob, units: Units) -> Translation:
    translator, options = job.models.translator, job.options
    limit = 0 if options.max_target_units is None else options.max_target_units  # a sentence may be long
    search = search_settings(translator.default_search, options.beam, limit)
    translation = translator.translate(units, options.source, options.target, search, job.progress)
    job.models.done_with(translator)
    note = truncation_note(translation)
    if note is not None:
        job.notes.add(note)
    if not len(translation.units):
        raise UnitError("the translation is empty", path=job.source.path, hint="is there speech in it, in the language of --from?")
    return translation


def _speak(job: DubJob, said: Units, voice: SpeakerVoice, spoken: Samples | None) -> NewSpeech:
    """Return the new speech at 16 kHz, as loud as what was spoken."""
    with job.clock.stage("speech"):
        samples = np.concatenate(list(job.models.vocoder.iter_synthesize(said, voice)))
        samples = samples if spoken is None else match_loudness(samples, spoken)
        return NewSpeech(samples, silent_frames(samples))


def _write(
    job: DubJob, material: ClipInput, said: Units, new: NewSpeech, rest: int | None, reading: Future[Texts]
) -> tuple[VideoWriter, DrawnPictures]:
    """Write the dub; what it says is read as text meanwhile, unless the texts are seen in it."""
    options, clock, samples = job.options, job.clock, new.samples
    texts = reading.result() if shows_texts(options) else Texts()
    total, reasons = num_pictures_for(said), Counter[int]()
    depth = pictures_ahead(job.info.width, job.info.height)
    with job.opened_lips(paste_lower_face) as mouth:
        sound = SoundFeed(samples[begin : begin + SAMPLE_RATE] for begin in range(0, len(samples), SAMPLE_RATE))
        footage = job.source.pingpong(total, among=job.source.own)
        codes = mouth.codes(Said(said, samples, new.is_silent, rest))
        shown = steady(footage, FRAME_RATE, Talk(_NUMBER, Fraction(0), codes), material.face_of())
        writer = Frame.of(job.info, FRAME_RATE).writer(
            job.out,
            sound,
            comment=job.comment,
            subtitles=tracks_of(options, texts),
            carried=CarriedOver(job.source.path),
            language=options.target,
        )
        made = counted(clock.ahead(drawn(mouth, clock.ahead(shown, "read", depth)), "lips", depth), reasons)
        with writer, closing(made):  # an error ends its threads here, not where its garbage is collected
            finished = Finish(options.label, painter_of(options, texts)).all(made)
            write_in_step(writer, track(finished, "lips", job.progress, total), sound)
            reading.result()  # before the dub gets its name: nothing is written where the texts cannot be read
    if hidden := reasons[Reason.HIDDEN]:
        job.notes.add(MOUTH_HIDDEN(count=hidden, total=total))
    return writer, drawn_told(reasons)


def _read_texts(job: DubJob, heard: Units, said: Units) -> Texts:
    """Both sides as text; what was heard runs along the new speech, which is of another length."""
    reader, options = job.reader, job.options
    end_s, heard_s = (float(units_to_seconds(one.num_steps)) for one in (said, heard))
    with nullcontext() if reader is None else job.clock.stage("texts"):
        source = side_as_text(reader, {_NUMBER: SpokenUnits(0.0, heard, end_s / max(heard_s, 1e-9))}, options.source)
        target = side_as_text(reader, {_NUMBER: SpokenUnits(0.0, said)}, options.target)
    return Texts(source, target, end_s=end_s)


# What was done


def _script(
    job: DubJob,
    material: ClipInput,
    heard: TrustedUnits,
    rest: int | None,
    translation: Translation,
    judgement: UtteranceJudgement,
    said: Units,
    pictures: DrawnPictures,
    writer: VideoWriter | None,
    voice: SpeakerVoice,
    texts: Texts,
) -> Script:
    options, info = job.options, job.info
    input_s, output_s = float(info.duration_s), float(units_to_seconds(said.num_steps))
    shown = indices_to_and_fro(job.source, said)
    num_cut = int((material.path.reasons[shown] == Reason.CUT_OFF).sum())
    if num_cut:
        job.notes.add(MOUTH_CUT(count=num_cut, total=len(shown)))
    spoken = TimeSpan(0.0, output_s)
    pace = output_s / max(float(units_to_seconds(heard.extraction.units.num_steps)), 1e-9)
    utterance = Utterance(
        number=_NUMBER,
        place=TimeSpan(0.0, input_s),
        speaker=SPEAKER,
        heard=units_heard(heard, rest),
        text=text_of(texts.source, _NUMBER, 0.0, "reader", "person", pace),
        seen=SeenFaces(
            () if material.found is None else tracks_told(map(asdict, material.found.tracks)),
            quality=quality_of(material.face, _watch(job.source)),
            absent="" if len(material.face) else "no_face",
        ),
        target=TranslatedUnits(
            UnitList.of(translation.units),
            finite_or_none(translation.score),
            translation.truncated,
            translation.weakest,
            text_of(texts.target, _NUMBER, 0.0, "reader", "person"),
        ),
        fit=TimeFit(spoken, len(translation.units), output_s, output_s),
        drawn=pictures,
        notes=tuple(job.notes.of_all),
        understood=judgement.understanding,
    )
    return Script(
        source=options.source,
        target=options.target,
        schedule="to_and_fro",
        media=media_of(info, job.digest),
        speakers=(SpeakerOf(SPEAKER, voice_told(options.speaker), options.face, pitch_hz(job.models.vocoder, voice)),),
        utterances=(utterance,),
        notes=info.notes,
        understood=_understood(job, judgement),
        made=made_of(job, writer, output_s, len(shown), by_input=_READING),
    )
