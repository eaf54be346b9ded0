"""Learn what speech has above 8 kHz from recordings that have it: the band extension of voices that end there.

    python -m unit2av.train_bandwidth manifest.jsonl --out-path bandwidth.npz

A minute of recordings at 24 kHz or more is enough, in any language; an hour takes minutes, most of them to read. Put
`bandwidth.npz` beside the renderer, and what NetfLips speaks reaches to 12 kHz wherever the output has room.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from avcore.command import LOG
from avcore.errors import InputError, UsageError
from avcore.files import Input, Output
from avcore.flags import Command, QuietOptions, flag, positional
from avcore.media import probe, read_speech
from avcore.notes import several
from avcore.progress import bars, track
from avcore.speech.audio import resample
from avcore.timeline import SAMPLE_RATE
from avdata.manifest import read_manifest
from unit2av.voice.bandwidth import HIGH, LOW, WIDE_RATE, BandExtender, Bands, band_energies, windows

_WIDTH = 64
_STEPS, _BATCH, _RATE, _DECAY = 3000, 512, 2e-3, 1e-2
_DOUBT = 0.1
"""Noise in the input while it learns, in standard deviations: synthetic voices are not quite like recordings."""
_HISS_DB = (-65.0, -35.0)
"""Level of the noise, relative to speech."""
_LEAST_S = 30.0
_NARROW, _SURE = 1e-4, 2
"""A recording has nothing above 8 kHz if its loudest band there is below this, relative to the loud frames; and the first band that
counts: a recording that was upsampled from 16 kHz has a little just above 8."""
_DB = 10 / np.log(10)

_NOTHING = np.zeros((0, 1), np.float32)

Example = tuple[Bands, Bands]
"""Log energies of the bands below 8 kHz with their neighbours, [T, 112], and of the bands above it, [T, 8]."""


@dataclass(frozen=True, kw_only=True)
class BandwidthOptions(QuietOptions):
    """Learn what speech has above 8 kHz from recordings that have it."""

    manifest: Path = positional("manifest", file=Input("the manifest"))
    """JSON lines: id, audio (see avdata.manifest)"""
    out_path: Path = flag(file=Output("the band extension"))
    """the network, x.npz"""
    root: Path | None = flag(default=None)
    """folder that the manifest's paths start from (default: the manifest's own)"""
    hold_out: int = flag(default=10, metavar="N")
    """every N-th recording is for measuring; 0 = none (default: 10)"""
    seed: int = flag(default=0)


def learn(examples: Sequence[Example], seed: int = 0) -> BandExtender:
    """Fit the network to examples by the mean difference of log energies. Raises InputError for less than 30 s."""
    import torch  # which takes a second

    low, high = (torch.from_numpy(np.concatenate([one[side] for one in examples] or [_NOTHING])) for side in (0, 1))
    if len(low) < _LEAST_S * 100:
        found = f"{len(low) / 100:.1f} s"
        raise InputError("this is too little to learn the band from", expected=f"{_LEAST_S:.0f} s above 8 kHz", found=found)

    torch.manual_seed(seed)
    mean, spread = low.mean(0), low.std(0) + 1e-3
    sizes = [low.shape[1], _WIDTH, _WIDTH, HIGH]
    layers = [torch.nn.Linear(before, after) for before, after in pairwise(sizes)]
    network = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1], torch.nn.ReLU(), layers[2])
    optimiser = torch.optim.AdamW(network.parameters(), _RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, _STEPS)

    for _ in range(_STEPS):
        batch = torch.randint(len(low), (_BATCH,))
        rows = (low[batch] - mean) / spread
        loss = (network(rows + _DOUBT * torch.randn_like(rows)) - high[batch]).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()

    weights, biases = ([getattr(one, kind).detach() for one in layers] for kind in ("weight", "bias"))
    weights[0] = weights[0] / spread  # the normalisation goes into the first layer
    biases[0] = biases[0] - weights[0] @ mean
    return BandExtender(tuple(one.numpy() for one in weights), tuple(one.numpy() for one in biases))


def examples_of(path: Path, rng: np.random.Generator) -> list[Example]:
    """Return the examples of a recording, clean and with faint noise; none if it has nothing above 8 kHz.

    The noise is only below 8 kHz, so that the network does not extend a voice's own hiss in its pauses. Raises InputError and
    MediaError.
    """
    wide = read_speech(path, WIDE_RATE) if (probe(path).audio_rate or 0) >= WIDE_RATE else np.zeros(0, np.float32)
    high = band_energies(wide, WIDE_RATE)[0][:, LOW:]
    if high[:, _SURE:].max(initial=0.0) < _NARROW:
        return []

    clean = resample(wide, WIDE_RATE, SAMPLE_RATE)
    loudness = 10 ** (rng.uniform(*_HISS_DB) / 20) * np.sqrt(np.mean(np.square(clean)))
    hissing = clean + np.float32(loudness) * rng.standard_normal(len(clean), np.float32)
    inputs = [windows(np.log(band_energies(one, SAMPLE_RATE)[0])) for one in (clean, hissing)]
    return [(rows[: len(high)], np.log(high[: len(rows)])) for rows in inputs]


def _recordings(options: BandwidthOptions) -> Iterator[list[Example]]:
    manifest = read_manifest(options.manifest, options.root)
    paths = [path for one in manifest.entries if (path := manifest.path(one, "audio")) is not None]
    narrow, rng = list[Path](), np.random.default_rng(options.seed)

    with bars(options.quiet) as progress:
        for path in track(paths, "recordings", progress):
            examples = examples_of(path, rng)
            if examples:
                yield examples
            else:
                narrow.append(path)

    if narrow:
        LOG.warning(
            "%s nothing above 8 kHz, and teach nothing: %s", several(len(narrow), "recording has", "recordings have"), narrow[0]
        )


def _work(options: BandwidthOptions) -> None:
    if options.hold_out < 0 or options.hold_out == 1:
        raise UsageError("--hold-out must be 0, or 2 and more", found=options.hold_out)
    recordings = list(_recordings(options))
    kept_out = recordings[:: options.hold_out] if options.hold_out else []
    learnt = [one for number, one in enumerate(recordings) if not options.hold_out or number % options.hold_out]

    extender = learn([example for one in learnt for example in one], options.seed)
    extender.save(options.out_path)
    LOG.info("%s: of %s", options.out_path, several(len(recordings), "recording"))

    if kept_out:
        low, high = (np.concatenate([one[0][side] for one in kept_out]) for side in (0, 1))
        off, from_mean = np.abs(extender.high_bands(low) - high).mean(), np.abs(high - high.mean(axis=0)).mean()
        LOG.info("bands of unheard recordings are off by %.1f dB, their means by %.1f", _DB * off, _DB * from_mean)


_COMMAND = Command(BandwidthOptions, "unit2av.train_bandwidth", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
