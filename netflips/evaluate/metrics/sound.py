"""Sound quality at 16 kHz: by networks trained on listeners' scores, from the wave alone, and beside the true recording.

DNSMOS P.835 (Reddy et al. 2021) comes in the package speechmos. `--judge mos=PATH` names an ONNX file, or a folder with one, that
takes sound float32 [1, S] and returns a score: NISQA, UTMOS or KOMOS exported in this form.
Harmonicity is that of Boersma, "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of a
sampled sound" (1993): a stretch whose autocorrelation has a peak of height r has r parts of harmonics to 1 - r parts of noise. Most
figures of the wave should be read beside those of recordings: a whisper has no pitch, which is no fault.
STOI (Taal et al. 2011) and ESTOI (Jensen & Taal 2016) are computed by pystoi, which resamples to 10 kHz as published; PESQ (ITU-T
P.862.2, wide band) by the package pesq, which needs a C compiler. They are for resynthesis and speech for silent lips, not for
dubs, whose words and timing differ: both sounds must be in step.
"""

import math
import warnings
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from av2unit.modality_selection import quiet_units, rest_unit
from avcore.arrays import Samples
from avcore.compute.onnx import open_network
from avcore.speech.figures import count_clicks
from avcore.speech.pitch import measure_pitch
from avcore.speech.timbre import harmonicity_db, periodic_heights
from avcore.timeline import SAMPLE_RATE, SAMPLES_PER_UNIT, samples_to_seconds, seconds_to_samples
from netflips.evaluate.clips import Case, Clip
from netflips.evaluate.judges import asked
from netflips.evaluate.metric import SPEECH, FigureKind, Measured, Missing, metric, sound_of

_WINDOW_S = 9.01
"""Length of the windows of DNSMOS; shorter speech is repeated."""
_OVERALL = np.poly1d([-0.06766283, 1.11546468, 0.04602535])
"""Maps the network's third output to the mean opinion score of the overall quality, as fitted by its authors."""
_QUIET_AROUND = 2
"""Steps of 20 ms on each side of a pause that belong to the speech around it."""
_LEAST_LEVEL, _OCTAVE = 1e-6, 12.0
INTELLIGIBILITY = ("stoi", "estoi", "pesq_wide")
_MOST_OFF = 0.05
"""Share of the recording's length by which the other may be longer or shorter; both are then cut to the shorter one."""


