"""Adding a language to a translator. Averages of translators."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.checkpoints.stages import Checkpoint
from avcore.errors import CheckpointError, LanguageError
from avcore.units import Units
from tests.unit2unit.fairseq_side import load_published
from tests.unit2unit.tiny import write_tiny
from unit2unit.stage import SHARED_TABLES, TRANSLATOR
from unit2unit.training.export import average, write_fairseq
from unit2unit.training.export import main as average_main
from unit2unit.translator import UnitTranslator
from unit2unit.utut_finetune.add_language import add_language, main

_TABLES = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "decoder.output_projection.weight")


def test_korean_is_added_as_in_the_reference_layout_and_other_languages_stay(parity_dir: Path, tmp_path: Path) -> None:
    assert main([str(parity_dir / "utut.pt"), str(tmp_path / "ko.pt")]) == 0
    extended = read_checkpoint(tmp_path / "ko.pt", TRANSLATOR)
    expected = np.load(parity_dir / "expected.npz")["ko.surgery_embed"]
    for name in _TABLES:
        assert np.array_equal(extended.tensors[name].numpy(), expected)
    original = read_checkpoint(parity_dir / "utut.pt", TRANSLATOR)
    assert extended.tensors.keys() == original.tensors.keys()
    for name in original.tensors.keys() - set(_TABLES):
        assert torch.equal(extended.tensors[name], original.tensors[name]), name
    assert extended.config["task"]["langs"] == original.config["task"]["langs"] + ",ko"
    assert extended.config["generation"] == original.config["generation"]
    # The new row is one more choice in the softmax and nothing else: the logits of the old rows are the same numbers.
    inputs = np.load(parity_dir / "inputs.npz")
    source, before = (torch.from_numpy(inputs[name])[None] for name in ("src_tokens0", "prev_output_tokens0"))
    lengths = torch.tensor([source.shape[1]])
    old, _ = load_published(parity_dir / "utut.pt")
    new, _ = load_published(tmp_path / "ko.pt", (*_languages(parity_dir / "utut.pt"), "ko"))
    with torch.no_grad():
        old_logits, new_logits = (model(source, lengths, before)[0] for model in (old, new))
    torch.testing.assert_close(new_logits[..., :1023], old_logits[..., :1023])
    torch.testing.assert_close(new_logits[..., 1024], old_logits[..., 1023])


def _languages(path: Path) -> tuple[str, ...]:
    return tuple(read_checkpoint(path, TRANSLATOR).config["task"]["langs"].split(","))


def test_inference_takes_the_new_language(parity_dir: Path, tmp_path: Path) -> None:
    main([str(parity_dir / "utut.pt"), str(tmp_path / "more.pt"), "--language", "ko", "[ja]", "--like", "es"])
    translator = UnitTranslator.from_checkpoint(tmp_path / "more.pt")
    assert translator.languages[-2:] == ("ko", "ja")
    units = Units(np.load(parity_dir / "inputs.npz")["src_units0"], None, "en")
    assert len(translator.translate(units, "en", "ja").tokens) > 0


def test_what_cannot_be_added_is_refused(parity_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(parity_dir / "utut_ko.pt"), str(tmp_path / "again.pt")]) == 2
    assert "the language is there already" in capsys.readouterr().err
    assert main([str(parity_dir / "utut.pt"), str(tmp_path / "ko.safetensors")]) == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("language", "like"), [("korean", "en"), ("k1", "en"), ("ja", "xx")])
def test_names_that_cannot_be_used(parity_dir: Path, language: str, like: str) -> None:
    with pytest.raises(LanguageError):
        add_language(read_checkpoint(parity_dir / "utut.pt", TRANSLATOR), language, like)


def test_a_random_start_is_as_wide_as_bert_draws_it(parity_dir: Path) -> None:
    checkpoint = read_checkpoint(parity_dir / "utut.pt", TRANSLATOR)
    for language in ("aa", "bb", "cc", "dd"):
        checkpoint = add_language(checkpoint, language, "random", seed=3)
    rows = checkpoint.tensors[_TABLES[0]][1023:1027]
    assert float(rows.std()) == pytest.approx(0.02, rel=0.2)
    assert not torch.equal(rows[0], rows[1])


def test_the_quantizer_is_kept(tmp_path: Path) -> None:
    known = write_tiny(tmp_path / "known.safetensors", vocabulary="sha256:0123456789abcdef")
    assert main([str(known), str(tmp_path / "more.pt"), "--language", "ja"]) == 0
    assert read_checkpoint(tmp_path / "more.pt", TRANSLATOR).config["vocabulary"] == "sha256:0123456789abcdef"


def _moved(checkpoint: Checkpoint, by: float) -> Checkpoint:
    """The checkpoint with the same number added to all weights."""
    tensors = {name: tensor + by if tensor.is_floating_point() else tensor for name, tensor in checkpoint.tensors.items()}
    return replace(checkpoint, tensors={**tensors, **dict.fromkeys(SHARED_TABLES, tensors[SHARED_TABLES[0]])})


def test_the_mean_of_weights_is_written_so_that_all_commands_read_it(parity_dir: Path, tmp_path: Path) -> None:
    first = read_checkpoint(parity_dir / "utut.pt", TRANSLATOR)
    for name, by in (("a.pt", 0.5), ("b.pt", -0.2)):
        write_fairseq(_moved(first, by), tmp_path / name)
    given = [str(path) for path in (parity_dir / "utut.pt", tmp_path / "a.pt", tmp_path / "b.pt")]
    assert average_main([*given, "--out", str(tmp_path / "mean.pt")]) == 0
    mean = read_checkpoint(tmp_path / "mean.pt", TRANSLATOR)
    assert mean.tensors.keys() == first.tensors.keys()
    for name, tensor in first.tensors.items():
        if tensor.is_floating_point() and "version" not in name and "_float_tensor" not in name:
            torch.testing.assert_close(mean.tensors[name], tensor + 0.1)
    assert mean.config == first.config
    assert UnitTranslator.from_checkpoint(tmp_path / "mean.pt").languages


def test_networks_that_differ_are_refused(parity_dir: Path) -> None:
    first = read_checkpoint(parity_dir / "utut.pt", TRANSLATOR)
    with pytest.raises(CheckpointError, match="other languages, sizes"):
        average([first, add_language(first, "ko")])
    with pytest.raises(CheckpointError, match="other units"):
        average([first, replace(first, config={**first.config, "vocabulary": "sha256:other"})])


def test_bad_arguments_write_nothing(parity_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert average_main([str(parity_dir / "utut.pt"), "--out", str(tmp_path / "x.pt")]) == 2
    assert "two or more" in capsys.readouterr().err
    assert average_main([str(parity_dir / "utut.pt")] * 2 + ["--out", str(tmp_path / "x.safetensors")]) == 2
    assert ".pt" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
