"""What a lab waits for: updates of each training, and preparation and extraction of an hour of speech.

Each run is a command of its own. A figure is the difference between a longer run and a shorter one, so that the start of a process
does not count.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from avcore.data.manifest import Entry, write_manifest
from avcore.media import write_speech
from benchmarks.material import speech
from benchmarks.stages import Ledger
from netflips.cascade.kokoro import missing_voices
from recipes.demo.random.random_checkpoints import UNIT_ENCODER

_ROOT = Path(__file__).resolve().parent.parent
_FEW, _CLIP_S = 2, 10.0
_CPU = ("fairseq.common.cpu=true", "fairseq.common.fp16=false", "fairseq.task.autocast=auto")
_ON_GPU = ("fairseq.common.cpu=false",)


@dataclass(frozen=True)
class Training:
    """A training at its published size."""

    what: str
    """an update of it, in words"""
    make: tuple[str, ...]
    """arguments of Python that make its corpus in the folder {data}"""
    module: str
    settings: tuple[str, ...]
    """of its command; {data}: the folder of the corpus"""


_LOOP = ("loop.num_workers=0", "loop.save_every=1000000", "loop.validate_every=1000000")
TRAININGS = {
    "unit2unit": Training(
        "the translator (354 million numbers), 1,024 tokens at most",
        ("-m", "recipes.kox.true_shape", "--out-dir", "{data}/shape", "--pairs", "60", "--held-out", "4"),
        "unit2unit.utut_finetune.finetune",
        (
            "--config-name", "unit2unit/finetune_large_batch", "init=null", "data_dir={data}/pairs", "fairseq.task.langs=[en,ko]",
            "fairseq.task.text_weight=0", "update_tokens=1024", "fairseq.dataset.num_workers=0", "fairseq.checkpoint.no_save=true",
            "fairseq.dataset.disable_validation=true",
        ),
    ),
    "vocoder": Training(
        "the vocoder with its discriminators, 4 segments of 0.56 s",
        ("-m", "recipes.made.tones", "--out-dir", "{data}"),
        "unit2av.train_unit2a",
        ("data.train={data}/manifest.jsonl", "data.units={data}/units.jsonl", "data.hold_out=2", "model.speaker_dim=16",
         "batch.batch_size=4", *_LOOP),
    ),
    "lips": Training(
        "the lips with their discriminator, 2 windows of 10 frames",
        ("-m", "recipes.made.drawn_lips", "--out-dir", "{data}", "--clips", "6"),
        "unit2av.train_unit2v",
        ("data.train={data}/manifest.jsonl", "data.units={data}/units.jsonl", "data.hold_out=2", "losses.sync=0",
         "batch.batch_size=2", *_LOOP),
    ),
    "text2unit": Training(
        "the text-to-unit model (text2unit/aligned), 60 s of speech",
        ("-m", "recipes.made.babble", "--out-dir", "{data}"),
        "text2unit.train",
        ("--config-name", "text2unit/aligned", "data.train={data}/manifest.jsonl", "data.units={data}/units.jsonl",
         "data.hold_out=4", "batch.max_length_sum=3000", *_LOOP),
    ),
}  # fmt: skip


def measure_training(options: argparse.Namespace, folder: Path, scratch: Path, ledger: Ledger) -> None:
    """Measure a few updates of each training that is installed here."""
    for name, training in TRAININGS.items():
        if name not in options.trainings or (name == "unit2unit" and find_spec("fairseq") is None):
            continue
        data = scratch / f"corpus of {name}"
        _run([sys.executable, *(word.format(data=data) for word in training.make)])
        if name == "unit2unit":
            pairs = ("unit2unit.utut_finetune.prepare_pairs", "--splits", f"{data}/shape", "--out", f"{data}/pairs")
            _run([sys.executable, "-m", *pairs])
        ledger.point(f"{name}, {options.device}", partial(_updates, name, training, data, scratch, options))


def _updates(name: str, training: Training, data: Path, scratch: Path, options: argparse.Namespace) -> dict:
    def run(count: int) -> dict[str, float]:
        run_dir = scratch / f"{name} {count} {time.monotonic_ns()}"
        is_fairseq = name == "unit2unit"
        more = (_CPU if options.device == "cpu" else _ON_GPU) if is_fairseq else (f"loop.device={options.device}",)
        limit = f"{'fairseq.optimizer.max_update' if is_fairseq else 'loop.max_steps'}={count}"
        settings = [word.format(data=data) for word in training.settings]
        return _run([sys.executable, "-m", training.module, *settings, f"run_dir={run_dir}", limit, *more])

    return {"what": training.what, "n": options.updates} | _difference(run, 1, 1 + options.updates)


def measure_corpus(options: argparse.Namespace, folder: Path, scratch: Path, ledger: Ledger) -> None:
    """Measure preparation and extraction by the hour of speech, and speech for pairs by the sentence."""
    many = max(2 * _FEW, round(options.corpus_s / _CLIP_S))
    for count in (_FEW, many):
        _write_corpus(scratch / f"corpus {count}", count)
    hours = (many - _FEW) * _CLIP_S / 3600

    def prepare(count: int) -> dict[str, float]:
        out = scratch / f"prepared {count} {time.monotonic_ns()}"
        return _netflips(
            "prepare", "kaldi", "--data-root", scratch / f"corpus {count}", "--language", "en", "--out-dir", out, *_ALONE
        )

    ledger.point(
        "prepare",
        lambda: (
            {"what": "an hour of speech of 48 kHz, as wav of 16 kHz", "n": many - _FEW} | _difference(prepare, _FEW, many, hours)
        ),
    )

    def extract(precision: str, count: int) -> dict[str, float]:
        out, encoder = scratch / f"units {count} {time.monotonic_ns()}", folder / UNIT_ENCODER
        given = ("--av2unit-path", encoder, "--modalities", "audio", "--precision", precision, "--device", options.device)
        return _netflips("extract", scratch / f"corpus {count}" / "manifest.jsonl", "--out-dir", out, *given, *_ALONE)

    for precision in options.precisions:
        ledger.point(
            f"extract, {precision}, {options.device}",
            lambda precision=precision: (
                {"what": f"units of an hour of speech, {precision}", "n": many - _FEW}
                | _difference(partial(extract, precision), _FEW, many, hours)
            ),
        )
    if options.device == "cpu" and not missing_voices():
        _measure_speech(scratch, ledger)


def _measure_speech(scratch: Path, ledger: Ledger) -> None:
    """Measure speech for pairs, by a program that is started for each sentence, and by one that is kept open."""
    few = scratch / f"corpus {_FEW}"
    once = f"{sys.executable} -m benchmarks.lab {{text_file}} {{out}}"
    kept = f"{sys.executable} -m netflips.cascade.kokoro"
    for what, command in (("a program for each sentence", once), ("a program that is kept open", kept)):

        def speak(count: int, command: str = command, what: str = what) -> dict[str, float]:
            out = scratch / f"{what} {count}"
            given = (
                "--manifest",
                few / "spoken.jsonl",
                "--target",
                "ko",
                "--speak-with",
                command,
                "--limit",
                count,
                "--out-dir",
                out,
            )
            return _netflips("prepare", "pairs", *given, *_ALONE)

        ledger.point(
            f"speech, {what}",
            # CPU seconds of a program that outlasts its command are not in the command's.
            lambda speak=speak, what=what: (
                {"what": f"a sentence by Kokoro-82M, {what}", "n": 3} | _difference(speak, 1, 4) | {"cpu_s": None}
            ),
        )


_ALONE = ("--workers", "1", "--quiet")


def _write_corpus(folder: Path, count: int) -> None:
    """Write a Kaldi folder of clips, and manifests of it: of the clips, and of short ones with translations to speak."""
    entries, spoken = list[Entry](), list[Entry]()
    for number in range(count):
        write_speech(folder / f"{number:04d}.wav", np.repeat(speech(_CLIP_S), 3), 48_000)  # as Ko-X's recordings
        entries.append(Entry(f"{number:04d}", f"{number:04d}.wav", language="en", text="a sentence"))
    for number in range(4):
        write_speech(folder / f"short{number}.wav", speech(2.0))
        text = f"오늘은 {number}층에서 만나요."
        spoken.append(Entry(f"short{number}", f"short{number}.wav", language="en", text=f"floor {number}", translation=text))
    write_manifest(folder / "manifest.jsonl", entries)
    write_manifest(folder / "spoken.jsonl", spoken)
    (folder / "wav.scp").write_text("".join(f"{one.id} {folder / one.audio}\n" for one in entries))
    (folder / "text").write_text("".join(f"{one.id} {one.text}\n" for one in entries))
    (folder / "utt2spk").write_text("".join(f"{one.id} ann\n" for one in entries))


def _difference(run: Callable[[int], dict[str, float]], short: int, long: int, amount: float | None = None) -> dict[str, float]:
    """Return seconds for each unit of what the longer run does more. amount: of that; None = the difference of the two counts."""
    few, many = run(short), run(long)
    more = amount or long - short
    seconds = {name: round((many[name] - few[name]) / more, 3) for name in ("wall_s", "cpu_s")}
    return {**seconds, "peak_mib": many["peak_mib"]}


def _netflips(*words: object) -> dict[str, float]:
    return _run([sys.executable, "-m", "netflips.cli", *map(str, words)])


def _run(command: Sequence[str]) -> dict[str, float]:
    """Run a command on one thread, and return its seconds and its peak of memory. Raises SystemExit where it fails."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": str(_ROOT)}
    begin = time.monotonic()
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        told = process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command[1:])} failed:\n{told}")
    return {"wall_s": time.monotonic() - begin, "cpu_s": used.ru_utime + used.ru_stime, "peak_mib": round(used.ru_maxrss / 1024)}


def _speak_once(text: str, out: str) -> None:
    """Speak one text by Kokoro, as a program that is started for each sentence does."""
    from netflips.cascade.kokoro import NaturalVoice, natural_speech

    spoken = natural_speech(Path(text).read_text(encoding="utf-8"), NaturalVoice((("jf_gongitsune", 1.0),), language="ko"))
    write_speech(out, spoken.samples, spoken.rate)


if __name__ == "__main__":
    _speak_once(*sys.argv[1:])