def dnsmos(speech: Samples) -> float:
    """Return DNSMOS P.835 overall of float32 [S] at 16 kHz, 1 to 5: the mean over windows of 9 s, one second apart."""
    network = open_network(Path(str(resources.files("speechmos"))) / "dnsmos_models" / "sig_bak_ovr.onnx", "DNSMOS")
    window = seconds_to_samples(_WINDOW_S)
    long = np.tile(speech, -(-window // len(speech)))
    starts = range(0, len(long) - window + 1, SAMPLE_RATE)
    scores = [network.run(None, {"input_1": long[None, start : start + window].astype(np.float32)})[0][0] for start in starts]
    return float(np.mean([_OVERALL(score[2]) for score in scores]))


@metric(
    FigureKind("dnsmos", "sound quality by DNSMOS (1 to 5)", "higher", "Reddy et al. 2021, P.835 overall", "not what is said"),
    needs={"package:speechmos", "package:onnxruntime"},
    place=20,
)
def _dnsmos(_: Case, outcome: Clip) -> Measured:
    return {"dnsmos": dnsmos(sound_of(outcome))}


@metric(
    FigureKind("mos", "mean opinion score by --judge", "higher", "the network of the ONNX file", "no listeners"),
    needs={"judge:mos"},
    place=21,
)
def _of_file(case: Case, outcome: Clip) -> Measured:
    return {"mos": float(asked(case.model("judge:mos"), sound_of(outcome))[0])}


def noise_floor_db(samples: Samples, is_silence: NDArray[np.bool_]) -> float | None:
    """Return the level in pauses relative to the loudest step of 20 ms, in dB; None where there is no pause of 100 ms or more.

    is_silence: bool [T], for each 20 ms, from what the speech was made from or is known to say.
    """
    steps = min(len(is_silence), len(samples) // SAMPLES_PER_UNIT)
    if not steps:
        return None

    power = np.square(samples[: steps * SAMPLES_PER_UNIT].astype(np.float64)).reshape(steps, -1).mean(1)
    near_speech = np.convolve(~is_silence[:steps], np.ones(2 * _QUIET_AROUND + 1), "same") > 0
    if near_speech.all() or power.max() <= 0:
        return None

    floor = float(np.median(power[~near_speech]))  # not the mean: the beginning of a pause is known only to a step or two
    return float(10 * np.log10(max(floor, _LEAST_LEVEL**2) / power.max()))


_LISTENED, _BOERSMA = "no mean opinion score: read it beside that of recordings", "Boersma 1993"


@metric(
    FigureKind("harmonicity_db", "harmonicity", "higher", f"{_BOERSMA}, median of loud stretches", _LISTENED, "dB"),
    FigureKind(
        "clicks", "clicks a minute", "lower", "bends of the wave far beyond those around", "plosives may be counted", "1/min"
    ),
    place=22,
)
def _voice(_: Case, outcome: Clip) -> Measured:
    samples = sound_of(outcome)
    minutes = float(samples_to_seconds(len(samples))) / 60
    return {"harmonicity_db": harmonicity_db(periodic_heights(samples)), "clicks": count_clicks(samples) / minutes}


@metric(
    FigureKind("harmonicity_off", "harmonicity less the source's", "near", _BOERSMA, "languages sound different", "dB"),
    FigureKind("f0_off", "median pitch off the source's", "lower", _BOERSMA, "not its melody", "semitones"),
    needs={"source"},
    place=23,
)
def _beside_source(case: Case, outcome: Clip) -> Measured:
    """Compare harmonicity and pitch with those of the source. Sound without pitch counts as an octave off."""
    made, own = sound_of(outcome), sound_of(case.source)
    pitch, true = measure_pitch(made), measure_pitch(own)
    off = _OCTAVE * abs(math.log2(pitch.hz / true.hz)) if pitch is not None and true is not None else _OCTAVE
    return {
        "harmonicity_off": harmonicity_db(periodic_heights(made)) - harmonicity_db(periodic_heights(own)),
        "f0_off": Missing("the source has no pitch") if true is None else off,
    }


@metric(
    FigureKind(
        "floor_db", "noise between words", "lower", "level in pauses below the loudest 20 ms", "what plays behind counts", "dB"
    ),
    needs={"extractor"},
    place=24,
)
def _pauses(_: Case, outcome: Clip) -> Measured:
    """Measure the noise in pauses, which are steps of the unit that is quiet most often. If it is loud more often, it is a stop,
    not silence."""
    samples, frames = sound_of(outcome), outcome.audio_units.frames()
    quiet, rest = quiet_units(frames, samples), rest_unit(frames, samples)
    is_stop = rest is None or 2 * (quiet == rest).sum() < (frames == rest).sum()
    floor = None if is_stop else noise_floor_db(samples, np.asarray(frames == rest))
    return {"floor_db": Missing("it has no pause of 0.1 s") if floor is None else floor}


_NOT_DUBS = "for the same words in the same time only, not for dubs"


@metric(
    FigureKind("stoi", "STOI", "higher", "Taal et al. 2011, pystoi", _NOT_DUBS),
    FigureKind("estoi", "ESTOI", "higher", "Jensen & Taal 2016, pystoi", _NOT_DUBS),
    FigureKind("pesq_wide", "PESQ, wide band", "higher", "ITU-T P.862.2 at 16 kHz, pesq", _NOT_DUBS),
    needs={"reference"},
    place=40,
    suits=(SPEECH,),
)
def _intelligibility(case: Case, outcome: Clip) -> Measured:
    return intelligibility(outcome.speech, case.reference.speech)


def intelligibility(made: Samples, recorded: Samples) -> Measured:
    """Return STOI and ESTOI (-1 to 1, 1 = as the recording) and PESQ (1 to 4.5) of speech, float32 [S] at 16 kHz each."""
    if not len(recorded) or abs(len(made) - len(recorded)) > _MOST_OFF * len(recorded):
        seconds = [float(samples_to_seconds(len(one))) for one in (made, recorded)]
        why = f"not in step with the reference: {seconds[0]:.2f} s beside {seconds[1]:.2f} s"
        return dict.fromkeys(INTELLIGIBILITY, Missing(why))

    length = min(len(made), len(recorded))
    made, recorded = made[:length], recorded[:length]
    if not np.any(made) or not np.any(recorded):
        return dict.fromkeys(INTELLIGIBILITY, Missing("there is only silence"))

    stoi, estoi = (_stoi(made, recorded, is_extended) for is_extended in (False, True))
    return {"stoi": stoi, "estoi": estoi, "pesq_wide": _pesq(made, recorded)}


def _stoi(made: Samples, recorded: Samples, is_extended: bool) -> float | Missing:
    if find_spec("pystoi") is None:
        return Missing("needs pystoi, which is not installed")
    from pystoi import stoi

    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # with too little speech it returns 1e-5, and warns
        try:
            return float(stoi(recorded.astype(np.float64), made.astype(np.float64), SAMPLE_RATE, extended=is_extended))
        except (RuntimeWarning, ValueError):
            return Missing("less than 0.4 s of it is speech")


def _pesq(made: Samples, recorded: Samples) -> float | Missing:
    if find_spec("pesq") is None:
        return Missing("needs pesq, which is not installed (a C compiler builds it)")
    import pesq

    errors: Any = pesq.PesqError
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            return float(pesq.pesq(SAMPLE_RATE, recorded, made, "wb"))
        except errors as error:
            return Missing(f"pesq finds no utterance: {error}" if str(error) else "pesq finds no utterance")
