"""Mel filters on Slaney's scale, which the speaker encoder and the vocoder's training were made with."""

import torchaudio
from torch import Tensor


def slaney_filters(num_mels: int, fft_size: int, sample_rate: int, max_hz: float, min_hz: float = 0.0) -> Tensor:
    """Triangular filters from min_hz to max_hz (Hz), each of area 1: float32 of shape [num_mels, fft_size // 2 + 1].

    The scale of Slaney's Auditory Toolbox (1998): linear up to 1 kHz, logarithmic above. Multiply a power spectrum
    [fft_size // 2 + 1] with it.
    """
    filters = torchaudio.functional.melscale_fbanks(
        fft_size // 2 + 1, min_hz, max_hz, num_mels, sample_rate, norm="slaney", mel_scale="slaney"
    )
    return filters.T.contiguous()  # type: ignore[no-any-return]
