"""Fit how likely the words of a bundle's models are right.

    python -m recipes.demo.recipe.confidence FOLDER --count 480

Voices that are not in the training speak sentences of the phrasebook, and a few others: plain, with silence around them, at 10 to
30 dB of noise, in a room. A unit-to-text model transcribes the units, and Whisper base (`make judges`) a part of the sound. The fit
is evaluated for each kind of voice by a fit on the others, and written into bundle.json. Rows stay in FOLDER, so that a stopped
run goes on. Needs flite and the natural voices (`make voices`), too.
"""

import re
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from av2unit.training.noise import Degradation, coloured_noise, mix_in, pass_through
from avcore.arrays import Samples
from avcore.command import LOG
from avcore.flags import Command, QuietOptions, flag, positional
from avcore.journal import Rows
from avcore.progress import Progress, bars, track
from avcore.timeline import seconds_to_samples
from avcore.units import edit_distance
from netflips.bundles.confidence import KEY, Calibration, Table, WordPairs, translation_readings
from netflips.bundles.describe import check_bundle, note
from netflips.model_paths import RunOptions, bundle_paths
from netflips.models import load_models
from netflips.quality_estimation import LOST, SURE, count_errors
from netflips.recognizers.outside import recognizer_folder
from netflips.recognizers.whisper import open_whisper
from netflips.stages import SHIPPED
from recipes.demo.evaluate.material import synthesised_speech
from recipes.demo.recipe.probes import one_word_sentences, outside_sentences
from recipes.demo.voices.cast import FliteVoice, Voice, cast, require_synthesisers
from recipes.demo.voices.phrasebook import phrasebook
from unit2text.stage import UNIT2TEXT

KINDS = ("natural", "between", "espeak", "flite")
"""Kinds of voices: natural ones that are in no training, others between those of the training, espeak-ng's, and flite's."""
PLACES = ("plain", "quiet", "silence", "hiss", "noise", "noise", "room", "noisy room")
"""Conditions of the recordings."""
_ROWS, _INT16, _SEED = "rows.jsonl", 32768, 83
_OUTSIDE, _WHISPER = 0.12, 3
"""Share of recordings with a sentence that the phrasebook lacks; and which recordings Whisper recognizes: every third."""
_MOST_MISREAD, _MOST_WRONG = 2, 0.1
"""Errors that a right text may have: in strokes of Hangul for the unit-to-text model, and as a share of a text's letters."""
_FITTED: Mapping[str, Sequence[tuple[str, ...]]] = {
    "translation": (("score",), ("score", "nearest", "others")),
    "reading": (("confidence",),),
    "recognition": (("confidence",),),
}
"""The readings for each table of a calibration."""
_EDGE = 0.02
"""Shares stay this far from 0 and 1, since nothing is certain."""

Row = dict[str, Any]
"""number, kind, place, text; for each of translation, reading and recognition its readings and whether it was right."""


