"""The rows of the table: what each is called, what has to be done for it, and how its figure comes of the records."""

from collections.abc import Iterable

import numpy as np

from avcore.statistics import Figure, bootstrap, share
from avcore.units.edit_distance import edit_distances
from workshop.evaluate.condition_rows import LIP_ROWS, MICROPHONE_ROWS, NOISE_ROWS, OTHER_ROWS, WARNING_ROWS
from workshop.evaluate.jobs import (
    AUDIO,
    BOTH,
    CEILING,
    ENGLISH,
    OTHERS,
    RANDOM,
    RECORDED,
    ROOM,
    SHOWN,
    SHUFFLED,
    VIDEO,
    VOCODER,
    Need,
    Record,
    noisy,
)
from workshop.evaluate.material import Kind, drawn_sentence, known_sentences
from workshop.evaluate.row import ExamRow, Records
from workshop.evaluate.settings import EvaluationSettings
from workshop.evaluate.side_rows import LIP_SPEECH_ROWS, SYNC_ROWS, TEXT_ROWS
from workshop.evaluate.voice_rows import NATURAL_VOICE_ROWS, VOICE_ROWS
from workshop.evaluate.worker import other_voices

UNTOUCHED = "untouched_speaker"
NATURAL = (
    "natural", "natural_units", "natural_both", "room",
    *(row.name for row in (*MICROPHONE_ROWS, *LIP_ROWS, *NATURAL_VOICE_ROWS)), "voice_natural",
)  # fmt: skip
"""Rows of natural voices."""
OTHER_SYNTHESISERS = tuple(row.name for row in OTHER_ROWS)
SWEEP = "sweep"


def _share(name: str, title: str, kind: str, task: str, field: str = "right", goal: float | None = None) -> ExamRow:
    def needs(settings: EvaluationSettings) -> list[Need]:
        return [Need(kind, task, settings.baseline_number if task == RANDOM else settings.number)]

    def figure(records: Records, _: EvaluationSettings) -> Figure | None:
        found = records.get((kind, task), ())
        return share([bool(one.get(field)) for one in found]) if found else None

    return ExamRow(name, title, needs, figure, goal)


def _mean(name: str, title: str, task: str, field: str, goal: float | None = None) -> ExamRow:
    def needs(settings: EvaluationSettings) -> list[Need]:
        return [Need("new_faces", task, settings.ceiling_number if task == CEILING else settings.number)]

    def figure(records: Records, _: EvaluationSettings) -> Figure | None:
        found = [float(one[field]) for one in records.get(("new_faces", task), ()) if field in one]
        return bootstrap(found) if found else None

    return ExamRow(name, title, needs, figure, goal)


def _nearest_english(name: str, title: str, kind: Kind) -> ExamRow:
    def needs(settings: EvaluationSettings) -> list[Need]:
        return [Need(kind, BOTH, settings.number), Need(ENGLISH, ENGLISH, settings.sentences or len(known_sentences()))]

    def figure(records: Records, settings: EvaluationSettings) -> Figure | None:
        known = [one for one in records.get((ENGLISH, ENGLISH), ()) if "units" in one]
        found = records.get((kind, BOTH), ())
        if not known or not found:
            return None
        ids = [np.array(one["units"], dtype=np.int64) for one in known]
        lengths = np.array([len(one) for one in ids])
        right = []
        for one in found:
            own = np.array(one.get("units", ()), dtype=np.int64)
            nearest = int((edit_distances(own, ids) / np.maximum(lengths, max(len(own), 1))).argmin())
            right.append(known[nearest]["korean"] == drawn_sentence(kind, int(one["index"]), settings).korean)
        return share(right)

    return ExamRow(name, title, needs, figure)


def _errors(name: str, title: str, kind: str, goal: float | None = None) -> ExamRow:
    def needs(settings: EvaluationSettings) -> list[Need]:
        return [Need(kind, kind, settings.number)]

    def figure(records: Records, _: EvaluationSettings) -> Figure | None:
        found = [one for one in records.get((kind, kind), ()) if "errors" in one]
        return bootstrap([one["errors"] for one in found], [one["length"] for one in found]) if found else None

    return ExamRow(name, title, needs, figure, goal, is_least=False)


def _voice(name: str, title: str, kind: str, goal: float | None = None) -> ExamRow:
    """How like the source's voice those of the dubs are, and how unlike others."""

    def needs(settings: EvaluationSettings) -> list[Need]:
        return [Need(kind, BOTH, settings.number), Need(OTHERS, OTHERS, len(other_voices()))]

    def figure(records: Records, _: EvaluationSettings) -> Figure | None:
        others = [one["voice"] for one in records.get((OTHERS, OTHERS), ()) if "voice" in one]
        found = [one for one in records.get((kind, BOTH), ()) if "dubbed_voice" in one]
        if not others or not found:
            return None
        panel = np.array(others, dtype=np.float64)
        dubbed, own = (np.array([one[what] for one in found], dtype=np.float64) for what in ("dubbed_voice", "voice"))
        return bootstrap(((dubbed * own).sum(1) - (dubbed @ panel.T).mean(1)).tolist())

    return ExamRow(name, title, needs, figure, goal)


