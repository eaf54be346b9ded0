"""The speller's trainer: both networks learn, resume exactly, and export a checkpoint that spells the same."""

from pathlib import Path

import numpy as np
import pytest
import torch

from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.errors import InputError, LanguageError, UnitRangeError, UsageError, VocabularyError
from avcore.journal import iter_rows, write_rows
from avcore.units import error_rate
from avtrain.entry import read_config
from recipes.made.babble import SILENCE, VOCABULARY, BabbleCorpus, babble, babbled_units
from tests.avtrain.toy import history
from tests.text2unit.runs import config_of, export, words
from text2unit.speller import TextSpeller
from text2unit.stage import SPELLER
from text2unit.train import main, make_task
from text2unit.training.config import SpellerRunConfig
from text2unit.training.task import collate_texts


def _errors(speller: TextSpeller) -> float:
    """Unit errors on sentences that no run has seen."""
    pairs = []
    for number in range(20):
        rng = np.random.default_rng((99, number))
        text = babble(rng)
        truth = babbled_units(text, rng)
        pairs.append((speller.units_of(text).ids, truth.ids[truth.ids != SILENCE]))
    return error_rate(pairs)


def test_the_debug_config_learns_and_says_new_sentences(trained: Path, speller: Path) -> None:
    losses, errors = history(trained), history(trained, "valid", "unit_errors")
    assert losses[60] < 0.2 * losses[10]
    assert errors[60] < 0.1
    loaded = TextSpeller.from_checkpoint(speller)
    assert loaded.vocabulary == VOCABULARY
    assert loaded.silence == SILENCE
    assert _errors(loaded) < 0.1


def test_an_aligned_network_learns_its_alignment(trained_aligned: Path, tmp_path: Path) -> None:
    errors, lengths = history(trained_aligned, "valid", "unit_errors"), history(trained_aligned, "valid", "length_error")
    for name in ("loss", "units", "forward_sum", "duration"):
        values = history(trained_aligned, "train", name)
        assert values[150] < 0.7 * values[10], name
    assert errors[150] < 0.35
    assert lengths[150] < 0.2
    assert export(trained_aligned, tmp_path / "x.safetensors") == 0
    tensors = read_checkpoint(tmp_path / "x.safetensors", SPELLER).tensors
    assert not any(name.startswith("aligner") for name in tensors)
    units = TextSpeller.from_checkpoint(tmp_path / "x.safetensors").units_of("가나다. 라마바.")
    assert units.durations is not None
    assert SILENCE in units.ids


def test_padding_changes_nothing(babble: BabbleCorpus, tmp_path: Path) -> None:
    task = make_task(config_of(babble, tmp_path, "model.heads=2", "model.dropout=0"))
    network = task.parts["speller"].eval()
    items = [task.train.load((0, index)) for index in range(6)]
    together = collate_texts(items, with_prior=False)
    both = network(together["letters"], together["num_letters"])
    for number, item in enumerate(items):
        alone = network(torch.from_numpy(item.letters)[None], torch.tensor([len(item.letters)]))
        assert torch.allclose(alone[0], both[number, : alone.shape[1]], atol=1e-5)


def test_eight_bits_say_the_same(trained: Path, speller: Path, tmp_path: Path) -> None:
    assert export(trained, tmp_path / "small.safetensors", "--eight-bits") == 0
    assert (tmp_path / "small.safetensors").stat().st_size < 0.4 * speller.stat().st_size
    small, large = (TextSpeller.from_checkpoint(path) for path in (tmp_path / "small.safetensors", speller))
    assert _errors(small) <= _errors(large) + 0.02


def test_training_goes_on_from_a_checkpoint(babble: BabbleCorpus, speller: Path, tmp_path: Path) -> None:
    assert main(words(babble, tmp_path / "more", f"init={speller}", "loop.max_steps=2", "loop.log_every=1")) == 0
    assert history(tmp_path / "more")[1] < 0.5
    assert main(words(babble, tmp_path / "other", f"init={speller}", "model.width=32")) == 2


