"""Batches by length, schedules, optimizers and configs, whose published numbers stand in one yaml. Changes of training frames."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_type_hints

import cv2
import numpy as np
import pytest
import torch
from hydra.core.config_store import ConfigStore
from torch.overrides import TorchFunctionMode

from av2unit.clustering.config import AlignConfig, FeatureConfig, KMeansConfig
from av2unit.config import AvHubertConfig
from av2unit.training.config import TrainConfig
from avcore.bounds import Size
from avcore.errors import UsageError
from avcore.train.config import BatchConfig, LoopConfig, OptimConfig, RunConfig
from avcore.train.data import EndlessBatches, LengthBatches, TakenBatches, item_generator, pad
from avcore.train.entry import CONFIG_FOLDER, main_of, read_config
from avcore.train.frames import turn
from avcore.train.optim import Muon, learning_rate, make_optimizer, orthogonal, set_learning_rate
from avcore.train.settings import as_yaml
from avcore.train.task import named_parameters
from tests.refusal import refused
from unit2av.face.training.config import SyncTrainConfig, Unit2vConfig
from unit2av.lipsync.wav2lip.training.config import ExpertConfig, GeneratorConfig
from unit2av.voice.training.config import Unit2aConfig
from unit2text.training.config import UnitToTextTrainConfig

LENGTHS = np.random.default_rng(0).integers(1, 100, 203).tolist()


def test_epochs_differ_and_repeat_for_the_same_seed() -> None:
    batches = LengthBatches(LENGTHS, BatchConfig(batch_size=8), seed=1)
    assert batches.epoch_batches(0) != batches.epoch_batches(1)
    assert batches.epoch_batches(1) == LengthBatches(LENGTHS, BatchConfig(batch_size=8), seed=1).epoch_batches(1)
    assert batches.epoch_batches(0) != LengthBatches(LENGTHS, BatchConfig(batch_size=8), seed=2).epoch_batches(0)


def test_buckets_waste_less_than_chance_and_padding_is_bounded() -> None:
    def waste(bucket: int) -> float:
        batches = LengthBatches(LENGTHS, BatchConfig(batch_size=8, bucket=bucket), seed=1).epoch_batches(0)
        padded = sum(max(LENGTHS[i] for i in batch) * len(batch) for batch in batches)
        return 1 - sum(LENGTHS) / padded

    assert waste(50) < 0.3 * waste(1)
    batches = LengthBatches(LENGTHS, BatchConfig(batch_size=0, max_length_sum=300), seed=1).epoch_batches(0)
    assert all(len(batch) * max(LENGTHS[i] for i in batch) <= 300 for batch in batches)
    assert sorted(index for batch in batches for index in batch) == list(range(203))


def test_processes_share_an_epoch_without_overlap() -> None:
    shares = [LengthBatches(LENGTHS, BatchConfig(batch_size=8), 1, rank, 3).epoch_batches(4) for rank in range(3)]
    assert len({len(share) for share in shares}) == 1
    seen = [index for share in shares for batch in share for index in batch]
    assert len(seen) == len(set(seen)) >= 203 - 3 * 8


def test_starting_inside_an_epoch_skips_its_first_batches() -> None:
    batches = LengthBatches(LENGTHS, BatchConfig(batch_size=8), seed=1)
    batches.start(2)
    whole = list(batches)
    batches.start(2, 5)
    assert (list(batches), len(batches)) == (whole[5:], len(whole) - 5)
    assert whole[0][0][0] == 2


@pytest.mark.parametrize(
    "settings",
    [
        [(BatchConfig(batch_size=8), 1), (BatchConfig(batch_size=16), 1)],
        [(BatchConfig(batch_size=8), 1), (BatchConfig(batch_size=4, bucket=3), 4)],
        [(BatchConfig(batch_size=4), 4), (BatchConfig(batch_size=0, max_length_sum=300), 1), (BatchConfig(batch_size=2), 2)],
    ],
)
def test_with_other_settings_each_item_of_the_epoch_comes_once(settings: list[tuple[BatchConfig, int]]) -> None:
    """Of processes that share a rest: all but what does not make a batch for each."""
    before, seen = list[TakenBatches](), list[int]()
    for number, (config, world) in enumerate(settings):
        is_last = number == len(settings) - 1
        shares = [LengthBatches(LENGTHS, config, number, rank, world) for rank in range(world)]
        assert {share.skip(3, before) for share in shares} == {len(seen)}
        taken = [share.epoch_batches(3)[: None if is_last else 4] for share in shares]
        seen += [index for share in taken for batch in share for index in batch]
        before.append(replace(shares[0].nothing_taken, batches=4))
        assert len(shares[0].epoch_batches(4)) > len(taken[0]), "other epochs are whole"
    assert len(seen) == len(set(seen))
    assert len(LENGTHS) - len(seen) <= (settings[-1][1] - 1) * settings[-1][0].batch_size


def test_endless_batches_go_through_epochs_and_say_where_they_are() -> None:
    batches = LengthBatches(LENGTHS, BatchConfig(batch_size=50), seed=1)
    wanted = [batch for epoch in (2, 3, 4) for batch in batches.epoch_batches(epoch)][3:]
    endless = EndlessBatches(LengthBatches(LENGTHS, BatchConfig(batch_size=50), seed=1), epoch=2, position=3)
    stream = iter(endless)
    found = [[index for _, index in next(stream)] for _ in wanted]
    assert found == wanted
    positions = [endless.next_position() for _ in wanted]
    per_epoch = len(batches.epoch_batches(2))
    assert positions[: per_epoch - 3] == [(2, number) for number in range(4, per_epoch + 1)]
    assert positions[per_epoch - 3] == (3, 1)
    after_the_last = EndlessBatches(LengthBatches(LENGTHS, BatchConfig(batch_size=50), seed=1), epoch=2, position=per_epoch)
    assert [index for _, index in next(iter(after_the_last))] == batches.epoch_batches(3)[0]


def test_an_items_randomness_depends_on_seed_epoch_and_index_alone() -> None:
    draws = {(seed, *key): item_generator(seed, key).random() for seed in (1, 2) for key in ((0, 0), (0, 1), (1, 0))}
    assert len(set(draws.values())) == 6
    assert item_generator(1, (0, 1)).random() == draws[1, 0, 1]


def test_schedules() -> None:
    polynomial = OptimConfig(lr=1.0, warmup_steps=4, end_lr=0.2)
    assert learning_rate(polynomial, 0, 0.0, 0) == pytest.approx(0.25)
    assert learning_rate(polynomial, 9, 0.5, 0) == pytest.approx(0.6)
    assert learning_rate(polynomial, 99, 1.0, 0) == pytest.approx(0.2)
    assert learning_rate(OptimConfig(lr=1.0, schedule="exponential", decay=0.9), 50, 0.5, 2) == pytest.approx(0.81)
    assert learning_rate(OptimConfig(lr=1.0, schedule="constant"), 50, 0.5, 2) == 1.0
    refused(UsageError, "", learning_rate, OptimConfig(schedule="cosine"), 0, 0.0, 0)


def test_vectors_are_not_decayed_and_frozen_weights_left_out() -> None:
    layer = torch.nn.Linear(3, 2)
    frozen = torch.nn.Parameter(torch.zeros(3, 3), requires_grad=False)
    named = {**dict(layer.named_parameters()), "frozen": frozen}
    groups = make_optimizer(named, OptimConfig(weight_decay=0.1)).param_groups
    assert [(len(group["params"]), group["weight_decay"]) for group in groups] == [(1, 0.1), (1, 0.0)]


def test_muon_learns_the_matrices_of_the_parts_it_is_named_for() -> None:
    network = torch.nn.ModuleDict({"inside": torch.nn.Linear(3, 2), "insides": torch.nn.Linear(2, 5)})
    named = named_parameters({"network": network}, ["network"])
    config = OptimConfig(lr=0.1, weight_decay=0.0, muon=("network.inside",), muon_rate=2.0)
    optimizer = make_optimizer(named, config)
    assert [group["params"][0].shape for group in optimizer.param_groups] == [(5, 2), (2,), (2, 3)]
    set_learning_rate(optimizer, 0.5)
    before = network["inside"].weight.detach().clone()
    network["inside"].weight.grad = torch.diag(torch.tensor([3.0, 0.1, 1.0]))[:2]
    optimizer.step()
    moved = (before - network["inside"].weight.detach()).diagonal() / (2 * 0.5 * 0.2 * 3**0.5)
    assert moved[0] == pytest.approx(1, abs=0.5)
    assert moved[1] > 0.5 * moved[0]  # all directions alike, where the gradient differs thirty times
    other = make_optimizer(named, config)
    other.load_state_dict(optimizer.state_dict())
    assert [group["lr"] for group in other.param_groups] == [0.5, 0.5, 1.0]
    refused(UsageError, r"optim\.muon", make_optimizer, named, OptimConfig(muon=("network.insid",)))


@pytest.mark.parametrize("is_quick", [True, False])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("rows", [4, 40])
def test_muon_takes_kernels_by_row(rows: int, layout: torch.memory_format, is_quick: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avcore.train.optim.has_quick_bfloat16", lambda _: is_quick)
    torch.manual_seed(0)
    inside = torch.nn.Conv2d(3, rows, 3).to(memory_format=layout)
    named = named_parameters({"network": torch.nn.ModuleDict({"inside": inside, "out": torch.nn.Conv2d(rows, 1, 3)})}, ["network"])
    optimizer = make_optimizer(named, OptimConfig(lr=0.1, weight_decay=0.01, muon=("network.inside",)))
    matrix = torch.nn.Parameter(inside.weight.detach().flatten(1).clone())
    alone = torch.optim.Muon([matrix], lr=0.1, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")
    for _ in range(3):
        inside.weight.grad = torch.randn(rows, 3, 3, 3).contiguous(memory_format=layout)
        matrix.grad = inside.weight.grad.flatten(1).clone()
        before = inside.weight.detach().flatten(1).clone(), matrix.detach().clone()
        optimizer.step()
        alone.step()
        ours, torchs = inside.weight.detach().flatten(1) - before[0], matrix.detach() - before[1]
        assert torch.cosine_similarity(ours.flatten(), torchs.flatten(), dim=0) > 0.999
        optimizer.zero_grad()
    if is_quick:
        torch.testing.assert_close(inside.weight.detach().flatten(1), matrix.detach())
    assert inside.weight.is_contiguous(memory_format=layout)
    assert inside.weight.grad is None
    other = make_optimizer(named, OptimConfig(lr=0.1, weight_decay=0.01, muon=("network.inside",)))
    other.load_state_dict(optimizer.state_dict())
    kept = other.state_dict()["parts"][1]["state"][0]["momentum_buffer"]
    torch.testing.assert_close(kept.flatten(1), alone.state_dict()["state"][0]["momentum_buffer"])


@pytest.mark.parametrize("is_quick", [True, False])
def test_muon_multiplies_in_bfloat16_only_where_that_is_quick(is_quick: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    # bfloat16 in a processor without such products takes 13 to 46 times as long: a run by minutes made a thirteenth of its updates.
    monkeypatch.setattr("avcore.train.optim.has_quick_bfloat16", lambda _: is_quick)
    weight = torch.nn.Parameter(torch.zeros(6, 8))
    weight.grad = torch.randn(6, 8)
    products: set[torch.dtype] = set()

    class Products(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            products.update(
                one.dtype for one in args if isinstance(one, torch.Tensor) and func in {torch.addmm, torch.Tensor.matmul}
            )
            return func(*args, **(kwargs or {}))

    with Products():
        Muon([weight], lr=1.0, weight_decay=0.0).step()
    assert products == {torch.bfloat16 if is_quick else torch.float32}


def test_an_orthogonal_matrix_has_newton_schulz_singular_values() -> None:
    generator = torch.Generator().manual_seed(1)
    left, _, right = torch.linalg.svd(torch.randn(30, 20, generator=generator, dtype=torch.float64), full_matrices=False)
    values = torch.logspace(0, -2, 20, dtype=torch.float64)
    matrix = left @ torch.diag(values) @ right
    wanted = values / values.norm()
    for _ in range(5):
        wanted = 3.4445 * wanted - 4.7750 * wanted**3 + 2.0315 * wanted**5
    torch.testing.assert_close(orthogonal(matrix), left @ torch.diag(wanted) @ right)
    torch.testing.assert_close(orthogonal(matrix.T), orthogonal(matrix).T)
    assert (wanted.min() > 0.68, wanted.max() < 1.21) == (True, True)  # all about as long, where the matrix's differ 100 times


def test_rows_are_padded_to_the_longest() -> None:
    padded = pad([np.ones((2, 3), np.float32), np.ones((1, 3), np.float32)], 7)
    assert padded.dtype == torch.float32
    assert padded[..., 0].tolist() == [[1, 1], [1, 7]]


@dataclass(frozen=True)
class ToyRun(RunConfig):
    width: Size = 4
    name: str = "???"
    optim: OptimConfig = field(default_factory=OptimConfig)


def _write(folder: Path, text: str) -> Path:
    (folder / "group").mkdir(exist_ok=True)
    (folder / "group" / "debug.yaml").write_text(text)
    return folder


def test_a_yaml_and_overrides_become_a_frozen_dataclass(tmp_path: Path) -> None:
    folder = _write(tmp_path, "name: x\nloop: {max_steps: 7}\noptim: {betas: [0.8, 0.99]}\n")
    config = read_config(ToyRun, "group/debug", ["width=9", "optim.lr=0.5"], folder)
    assert (config.width, config.loop.max_steps, config.optim.lr, config.name) == (9, 7, 0.5, "x")
    assert tuple(config.optim.betas) == (0.8, 0.99)
    assert isinstance(config.loop, LoopConfig)
    assert "max_steps: 7" in as_yaml(config)


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        (["nothing=1"], "nothing"),
        (["loop.nothing=1"], "nothing"),
        (
            ["width=wide"],
            "the setting width is of another kind; found Value 'wide' of type 'str' could not be converted to Integer$",
        ),
        (["a b"], "does not fit"),
        (["name=x", "optim.lr=nan"], "optim.lr cannot be used; expected above 0, at most 65,536; found nan"),
        (["name=x", "optim.lr=-1"], "optim.lr cannot be used; expected above 0, at most 65,536; found -1.0"),
        (["name=x", "width=99999999999999999999999"], "width cannot be used; expected 1 to 16,777,216"),
        ([], "name"),
    ],
)
def test_a_wrong_key_type_or_missing_value_is_one_error(tmp_path: Path, overrides: list[str], complaint: str) -> None:
    refused(UsageError, complaint, read_config, ToyRun, "group/debug", overrides, _write(tmp_path, "loop: {max_steps: 7}\n"))


@pytest.mark.parametrize("name", ["발표/한글 폴더", "한'글", '"한글"', "é\\x"])
def test_a_setting_may_be_a_korean_name(tmp_path: Path, name: str) -> None:
    assert read_config(ToyRun, "group/debug", [f"name={name}"], _write(tmp_path, "width: 1\n")).name == name.strip('"')


def test_a_setting_may_be_called_like_another_librarys_group(tmp_path: Path) -> None:
    store = ConfigStore.instance()
    store.store(group="name", name="foreign", node={"x": 1})
    (tmp_path / "debug.yaml").write_text("width: 1\n")
    try:
        assert read_config(ToyRun, "debug", ["name=mine"], tmp_path).name == "mine"
        assert "name" in store.repo
    finally:
        del store.repo["name"]


def test_the_command_line_returns_exit_codes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = str(_write(tmp_path, "name: x\n"))
    seen: list[ToyRun] = []
    assert main_of(ToyRun, seen.append, "group/debug", "toy", "Train a toy.", ["--config-dir", folder, "width=5"]) == 0
    assert seen[0].width == 5
    assert main_of(ToyRun, seen.append, "group/debug", "toy", "Train a toy.", ["--config-dir", folder, "--cfg", "job"]) == 0
    assert "width: 4" in capfd.readouterr().out
    assert main_of(ToyRun, seen.append, "none", "toy", "Train a toy.", ["--config-dir", folder]) == 2
    refused(UsageError, "group/debug", read_config, ToyRun, "none", [], _write(tmp_path, "width: 1\n"))


@pytest.mark.parametrize(("name", "parent"), [("unit2av/voice", "unit2a_debug"), ("lab/voice", "/unit2av/unit2a_debug@_global_")])
def test_a_yaml_of_ones_own_inherits_from_ours(name: str, parent: str, tmp_path: Path) -> None:
    """In a folder of its own, also with a blank in its name: what it names is ours, what it says counts."""
    path = tmp_path / "my configs" / f"{name}.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(f"defaults:\n  - {parent}\n  - _self_\n\nloop: {{max_steps: 7}}\n")
    settings = ["run_dir=x", "data.train=a", "data.units=b", "unit2av/discriminators@discriminators=none"]
    config = read_config(Unit2aConfig, name, settings, tmp_path / "my configs")
    assert (config.loop.max_steps, config.batch.batch_size, list(config.discriminators.periods)) == (7, 8, [])
    ours = read_config(Unit2aConfig, "unit2av/unit2a_debug", settings, tmp_path / "my configs")
    assert ours.loop.max_steps == 150


@pytest.mark.parametrize("shape", [(3, 20, 24), (600, 8, 9), (1, 16, 16, 3), (200, 9, 8, 3), (0, 8, 8)])
def test_frames_turned_together_come_out_as_one_by_one(shape: tuple[int, ...]) -> None:
    frames = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    height, width = shape[1:3]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 7, 1.1)
    matrix[:, 2] += (1.5, -2)
    alone = [cv2.warpAffine(frame, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE) for frame in frames]
    turned = turn(frames, 7, 1.1, shift=(1.5, -2))
    assert turned.shape == shape
    assert np.array_equal(turned, np.asarray(alone, dtype=np.uint8).reshape(shape))


GIVEN = {
    TrainConfig: ["run_dir=r", "data.train=t", "data.train_labels=[l]"],
    KMeansConfig: ["manifest=m", "model=k"],
    AlignConfig: ["manifest=m", "references=u", "out_dir=o"],
    Unit2aConfig: ["run_dir=r", "data.train=t"],
    Unit2vConfig: ["run_dir=r", "data.train=t", "data.units=u", "data.valid=v"],
    SyncTrainConfig: ["run_dir=r", "data.train=t", "data.units=u", "data.valid=v"],
    GeneratorConfig: ["run_dir=r", "data.train=t", "data.valid=v"],
    ExpertConfig: ["run_dir=r", "data.train=t", "data.valid=v"],
    UnitToTextTrainConfig: ["run_dir=r", "data.train=t", "data.units=u"],
}
"""What each config must be told."""
NAMES = {
    TrainConfig: ("av2unit/train", "demo/unit_encoder"),
    KMeansConfig: ("av2unit/kmeans",),
    AlignConfig: ("av2unit/align",),
    Unit2aConfig: ("unit2av/unit2a", "demo/vocoder"),
    Unit2vConfig: ("unit2av/unit2v", "demo/lips"),
    SyncTrainConfig: ("unit2av/sync",),
    GeneratorConfig: ("unit2av/lipsync.", "unit2av/lipsync_debug", "unit2av/lipsync_hq"),
    ExpertConfig: ("unit2av/lipsync_expert",),
    UnitToTextTrainConfig: ("unit2text/train", "demo/unit2text"),
}
"""What its yaml files are called, or begin with."""
SHARED = {OptimConfig, LoopConfig, BatchConfig}
"""The same for all trainers, whose yaml files say what they are for each."""
PUBLISHED = [schema for schema in GIVEN if hasattr(schema, "PUBLISHED")]


def without_default(schema: type[Any], place: str = "") -> Iterator[str]:
    kinds = get_type_hints(schema)
    for one in dataclasses.fields(schema):
        if dataclasses.is_dataclass(kinds[one.name]) and kinds[one.name] not in SHARED:
            yield from without_default(kinds[one.name], f"{place}{one.name}.")
        elif one.default is one.default_factory is dataclasses.MISSING:
            yield f"{place}{one.name}"


def at(values: dict[str, Any], name: str) -> Any:
    for part in name.split("."):
        values = values[part]
    return values


def test_absent_settings_are_what_the_published_yaml_says() -> None:
    model = read_config(TrainConfig, "av2unit/train", GIVEN[TrainConfig]).model
    assert dataclasses.replace(model, num_classes=tuple(model.num_classes)) == AvHubertConfig()
    features = read_config(KMeansConfig, "av2unit/kmeans", GIVEN[KMeansConfig]).features
    assert dataclasses.replace(features, modalities=tuple(features.modalities)) == FeatureConfig()


@pytest.mark.parametrize("schema", PUBLISHED, ids=lambda schema: schema.__name__)
def test_a_silent_yaml_gets_what_has_no_default_from_the_published(schema: type[Any], tmp_path: Path) -> None:
    (tmp_path / "bare.yaml").write_text("{}\n")
    bare = dataclasses.asdict(read_config(schema, "bare", GIVEN[schema], tmp_path))
    published = dataclasses.asdict(read_config(schema, schema.PUBLISHED, GIVEN[schema]))
    required = list(without_default(schema))
    assert required
    assert {name: at(bare, name) for name in required} == {name: at(published, name) for name in required}


def test_what_a_yaml_says_counts_and_the_rest_is_published(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("losses: {mel: 3.0}\nmodel: {channels: 64}\n")
    config = read_config(Unit2aConfig, "own", GIVEN[Unit2aConfig], tmp_path)
    assert (config.losses.mel, config.losses.feature, config.model.channels, config.model.num_units) == (3.0, 2.0, 64, 1000)
    assert (config.generator_optim.lr, config.data.hold_out, config.batch.batch_size) == (2e-4, 0, BatchConfig().batch_size)
    with pytest.raises(UsageError, match=r"data\.train"):
        read_config(Unit2aConfig, "own", ["run_dir=r"], tmp_path)


@pytest.mark.parametrize(
    ("schema", "name"),
    [
        (schema, str(path.relative_to(CONFIG_FOLDER).with_suffix("")))
        for schema, names in NAMES.items()
        for path in sorted(CONFIG_FOLDER.rglob("*.yaml"))
        if str(path.relative_to(CONFIG_FOLDER)).startswith(names)
    ],
)
def test_every_yaml_of_a_trainer_fits(schema: type[Any], name: str) -> None:
    assert read_config(schema, name, GIVEN[schema])
