"""The rows of the table about what lies beside dubbing: text that is read and said, speech for silent lips, and lips in sync."""

from collections.abc import Callable, Sequence

from avcore.statistics import Figure, bootstrap, share
from workshop.evaluate.jobs import (
    READ_AUDIO,
    READ_VIDEO,
    SAID,
    SHOWN,
    SHOWN_BY_UNITS,
    SPEAK_AUDIO,
    SPEAK_VIDEO,
    Need,
    Record,
)
from workshop.evaluate.lacking import ENGLISH_VOICE, ERRORS, MESH_TABLE, SPELLER_KO, STOI, TEXT
from workshop.evaluate.row import ExamRow, Records
from workshop.evaluate.settings import EvaluationSettings

Place = tuple[str, str]
_CHARACTERS, _WORDS = ("errors", "length"), ("word_errors", "words")


def _row(
    name: str,
    title: str,
    place: Place,
    figure: Callable[[Sequence[Record]], Figure | None],
    goal: float | None = None,
    is_least: bool = True,
    requires: tuple[str, ...] = (),
) -> ExamRow:
    """A row of one task on one kind."""

    def needs(settings: EvaluationSettings) -> list[Need]:
        return [Need(*place, min(settings.number, settings.condition_number))]

    def of_records(records: Records, _: EvaluationSettings) -> Figure | None:
        found = records.get(place, ())
        return figure(found) if found else None

    return ExamRow(name, title, needs, of_records, goal, is_least, requires=requires)


def _rate(fields: tuple[str, str]) -> Callable[[Sequence[Record]], Figure | None]:
    """Errors over lengths; an utterance that could not be read at all is wrong as a whole, as long as the others are."""
    errors, length = fields

    def figure(found: Sequence[Record]) -> Figure | None:
        read = [one for one in found if errors in one]
        if not read:
            return None
        usual = round(sum(int(one[length]) for one in read) / len(read))
        pairs = [(int(one[errors]), int(one[length])) if errors in one else (usual, usual) for one in found]
        return bootstrap([wrong for wrong, _ in pairs], [whole for _, whole in pairs])

    return figure


def _share(field: str) -> Callable[[Sequence[Record]], Figure | None]:
    return lambda found: share([bool(one.get(field)) for one in found])


def _mean(field: str) -> Callable[[Sequence[Record]], Figure | None]:
    def figure(found: Sequence[Record]) -> Figure | None:
        values = [float(one[field]) for one in found if field in one]
        return bootstrap(values) if values else None

    return figure


def _read(name: str, title: str, place: Place, goal: float | None = None, fields: tuple[str, str] = _CHARACTERS) -> ExamRow:
    return _row(name, title, place, _rate(fields), goal, is_least=False, requires=(TEXT, ERRORS))


def _lip_speech(
    name: str, title: str, place: Place, figure: Callable[[Sequence[Record]], Figure | None], goal: float | None = None
) -> ExamRow:
    return _row(name, title, place, figure, goal, requires=(ENGLISH_VOICE, STOI))


def _lip_speech_read(name: str, title: str, place: Place, fields: tuple[str, str] = _CHARACTERS) -> ExamRow:
    return _row(name, title, place, _rate(fields), is_least=False, requires=(ENGLISH_VOICE, STOI, TEXT, ERRORS))


_LIPS, _NEW_LIPS, _SOUND = ("held_out", SPEAK_VIDEO), ("new_faces", SPEAK_VIDEO), ("held_out", SPEAK_AUDIO)
_SHOWN, _BY_UNITS = ("new_faces", SHOWN), ("new_faces", SHOWN_BY_UNITS)

TEXT_ROWS: tuple[ExamRow, ...] = (
    _read("read_en", "text read from sound, English: character error rate", ("held_out", READ_AUDIO), 0.02),
    _read("read_en_words", "the same: word error rate", ("held_out", READ_AUDIO), fields=_WORDS),
    _read("read_ko", "text read from sound, Korean: character error rate", ("korean", READ_AUDIO), 0.02),
    _read("read_en_lips", "text read from lips alone, English: character error rate", ("held_out", READ_VIDEO), 0.15),
    _read("read_en_lips_new", "the same, faces and poses never seen", ("new_faces", READ_VIDEO)),
    _read("read_ko_lips", "text read from lips alone, Korean: character error rate", ("korean", READ_VIDEO), 0.15),
    _row("said", "Korean text, said: heard right", (SAID, SAID), _share("right"), 0.95, requires=(SPELLER_KO,)),
    _row(
        "said_read",
        "the same: character error rate of what is read in it",
        (SAID, SAID),
        _rate(_CHARACTERS),
        is_least=False,
        requires=(SPELLER_KO, TEXT, ERRORS),
    ),
)

LIP_SPEECH_ROWS: tuple[ExamRow, ...] = (
    _lip_speech("lip_speech", "silent lips to English speech: heard right", _LIPS, _share("right"), 0.85),
    _lip_speech("lip_speech_new", "the same, faces and poses never seen", _NEW_LIPS, _share("right"), 0.85),
    _lip_speech("lip_speech_sound", "the same from units of the sound (what the voice can reach)", _SOUND, _share("right")),
    _lip_speech("lip_speech_true", "the measure on the true sound", _SOUND, _share("source_right")),
    _lip_speech("lip_speech_estoi", "silent lips to English speech: ESTOI", _LIPS, _mean("estoi"), 0.60),
    _lip_speech("lip_speech_estoi_new", "the same, faces and poses never seen", _NEW_LIPS, _mean("estoi"), 0.60),
    _lip_speech("lip_speech_estoi_sound", "the same from units of the sound", _SOUND, _mean("estoi")),
    _lip_speech("lip_speech_stoi", "silent lips to English speech: STOI", _LIPS, _mean("stoi"), 0.70),
    _lip_speech("lip_speech_stoi_new", "the same, faces and poses never seen", _NEW_LIPS, _mean("stoi"), 0.70),
    _lip_speech("lip_speech_stoi_sound", "the same from units of the sound", _SOUND, _mean("stoi")),
    _lip_speech_read("lip_speech_read", "silent lips to English speech: character error rate of what is read in it", _LIPS),
    _lip_speech_read("lip_speech_read_words", "the same: word error rate", _LIPS, _WORDS),
    _lip_speech_read("lip_speech_read_sound", "character error rate of what is read in speech from units of the sound", _SOUND),
)

SYNC_ROWS: tuple[ExamRow, ...] = (
    _row("lips_sharpness", "sharpness of the lower face beside the truth's", _SHOWN, _mean("sharpness"), 0.80),
    _row("unit_sync_at_zero", "dubs: share of steps in which units of lips and sound agree", _SHOWN, _mean("sync"), 0.75),
    _row("unit_sync_at_zero_source", "the same of the clips before dubbing", _SHOWN, _mean("source_sync")),
    _row(
        "lips_by_units",
        "lips drawn by the face network: correlation of the opening",
        _BY_UNITS,
        _mean("correlation"),
        requires=(MESH_TABLE,),
    ),
    _row("lips_by_units_sharpness", "the same: sharpness of the lower face", _BY_UNITS, _mean("sharpness"), requires=(MESH_TABLE,)),
    _row("lips_by_units_sync", "the same: units of lips and sound agree", _BY_UNITS, _mean("sync"), requires=(MESH_TABLE,)),
)
