"""Training of the face renderer on drawn lips: one step, resuming, the sync loss, and everything checked beforehand."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from avcore.checkpoints.checkpoint import read_checkpoint, write_checkpoint
from avcore.errors import CheckpointError, UnitRangeError, UsageError, VocabularyError
from recipes.made.drawn_lips import NUM_UNITS, VOCABULARY, DrawnCorpus
from tests.avcore.train.toy import OneStep, batch_of, history, without_gradient
from tests.refusal import refused
from tests.unit2av.lip_runs import PUBLISHED, face_config, sync_config, train_face
from unit2av.face.model import FaceModel, FaceModelSize
from unit2av.face.training.config import MouthRegion
from unit2av.face.training.sync import load_sync_expert
from unit2av.face.training.task import FACE, FaceLosses, LipDiscriminator
from unit2av.lip_task import QUALITY, lower_half
from unit2av.stage import RENDERER
from unit2av.train_sync import make_task as make_sync_task
from unit2av.train_unit2v import make_task

QUICK = {
    "loop__log_every": 1, "loop__num_workers": 0, "batch__batch_size": 4, "data__max_valid_windows": 2, "model__norm_windows": 4,
}  # fmt: skip


@pytest.fixture(scope="module")
def expert(sync_run: Path) -> Path:
    return sync_run / "checkpoints" / "best.pt"


@pytest.mark.parametrize("width", [4, 32])
def test_the_discriminator_judges_each_lower_half(width: int) -> None:
    judge = LipDiscriminator(width)
    faces = torch.rand(3, 3, 96, 96)
    assert judge(lower_half(faces)).shape == (3,)
    faces[:, :, :48] = 0
    logits = judge(lower_half(faces))
    assert torch.allclose(judge(lower_half(faces[1:2])), logits[1:2], atol=1e-5)


def test_drawing_some_frames_is_drawing_all_and_choosing() -> None:
    torch.manual_seed(0)
    model = FaceModel(FaceModelSize.divided(16, 9, 8)).eval()
    assert (model.size.encoder_widths[0], model.size.decoder_widths[0]) == (8, 32)
    units, faces, shown = torch.randint(0, 9, (2, 20)), torch.rand(20, 6, 96, 96), torch.tensor([3, 4, 17])
    with torch.no_grad():
        assert torch.allclose(model(units, faces[shown], shown), model(units, faces)[shown], atol=1e-6)


def test_every_weight_learns_from_all_losses(drawn: DrawnCorpus, crops: Path, tmp_path: Path, expert: Path) -> None:
    config = face_config(drawn, crops, tmp_path, losses__sync_checkpoint=expert, losses__sync=0.03, frames=5, batch__batch_size=2)
    task = make_task(replace(config, model=replace(config.model, unit_context=1)))
    task._losses.notice(0.1)
    values = task.training_step(batch_of(task, [0, 20]), OneStep(task))
    assert {"l1", "quality", "sync", "discriminator"} <= values.keys()
    shares = (1 - 0.01 - 0.03) * values["l1"] + 0.01 * values["quality"] + 0.03 * values["sync"]
    assert values["loss"].item() == pytest.approx(shares.item(), rel=1e-5)
    modules = task.parts
    # A bias before a batch norm is taken out again by it.
    idle = [name for name in without_gradient(modules[FACE]) if not name.endswith("conv_block.0.bias")]
    assert idle == without_gradient(modules[QUALITY]) == []
    assert all(weight.grad is None for weight in task._losses.parameters())


def test_the_sync_loss_counts_once_it_was_low_enough(expert: Path) -> None:
    losses = FaceLosses(replace(PUBLISHED.losses, sync=0.03, sync_threshold=0.75), MouthRegion(), load_sync_expert(expert)[0])
    assert losses.sync_weight == 0
    assert not losses.notice(0.8)
    assert losses.notice(0.7)
    assert not losses.notice(2.0)
    assert losses.sync_weight == 0.03
    without = FaceLosses(PUBLISHED.losses, MouthRegion(), None)
    without.notice(0.1)
    assert without.sync_weight == 0


def test_the_switch_of_the_sync_loss_is_resumed(drawn: DrawnCorpus, crops: Path, tmp_path: Path, expert: Path) -> None:
    settings = {**QUICK, "losses__sync_checkpoint": expert, "losses__sync_threshold": 100, "frames": 5, "batch__batch_size": 2}
    config = face_config(drawn, crops, tmp_path, **settings, loop__validate_every=2, loop__max_steps=3)
    first = train_face(config)
    assert list(history(first, "train", "sync")) == [3]
    assert {"sync_loss", "sync_score", "dubbed_sync_score"} <= first.history[-1].keys()
    resumed = train_face(face_config(drawn, crops, tmp_path, **settings, loop__validate_every=2, loop__max_steps=4))
    assert list(history(resumed, "train", "sync")) == [3, 4]


# What is checked before the first step


@pytest.fixture
def renderer(tmp_path: Path) -> Path:
    """A renderer checkpoint with a face of eight units."""
    torch.manual_seed(1)
    face = FaceModel(FaceModelSize.divided(16, NUM_UNITS, 4))
    tensors = {f"video.{name}": value for name, value in face.state_dict().items()}
    return write_checkpoint(tmp_path / "renderer.safetensors", RENDERER, {"vocabulary": VOCABULARY}, tensors)


def test_a_run_starts_from_a_renderer(drawn: DrawnCorpus, crops: Path, tmp_path: Path, renderer: Path) -> None:
    stored = read_checkpoint(renderer, RENDERER).section("video")
    face = make_task(face_config(drawn, crops, tmp_path, init__checkpoint=renderer)).parts[FACE]
    assert all(torch.equal(value, stored[name]) for name, value in face.state_dict().items())


def test_a_renderer_gains_a_unit_context_without_a_change(drawn: DrawnCorpus, crops: Path, tmp_path: Path, renderer: Path) -> None:
    def started(checkpoint: Path, context: int, name: str) -> FaceModel:
        config = face_config(drawn, crops, tmp_path / name, init__checkpoint=checkpoint, model__unit_context=context)
        face = make_task(config).parts[FACE]
        assert isinstance(face, FaceModel)
        return face.eval()

    plain, extended = started(renderer, 0, "plain"), started(renderer, 2, "extended")
    assert extended.state_dict().keys() - plain.state_dict().keys() == {"unit_context.weight", "unit_context.bias"}
    units = torch.arange(40).reshape(2, 20) % NUM_UNITS
    with torch.no_grad():
        assert torch.equal(extended.encode_units(units), plain.encode_units(units))
    tensors = {f"video.{name}": value for name, value in extended.state_dict().items()}
    stored = write_checkpoint(tmp_path / "extended.safetensors", RENDERER, {"vocabulary": VOCABULARY}, tensors)
    assert started(stored, 0, "kept").size.unit_context == 2


def test_units_are_those_of_both_models(drawn: DrawnCorpus, crops: Path, tmp_path: Path, renderer: Path, expert: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text(drawn.units.read_text().replace(VOCABULARY, "sha256:other"))
    settings = {"data__units": other, "frames": 5}
    with pytest.raises(VocabularyError, match="face renderer"):
        make_task(face_config(drawn, crops, tmp_path, **settings, init__checkpoint=renderer))
    with pytest.raises(VocabularyError, match="sync expert"):
        make_task(face_config(drawn, crops, tmp_path, **settings, losses__sync_checkpoint=expert))
    refused(UnitRangeError, "drawn_", make_task, face_config(drawn, crops, tmp_path, model__num_units=5))


@pytest.mark.parametrize(
    "change",
    [
        {"frames": 11}, {"losses__quality": 0.98}, {"losses__mouth_weight": 0.5}, {"mouth__bottom": 97}, {"same_reference": 1.5},
        {"losses__moved_weight": -1.0}, {"model__unit_context": 10}, {"model__unit_context": -1}, {"augment__scale": 1.5},
        {"augment__shift": -1.0}, {"reference_choices": 0}, {"quality_width": 0}, {"model__width_divisor": 0},
        {"data__max_valid_windows": 0}, {"data__hold_out": 0},
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_refused(drawn: DrawnCorpus, crops: Path, tmp_path: Path, change: dict) -> None:
    refused(UsageError, "", lambda: make_task(face_config(drawn, crops, tmp_path, **change)))


def test_debug_configs_fit_the_data_and_one_another(drawn: DrawnCorpus, crops: Path, tmp_path: Path, expert: Path) -> None:
    """Rows for units of any number, and as many frames as the expert sees; what was published keeps its own."""
    rows = [json.loads(line) for line in drawn.units.read_text().splitlines()]
    rows = [row | {"units": [300 + unit for unit in row["units"]]} for row in rows]
    other = DrawnCorpus(drawn.manifest, tmp_path / "units.jsonl")
    other.units.write_text("".join(json.dumps(row) + "\n" for row in rows))
    needed = 1 + max(max(row["units"]) for row in rows)
    face = make_task(face_config(other, crops, tmp_path)).about["config"]
    assert (face["model"]["num_units"], face["frames"]) == (needed, 1)
    assert make_sync_task(sync_config(other, crops, tmp_path)).about["config"]["model"]["num_units"] == needed
    seen = make_task(face_config(drawn, crops, tmp_path, losses__sync_checkpoint=expert)).about["config"]["frames"]
    assert seen == load_sync_expert(str(expert))[0].config.frames == 5
    assert (PUBLISHED.model.num_units, PUBLISHED.frames) == (1000, 10)


def test_frames_and_checkpoints_that_do_not_fit_the_expert(drawn: DrawnCorpus, crops: Path, tmp_path: Path, expert: Path) -> None:
    refused(UsageError, "whole windows", make_task, face_config(drawn, crops, tmp_path, losses__sync_checkpoint=expert, frames=3))
    torch.save({"about": {"kind": "face renderer"}}, tmp_path / "face.pt")
    with pytest.raises(CheckpointError, match="no checkpoint of a sync expert's training"):
        make_task(face_config(drawn, crops, tmp_path, losses__sync_checkpoint=tmp_path / "face.pt"))
