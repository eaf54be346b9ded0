"""Published numbers stand in one place: the yaml that says where they are from."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from av2unit.clustering.config import AlignConfig, FeatureConfig, KMeansConfig
from av2unit.config import AvHubertConfig
from av2unit.training.config import TrainConfig
from avcore.errors import UsageError
from avcore.train.config import BatchConfig, LoopConfig, OptimConfig
from avcore.train.entry import CONFIG_FOLDER, read_config
from unit2av.face.training.config import SyncTrainConfig, Unit2vConfig
from unit2av.lipsync.wav2lip.training.config import ExpertConfig, GeneratorConfig
from unit2av.voice.training.config import Unit2aConfig
from unit2text.training.config import UnitToTextTrainConfig

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
