"""What is checked before the work of a dub: paths, media, licences and consent, texts and fonts, models.

What is wrong is reported at once, and not after hours.
"""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avcore.errors import MediaError, Message, NoSpeechError, OutputError, UsageError
from avcore.files import keep_apart, require_file, require_place
from avcore.media import FrameSource, MediaInfo, MediaSource, probe
from avcore.media.sound_writer import SOUND_ENDINGS, is_sound_name, require_several_tracks
from avcore.media.tracks import shows_face
from avcore.media.writer import is_synthetic
from avcore.timeline import exact
from avcore.units import require_same_vocabulary
from netflips.cascade.speakers import require_spoken
from netflips.dubbing.options import AUTO, PUBLISHED, DubOptions, Modalities
from netflips.dubbing.road import Road
from netflips.dubbing.schedules import Schedule
from netflips.models import Models
from netflips.provenance.manifest import Signing
from netflips.provenance.options import read_consent, require_in_force
from netflips.published.terms import Terms, require_commercial
from netflips.script.files import require_own_files
from netflips.script.terms import terms_of_script
from netflips.script.types import Consent, VoiceFile
from netflips.subtitles.beside import SOURCE, TARGET, language_of
from netflips.subtitles.drawing import font_file, require_letters
from netflips.subtitles.given import GivenSubtitles
from text2unit.script import read_readings
from unit2av.lipsync.backend import NONE, LipSyncChoice, resolve_backend
from unit2text.stage import UNIT2TEXT, UNITS

if TYPE_CHECKING:
    from unit2text.unit_reader import UnitReader

LOG = logging.getLogger("netflips")
_SAMPLES = {"ko": "\uac00\ud7a3", "el": "\u03a9\u03bb", "ru": "\u0416\u044f"}
"""Sample letters by language: a font that has them has the others, too. Languages that are not here use Latin letters."""
_LATIN = "Ag"


@dataclass(frozen=True)
class Provenance:
    """What the output says of how it was made."""

    terms: tuple[Terms, ...] = ()
    """licence terms of all models"""
    consent: tuple[Consent, ...] = ()
    """what the people in the video agreed to"""
    signing: Signing | None = None
    """signs the output; None: it is not signed"""

    @classmethod
    def of(cls, options: DubOptions, terms: tuple[Terms, ...]) -> "Provenance":
        """Return what the options ask for, with the consent from its file or the script.

        Raises UsageError, InputError or OutputError.
        """
        if options.only_commercial:
            require_commercial(terms)

        if options.consent is not None:
            consent = read_consent(options.consent)
        else:
            consent = () if options.script is None else options.script.consent
            if consent:
                require_in_force(consent, options.script_in)
            if options.operator and not consent:
                raise UsageError("an operator needs the consent of those who are seen and heard", hint="give --consent FILE")
        return cls(terms, consent, Signing.of(options) if options.sign and not options.is_draft else None)


# Files


def inputs_of(options: DubOptions) -> dict[str, list[Path]]:
    """Return the files that a dub reads beside its video, by a description. Raises InputError for a missing file."""
    given = {
        "the voice (--voice)": None if options.has_builtin_voice else options.voice,
        "the lip video": options.in_lip_path,
        "the face boxes": options.in_bbox_path,
        "the script (--script-in)": options.script_in,
        "the background audio": options.background_audio,
        "the file of readings": options.pronounce,
        "the font (subtitle_font)": options.subtitle_font,
    }
    found = {what: [require_file(path, what)] for what, path in given.items() if path is not None}
    found |= {what: [require_file(path, what)] for what, path in options.lips.files.items()}
    found |= {} if options.cascade_models is None else options.cascade_models.files

    if options.speech_in is not None:
        folder = options.speech_in
        files = sorted(one for one in folder.iterdir() if one.is_file()) if folder.is_dir() else [folder]
        found["the speech (--speech-in)"] = files
    if options.script is not None and options.script_in is not None:
        found["a file of the script"] = require_own_files(options.script, options.script_in)
    return found


