"""What every trainer of ours does, by its command: it learns, every weight learns, it stops, goes on and exports.

fairseq trains the translator: tests/unit2unit holds its runs.
"""

import importlib
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from math import nan
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from av2unit.extractor import UnitExtractor
from avcore.journal import folder_lock
from avcore.train.checkpoints import no_number_in, read_state
from avcore.train.entry import read_config
from avcore.train.loop import Trainer
from avcore.train.task import Task
from netflips.commands.info import main as info
from recipes.made.babble import babble_corpus
from recipes.made.drawn_lips import draw_corpus
from recipes.made.tones import sing_corpus
from tests.av2unit.made_clips import write_corpus as write_clips
from tests.avcore.train.toy import OneStep, batch_of, history, measured, without_gradient
from tests.unit2text.tiny import write_corpus as write_sentences
from text2unit.text_to_units import TextToUnits
from unit2av.face.model import network_images
from unit2av.face.training.task import frames_of
from unit2av.lip_task import faces_of, lower_half
from unit2av.lipsync.patches import SoundLipSync
from unit2av.renderer import LipRenderer
from unit2av.voice.speech import UnitVocoder
from unit2text.unit_reader import UnitReader

STEPS = 16
LOOP = (
    f"loop.max_steps={STEPS}", "loop.log_every=1", "loop.validate_every=8", "loop.save_every=8", "loop.keep=2", "loop.num_workers=0"
)  # fmt: skip
STOPS = 4, 8
"""Steps at which a run is told to end: in the middle of an epoch, and where one that goes on keeps a checkpoint of that step."""
Opponents = Callable[[Task, Any], tuple[nn.Module, Tensor, Tensor]]
"""The discriminators of a task, and what is real and what is made of a batch."""


def clips(folder: Path) -> list[str]:
    write_clips(folder, count=16, side=48, frames=(18, 28))
    given = [f"data.{split}={folder}/{split}.jsonl" for split in ("train", "valid")]
    return [*given, *(f"data.{split}_labels=[{folder}/{split}.units.jsonl]" for split in ("train", "valid"))]


def songs(folder: Path) -> list[str]:
    corpus = sing_corpus(folder, utterances=12, steps=60)
    return [f"data.train={corpus.manifest}", f"data.units={corpus.units}"]


def faces(folder: Path) -> list[str]:
    corpus = draw_corpus(folder, clips=12, frames=40, faces=1)
    return [f"data.train={corpus.manifest}", f"data.units={corpus.units}", f"data.cache={folder}/crops"]


def heard_faces(folder: Path) -> list[str]:
    corpus = draw_corpus(folder, clips=12, frames=40, has_sound=True)
    return [f"data.train={corpus.manifest}", f"data.cache={folder}/crops"]


def sentences(folder: Path) -> list[str]:
    manifest, units = write_sentences(folder, 40)
    return [f"data.train={manifest}", f"data.units={units}"]


def babbled(folder: Path) -> list[str]:
    corpus = babble_corpus(folder, sentences=60)
    return [f"data.train={corpus.manifest}", f"data.units={corpus.units}"]


def of_sound(task: Task, batch: Any) -> tuple[nn.Module, Tensor, Tensor]:
    parts = task.parts
    return parts["discriminators"], batch["samples"], parts["generator"](batch["frames"], batch["voice"], batch["runs"])[0]


def of_pitched_sound(task: Task, batch: Any) -> tuple[nn.Module, Tensor, Tensor]:
    parts = task.parts
    return parts["discriminators"], batch["samples"], parts["generator"](batch["frames"], batch["voice"], batch["log_f0"])


def of_units_face(task: Task, batch: Any) -> tuple[nn.Module, Tensor, Tensor]:
    parts, truth = task.parts, network_images(batch["target"].flatten(0, 1))
    drawn = parts["face"](batch["units"], faces_of(batch), frames_of(batch["shown"]))
    return parts["quality"], lower_half(truth), lower_half(drawn)