def _noise(name: str, title: str, modalities: str, goal: float) -> ExamRow:
    def needs(settings: EvaluationSettings) -> list[Need]:
        return [Need("held_out", noisy(modalities, settings.noise_db), settings.number)]

    def figure(records: Records, settings: EvaluationSettings) -> Figure | None:
        found = records.get(("held_out", noisy(modalities, settings.noise_db)), ())
        return share([bool(one["right"]) for one in found]) if found else None

    return ExamRow(name, title, needs, figure, goal)


ROWS: tuple[ExamRow, ...] = (
    _share("seen", "sentences of the training, voices never heard", "seen", BOTH, goal=0.98),
    _share("held_out", "sentences never trained on, voices never heard", "held_out", BOTH, goal=0.95),
    _share("held_out_units", "the same, nearest units of all references instead of sound", "held_out", BOTH, "units_right"),
    _share("recorded", "the measure on Korean that the synthesiser says itself, voices never heard", RECORDED, RECORDED),
    _share("new_faces", "the same, faces and poses never seen, dubbed to a video", "new_faces", SHOWN),
    _share(UNTOUCHED, "the same, a synthesiser's speaker never heard by any stage", "speaker", BOTH, goal=0.80),
    *OTHER_ROWS,
    _share("natural", "natural voices never heard, sound only", "natural", AUDIO, goal=0.93),
    _share("natural_units", "the same, nearest units", "natural", AUDIO, "units_right", goal=0.93),
    _share("natural_both", "natural voices never heard, with a face", "natural", BOTH),
    _share("room", "the same voices across a room with noise (10 dB), sound only", "natural", ROOM, goal=0.85),
    *MICROPHONE_ROWS,
    *LIP_ROWS,
    _share("audio_only", "sound only", "held_out", AUDIO),
    _share("video_only", "video only, other takes of faces of the training", "held_out", VIDEO, goal=0.90),
    _share("video_only_new", "video only, faces and poses never seen", "new_faces", VIDEO, goal=0.60),
    _noise("noise_audio", "white noise as loud as the speech (0 dB), sound only", AUDIO, 0.85),
    _noise("noise_both", "the same with video", BOTH, 0.95),
    *NOISE_ROWS,
    _share("again", "the dubbed sound through the unit extractor: nearest reference units", "held_out", BOTH, "again_right", 0.95),
    _share("vocoder", "vocoder alone on true units, voices never heard", VOCODER, VOCODER, goal=0.99),
    _errors("vocoder_errors", "the same: unit error rate of its sound", VOCODER, 0.03),
    _errors("recorded_errors", "the same of Korean that the synthesiser says itself: the extractor's own errors", RECORDED),
    _voice("voice", "speaker: cosine to the source's voice minus mean cosine to others", "held_out", 0.15),
    _voice("voice_natural", "the same, natural voices", "natural"),
    *VOICE_ROWS,
    *NATURAL_VOICE_ROWS,
    _mean("lips", "lips: correlation of the opening with the truth, faces and poses never seen", SHOWN, "correlation", 0.88),
    _mean("lips_shifted", "the same, truth 0.28 s late (should be near 0)", SHOWN, "shifted"),
    _mean("lips_ceiling", "the same, on the drawn truth itself (what the measure can reach)", CEILING, "correlation"),
    _mean("lips_l1", "mouth region: mean difference from the truth (0 to 1)", SHOWN, "l1"),
    _mean("lips_source_l1", "the same for the undubbed mouth", SHOWN, "source_l1"),
    _mean("lips_ssim", "mouth region: SSIM", SHOWN, "ssim"),
    _mean("lips_source_ssim", "the same for the undubbed mouth", SHOWN, "source_ssim"),
    *SYNC_ROWS,
    *TEXT_ROWS,
    *LIP_SPEECH_ROWS,
    _share("random", "baseline: encoder and translator with shuffled weights", "held_out", RANDOM),
    _share("shuffled", "baseline: units in random order before translation", "held_out", SHUFFLED),
    _nearest_english("nearest_seen", "baseline: nearest English training sentence by units, training sentences", "seen"),
    _nearest_english("nearest_held_out", "the same, sentences never trained on", "held_out"),
    *WARNING_ROWS,
)


def sweep_needs(settings: EvaluationSettings) -> list[Need]:
    """What the plot over noise needs."""
    return [
        Need("held_out", noisy(modalities, snr), settings.sweep_number)
        for modalities in (AUDIO, BOTH)
        for snr in sorted({*settings.snrs_db, settings.noise_db}, reverse=True)
    ]


def sweep_figures(records: Records, settings: EvaluationSettings) -> dict[str, dict[float, Figure]]:
    """Share of right sentences by modalities and noise in dB."""
    figures: dict[str, dict[float, Figure]] = {}
    for need in sweep_needs(settings):
        found = records.get((need.kind, need.task), ())
        if found:
            modalities, _, snr = need.task.partition("@")
            figures.setdefault(modalities, {})[float(snr)] = share([bool(one["right"]) for one in found])
    return figures


def by_task(records: Iterable[Record]) -> dict[tuple[str, str], list[Record]]:
    """Records by kind and task, sorted by number."""
    found: dict[tuple[str, str], list[Record]] = {}
    for one in sorted(records, key=lambda record: int(record["index"])):
        found.setdefault((str(one["kind"]), str(one["task"])), []).append(one)
    return found