def check_paths(video: Path, out: Path, languages: tuple[str, str], options: DubOptions) -> None:
    """Check that inputs are there, outputs can be written, and no output is an input. Raises InputError and OutputError."""
    require_file(video, "the input video")
    inputs = {"the input video": [video], **inputs_of(options)}
    asked = options.subtitling
    beside = [] if asked is None else list(asked.files(out, *languages).values())
    written = {"the dubbed video": [] if options.is_draft else [out], "the subtitles": beside}
    written["the timeline"] = [] if options.timeline is None else [options.timeline]
    written["the stems"] = stems = [] if options.is_draft else options.stem_files(out)
    published = [] if options.is_draft else options.published(out, *languages)
    # The video there may be another name of the output.
    published = [
        path
        for path in published
        if path.resolve() != out.resolve() and not (path.exists() and out.exists() and path.samefile(out))
    ]
    written["what is published"] = published
    keep_apart(written | {"the manifest": [] if options.is_draft else options.sidecars(out)}, inputs)

    for path in written["the timeline"]:
        require_place(path, "the timeline")
    for path in published:
        require_place(path, "what is published")
    if options.alternates:
        require_several_tracks(out)
    if not options.is_draft:
        require_place(out)
    for stem in stems:
        if require_place(stem, "the stem").exists() and not is_synthetic(stem):
            raise OutputError(
                "the stem is there already, and NetfLips did not make it", path=stem, hint="name another folder: stems"
            )


# The video and its sound


def with_modalities(options: DubOptions, can_compare: bool) -> DubOptions:
    """Return the options with modalities chosen. can_compare: the unit encoder can compare lips and sound. Raises UsageError."""
    if options.modalities is None:
        # Without lips to draw no face is looked for, unless somebody asks for it.
        chosen: Modalities = "audio" if not options.lips.draws else AUTO if can_compare else PUBLISHED
        return replace(options, modalities=chosen)
    if options.modalities == AUTO and not can_compare:
        raise UsageError(
            "the unit encoder does not say how far its lips and its sound agree, so nothing can be decided by it",
            hint=f"give --modalities {PUBLISHED}, audio or video (av2unit.train export --calibrate-agreement makes one that does)",
        )
    return options


def for_media(options: DubOptions, info: MediaInfo, out: Path) -> DubOptions:
    """Return the options for a file: without lips where it has no frames, or its dub is a sound file.

    Raises MediaError for frames that cannot be dubbed, as of a still image, OutputError for a sound that is to become a video, and
    UsageError for options that need frames.
    """
    if info.has_video:
        FrameSource(info.source)
    if info.has_video and not is_sound_name(out):
        return options
    if not is_sound_name(out):
        expected = f"a name ending in {', '.join(SOUND_ENDINGS)}"
        raise OutputError("the dub of a sound file is a sound file", path=info.path, expected=expected, found=out.name)

    needing = {
        "operator": options.operator, "--burn-label": options.label, "--burn-subtitles": options.burn_subtitles,
        "--embed-subtitles": options.embed_subtitles, "--in-bbox-path": options.in_bbox_path,
        "--lips": options.lips.name not in (AUTO, NONE) or any(options.lips.values.values()),
    }  # fmt: skip
    if not info.has_video:
        needing |= {"--in-lip-path": options.in_lip_path, "--modalities video": options.modalities == "video"}
        options = replace(options, modalities="audio")
    if found := next((flag for flag, value in needing.items() if value), None):
        raise UsageError("this option needs frames, and a sound file has none", found=found, hint="leave it out")
    return replace(options, lips=LipSyncChoice(NONE))


def check_material(info: MediaInfo, road: Road[Any], options: DubOptions, subtitles: GivenSubtitles | None) -> None:
    """Check that the media have what the options need of them. Raises MediaError, NoSpeechError and UsageError."""
    if options.uses_audio and options.modalities != AUTO and not info.has_audio:
        raise MediaError(_with_face("it has no sound track", info.source), path=info.path, hint=road.needs_sound)

    has_times = subtitles is not None or (options.script is not None and options.script.utterances)
    if options.timing == "source" and not info.has_audio and not has_times:
        raise no_speech(info.source, Schedule.without_speech, has_sound=False)

    speakers = () if options.script is None else options.script.speakers
    has_voice = (
        not (options.voice is None or options.has_builtin_voice)
        or options.people is not None
        or any(isinstance(speaker.voice, VoiceFile) for speaker in speakers)
    )
    if not (info.has_audio or has_voice or options.keep_sound or options.is_draft):
        raise NoSpeechError("it has no sound to take the voice from", path=info.path, hint="give another voice with --voice x.wav")

    if options.background_audio is not None and not probe(options.background_audio).has_audio:
        hint = "background_audio takes music and effects"
        raise MediaError("it has no sound track", path=options.background_audio, hint=hint)

    if options.alternates and not info.has_audio:
        raise MediaError("it has no sound track", path=info.path, hint="leave out tracks, which keeps its sound")

    if options.start is not None and exact(options.start) >= info.duration_s:
        expected = f"less than {float(info.duration_s):.2f} s"
        raise UsageError("--start lies behind the end", expected=expected, found=options.start)