def of_sound_face(task: Task, batch: Any) -> tuple[nn.Module, Tensor, Tensor]:
    parts, truth = task.parts, network_images(batch["target"].flatten(0, 1))
    drawn = parts["generator"](batch["sounds"].flatten(0, 1), faces_of(batch))
    return parts["quality"], lower_half(truth), lower_half(drawn)


def takes(trainer: str, setting: str) -> Callable[[Path], object]:
    """Whether another trainer takes a file: its checks pass."""

    def check(path: Path) -> bool:
        return TRAINERS[trainer].main("check_only=true", f"{setting}={path}", run_dir=path.parent / "next") == 0

    return check


@dataclass(frozen=True)
class Contract:
    """A trainer. falls: its figures and the share that is left at the end; Wav2Lip's expert needs more steps than are made here.

    idle: weights that need no gradient. resized: a setting that makes another network. real: the config that is trained without
    --config-name. small: settings for these tests. used: what takes its export, or its run's checkpoint.
    """

    module: str
    config: str
    real: str
    data: Callable[[Path], list[str]]
    falls: dict[str, float]
    used: Callable[[Path], object]
    resized: str
    words: tuple[str, ...] = ()
    small: tuple[str, ...] = ()
    make: str = "make_task"
    opponents: Opponents | None = None
    suffix: str = ".safetensors"
    idle: Callable[[str], bool] = field(default=lambda _: False)

    def given(self, *more: str, run_dir: Path) -> list[str]:
        return [*corpus_of(self.data), *LOOP, "loop.device=cpu", *self.small, f"run_dir={run_dir}", *more]

    def main(self, *more: str, run_dir: Path, config: str = "") -> int:
        line = [*self.words, "--config-name", config or self.config, *self.given(*more, run_dir=run_dir)]
        return int(importlib.import_module(self.module).main(line))

    @property
    def has_export(self) -> bool:
        """Whether it has one; else a run's checkpoint is what is used."""
        return self.suffix != ".pt"

    def export(self, checkpoint: Path, out: Path) -> int:
        if not self.has_export:
            out.write_bytes(checkpoint.read_bytes())
            return 0
        is_encoder = self.module == "av2unit.train"
        run = ["--run-dir", checkpoint.parents[1]] if is_encoder else []
        source = [*run, "--checkpoint", checkpoint.name if is_encoder else checkpoint]
        return int(importlib.import_module(self.module).main(["export", *map(str, source), "--out-path", str(out)]))

    def task(self) -> Task:
        module = importlib.import_module(self.module)
        schema = next(iter(getattr(module, self.make).__annotations__.values()))
        return getattr(module, self.make)(read_config(schema, self.config, self.given(run_dir=FOLDERS[0] / "none")))  # type: ignore[no-any-return]


FOLDERS: list[Path] = []
"""Where the corpora of this module lie."""


@cache
def corpus_of(write: Callable[[Path], list[str]]) -> list[str]:
    folder = FOLDERS[0] / write.__name__
    folder.mkdir()
    return write(folder)


@pytest.fixture(scope="module", autouse=True)
def folders(tmp_path_factory: pytest.TempPathFactory) -> None:
    corpus_of.cache_clear()
    FOLDERS[:] = [tmp_path_factory.mktemp("corpora")]


def before_a_norm(name: str) -> bool:
    """A bias that a batch norm takes out again."""
    return name.endswith("conv_block.0.bias")


