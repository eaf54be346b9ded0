"""Sizes from checkpoints and search settings; adding a language to a translator; averages of translators."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.checkpoints.stages import Checkpoint
from avcore.decoding.beam import SearchConfig
from avcore.errors import CheckpointError, LanguageError, UsageError
from avcore.units import PAD, Units
from tests.refusal import refused
from tests.unit2unit.fairseq_side import load_published
from tests.unit2unit.tiny import checkpoint_content, tiny_config, tiny_model, write_tiny
from unit2unit.model import StackConfig, TranslatorConfig, TranslatorVocabulary, UnitTransformer, load_transformer
from unit2unit.stage import SHARED_TABLES, TRANSLATOR
from unit2unit.training.export import average, write_fairseq
from unit2unit.training.export import main as average_main
from unit2unit.translator import UnitTranslator
from unit2unit.utut_finetune.add_language import add_language, main


def checkpoint(**options: Any) -> Checkpoint:
    content, tensors = checkpoint_content(tiny_model())
    content["model"] = {**content["model"], **options}
    return Checkpoint(Path("x.pt"), TRANSLATOR, content, tensors, "")


def test_sizes_are_read_from_the_tensors() -> None:
    misleading = checkpoint(encoder_layers=12, decoder_layers=12, encoder_embed_dim=1024, encoder_ffn_embed_dim=4096)
    config = TranslatorConfig.from_checkpoint(misleading)
    assert config == tiny_config()
    assert (config.encoder, config.decoder) == (StackConfig(2, 3, 40), StackConfig(3, 3, 56))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"encoder_normalize_before": False}, "encoder_normalize_before is not supported.*False"),
        ({"decoder_learned_pos": True}, "decoder_learned_pos is not supported.*True"),
        ({"activation_fn": "relu"}, "activation_fn is not supported.*relu"),
        ({"decoder_attention_heads": 5}, r"heads of the decoder.*divisor of 24.*found 5"),
        ({"task": {}}, r"task\.langs"),
        ({"task": {"langs": [f"{letter}{other}" for letter in "abcdef" for other in "ghijkl"]}}, "no rows for units"),
    ],
)
def test_another_network_is_refused_by_name(options: dict[str, Any], complaint: str) -> None:
    wrong = checkpoint(**options)
    wrong.config["task"] = options.get("task", wrong.config["task"])
    refused(CheckpointError, complaint, TranslatorConfig.from_checkpoint, wrong)


def test_search_settings_from_a_generation_section(caplog: pytest.LogCaptureFixture) -> None:
    stored = {"beam": 3, "max_len_a": 0.5, "lenpen": 2.0, "nbest": 1, "sampling": True, "replace_unk": None, "min_len": None}
    assert SearchConfig.from_generation(stored) == SearchConfig(beam=3, max_len_a=0.5, lenpen=2.0)
    assert "sampling = True is ignored" in caplog.text
    for impossible in ({"beam": 0}, {"temperature": 0.0}, {"max_target_units": -1}):
        refused(UsageError, "", SearchConfig, **impossible)


@pytest.mark.parametrize(
    ("settings", "length", "limit"),
    [
        (SearchConfig(), 37, 200),
        (SearchConfig(max_len_a=0.05, max_len_b=3), 37, 4),
        (SearchConfig(max_len_b=5000), 37, 1023),
        (SearchConfig(max_target_units=17), 37, 17),
        (SearchConfig(max_target_units=0), 37, 4 * 37 + 50),
        (SearchConfig(max_target_units=0, max_len_b=5), 37, 4 * 37 + 50),
        (SearchConfig(max_target_units=0), 900, 1023),  # the decoder has no more positions
    ],
)
def test_limit(settings: SearchConfig, length: int, limit: int) -> None:
    assert settings.limit(length, 1024) == limit


SOURCE = torch.tensor([[0, 7, 9, 11, 30, 2, 34]])
TARGET = torch.tensor([[36, 0, 5, 6, 7]])


def as_checkpoint(model: UnitTransformer) -> Checkpoint:
    return Checkpoint(Path("x.pt"), TRANSLATOR, *checkpoint_content(model), "")


def test_padding_makes_no_nan_and_a_source_may_be_of_any_length() -> None:
    model = tiny_model()
    logits = model(SOURCE, torch.cat([torch.full((1, 3), PAD), TARGET], dim=1))
    assert bool(logits.isfinite().all())
    torch.testing.assert_close(logits[:, 3:], model(SOURCE, TARGET), atol=1e-5, rtol=1e-5)
    assert model(torch.randint(4, 30, (1, 1500)), TARGET).isfinite().all()


def test_the_table_is_one_parameter_and_learns_from_all_its_uses() -> None:
    model = tiny_model().train()
    tables = [model.encoder.embed_tokens.weight, model.decoder.embed_tokens.weight, model.decoder.output_projection.weight]
    assert all(table is tables[0] for table in tables)
    model(SOURCE, TARGET).logsumexp(-1).sum().backward()
    assert bool((tables[0].grad.abs().sum(1) > 0).all())


def test_loading_shares_the_tensors_and_the_table() -> None:
    original = tiny_model()
    checkpoint = as_checkpoint(original)
    loaded = load_transformer(checkpoint).eval()
    assert torch.equal(loaded(SOURCE, TARGET), original(SOURCE, TARGET))
    assert loaded.decoder.output_projection.weight is loaded.encoder.embed_tokens.weight
    key = "decoder.layers.0.fc1.weight"
    assert loaded.state_dict()[key].data_ptr() == checkpoint.tensors[key].data_ptr()


@pytest.mark.parametrize("change", ["missing", "unexpected", "misshaped"])
def test_tensors_of_another_model_are_named(change: str) -> None:
    checkpoint, key = as_checkpoint(tiny_model()), "decoder.layers.1.encoder_attn.q_proj.bias"
    if change == "missing":
        del checkpoint.tensors[key]
    elif change == "unexpected":
        key = "decoder.layers.1.extra"
        checkpoint.tensors[key] = torch.zeros(1)
    else:
        checkpoint.tensors[key] = torch.zeros(3)
    refused(CheckpointError, key, load_transformer, checkpoint)


PUBLISHED = "en,es,fr,it,pt,el,ru,cs,da,de,fi,hr,hu,lt,nl,pl,ro,sk,sl"


def test_rows_languages_and_tokens() -> None:
    vocabulary = TranslatorVocabulary.from_rows(1025, [*PUBLISHED.split(","), "ko"])
    assert vocabulary.num_units == 1000
    assert (vocabulary.tag("en"), vocabulary.tag("ko"), vocabulary.mask) == (1004, 1023, 1024)
    assert len(vocabulary.languages) == 20
    wanted = ("en", "ko")
    assert TranslatorVocabulary.from_rows(107, "en,ko").languages == wanted
    assert TranslatorVocabulary.from_rows(107, ["eng", "[KOR]"]).languages == wanted
    assert TranslatorVocabulary.from_rows(107, "en, ko,").num_units == 100
    vocabulary = TranslatorVocabulary(10, ("en", "ko"))
    assert vocabulary.source_tokens(np.array([0, 9, 3]), "ko").tolist() == [0, 4, 13, 7, 2, 15]
    assert vocabulary.source_tokens(np.zeros(0, dtype=np.int64), "en").tolist() == [0, 2, 14]
    assert vocabulary.units(range(vocabulary.num_rows)).tolist() == list(range(10))
    assert vocabulary.units([0, 2, 3, 14, 15, 16]).tolist() == []
    three = TranslatorVocabulary(10, ("en", "fr", "ko"))
    assert (set(three.suppressed("ko")), set(three.suppressed("en"))) == ({14, 15, 17}, {15, 16, 17})


_TABLES = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "decoder.output_projection.weight")


def test_korean_is_added_as_in_the_reference_layout(parity_dir: Path, tmp_path: Path) -> None:
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
    refused(LanguageError, "", add_language, read_checkpoint(parity_dir / "utut.pt", TRANSLATOR), language, like)


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
    refused(CheckpointError, "other languages, sizes", average, [first, add_language(first, "ko")])
    with pytest.raises(CheckpointError, match="other units"):
        average([first, replace(first, config={**first.config, "vocabulary": "sha256:other"})])


def test_bad_arguments_write_nothing(parity_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert average_main([str(parity_dir / "utut.pt"), "--out", str(tmp_path / "x.pt")]) == 2
    assert "two or more" in capsys.readouterr().err
    assert average_main([str(parity_dir / "utut.pt")] * 2 + ["--out", str(tmp_path / "x.safetensors")]) == 2
    assert ".pt" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
