"""A translator as a folder of transformers, and back; transformers itself loads it in a slow test, from a folder of its own."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.checkpoints.layouts import is_same
from avcore.decoding.beam import SearchConfig, SearchRules
from avcore.errors import CheckpointError, LanguageError, UsageError
from avcore.units import END, Units
from netflips.commands.options import convert
from netflips.model_paths import bundle_paths
from tests.refusal import refused
from unit2unit.inference import UnitTranslator
from unit2unit.model import TranslatorConfig, load_transformer, search_beams
from unit2unit.stage import TRANSLATOR
from unit2unit.transformers_folder import read_transformers, write_transformers


@pytest.fixture
def folder(parity_dir: Path, tmp_path: Path) -> Path:
    arguments = [str(parity_dir / "utut_ko.pt"), "-o", str(tmp_path / "hf"), "--to", "transformers", "--quiet"]
    assert convert.main([*arguments, "--source-lang", "en", "--target-lang", "ko"]) == 0
    return tmp_path / "hf"


def test_the_way_back_is_equal_to_the_bit(parity_dir: Path, folder: Path, tmp_path: Path) -> None:
    source = read_checkpoint(parity_dir / "utut_ko.pt", TRANSLATOR)
    assert convert.main([str(folder), "-o", str(tmp_path / "back.safetensors"), "--quiet"]) == 0
    back = read_checkpoint(tmp_path / "back.safetensors", TRANSLATOR)
    assert back.config == source.config
    one, other = load_transformer(source).state_dict(), load_transformer(back).state_dict()
    assert all(is_same(one[name], other[name]) for name in one)


def test_what_transformers_saves_after_training_is_read(folder: Path) -> None:
    """`save_pretrained` stores the table under another name, and `config.json` with settings of its own."""
    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    tensors["lm_head.weight"] = tensors.pop("model.shared.weight")
    safetensors.torch.save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"transformers_version": "5.0.0", "use_cache": True}))
    assert torch.equal(read_transformers(folder).tensors["encoder.embed_tokens.weight"], tensors["lm_head.weight"])


def test_the_tokenizer_writes_a_source_as_we_do(folder: Path) -> None:
    tokenizer = pytest.importorskip("tokenizers").Tokenizer.from_file(str(folder / "tokenizer.json"))
    translator = UnitTranslator.from_checkpoint(read_checkpoint_path(folder))
    wanted = translator._source_tokens(Units(np.array([3, 17, 29])), "en", "even").tolist()
    assert (tokenizer.encode("3 17 29").ids, tokenizer.decode(wanted)) == (wanted, "3 17 29")


def read_checkpoint_path(folder: Path) -> Path:
    out = folder.parent / "own.safetensors"
    assert convert.main([str(folder), "-o", str(out), "--quiet"]) == 0
    return out


def test_what_is_no_translator_is_one_line(folder: Path, parity_dir: Path, tmp_path: Path) -> None:
    source = read_checkpoint(parity_dir / "utut_ko.pt", TRANSLATOR)
    refused(LanguageError, "xx", write_transformers, source, tmp_path / "x", "en", "xx")
    source.config["task"] = {**source.config["task"], "source_lang": None, "target_lang": None}
    refused(UsageError, "does not say which pair", write_transformers, source, tmp_path / "x")
    assert not (tmp_path / "x").exists()

    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    del tensors["model.decoder.layers.0.fc1.bias"]
    safetensors.torch.save_file(tensors, folder / "model.safetensors")
    refused(CheckpointError, r"decoder\.layers\.0\.fc1\.bias", read_transformers, folder)
    (folder / "config.json").write_text('{"model_type": "mbart"}')
    refused(CheckpointError, 'expected model_type "m2m_100"', read_transformers, folder)


_THERE = """
import json, sys
import torch
from transformers import AutoTokenizer, M2M100ForConditionalGeneration

folder, saved, sources, target = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), json.loads(sys.argv[4])
model, loading = M2M100ForConditionalGeneration.from_pretrained(folder, output_loading_info=True)
model.eval()
padded = torch.nn.utils.rnn.pad_sequence([torch.tensor(one) for one in sources], batch_first=True, padding_value=1)
with torch.no_grad():
    logits = model(input_ids=padded, attention_mask=padded.ne(1).long(), decoder_input_ids=torch.tensor(target)).logits
best = [model.generate(input_ids=torch.tensor([one]))[0].tolist() for one in sources]
tokenizer = AutoTokenizer.from_pretrained(folder)
ids = tokenizer("3 17 29").input_ids
# As its trainers train, by the card: units, </s>, the tag.
written = torch.tensor([[*one[1:], 2, one[0]] for one in target])
with torch.no_grad():
    loss = model(input_ids=padded, attention_mask=padded.ne(1).long(), labels=written).loss.item()
