"""The rows of the table: what each is called, what has to be done for it, and how its figure comes of the records."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from avcore.units.edit_distance import edit_distances
from netflips.evaluate.by_clip import ByClip
from netflips.evaluate.curves import Curve, curve_of
from netflips.evaluate.metrics.figures import Better
from workshop.evaluate.clipless import HearEnglish, HearOther, HearRecording, VocoderAlone, other_voices
from workshop.evaluate.condition_rows import LIP_ROWS, MICROPHONE_ROWS, NOISE_ROWS, OTHER_ROWS, WARNING_ROWS
from workshop.evaluate.jobs import ENGLISH, OTHERS, RECORDED, VOCODER, Need, Record
from workshop.evaluate.material import Kind, drawn_sentence, known_sentences
from workshop.evaluate.modalities import AUDIO, BOTH, VIDEO
from workshop.evaluate.outside import OUTSIDE_ROWS
from workshop.evaluate.row import ExamRow, Place, Records, flags, found_of, id_of, mean_row, rate_row, share_row
from workshop.evaluate.settings import EvaluationSettings
from workshop.evaluate.side_rows import LIP_SPEECH_ROWS, SYNC_ROWS, TEXT_ROWS
from workshop.evaluate.tasks import Dub, DubAcrossRoom, DubAtRandom, DubShuffled, Show, ShowTruth
from workshop.evaluate.voice_rows import NATURAL_VOICE_ROWS, VOICE_ROWS

UNTOUCHED = "untouched_speaker"
NATURAL = (
    "natural", "natural_units", "natural_both", "room",
    *(row.name for row in (*OUTSIDE_ROWS, *MICROPHONE_ROWS, *LIP_ROWS, *NATURAL_VOICE_ROWS)), "voice_natural",
)  # fmt: skip
"""Rows of natural voices."""
OTHER_SYNTHESISERS = tuple(row.name for row in OTHER_ROWS)
SWEEP = "sweep"
NOISE = "white"
"""What the noise of the sweep is called."""

_HELD_OUT: Place = "held_out", Dub()
_NATURAL: Place = "natural", Dub(AUDIO)
_SHOWN: Place = "new_faces", Show()
_VIDEO: Place = "held_out", Dub(VIDEO)
_RECORDED: Place = RECORDED, HearRecording()
_VOCODER: Place = VOCODER, VocoderAlone()


def _baseline(row: ExamRow) -> ExamRow:
    """A row that others are to be read beside: nothing is better of it."""
    return replace(row, better="near")


def _random(name: str, title: str) -> ExamRow:
    """Weights that know nothing, which are slow to translate."""
    place: Place = "held_out", DubAtRandom()
    return replace(share_row(name, title, place), needs=lambda settings: [Need(*place, settings.baseline_number)])


def _lips(name: str, title: str, field: str, goal: float | None = None, better: Better = "higher") -> ExamRow:
    return mean_row(name, title, _SHOWN, field, goal, better)


def _ceiling(name: str, title: str) -> ExamRow:
    place: Place = "new_faces", ShowTruth()
    return replace(mean_row(name, title, place, "correlation"), needs=lambda settings: [Need(*place, settings.ceiling_number)])


def _nearest_english(name: str, title: str, kind: Kind) -> ExamRow:
    """What the nearest English sentence of the training, by units, would give."""
    english: Place = ENGLISH, HearEnglish()
    dubs: Place = kind, Dub()

    def needs(settings: EvaluationSettings) -> list[Need]:
        return [Need(*dubs, settings.number), Need(*english, settings.sentences or len(known_sentences(settings.edition)))]

    def by_clip(records: Records, settings: EvaluationSettings) -> ByClip:
        known = [one for one in found_of(records, english) if "units" in one]
        if not known:
            return ByClip({})
        ids = [np.array(one["units"], dtype=np.int64) for one in known]
        lengths = np.array([len(one) for one in ids])
        right = dict[str, float]()
        for one in found_of(records, dubs):
            own = np.array(one.get("units", ()), dtype=np.int64)
            nearest = int((edit_distances(own, ids) / np.maximum(lengths, max(len(own), 1))).argmin())
            wanted = drawn_sentence(kind, int(one["index"]), settings).korean
            right[id_of(kind, one)] = float(known[nearest]["korean"] == wanted)
        return ByClip(right, is_share=True)

    return ExamRow(name, title, needs, by_clip, better="near")


def _voice(name: str, title: str, kind: str, goal: float | None = None) -> ExamRow:
    """How like the source's voice those of the dubs are, and how unlike others."""
    dubs: Place = kind, Dub()
    others: Place = OTHERS, HearOther()

    def needs(settings: EvaluationSettings) -> list[Need]:
        return [Need(*dubs, settings.number), Need(*others, len(other_voices()))]

    def by_clip(records: Records, _: EvaluationSettings) -> ByClip:
        panel = np.array([one["voice"] for one in found_of(records, others) if "voice" in one], dtype=np.float64)
        found = [one for one in found_of(records, dubs) if "dubbed_voice" in one]
        if not len(panel) or not found:
            return ByClip({})
        dubbed, own = (np.array([one[what] for one in found], dtype=np.float64) for what in ("dubbed_voice", "voice"))
        margins = (dubbed * own).sum(1) - (dubbed @ panel.T).mean(1)
        return ByClip({id_of(kind, one): float(margin) for one, margin in zip(found, margins, strict=True)})

    return ExamRow(name, title, needs, by_clip, goal)