def no_speech(source: MediaSource, hint: str, *, has_sound: bool) -> NoSpeechError:
    """Return the error of a video in which nobody speaks. hint: what a user can do."""
    what = "no speech was found in it" if has_sound else "it has no sound in which to find utterances"
    return NoSpeechError(_with_face(what, source), path=source.path, hint=hint)


def _with_face(what: str, source: MediaSource) -> str:
    """Return what a video lacks, and add the face if it has none."""
    return what if not probe(source).has_video or shows_face(source) else Message("{what}, and no face", what=what)


# Texts and models


def check_words(models: Models, road: Road[Any], options: DubOptions) -> None:
    """Check readings, the models of the road and fonts, where the dub needs them. Raises NetflipsError."""
    source, target = models.languages
    if options.pronounce is not None:
        read_readings(options.pronounce, target)
    if options.script is not None:
        terms_of_script(options.script, target, options.script_in)
    _ = options.retranslated  # refused for utterances that are not there
    if options.speaker is not None:
        require_spoken(options.speaker, target)

    road.check(models, options)

    asked = options.subtitling
    if asked is not None and asked.burnt:
        require_letters(font_file(asked.font), _SAMPLES.get(language_of(asked.burnt, source, target), _LATIN))
    if not options.label.isascii():
        require_letters(font_file(None), options.label)


def checked_lips(models: Models, options: DubOptions) -> LipSyncChoice:
    """Return the lip-sync backend by name, after its files were checked.

    Raises UsageError, InputError, CheckpointError or VocabularyError.
    """
    choice, renderer = replace(options.lips, is_hard=options.hard_paste), models.paths.unit2av
    backend = resolve_backend(choice, renderer)
    backend.check(choice, renderer, models.vocoder.vocabulary)
    if backend.uses_renderer:
        lips = models.renderer  # read before the work, and kept
        require_same_vocabulary(models.vocoder.vocabulary, lips.vocabulary, f"the face renderer of {renderer.name}")
    return replace(choice, name=backend.name)


def unit_reader(models: Models, road: Road[Any], options: DubOptions, subtitles: GivenSubtitles | None) -> "UnitReader | None":
    """Return the unit-to-text model. None: the road has texts, or there is no such model and nothing needs one.

    Raises UsageError, VocabularyError for a model of other units, LanguageError for burnt subtitles in a language it cannot write.
    """
    asked = options.subtitling
    must_read = asked is not None and not asked.wanted <= _sides_given(options, subtitles)
    if road.translates_texts or (models.paths.other(UNIT2TEXT) is None and not must_read):
        return None

    if models.paths.other(UNIT2TEXT) is None:
        expected = f"{UNIT2TEXT.flag} FILE, or a bundle with one"
        raise UsageError("subtitles need a unit-to-text model", expected=expected, hint="python -m unit2text.train makes one")

    reader: UnitReader = models.other(UNIT2TEXT)
    require_unit_reader(reader.takes)
    require_same_vocabulary(models.extractor.vocabulary, reader.trained_on, f"the unit-to-text model {reader.path.name}")
    if asked is not None and asked.burnt:
        reader.require_language(language_of(asked.burnt, *models.languages))
    return reader


def require_unit_reader(takes: str) -> None:
    """Raise UsageError for a unit-to-text model that does not read the units of a dub."""
    if takes != UNITS:
        expected = f"one that reads {UNITS}"
        raise UsageError("this unit-to-text model reads no units of a dub", expected=expected, found=f"one that reads {takes}")


def _sides_given(options: DubOptions, subtitles: GivenSubtitles | None) -> set[str]:
    """Return the sides, source or target, for which the user's file has every text."""
    if subtitles is not None:
        return {subtitles.side} - {""}
    if options.script is None or not options.script.utterances:
        return set()
    utterances = options.script.utterances
    sides = {SOURCE} if all(utterance.text is not None for utterance in utterances) else set()
    return sides | ({TARGET} if all(utterance.spoken is not None for utterance in utterances) else set())