_VOICE = ("data.segment_units=8", "batch.batch_size=4", "data.valid_units_at_most=40", "num_samples=1")
_CLIPS = ("model.image_crop_size=44", "model.dropout=0.1", "model.encoder_layerdrop=0.2", "batch.batch_size=6")
_FACES = ("batch.batch_size=4", "data.max_valid_windows=4", "model.norm_windows=4")
TRAINERS = {
    "unit_encoder": Contract(
        "av2unit.train", "av2unit/train_debug", "av2unit/train", clips, {"loss": 0.6}, UnitExtractor.from_checkpoint,
        "model.encoder_ffn_embed_dim=32", small=_CLIPS
    ),
    "voice": Contract(
        "unit2av.train_unit2a", "unit2av/unit2a_debug", "unit2av/unit2a", songs, {"mel": 0.85, "duration": 0.8},
        UnitVocoder.from_checkpoint, "model.channels=64", small=(*_VOICE, "model.channels=32", "losses.stft=1"), opponents=of_sound,
    ),
    "voice_with_a_pitch": Contract(
        "unit2av.train_unit2a", "unit2av/unit2a_harmonic_debug", "unit2av/unit2a", songs, {"loss": 0.9, "contour": 0.8},
        UnitVocoder.from_checkpoint, "model.source.width=8",
        small=(
            *_VOICE, "model.source.width=16", "model.source.fine=16", "unit2av/discriminators@discriminators=small_debug",
            "losses.adversarial=0.1", "losses.feature=0.1",
        ),
        opponents=of_pitched_sound, idle=lambda name: name.startswith("pitch.of_voice"),  # the voices' usual pitch is measured
    ),
    "sync_expert": Contract(
        "unit2av.train_sync", "unit2av/sync_debug", "unit2av/sync", faces, {"loss": 0.95},
        takes("face", "losses.sync_checkpoint"), "model.embedding=8",
        suffix=".pt", small=("optim.lr=2e-3", "data.max_valid_windows=8"),
    ),
    "face": Contract(
        "unit2av.train_unit2v", "unit2av/unit2v_debug", "unit2av/unit2v", faces, {"l1": 0.9}, LipRenderer.from_checkpoint,
        "model.min_width=4",        small=_FACES, opponents=of_units_face, idle=before_a_norm,
    ),
    "sound_sync_expert": Contract(
        "unit2av.train_lipsync", "unit2av/lipsync_expert_debug", "unit2av/lipsync_expert", heard_faces, {},
        takes("sound_lips", "losses.sync_checkpoint"), "model.min_width=4",
        words=("expert",), make="make_expert_task", suffix=".pth",
        small=("data.valid_windows=8", "batch.batch_size=8"), idle=before_a_norm,
    ),
    "sound_lips": Contract(
        "unit2av.train_lipsync", "unit2av/lipsync_hq_debug", "unit2av/lipsync", heard_faces, {"l1": 0.9},
        SoundLipSync.from_checkpoint, "model.min_width=4",
        small=("data.valid_windows=4", "batch.batch_size=2"), opponents=of_sound_face, suffix=".pth", idle=before_a_norm,
    ),
    "text-to-unit": Contract(
        "text2unit.train", "text2unit/train_debug", "text2unit/train", babbled, {"loss": 0.5}, TextToUnits.from_checkpoint,
        "model.width=8",        small=("batch.batch_size=8",),
    ),
    "aligned_speller": Contract(
        "text2unit.train", "text2unit/aligned_debug", "text2unit/train", babbled, {"loss": 0.9}, TextToUnits.from_checkpoint,
        "model.width=8",        small=("batch.batch_size=8", "losses.binary_from=0"),
    ),
    "reader": Contract(
        "unit2text.train", "unit2text/train_debug", "unit2text/train", sentences, {"loss": 0.8}, UnitReader.from_checkpoint,
        "model.encoder_ffn=32",        small=("batch.batch_size=8", "model.dropout=0.1", "noise.mask=0.1"),
    ),
}  # fmt: skip


_SLOW = ("voice_with_a_pitch", "aligned_speller")
"""Second networks of a trainer, which tests of their own train, too (unit2av/test_train_harmonic, text2unit/test_train)."""


@pytest.fixture(scope="module", params=[pytest.param(one, marks=pytest.mark.slow) if one in _SLOW else one for one in TRAINERS])
def trainer(request: pytest.FixtureRequest) -> Contract:
    return TRAINERS[request.param]


