"""The rows of the table about speech that is not as in the training: other synthesisers, microphones, lips that do not belong,
and warnings. All but the sound of other synthesisers are right or wrong by the nearest units of all references."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from netflips.evaluate.by_clip import ByClip
from netflips.evaluate.metrics.figures import Better
from workshop.evaluate.clipless import DubSynthesiser
from workshop.evaluate.conditions import LIPS, OWN
from workshop.evaluate.jobs import ExamTask, Need, Record
from workshop.evaluate.modalities import AUDIO, AUTO, BOTH
from workshop.evaluate.row import ExamRow, Number, Place, Records, all_of, asks_for, flags, share_row, some_of
from workshop.evaluate.settings import EvaluationSettings
from workshop.evaluate.tasks import (
    Dub,
    DubAcrossRoom,
    UnderstandInNoise,
    UnderstandThrough,
    UnderstandWithLips,
)
from workshop.voices.cast import cast

_NATURAL = "natural"
OF_BUNDLE = "bundle", "out_of_domain"
"""Where `out_of_domain` of a bundle's description stands among the records."""
_SOUND_TITLES: Mapping[str, str] = {
    "telephone": "by telephone (300 to 3400 Hz)",
    "aac": "through AAC at 32 kbit/s",
    "opus": "through Opus at 24 kbit/s",
    "clipped": "clipped at a quarter of the peak",
    "slow": "at 0.75 of their pace",
    "fast": "at 1.3 times their pace",
}
_LIP_TITLES: Mapping[str, str] = {
    OWN: "their own lips",
    "still": "a still mouth",
    "unseen": "a grey or black picture",
    "foreign": "another head's mouth, that says another sentence",
    "late": "their own lips, 400 ms late",
}
_VOICES: Mapping[str, str] = {"espeak": "espeak-ng's voices", "natural": "natural voices"}
_WARNINGS: tuple[tuple[str, str, float | None, Better], ...] = (
    ("warned_inside", "false warnings, sentences of the phrasebook never trained on", 0.05, "lower"),
    ("warned_right", "of these, sentences that come out right", None, "lower"),
    ("warned_outside", "warnings, sentences that are not of the phrasebook", 0.95, "higher"),
    ("warned_one_word", "warnings, sentences of the phrasebook but for one word", 0.80, "higher"),
    ("warned_wrong", "warnings, sentences of the phrasebook that come out as another one", None, "higher"),
)
"""What `bundle.json` counts, in words, the goal, and which is better."""


def _right(name: str, title: str, task: ExamTask, number: Number = some_of) -> ExamRow:
    """Natural voices, by units."""
    place: Place = _NATURAL, task
    return replace(share_row(name, title, place, "units_right"), needs=asks_for(place, number=number))


def _with_lips(kind: str, title: str) -> tuple[ExamRow, ExamRow]:
    """Lips of a kind: as a dub takes them by default, and when they are always taken."""
    return (
        _right(f"{kind}_lips", f"natural voices with {title}, by default: nearest units", UnderstandWithLips(AUTO, kind)),
        _right(f"{kind}_lips_both", "the same when sound and lips are always taken", UnderstandWithLips(BOTH, kind)),
    )


def _others(name: str, title: str, field: str, kinds: tuple[str, ...], goal: float | None = None) -> ExamRow:
    """Kinds of synthesisers, those that there are records of."""
    places: list[Place] = [(kind, DubSynthesiser(kind)) for kind in kinds]

    def by_clip(records: Records, _: EvaluationSettings) -> ByClip:
        found = [flags(records, place, field).values for place in places]
        return ByClip({name: value for one in found for name, value in one.items()}, is_share=True)

    def number(settings: EvaluationSettings) -> int:
        return min(settings.number, settings.other_number)

    return ExamRow(name, title, asks_for(*places, number=number), by_clip, goal, counted=len(kinds))


def _difference(name: str, title: str, pairs: Callable[[EvaluationSettings], list[tuple[Need, Need]]]) -> ExamRow:
    """How much oftener one task is right than another on the same clips, over all pairs of tasks."""

    def needs(settings: EvaluationSettings) -> list[Need]:
        return [need for pair in pairs(settings) for need in pair]

    def by_clip(records: Records, settings: EvaluationSettings) -> ByClip:
        found = dict[str, float]()
        for one, other in pairs(settings):
            tried, base = (flags(records, (need.kind, need.task), "units_right").values for need in (one, other))
            found |= {f"{clip} {one.task.name}": value - base[clip] for clip, value in tried.items() if clip in base}
        return ByClip(found)

    return ExamRow(name, title, needs, by_clip, 0.0, counted=0)