model.save_pretrained(saved)
torch.save(logits, saved + "/logits.pt")
left_over = [*loading["missing_keys"], *loading["unexpected_keys"]]
print(json.dumps({"left_over": left_over, "best": best, "ids": ids, "loss": loss}))
"""


SOURCES = (
    [23, 9, 6, 75, 10, 9, 2, 59, 11, 50, 60, 73, 75, 22, 50, 11, 76, 44, 53, 48, 30, 62, 5, 30, 35, 23],
    [23, 49, 27, 43, 22, 13, 37, 2, 60, 11, 60, 62, 2, 38, 25, 76, 25, 43, 10, 48, 53, 48, 24, 23, 54, 23],
    [23, 38, 24, 74, 43, 73, 10, 74, 2, 29, 11, 50, 62, 5, 29, 43, 73, 60, 5, 50, 23],
)
"""Three English sentences as the demo's encoder hears them."""


@pytest.mark.slow
@pytest.mark.local
@pytest.mark.parametrize("is_trained", [False, True])
def test_transformers_computes_the_same(
    is_trained: bool, parity_dir: Path, tmp_path: Path, transformers_environment: Mapping[str, str]
) -> None:
    """Installed into a folder of its own, beside the environment: logits are equal, and so is the demo's best translation (random
    weights run into the limit, where the two searches differ)."""
    checkpoint = read_checkpoint(bundle_paths().utut if is_trained else parity_dir / "utut_ko.pt", TRANSLATOR)
    checkpoint.config["generation"] = {"beam": 5}
    write_transformers(checkpoint, tmp_path / "hf", "en", "ko")

    model = load_transformer(checkpoint).eval()
    vocabulary, rng = model.config.vocabulary, np.random.default_rng(0)
    sources = [vocabulary.source_tokens(np.array(one), "en") for one in SOURCES]
    target = [[vocabulary.tag("ko"), *rng.integers(4, 4 + vocabulary.num_units, 12).tolist()] for _ in sources]
    words = [tmp_path / "hf", tmp_path / "saved", json.dumps([one.tolist() for one in sources]), json.dumps(target)]
    command = [sys.executable, "-c", _THERE, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, env=dict(transformers_environment), check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["left_over"] == []
    assert found["ids"] == vocabulary.source_tokens(np.array([3, 17, 29]), "en").tolist()

    padded = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(one) for one in sources], batch_first=True, padding_value=1)
    with torch.no_grad():
        ours = model(padded, torch.tensor(target))
    torch.testing.assert_close(torch.load(tmp_path / "saved" / "logits.pt"), ours, atol=1e-5, rtol=0)
    shifted = torch.tensor([[*one, END] for one in target])
    written = torch.tensor([[*one[1:], END, one[0]] for one in target])
    with torch.no_grad():
        loss = torch.nn.functional.cross_entropy(model(padded, shifted).flatten(0, 1), written.flatten())
    assert found["loss"] == pytest.approx(loss.item(), abs=1e-4)
    if is_trained:
        rules = [SearchRules(vocabulary.tag("ko"), vocabulary.suppressed("ko"), 200)] * len(sources)
        best = [one[0].tokens.tolist() for one in search_beams(model, sources, SearchConfig(beam=5), rules)]
        assert found["best"] == [[vocabulary.tag("ko"), *tokens] for tokens in best]
    saved = read_transformers(tmp_path / "saved").tensors
    assert is_same(saved["encoder.embed_tokens.weight"], checkpoint.tensors["encoder.embed_tokens.weight"])


_TRAIN = """
import json, sys
from transformers import M2M100ForConditionalGeneration, Seq2SeqTrainer, Seq2SeqTrainingArguments

folder, out, rows = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
model = M2M100ForConditionalGeneration.from_pretrained(folder)
options = {"max_steps": 40, "learning_rate": 5e-4, "save_strategy": "no", "report_to": [], "use_cpu": True, "disable_tqdm": True}
Seq2SeqTrainer(model, Seq2SeqTrainingArguments(out, **options), train_dataset=rows).train()
model.save_pretrained(out)
"""


@pytest.mark.slow
@pytest.mark.local
def test_what_seq2seqtrainer_teaches_is_translated_here(tmp_path: Path, transformers_environment: Mapping[str, str]) -> None:
    """The demo's translator learns another translation of a sentence by heart, and comes back with it."""
    checkpoint = read_checkpoint(bundle_paths().utut, TRANSLATOR)
    write_transformers(checkpoint, tmp_path / "hf", "en", "ko")
    vocabulary = TranslatorConfig.from_checkpoint(checkpoint).vocabulary
    source, tag = vocabulary.source_tokens(np.array(SOURCES[0]), "en"), vocabulary.tag("ko")
    wanted = [*vocabulary.source_tokens(np.array(SOURCES[1]), "en").tolist()[1:-2], END, tag]
    rows = json.dumps([{"input_ids": source.tolist(), "labels": wanted}] * 8)
    command = [sys.executable, "-c", _TRAIN, str(tmp_path / "hf"), str(tmp_path / "trained"), rows]
    done = subprocess.run(command, capture_output=True, text=True, env=dict(transformers_environment), check=False)
    assert done.returncode == 0, done.stderr[-2000:]

    rules = [SearchRules(tag, vocabulary.suppressed("ko"), 200)]
    before, after = checkpoint, read_transformers(tmp_path / "trained")
    found = [search_beams(load_transformer(one).eval(), [source], SearchConfig(beam=5), rules) for one in (before, after)]
    best = [one[0][0].tokens.tolist() for one in found]
    assert best[0] != wanted
    assert best[1] == wanted