@pytest.fixture(scope="module")
def whole(trainer: Contract, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was never broken off."""
    run_dir = tmp_path_factory.mktemp("whole")
    assert trainer.main(run_dir=run_dir) == 0
    return run_dir


@pytest.fixture(scope="module")
def task(trainer: Contract) -> Task:
    """Shared: a test may take a step with it."""
    return trainer.task()


def test_it_learns(trainer: Contract, whole: Path, task: Task) -> None:
    for name, share in trainer.falls.items():
        values = list(history(whole, name=name).values())
        assert len(values) == STEPS
        assert sum(values[-4:]) < share * sum(values[:4]), name
    assert {path.name for path in (whole / "checkpoints").iterdir()} >= {"last.pt", "best.pt", f"step_{STEPS:08}.pt"}
    assert {name for line in measured(whole, "valid") for name in line} - {"kind", "step", "time"} == set(task.figures)
    assert (whole / "config.yaml").exists()
    assert any((whole / "tensorboard").iterdir())


def test_a_run_that_was_stopped_goes_on_to_the_same_bits(
    trainer: Contract, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """By SIGTERM, twice; then with batches of another size, of which one gives no finite gradient."""
    train_on = Trainer._train_on

    def stopped(self: Trainer, content: object) -> None:
        train_on(self, content)
        if self.step in STOPS:
            signal.raise_signal(signal.SIGTERM)

    last, far = tmp_path / "checkpoints" / "last.pt", STOPS[-1]
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_train_on", stopped)
        for step in STOPS:
            assert trainer.main(run_dir=tmp_path) == 128 + signal.SIGTERM
            assert read_state(last)["position"]["step"] == step
    parts, unbroken = read_state(last), read_state(whole / "checkpoints" / f"step_{far:08}.pt")
    for name in ("modules", "optimizers", "random"):
        assert same(parts[name], unbroken[name]), name
    assert history(tmp_path) == {step: loss for step, loss in history(whole).items() if step <= far}
    update, bad = Trainer.update, {far}
    monkeypatch.setattr(Trainer, "update", lambda self, name, loss: update(self, name, loss * nan if self.step in bad else loss))
    assert trainer.main(f"loop.max_steps={far + 2}", "batch.batch_size=3", run_dir=tmp_path) == 0
    assert f"step {far + 1}: the gradient of" in capfd.readouterr().err
    state = read_state(last)
    assert state["position"]["step"] == far + 2
    assert no_number_in(state["modules"]) is None
    assert [line["step"] for line in measured(tmp_path)] == [*range(1, far + 1), far + 2]
    for part in state["modules"].values():
        for tensor in part.values():
            if tensor.is_floating_point():
                tensor.fill_(nan)
    torch.save(state, last)
    out = tmp_path / f"export{trainer.suffix}"
    assert (trainer.export(last, out) == 2 and not out.exists()) if trainer.has_export else not trainer.used(last)


def test_a_run_begins_anew_alone_and_ends_where_no_gradient_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Of the smallest trainer: it is the loop's."""
    trainer, last = TRAINERS["text-to-unit"], tmp_path / "checkpoints" / "last.pt"
    assert trainer.main("loop.max_steps=3", run_dir=tmp_path) == 0
    monkeypatch.setattr("avcore.train.entry._PATIENCE_S", 0)
    with folder_lock(tmp_path):
        assert trainer.main(run_dir=tmp_path) == 2
    assert "another run trains in this folder; found process" in capfd.readouterr().err
    update = Trainer.update
    monkeypatch.setattr(Trainer, "update", lambda self, name, loss: update(self, name, loss * nan if self.step else loss))
    assert trainer.main("loop.validate_every=100", "loop.resume=never", run_dir=tmp_path) == 2
    assert "training broke down; nothing is saved since; expected gradients that are numbers" in capfd.readouterr().err
    assert read_state(last)["position"]["step"] == 8
    assert [line["step"] for line in measured(tmp_path)] == [1]
    assert read_state(tmp_path / "earlier.1" / "checkpoints" / "last.pt")["position"]["step"] == 3


def test_a_run_is_not_gone_on_with_in_other_sizes(trainer: Contract, whole: Path, capfd: pytest.CaptureFixture[str]) -> None:
    was = (whole / "config.yaml").read_text()
    assert trainer.main(trainer.resized, run_dir=whole) == 2
    error = capfd.readouterr().err
    assert "this run's checkpoint does not fit the model; expected" in error
    name, _, value = trainer.resized.partition("=")
    assert f"{name}: " in error
    assert f" -> {value}; give another run_dir" in error
    assert (whole / "config.yaml").read_text() == was


def same(left: Any, right: Any) -> bool:
    if isinstance(left, Tensor):
        return torch.equal(left, right)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return bool((left == right) if not hasattr(left, "all") else (left == right).all())


def test_every_weight_learns(trainer: Contract, task: Task) -> None:
    task.training_step(batch_of(task, range(4)), OneStep(task))
    parts = list(task.optim)
    assert parts
    assert [name for part in parts for name in without_gradient(task.parts[part]) if not trainer.idle(name)] == []


def test_discriminators_take_what_is_real_for_real(trainer: Contract) -> None:
    if trainer.opponents is None:
        return
    task = trainer.task()
    engine, batch = OneStep(task, lr=2e-3), batch_of(task, range(2))
    for name in engine.optimizers.keys() - {"discriminators", "quality"}:
        engine.optimizers[name].param_groups[0]["lr"] = 0.0  # what is made stays as bad as it is
    for _ in range(12):
        task.training_step(batch, engine)
    with torch.no_grad():
        judge, *sides = trainer.opponents(task, batch)
        real, made = (mean_score(judge(side)) for side in sides)
    assert real > made


def mean_score(judged: Any) -> float:
    return float(judged.mean()) if isinstance(judged, Tensor) else float(torch.cat([one.score.flatten() for one in judged]).mean())


OWN_MISTAKES = (
    ("data.train=/nowhere.jsonl", "nowhere.jsonl"),
    ("batch.batch_size=-1", "batch.batch_size cannot be used; expected 0 or more; found -1"),
    ("loop.best_metric=mell", "loop.best_metric is not measured; expected "),
)
SHARED_MISTAKES = (
    ("loop.max_step=1", "close to loop.max_steps"),
    ("loop.max_steps=many", "max_steps"),
    ("loop.device=gpu", "unknown device"),
    ("loop.resume=/nowhere.pt", "nowhere.pt"),
)
"""Found before a trainer of its own is asked."""


def test_checks_come_first_and_make_nothing(trainer: Contract, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run_dir = tmp_path / "run"
    assert trainer.main("check_only=true", run_dir=run_dir) == 0
    assert not (run_dir / "checkpoints").exists()
    for mistake, told in (*OWN_MISTAKES, *(SHARED_MISTAKES if trainer is TRAINERS["text-to-unit"] else ())):
        capfd.readouterr()
        assert trainer.main("check_only=true", mistake, run_dir=tmp_path / "none") == 2
        error = capfd.readouterr().err
        assert told in error
        assert "Traceback" not in error
        assert not (tmp_path / "none" / "checkpoints").exists()
        assert "best_metric" in mistake or not (tmp_path / "none").exists()  # what was computed of the data is kept


def test_an_export_is_taken_by_what_comes_next(trainer: Contract, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / f"export{trainer.suffix}"
    assert trainer.export(whole / "checkpoints" / "best.pt", out) == 0
    assert trainer.used(out)
    for path in (out, whole / "checkpoints" / "last.pt"):
        assert info([str(path)]) == 0
    if trainer.has_export:
        other = tmp_path / "other" / "checkpoints" / "best.pt"
        other.parent.mkdir(parents=True)
        torch.save({"about": {"kind": "something else"}, "modules": {}, "position": {"step": 1}}, other)
        assert trainer.export(other, refused := tmp_path / f"refused{trainer.suffix}") == 2
        assert not refused.exists()


def test_without_a_config_the_real_one_is_trained(trainer: Contract, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    module, told = importlib.import_module(trainer.module), []
    for config in ([], ["--config-name", trainer.real]):
        capfd.readouterr()
        assert module.main([*trainer.words, *config, "--cfg", "job", *trainer.given(run_dir=tmp_path)]) == 0
        told.append(capfd.readouterr().out)
    assert told[0] == told[1] != ""
    assert "debug" not in trainer.real
