"""What the vocoder is trained on, against the reference's numbers: run lengths, duration loss, log mel."""

from pathlib import Path

import numpy as np
import torch

from tests.unit2av.vocoder_runs import PUBLISHED
from unit2av.inference_unit2a import UnitVocoder
from unit2av.voice.training.losses import LogMel, Runs, duration_loss, stack_runs, whole_runs

PARITY = Path(__file__).parent
EXPECTED = np.load(PARITY / "unit2av_expected.npz")


def runs() -> Runs:
    return stack_runs([whole_runs(codes) for codes in EXPECTED["train_code"]])


def test_run_lengths_are_exact() -> None:
    np.testing.assert_array_equal(runs().is_run, EXPECTED["train_uniq_mask"])
    np.testing.assert_array_equal(runs().lengths[runs().is_run], EXPECTED["train_dur"])


@torch.no_grad()
def test_the_duration_loss() -> None:  # to the last bit but one: processors round differently
    network = UnitVocoder.from_checkpoint(PARITY / "unit2av_renderer.pt", "en").network
    predicted = network.log_durations(runs().ids, runs().is_run)
    np.testing.assert_allclose(predicted[runs().is_run], EXPECTED["train_log_dur_pred"], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(duration_loss(predicted, runs())[None], EXPECTED["train_dur_loss"], rtol=1e-6)


def test_log_mel() -> None:
    ours = LogMel(PUBLISHED.mel)(torch.from_numpy(EXPECTED["train_wav"])[None])[0]
    np.testing.assert_allclose(ours, EXPECTED["train_mel"], atol=4e-5)
