"""How well speech can be understood beside the true recording of the same words in the same time: STOI, ESTOI and PESQ.

STOI: Taal et al. 2011; ESTOI: Jensen & Taal 2016, both by pystoi at 16 kHz (it resamples to 10 kHz as published). PESQ: ITU-T
P.862.2, wide band at 16 kHz, by the package pesq, which a C compiler must build. What they are not: measures of a dub, whose words
and times are others. They are for resynthesis and speech for silent lips; both must be in step.
"""

import warnings
from importlib.util import find_spec
from typing import Any

import numpy as np

from avcore.arrays import Samples
from avcore.timeline import SAMPLE_RATE, samples_to_seconds
from netflips.evaluate.clips import Case, Clip
from netflips.evaluate.metric import SPEECH, FigureKind, Measured, Missing, metric, side
from netflips.evaluate.needs import REFERENCE

FIGURES = ("stoi", "estoi", "pesq_wide")
MOST_OFF = 0.05
"""Share of the recording's length by which the other may be longer or shorter: then both are cut to the shorter one."""
_TOO_SHORT = Missing("less than 0.4 s of it is speech")


def intelligibility(made: Samples, recorded: Samples) -> Measured:
    """STOI and ESTOI (-1 to 1, 1 = as the recording) and PESQ (1 to 4.5) of speech, float32 [S] at 16 kHz each."""
    if (reason := why_not_in_step(made, recorded)) is not None:
        return dict.fromkeys(FIGURES, reason)
    length = min(len(made), len(recorded))
    made, recorded = made[:length], recorded[:length]
    if not np.any(made) or not np.any(recorded):
        return dict.fromkeys(FIGURES, Missing("there is only silence"))
    return {
        "stoi": _stoi(made, recorded, is_extended=False),
        "estoi": _stoi(made, recorded, is_extended=True),
        "pesq_wide": _pesq(made, recorded),
    }


def why_not_in_step(made: Samples, recorded: Samples) -> Missing | None:
    """Return why two sounds, float32 [S] each, are not the same in the same time, by their lengths; None where they may be."""
    if len(recorded) and abs(len(made) - len(recorded)) <= MOST_OFF * len(recorded):
        return None
    seconds = [float(samples_to_seconds(len(one))) for one in (made, recorded)]
    return Missing(f"not in step with the reference: {seconds[0]:.2f} s beside {seconds[1]:.2f} s")


def _stoi(made: Samples, recorded: Samples, is_extended: bool) -> float | Missing:
    if find_spec("pystoi") is None:
        return Missing("needs pystoi, which is not installed")
    from pystoi import stoi

    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # it answers 1e-5 where there is too little speech, and warns
        try:
            return float(stoi(recorded.astype(np.float64), made.astype(np.float64), SAMPLE_RATE, extended=is_extended))
        except (RuntimeWarning, ValueError):
            return _TOO_SHORT


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


IN_STEP = "for the same words in the same time only, not for dubs"


@metric(
    FigureKind("stoi", "STOI", "higher", "Taal et al. 2011, pystoi", IN_STEP),
    FigureKind("estoi", "ESTOI", "higher", "Jensen & Taal 2016, pystoi", IN_STEP),
    FigureKind("pesq_wide", "PESQ, wide band", "higher", "ITU-T P.862.2 at 16 kHz, pesq", IN_STEP),
    needs={REFERENCE},
    place=40,
    suits=(SPEECH,),
)
def _intelligibility(case: Case, outcome: Clip) -> Measured:
    return intelligibility(outcome.speech, side(case.reference, "reference").speech)
