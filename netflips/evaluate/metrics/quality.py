"""How good speech sounds to networks that learnt it from listeners: DNSMOS P.835 (Reddy et al. 2021), and one of the user's own.

DNSMOS comes in the package speechmos. `--judge mos=PATH` names an ONNX file, or a folder with one, that takes sound at 16 kHz,
float32 [1, S], and answers with a score: NISQA, UTMOS or KOMOS exported so. What it is not: whether anything is understood, nor
listeners themselves.
"""

from importlib import resources
from pathlib import Path

import numpy as np

from avcore.arrays import Samples
from avcore.timeline import SAMPLE_RATE, seconds_to_samples
from netflips.evaluate.clips import Case, Clip
from netflips.evaluate.metric import FigureKind, Measured, metric, sound_of
from netflips.evaluate.needs import package, user_judge
from netflips.evaluate.onnx_judges import asked, opened

_MOS = user_judge("mos")
_WINDOW_S = 9.01
"""What DNSMOS listens to at once; shorter speech is repeated."""
_OVERALL = np.poly1d([-0.06766283, 1.11546468, 0.04602535])
"""From the network's third output to the mean opinion score of the overall quality, as its authors fitted it."""


def dnsmos(speech: Samples) -> float:
    """DNSMOS P.835 overall of float32 [S] at 16 kHz, 1 to 5: the mean over windows of 9 s, a second apart."""
    network = opened(Path(str(resources.files("speechmos"))) / "dnsmos_models" / "sig_bak_ovr.onnx")
    window = seconds_to_samples(_WINDOW_S)
    long = np.tile(speech, -(-window // len(speech)))
    starts = range(0, len(long) - window + 1, SAMPLE_RATE)
    scores = [network.run(None, {"input_1": long[None, start : start + window].astype(np.float32)})[0][0] for start in starts]
    return float(np.mean([_OVERALL(score[2]) for score in scores]))


@metric(
    FigureKind("dnsmos", "sound quality by DNSMOS (1 to 5)", "higher", "Reddy et al. 2021, P.835 overall", "not what is said"),
    needs={package("speechmos"), package("onnxruntime")},
    place=20,
)
def _dnsmos(_: Case, outcome: Clip) -> Measured:
    return {"dnsmos": dnsmos(sound_of(outcome))}


@metric(
    FigureKind("mos", "mean opinion score by --judge", "higher", "the network of the ONNX file", "no listeners"),
    needs={_MOS},
    place=21,
)
def _of_file(case: Case, outcome: Clip) -> Measured:
    return {"mos": float(asked(case.model(_MOS), sound_of(outcome))[0])}