def _noise(name: str, title: str, modalities: str, goal: float) -> ExamRow:
    def place(settings: EvaluationSettings) -> Place:
        return "held_out", Dub(modalities, settings.noise_db)

    return ExamRow(
        name,
        title,
        lambda settings: [Need(*place(settings), settings.number)],
        lambda records, settings: flags(records, place(settings), "right"),
        goal,
    )


ROWS: tuple[ExamRow, ...] = (
    *OUTSIDE_ROWS,
    share_row("seen", "sentences of the training, voices never heard", ("seen", Dub()), goal=0.98),
    share_row("seen_units", "the same, nearest units", ("seen", Dub()), "units_right", goal=0.98),
    share_row("held_out", "sentences never trained on, voices never heard", _HELD_OUT, goal=0.95),
    share_row("held_out_units", "the same, nearest units of all references instead of sound", _HELD_OUT, "units_right"),
    _baseline(share_row("recorded", "the measure on Korean that the synthesiser says itself, voices never heard", _RECORDED)),
    share_row("new_faces", "the same, faces and poses never seen, dubbed to a video", _SHOWN),
    share_row(UNTOUCHED, "the same, a synthesiser's speaker never heard by any stage", ("speaker", Dub()), goal=0.80),
    *OTHER_ROWS,
    share_row("natural", "natural voices never heard, sound only", _NATURAL, goal=0.93),
    share_row("natural_units", "the same, nearest units", _NATURAL, "units_right", goal=0.93),
    share_row("natural_both", "natural voices never heard, with a face", ("natural", Dub())),
    share_row("room", "the same voices across a room with noise (10 dB), sound only", ("natural", DubAcrossRoom()), goal=0.85),
    *MICROPHONE_ROWS,
    *LIP_ROWS,
    share_row("audio_only", "sound only", ("held_out", Dub(AUDIO))),
    share_row("video_only", "video only, other takes of faces of the training", _VIDEO, goal=0.90),
    share_row("video_only_new", "video only, faces and poses never seen", ("new_faces", Dub(VIDEO)), goal=0.60),
    _noise("noise_audio", "white noise as loud as the speech (0 dB), sound only", AUDIO, 0.85),
    _noise("noise_both", "the same with video", BOTH, 0.95),
    *NOISE_ROWS,
    share_row("again", "the dubbed sound through the unit extractor: nearest reference units", _HELD_OUT, "again_right", 0.95),
    share_row("vocoder", "vocoder alone on true units, voices never heard", _VOCODER, goal=0.99),
    rate_row("vocoder_errors", "the same: unit error rate of its sound", _VOCODER, goal=0.03, is_lost_wrong=False),
    _baseline(
        rate_row(
            "recorded_errors",
            "the same of Korean that the synthesiser says itself: the extractor's own errors",
            _RECORDED,
            is_lost_wrong=False,
        )
    ),
    _voice("voice", "speaker: cosine to the source's voice minus mean cosine to others", "held_out", 0.15),
    _voice("voice_natural", "the same, natural voices", "natural"),
    *VOICE_ROWS,
    *NATURAL_VOICE_ROWS,
    _lips("lips", "lips: correlation of the opening with the truth, faces and poses never seen", "correlation", 0.88),
    _lips("lips_shifted", "the same, truth 0.28 s late (should be near 0)", "shifted", better="near"),
    _baseline(_ceiling("lips_ceiling", "the same, on the drawn truth itself (what the measure can reach)")),
    _lips("lips_l1", "mouth region: mean difference from the truth (0 to 1)", "l1", better="lower"),
    _lips("lips_source_l1", "the same for the undubbed mouth", "source_l1", better="near"),
    _lips("lips_ssim", "mouth region: SSIM", "ssim"),
    _lips("lips_source_ssim", "the same for the undubbed mouth", "source_ssim", better="near"),
    *SYNC_ROWS,
    *TEXT_ROWS,
    *LIP_SPEECH_ROWS,
    _baseline(_random("random", "baseline: encoder and translator with shuffled weights")),
    _baseline(share_row("shuffled", "baseline: units in random order before translation", ("held_out", DubShuffled()))),
    _nearest_english("nearest_seen", "baseline: nearest English training sentence by units, training sentences", "seen"),
    _nearest_english("nearest_held_out", "the same, sentences never trained on", "held_out"),
    *WARNING_ROWS,
)


def sweep_needs(settings: EvaluationSettings) -> list[Need]:
    """What the curve over noise needs."""
    return [
        Need("held_out", Dub(modalities, snr), settings.sweep_number)
        for modalities in (AUDIO, BOTH)
        for snr in sorted({*settings.snrs_db, settings.noise_db}, reverse=True)
    ]


def sweep_curve(records: Records, settings: EvaluationSettings) -> Curve | None:
    """The share of right sentences over the noise, by modalities; None where there are no records of it."""
    alone = flags(records, _VIDEO, "right")
    levels: dict[float, dict[str, ByClip]] = {}
    for snr in sorted({*settings.snrs_db, settings.noise_db}, reverse=True):
        sides = {modalities: flags(records, ("held_out", Dub(modalities, snr)), "right") for modalities in (AUDIO, BOTH)}
        found = {modalities: side for modalities, side in sides.items() if side.values}
        if found:
            levels[snr] = found | ({VIDEO: alone} if alone.values else {})
    return curve_of(NOISE, "right", levels, is_more_better=True) if levels else None


def by_task(records: Iterable[Record]) -> dict[tuple[str, str], list[Record]]:
    """Records by kind and task, sorted by number."""
    found: dict[tuple[str, str], list[Record]] = {}
    for one in sorted(records, key=lambda record: int(record["index"])):
        found.setdefault((str(one["kind"]), str(one["task"])), []).append(one)
    return found
