"""The rows of the table about what lies beside dubbing: text that is read and said, speech for silent lips, and lips in sync."""

from dataclasses import replace

from netflips.evaluate.metrics.figures import Better
from workshop.evaluate.clipless import Say
from workshop.evaluate.jobs import SAID
from workshop.evaluate.lacking import ENGLISH_VOICE, ERRORS, MESH_TABLE, SPELLER_KO, STOI, TEXT
from workshop.evaluate.modalities import AUDIO, VIDEO
from workshop.evaluate.row import CHARACTERS, WORDS, ExamRow, Place, beside_dubbing, mean_row, rate_row, share_row
from workshop.evaluate.tasks import Read, Show, SpeakAgain

_LIPS: Place = "held_out", SpeakAgain(VIDEO)
_NEW_LIPS: Place = "new_faces", SpeakAgain(VIDEO)
_SOUND: Place = "held_out", SpeakAgain(AUDIO)
_SHOWN: Place = "new_faces", Show()
_BY_UNITS: Place = "new_faces", Show(is_by_units=True)
_SAID: Place = SAID, Say()


def _read(
    name: str, title: str, kind: str, modalities: str, goal: float | None = None, fields: tuple[str, str] = CHARACTERS
) -> ExamRow:
    """Text that is read."""
    place: Place = kind, Read(modalities)
    return beside_dubbing(rate_row(name, title, place, fields, goal), place, TEXT, ERRORS)


def _right(name: str, title: str, place: Place, field: str = "right", goal: float | None = None) -> ExamRow:
    """Speech for lips that is heard right."""
    return beside_dubbing(share_row(name, title, place, field, goal), place, ENGLISH_VOICE, STOI)


def _mean(name: str, title: str, place: Place, field: str, goal: float | None = None) -> ExamRow:
    """Speech for lips beside the true sound."""
    return beside_dubbing(mean_row(name, title, place, field, goal), place, ENGLISH_VOICE, STOI)


def _read_again(name: str, title: str, place: Place, fields: tuple[str, str] = CHARACTERS) -> ExamRow:
    """What is read in speech for lips."""
    return beside_dubbing(rate_row(name, title, place, fields), place, ENGLISH_VOICE, STOI, TEXT, ERRORS)


def _shown(
    name: str, title: str, place: Place, field: str, goal: float | None = None, better: Better = "higher", *requires: str
) -> ExamRow:
    """What a mouth is like."""
    return beside_dubbing(mean_row(name, title, place, field, goal, better), place, *requires)


TEXT_ROWS: tuple[ExamRow, ...] = (
    _read("read_en", "text read from sound, English: character error rate", "held_out", AUDIO, 0.02),
    _read("read_en_words", "the same: word error rate", "held_out", AUDIO, fields=WORDS),
    _read("read_ko", "text read from sound, Korean: character error rate", "korean", AUDIO, 0.02),
    _read("read_en_lips", "text read from lips alone, English: character error rate", "held_out", VIDEO, 0.15),
    _read("read_en_lips_new", "the same, faces and poses never seen", "new_faces", VIDEO),
    _read("read_ko_lips", "text read from lips alone, Korean: character error rate", "korean", VIDEO, 0.15),
    beside_dubbing(share_row("said", "Korean text, said: heard right", _SAID, goal=0.95), _SAID, SPELLER_KO),
    beside_dubbing(
        rate_row("said_read", "the same: character error rate of what is read in it", _SAID), _SAID, SPELLER_KO, TEXT, ERRORS
    ),
)

LIP_SPEECH_ROWS: tuple[ExamRow, ...] = (
    _right("lip_speech", "silent lips to English speech: heard right", _LIPS, goal=0.85),
    _right("lip_speech_new", "the same, faces and poses never seen", _NEW_LIPS, goal=0.85),
    _right("lip_speech_sound", "the same from units of the sound (what the voice can reach)", _SOUND),
    replace(_right("lip_speech_true", "the measure on the true sound", _SOUND, "source_right"), better="near"),
    _mean("lip_speech_estoi", "silent lips to English speech: ESTOI", _LIPS, "estoi", 0.60),
    _mean("lip_speech_estoi_new", "the same, faces and poses never seen", _NEW_LIPS, "estoi", 0.60),
    _mean("lip_speech_estoi_sound", "the same from units of the sound", _SOUND, "estoi"),
    _mean("lip_speech_stoi", "silent lips to English speech: STOI", _LIPS, "stoi", 0.70),
    _mean("lip_speech_stoi_new", "the same, faces and poses never seen", _NEW_LIPS, "stoi", 0.70),
    _mean("lip_speech_stoi_sound", "the same from units of the sound", _SOUND, "stoi"),
    _read_again("lip_speech_read", "silent lips to English speech: character error rate of what is read in it", _LIPS),
    _read_again("lip_speech_read_words", "the same: word error rate", _LIPS, WORDS),
    _read_again("lip_speech_read_sound", "character error rate of what is read in speech from units of the sound", _SOUND),
)

SYNC_ROWS: tuple[ExamRow, ...] = (
    _shown("lips_sharpness", "sharpness of the lower face beside the truth's", _SHOWN, "sharpness", 0.80),
    _shown("unit_sync_at_zero", "dubs: share of steps in which units of lips and sound agree", _SHOWN, "sync", 0.75),
    _shown("unit_sync_at_zero_source", "the same of the clips before dubbing", _SHOWN, "source_sync", None, "near"),
    _shown(
        "lips_by_units", "lips drawn by the face network: correlation of the opening", _BY_UNITS, "correlation",
        None, "higher", MESH_TABLE,
    ),
    _shown("lips_by_units_sharpness", "the same: sharpness of the lower face", _BY_UNITS, "sharpness", None, "higher", MESH_TABLE),
    _shown("lips_by_units_sync", "the same: units of lips and sound agree", _BY_UNITS, "sync", None, "higher", MESH_TABLE),
)  # fmt: skip