def test_the_recipe_of_the_demo_trains(babble: BabbleCorpus, tmp_path: Path) -> None:
    """Its step's own config, on recordings of which some are of another speaker."""
    rows = [row for _, row in iter_rows(babble.manifest)]
    write_rows(tmp_path / "some.jsonl", ({**row, "speaker": "ref_ko" if n % 2 else "else"} for n, row in enumerate(rows)))
    run = tmp_path / "text2unit"
    more = (f"data.train={tmp_path / 'some.jsonl'}", "data.hold_out=4", "loop.max_minutes=0", "loop.max_steps=2", "loop.device=cpu")
    task = make_task(read_config(SpellerRunConfig, "demo/text2unit", [*words(babble, run)[2:], *more]))
    assert len(task.train) == len(rows) // 2 - 4
    assert main(["--config", "demo/text2unit", *words(babble, run, *more)[2:]]) == 0
    assert export(run, tmp_path / "text2unit.safetensors", "--eight-bits") == 0


def test_units_that_hold_their_text_need_no_manifest(babble: BabbleCorpus, tmp_path: Path) -> None:
    one, other = config_of(babble, tmp_path), config_of(babble, tmp_path, f"data.train={babble.both}", "data.units=")
    assert [item.letters.tolist() for item in _items(one)] == [item.letters.tolist() for item in _items(other)]


def _items(config: object) -> list[object]:
    source = make_task(config).train  # type: ignore[arg-type]
    return [source.load((0, index)) for index in range(len(source))]


def test_all_recordings_of_a_sentence_are_held_out_together(babble: BabbleCorpus, tmp_path: Path) -> None:
    rows = [row for _, row in iter_rows(babble.both)]
    write_rows(tmp_path / "twice.jsonl", rows + [{**row, "id": f"{row['id']}_again"} for row in rows])
    task = make_task(config_of(babble, tmp_path, f"data.train={tmp_path / 'twice.jsonl'}", "data.units=", "data.hold_out=5"))
    held = task.valid
    assert len(held) == 10
    texts = {held.load((0, index)).text for index in range(10)}
    assert not texts & {task.train.load((0, index)).text for index in range(len(task.train))}


@pytest.mark.parametrize(
    ("override", "kind"),
    [
        ("data.trim=none", UsageError),
        ("model.kernel=4", UsageError),
        ("model.network=rnn", UsageError),
        ("data.hold_out=1000", UsageError),
        ("model.num_units=5", UnitRangeError),
        ("data.language=fr", LanguageError),
        ("data.units_vocabulary=sha256:other", VocabularyError),
        ("data.max_letters=1", InputError),
    ],
)
def test_settings_that_cannot_work(babble: BabbleCorpus, tmp_path: Path, override: str, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        make_task(config_of(babble, tmp_path, override))


def test_texts_that_cannot_be_read_are_named(babble: BabbleCorpus, tmp_path: Path) -> None:
    rows = [row for _, row in iter_rows(babble.both)]
    path = tmp_path / "odd.jsonl"
    write_rows(path, [{**rows[0], "text": "좋아요 ש"}, {**rows[1], "text": ""}, *rows[2:]])
    with pytest.raises(InputError, match="without text or units"):
        make_task(config_of(babble, tmp_path, f"data.train={path}", "data.units="))
    write_rows(path, [{**rows[0], "text": "좋아요 ש"}, *rows[2:]])
    with pytest.raises(InputError, match=r"cannot be read aloud.*babble_0000.*HEBREW LETTER SHIN"):
        make_task(config_of(babble, tmp_path, f"data.train={path}", "data.units="))
    task = make_task(config_of(babble, tmp_path, f"data.train={path}", "data.units=", "data.allow_missing=true"))
    assert len(task.train) == len(rows) - 2 - 8