class Recordings:
    """A bundle's models, and the models that measure their quality."""

    def __init__(self, folder: Path) -> None:
        self.models = load_models(bundle_paths(check_bundle(folder)), "en", "ko", RunOptions("cpu"))
        self.reader = self.models.other(UNIT2TEXT)
        self.recognizer = open_whisper(recognizer_folder("judge-whisper"), "cpu")
        self.words = WordPairs(phrasebook().slots)
        self._templates = [list(phrasebook().pairs_of(number)) for number in range(len(phrasebook().templates))]
        self._others = (*one_word_sentences(), *outside_sentences())

    def row(self, number: int) -> Row:
        """Make a recording, translate it and measure the result; the same number gives the same row."""
        rng = np.random.default_rng([_SEED, number])
        kind, place = KINDS[number % len(KINDS)], str(rng.choice(PLACES))
        template = self._templates[int(rng.integers(len(self._templates)))]
        pair = template[int(rng.integers(len(template)))] if rng.random() >= _OUTSIDE else None
        text = str(rng.choice(self._others)) if pair is None else pair.english
        speech = recorded(synthesised_speech(text, drawn_voice(kind, rng)), place, rng)

        extraction = self.models.extractor.extract_scored(speech)
        made = self.models.translator.translate(extraction.units, "en", "ko")
        translated = made.units if made.units.durations is not None else self.models.vocoder.predict_durations(made.units)
        nearest = None if extraction.nearest is None else extraction.nearest.score

        source = self.reader.read(replace(extraction.units, language="en"), "en")
        target = self.reader.read(translated, "ko").text if len(translated) else ""
        others = self.words.other_words(source.text, target)
        is_right = pair is not None and any(self.says(target, form) for form in (pair.korean, *(form for _, form in pair.forms)))
        row = {
            "number": number, "kind": kind, "place": place, "text": text, "read": source.text, "said": target,
            "translation": [translation_readings(made.score, nearest, others), is_right],
            "reading": [{"confidence": source.confidence}, is_heard(source.text, text)],
        }  # fmt: skip

        if number % _WHISPER == 0:
            found = self.recognizer.transcribe(speech, "en")
            row["recognition"] = [{"confidence": found.confidence}, is_heard(found.text, text)]

        return row

    def says(self, read: str, wanted: str) -> bool:
        """Return whether a text of the unit-to-text model is a sentence: at most two strokes differ, and it has the same words."""
        strokes = (unicodedata.normalize("NFD", re.sub(r"\W", "", text)) for text in (read, wanted))
        one, other = (np.array([ord(sign) for sign in text]) for text in strokes)
        return edit_distance(one, other) <= _MOST_MISREAD and self.words.words_in(read) == self.words.words_in(wanted)


def drawn_voice(kind: str, rng: np.random.Generator) -> Voice:
    """Draw a voice of a kind of KINDS; none of them is in the training."""
    if kind == "flite":
        return FliteVoice(cast().unheard_speaker.name, float(rng.uniform(0.85, 1.2)), float(rng.uniform(0.9, 1.12)))
    if kind == "natural":
        return replace(cast().unheard_natural(rng), tract=round(float(rng.uniform(0.9, 1.12)), 2))
    return cast().unusual_natural(rng) if kind == "between" else cast().unheard_voice("en", rng)


def recorded(speech: Samples, place: str, rng: np.random.Generator) -> Samples:
    """Return speech, float32 [S] at 16 kHz, as if recorded in one of PLACES, of the same length or longer."""
    sound = speech.astype(np.float64) / max(float(np.abs(speech).max(initial=0.0)), 1e-6) * _INT16 / 2

    if place in ("silence", "hiss"):
        sound = np.pad(sound, tuple(seconds_to_samples(float(rng.uniform(0.2, 0.8))) for _ in range(2)))
    if "room" in place:
        room = Degradation(reverb_s=float(rng.uniform(0.2, 0.6)), direct_db=float(rng.uniform(2, 8)))
        sound = pass_through(sound, room, rng)
    if place in ("hiss", "noise", "noisy room"):
        ratio_db = 35.0 if place == "hiss" else float(rng.uniform(10, 30 if place == "noise" else 20))
        sound = mix_in(sound, coloured_noise(len(sound), float(rng.uniform(-1, 2)), rng), ratio_db)

    return (sound * (0.3 if place == "quiet" else 1.0) / _INT16).astype(np.float32)


def is_heard(found: str, text: str) -> bool:
    """Return whether a text was recognized: at most a tenth of its letters is wrong, with numbers as Whisper writes them."""
    from whisper_normalizer.english import EnglishTextNormalizer

    normal = EnglishTextNormalizer()
    errors, length = count_errors(normal(found), normal(text))
    return errors <= _MOST_WRONG * length


# The fit


def fitted(rows: Sequence[Row], name: str) -> Calibration:
    """Fit how often one of translation, reading and recognition is right, given its readings."""
    readings, right = zip(*(row[name] for row in rows if name in row), strict=True)
    return Calibration(tuple(_table(readings, np.array(right), names) for names in _FITTED[name]), len(right))


