"""STOI, ESTOI and PESQ: as pystoi has them, falling with noise of a known ratio, and missing with a reason."""

from importlib import util

import numpy as np
import pytest
from pystoi import stoi

from netflips.evaluate.metric import Missing
from netflips.evaluate.metrics import sound as module
from netflips.evaluate.metrics.sound import INTELLIGIBILITY, intelligibility
from tests.avcore.made_speech import babble
from tests.netflips.evaluate.made import in_white_noise, values

_S = 16_000
SPEECH = babble(2.0)


def test_it_is_pystois_and_falls_with_noise() -> None:
    noisy = {snr: in_white_noise(SPEECH, snr) for snr in (20, 0)}
    found = {snr: values(intelligibility(one, SPEECH)) for snr, one in noisy.items()}
    for name, is_extended in (("stoi", False), ("estoi", True)):
        assert found[0][name] == pytest.approx(stoi(SPEECH, noisy[0], _S, extended=is_extended), abs=1e-6)
        assert 1 > found[20][name] > found[0][name]
    same = values(intelligibility(SPEECH, SPEECH))
    assert (same["stoi"], same["estoi"]) == (pytest.approx(1, abs=1e-3), pytest.approx(1, abs=1e-3))


def test_what_is_out_of_step_silent_or_too_short_is_no_zero() -> None:
    for made, why in (
        (SPEECH[: _S // 2], "0.50 s beside"),
        (np.zeros_like(SPEECH), "silence"),
        (np.zeros(0, np.float32), "0.00 s"),
    ):
        lost = intelligibility(made, SPEECH)
        assert set(lost) == set(INTELLIGIBILITY)
        assert all(isinstance(one, Missing) and why in one.reason for one in lost.values())
    short = intelligibility(SPEECH[: _S // 5], SPEECH[: _S // 5])
    assert isinstance(short["stoi"], Missing)


def test_pesq_that_is_not_installed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    there = util.find_spec
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "pesq" else there(name))
    found = intelligibility(SPEECH, SPEECH)
    assert isinstance(found["pesq_wide"], Missing)
    assert "pesq" in found["pesq_wide"].reason
    assert isinstance(found["stoi"], float)
