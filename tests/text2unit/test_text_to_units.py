"""A text-to-unit model from its checkpoint: text of any length to units, and what is refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from avcore.checkpoints.checkpoint import read_checkpoint, write_checkpoint
from avcore.errors import CheckpointError, LanguageError, NetflipsError
from recipes.made.babble import SILENCE, VOCABULARY
from tests.refusal import refused
from text2unit.inference import main
from text2unit.stage import TEXT2UNIT
from text2unit.text_to_units import PAUSE_S, SHORT_PAUSE_S, TextToUnits
from unit2av.stage import RENDERER


def test_sentences_are_joined_by_silence(text_to_unit: Path) -> None:
    loaded = TextToUnits.from_checkpoint(text_to_unit)
    one, other = loaded.units_of("가나다."), loaded.units_of("라마바.")
    both = loaded.units_of("가나다. 라마바.")
    assert both.ids.tolist() == [*one.ids, SILENCE, *other.ids]
    assert (both.language, both.vocabulary, both.durations) == ("ko", VOCABULARY, None)
    assert loaded.units_of("가나다.\n라마바.") == both
    assert [part.pause_s for part in loaded.predict(("가,", "나."))] == [SHORT_PAUSE_S, PAUSE_S]


def test_a_speller_reads_the_written_or_the_spoken_form(text_to_unit: Path, tmp_path: Path) -> None:
    stored = read_checkpoint(text_to_unit, TEXT2UNIT)
    model = {**stored.config["model"], "pronounced": True}
    other = tmp_path / text_to_unit.name
    write_checkpoint(other, TEXT2UNIT, {**stored.config, "model": model}, stored.tensors)
    plain, pronounced = (TextToUnits.from_checkpoint(path) for path in (text_to_unit, other))
    assert pronounced.units_of("굳이").ids.tolist() == plain.units_of("구지").ids.tolist()
    assert plain.units_of("굳이").ids.tolist() != plain.units_of("구지").ids.tolist()


def test_the_checkpoint_s_languages_count_and_low_precision_agrees(text_to_unit: Path) -> None:
    loaded = TextToUnits.from_checkpoint(text_to_unit)
    assert loaded.languages == ("ko",)
    assert loaded.units_of("가나다", "kor") == loaded.units_of("가나다", "KO")
    refused(LanguageError, "one of ko", loaded.units_of, "hello", "en")
    text = "가나다라 마바사."
    low, high = (TextToUnits.from_checkpoint(text_to_unit, precision=name).units_of(text) for name in ("bfloat16", "float32"))
    assert low.ids.tolist() == high.ids.tolist()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"model": None}, "model of the configuration cannot be read"),
        ({"languages": "ko"}, "languages"),
        ({"silence": 999}, "silence"),
        ({"model": {"width": -1}}, "width"),
        ({"model": {"network": "rnn"}}, "rnn"),
        ({"model": {"symbols": "abc"}}, "letters"),
        ({"model": {"width": 32}}, "do not fit"),
        ({"model": {"pronounced": "yes"}}, "pronounced"),
    ],
)
def test_a_changed_config_is_one_error(text_to_unit: Path, tmp_path: Path, change: dict[str, object], complaint: str) -> None:
    for path in (text_to_unit, text_to_unit.with_suffix(".json")):
        shutil.copy(path, tmp_path / path.name)
    beside = tmp_path / text_to_unit.with_suffix(".json").name
    content = json.loads(beside.read_text())
    for name, value in change.items():
        content["config"][name] = {**content["config"][name], **value} if isinstance(value, dict) else value
    beside.write_text(json.dumps(content))
    refused(CheckpointError, complaint, TextToUnits.from_checkpoint, tmp_path / text_to_unit.name)


def test_a_missing_tensor_is_named_and_a_checkpoint_of_another_stage(text_to_unit: Path, tmp_path: Path, parity_dir: Path) -> None:
    stored = read_checkpoint(text_to_unit, TEXT2UNIT)
    tensors = {name: tensor for name, tensor in stored.tensors.items() if name != "classes.bias"}
    path = write_checkpoint(tmp_path / "x.safetensors", TEXT2UNIT, stored.config, tensors)
    refused(NetflipsError, r"1 missing: classes\.bias", TextToUnits.from_checkpoint, path)
    with pytest.raises(CheckpointError, match=r"no text-to-unit model checkpoint.*renderer.*--unit2av-path"):
        TextToUnits.from_checkpoint(parity_dir / "unit2av_renderer.pt")
    with pytest.raises(CheckpointError, match=r"no renderer checkpoint.*a text-to-unit model.*--text2unit-path"):
        read_checkpoint(text_to_unit, RENDERER)


def test_the_command_writes_units(text_to_unit: Path, tmp_path: Path) -> None:
    text, out = tmp_path / "text.txt", tmp_path / "units.txt"
    text.write_text("가나다. 라마바.\n", encoding="utf-8")
    assert main(["--text-path", str(text), "--text2unit-path", str(text_to_unit), "--out-unit-path", str(out), "--cpu"]) == 0
    expected = TextToUnits.from_checkpoint(text_to_unit).units_of("가나다. 라마바.").ids
    assert np.array_equal(np.array(out.read_text().split(), dtype=int), expected)
    assert main(["가", "--text2unit-path", str(text_to_unit), "--out-unit-path", str(text_to_unit), "--cpu"]) == 2