def _table(readings: Sequence[Mapping[str, float]], is_right: "np.ndarray[Any, Any]", names: Sequence[str]) -> Table:
    """Combine readings into one figure (logistic regression), and fit the share of right rows as a rising step function of it.

    Where all rows are right, or none is, the readings tell nothing, and weigh nothing.
    """
    columns = np.array([[reading[name] for name in names] for reading in readings])
    is_mixed = is_right.any() and not is_right.all()
    weights = LogisticRegression(C=10).fit(columns, is_right).coef_[0] if is_mixed else np.zeros(len(names))
    steps = IsotonicRegression(y_min=_EDGE, y_max=1 - _EDGE).fit(columns @ weights, is_right)
    rounded = ([round(float(one), 4) for one in found] for found in (weights, steps.X_thresholds_, steps.y_thresholds_))
    of_names, figures, shares = rounded
    return Table(dict(zip(names, of_names, strict=True)), tuple(figures), tuple(shares))


def section(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the section on confidence of bundle.json."""
    words = {kind: list(map(list, pairs)) for kind, pairs in phrasebook().slots.items()}
    return {name: asdict(fitted(rows, name)) for name in _FITTED} | {"words": words}


def reliability_lines(rows: Sequence[Row]) -> Iterator[str]:
    """Yield lines on reliability, where each kind of voice is evaluated by a fit on the others."""
    for name in _FITTED:
        own = [row for row in rows if name in row]
        shares, right = list[float](), list[bool]()

        for kind in KINDS:
            found = fitted([row for row in own if row["kind"] != kind], name)
            for readings, is_right in (row[name] for row in own if row["kind"] == kind):
                shares.append(found.share(readings))
                right.append(is_right)
        yield f"{name}: {reliability(np.array(shares), np.array(right))}"


def reliability(shares: "np.ndarray[Any, Any]", right: "np.ndarray[Any, Any]") -> str:
    """Return how predicted shares, float [N], agree with right, bool [N]: by thirds, and at the bounds of the grades."""
    thirds = np.array_split(np.argsort(shares, kind="stable"), 3)
    by_thirds = ", ".join(f"{shares[third].mean():.2f} and {right[third].mean():.2f} right" for third in thirds)
    ends = {"sure": shares >= SURE, "not understood": shares <= LOST}
    graded = ", ".join(f"{one.sum()} {name}, {right[one].sum()} right" for name, one in ends.items())
    return f"{len(shares)} recordings, by thirds told {by_thirds}; {graded}"


@dataclass(frozen=True, kw_only=True)
class ConfidenceOptions(QuietOptions):
    """Fit how likely the words of a bundle's models are right."""

    folder: Path = positional("FOLDER")
    """where the rows are kept"""
    count: int = flag(default=480)
    """recordings (default: 480)"""
    bundle_dir: Path = flag(default=SHIPPED, metavar="DIR")
    """the bundle (default: the one that is shipped)"""


def take_rows(options: ConfidenceOptions, progress: Progress) -> list[Row]:
    """Return the rows of all recordings; those that are in the folder already are not made again."""
    rows, recordings = Rows[int](options.folder / _ROWS, "number"), Recordings(options.bundle_dir)
    rows.repair()
    missing = sorted({*range(options.count)} - rows.keys())
    for number in track(missing, "recordings", progress, len(missing)):
        rows.add([recordings.row(number)])
    return list(rows.values())


def _work(options: ConfidenceOptions) -> None:
    require_synthesisers(with_flite=True, with_natural=True)
    options.folder.mkdir(parents=True, exist_ok=True)
    with bars(options.quiet) as progress:
        rows = take_rows(options, progress)
    for line in reliability_lines(rows):
        LOG.info("%s", line)
    note(options.bundle_dir, **{KEY: section(rows)})


_COMMAND = Command(ConfidenceOptions, "confidence", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