def _lips_and_sound(settings: EvaluationSettings) -> list[tuple[Need, Need]]:
    sound = Need(_NATURAL, Dub(AUDIO), some_of(settings))
    return [(Need(_NATURAL, UnderstandWithLips(AUTO, kind), some_of(settings)), sound) for kind in LIPS if kind != OWN]


def _noise(settings: EvaluationSettings) -> tuple[Need, Need]:
    tasks: tuple[ExamTask, ExamTask] = UnderstandInNoise(settings.noise_db), Dub(BOTH, settings.noise_db)
    decided, both = (Need("held_out", task, settings.number) for task in tasks)
    return decided, both


def _in_noise(name: str, title: str, place: int) -> ExamRow:
    def by_clip(records: Records, settings: EvaluationSettings) -> ByClip:
        need = _noise(settings)[place]
        return flags(records, (need.kind, need.task), "units_right")

    return ExamRow(name, title, lambda settings: [_noise(settings)[place]], by_clip)


def _warnings(name: str, title: str, goal: float | None, better: Better) -> Iterator[ExamRow]:
    """What the bundle says of itself, in all voices and in those of a kind: it was measured when its bounds were found."""

    def row(voice: str) -> ExamRow:
        def by_clip(records: Records, _: EvaluationSettings) -> ByClip:
            told: Record = next((one[name] for one in records.get(OF_BUNDLE, ()) if name in one), {})
            counted = told.get("by_voice", {}).get(voice, {}) if voice else told
            samples = int(counted.get("samples", 0))
            warned = round(float(counted.get("share", 0.0)) * samples)
            return ByClip({f"{name}/{number}": float(number < warned) for number in range(samples)}, is_share=True)

        words = f"the same, {_VOICES[voice]}" if voice else title
        return ExamRow(f"{name}_{voice}" if voice else name, words, lambda _: [], by_clip, goal, better)

    yield from map(row, ("", *_VOICES))


def modality_shares(records: Records) -> dict[str, dict[str, float]]:
    """What units were taken from where that was decided for each utterance: shares of modalities by task."""
    told = {}
    for (_, task), found in records.items():
        taken = [str(one["modalities"]) for one in found if "modalities" in one]
        if task.startswith(AUTO) and taken:
            told[task] = {name: round(taken.count(name) / len(taken), 4) for name in sorted(set(taken))}
    return told


_KINDS = tuple(cast().other_voices)
OTHER_ROWS: tuple[ExamRow, ...] = (
    _others("others", "other synthesisers, heard by no training, sound only", "right", _KINDS, 0.90),
    _others("others_units", "the same, nearest units", "units_right", _KINDS, 0.90),
    *(_others(f"others_{kind}", f"of these {kind}, nearest units", "units_right", (kind,)) for kind in _KINDS),
)
MICROPHONE_ROWS: tuple[ExamRow, ...] = (
    _right("room_units", "the same, nearest units", DubAcrossRoom(), all_of),
    *(
        _right(f"sound_{name}", f"natural voices {title}, sound only, nearest units", UnderstandThrough(name))
        for name, title in _SOUND_TITLES.items()
    ),
)
LIP_ROWS: tuple[ExamRow, ...] = (
    *(row for kind, title in _LIP_TITLES.items() for row in _with_lips(kind, title)),
    _difference("lips_cost", "lips that do not belong, the last four: right less right by the sound alone", _lips_and_sound),
)
NOISE_ROWS: tuple[ExamRow, ...] = (
    _in_noise("noise_both_units", "the same, nearest units", 1),
    _in_noise("noise_auto", "the same when a dub decides what to take, as by default", 0),
    _difference("noise_auto_gain", "the latter less the former", lambda settings: [_noise(settings)]),
)
WARNING_ROWS: tuple[ExamRow, ...] = tuple(row for told in _WARNINGS for row in _warnings(*told))
