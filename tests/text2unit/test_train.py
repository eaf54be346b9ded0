"""The text-to-unit model's trainer: both networks learn, resume exactly, and export a checkpoint that spells the same."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import betabinom

from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.errors import InputError, LanguageError, UnitRangeError, UsageError, VocabularyError
from avcore.journal import iter_rows, write_rows
from avcore.train.entry import read_config
from avcore.units import error_rate
from recipes.made.babble import SILENCE, VOCABULARY, BabbleCorpus, babble, babbled_units
from tests.avcore.train.toy import history
from tests.refusal import refused
from tests.text2unit.runs import config_of, export, words
from text2unit.model import Training, best_durations, durations_of
from text2unit.stage import TEXT2UNIT
from text2unit.text_to_units import TextToUnits
from text2unit.train import main, make_task
from text2unit.training.config import TextLossConfig, TextToUnitTrainConfig
from text2unit.training.task import aligned_losses, collate_texts, forward_sum, straight_prior


def _errors(text_to_unit: TextToUnits) -> float:
    """Unit errors on sentences that no run has seen."""
    pairs = []
    for number in range(20):
        rng = np.random.default_rng((99, number))
        text = babble(rng)
        truth = babbled_units(text, rng)
        pairs.append((text_to_unit.units_of(text).ids, truth.ids[truth.ids != SILENCE]))
    return error_rate(pairs)


def test_the_debug_config_learns_and_says_new_sentences(trained: Path, text_to_unit: Path) -> None:
    losses, errors = history(trained), history(trained, "valid", "unit_errors")
    assert losses[60] < 0.2 * losses[10]
    assert errors[60] < 0.1
    loaded = TextToUnits.from_checkpoint(text_to_unit)
    assert (loaded.vocabulary, loaded.silence) == (VOCABULARY, SILENCE)
    assert _errors(loaded) < 0.1


def test_an_aligned_network_learns_its_alignment(trained_aligned: Path, tmp_path: Path) -> None:
    errors, lengths = history(trained_aligned, "valid", "unit_errors"), history(trained_aligned, "valid", "length_error")
    for name in ("loss", "units", "forward_sum", "duration"):
        values = history(trained_aligned, "train", name)
        assert values[150] < 0.7 * values[10], name
    assert errors[150] < 0.35
    assert lengths[150] < 0.2
    assert export(trained_aligned, tmp_path / "x.safetensors") == 0
    tensors = read_checkpoint(tmp_path / "x.safetensors", TEXT2UNIT).tensors
    assert not any(name.startswith("aligner") for name in tensors)
    units = TextToUnits.from_checkpoint(tmp_path / "x.safetensors").units_of("가나다. 라마바.")
    assert units.durations is not None
    assert SILENCE in units.ids


def test_padding_changes_nothing(babble: BabbleCorpus, tmp_path: Path) -> None:
    task = make_task(config_of(babble, tmp_path, "model.heads=2", "model.dropout=0"))
    network = task.parts["text-to-unit"].eval()
    items = [task.train.load((0, index)) for index in range(6)]
    together = collate_texts(items, with_prior=False)
    both = network(together["letters"], together["num_letters"])
    for number, item in enumerate(items):
        alone = network(torch.from_numpy(item.letters)[None], torch.tensor([len(item.letters)]))
        assert torch.allclose(alone[0], both[number, : alone.shape[1]], atol=1e-5)


def test_eight_bits_say_the_same(trained: Path, text_to_unit: Path, tmp_path: Path) -> None:
    assert export(trained, tmp_path / "small.safetensors", "--eight-bits") == 0
    assert (tmp_path / "small.safetensors").stat().st_size < 0.4 * text_to_unit.stat().st_size
    small, large = (TextToUnits.from_checkpoint(path) for path in (tmp_path / "small.safetensors", text_to_unit))
    assert _errors(small) <= _errors(large) + 0.02


def test_training_goes_on_from_a_checkpoint(babble: BabbleCorpus, text_to_unit: Path, tmp_path: Path) -> None:
    assert main(words(babble, tmp_path / "more", f"init={text_to_unit}", "loop.max_steps=2", "loop.log_every=1")) == 0
    assert history(tmp_path / "more")[1] < 0.5
    assert main(words(babble, tmp_path / "other", f"init={text_to_unit}", "model.width=32")) == 2


def test_the_recipe_of_the_demo_trains(babble: BabbleCorpus, tmp_path: Path) -> None:
    """Its step's own config, on recordings of which some are of another speaker."""
    rows = [row for _, row in iter_rows(babble.manifest)]
    write_rows(tmp_path / "some.jsonl", ({**row, "speaker": "ref_ko" if n % 2 else "else"} for n, row in enumerate(rows)))
    run = tmp_path / "text2unit"
    more = (f"data.train={tmp_path / 'some.jsonl'}", "data.hold_out=4", "loop.max_minutes=0", "loop.max_steps=2", "loop.device=cpu")
    task = make_task(read_config(TextToUnitTrainConfig, "demo/text2unit", [*words(babble, run)[2:], *more]))
    assert len(task.train) == len(rows) // 2 - 4
    assert main(["--config-name", "demo/text2unit", *words(babble, run, *more)[2:]]) == 0
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
    refused(kind, "", lambda: make_task(config_of(babble, tmp_path, override)))


def test_texts_that_cannot_be_read_are_named(babble: BabbleCorpus, tmp_path: Path) -> None:
    rows = [row for _, row in iter_rows(babble.both)]
    path = tmp_path / "odd.jsonl"
    write_rows(path, [{**rows[0], "text": "좋아요 ש"}, {**rows[1], "text": ""}, *rows[2:]])
    refused(InputError, "without text or units", make_task, config_of(babble, tmp_path, f"data.train={path}", "data.units="))
    write_rows(path, [{**rows[0], "text": "좋아요 ש"}, *rows[2:]])
    with pytest.raises(InputError, match=r"cannot be read aloud.*babble_0000.*HEBREW LETTER SHIN"):
        make_task(config_of(babble, tmp_path, f"data.train={path}", "data.units="))
    task = make_task(config_of(babble, tmp_path, f"data.train={path}", "data.units=", "data.allow_missing=true"))
    assert len(task.train) == len(rows) - 2 - 8


def _all_durations(steps: int, letters: int) -> list[np.ndarray]:
    cuts = combinations(range(1, steps), letters - 1)
    return [np.diff([0, *cut, steps]) for cut in cuts]


def _score(log_probs: np.ndarray, durations: np.ndarray) -> float:
    owner = np.repeat(np.arange(len(durations)), durations)
    return float(log_probs[np.arange(len(owner)), owner].sum())


@pytest.mark.parametrize(("steps", "letters"), [(1, 1), (5, 1), (4, 4), (7, 3), (9, 5)])
def test_the_best_of_all_paths_is_found(steps: int, letters: int) -> None:
    log_probs = np.random.default_rng(steps).normal(size=(steps, letters)).astype(np.float32)
    found = best_durations(log_probs[None], np.array([steps]), np.array([letters]))[0]
    assert found.sum() == steps
    assert found.min() >= 1
    best = max(_score(log_probs, one) for one in _all_durations(steps, letters))
    assert _score(log_probs, found) == pytest.approx(best, abs=1e-5)


def test_a_batch_is_aligned_row_by_row_and_too_few_steps_are_an_error() -> None:
    alignment = torch.randn(2, 6, 4)
    found = durations_of(alignment, torch.tensor([6, 4]), torch.tensor([4, 2]))
    assert found.sum(1).tolist() == [6, 4]
    assert found[1, 2:].tolist() == [0, 0]
    alone = durations_of(alignment[1:, :4, :2], torch.tensor([4]), torch.tensor([2]))
    assert found[1, :2].tolist() == alone[0].tolist()
    refused(ValueError, "do not fit", best_durations, np.zeros((1, 2, 3), np.float32), np.array([2]), np.array([3]))


def test_the_prior_is_a_beta_binomial() -> None:
    prior = straight_prior(5, 4)
    for step in range(1, 6):
        assert np.allclose(prior[step - 1], betabinom.logpmf(np.arange(4), 3, step, 6 - step), atol=1e-5)


def test_the_sum_over_alignments_prefers_the_right_order() -> None:
    diagonal = torch.full((1, 8, 4), -6.0)
    for step in range(8):
        diagonal[0, step, step // 2] = 0.0
    lengths = torch.tensor([8]), torch.tensor([4])
    assert forward_sum(diagonal, *lengths) < 0.2 * forward_sum(diagonal.flip(1), *lengths)


def test_losses_do_not_see_the_padding() -> None:
    torch.manual_seed(0)
    classes, alignment = torch.randn(1, 6, 5), torch.log_softmax(torch.randn(1, 6, 3), -1)
    durations, frames = torch.tensor([[2, 3, 1]]), torch.randint(0, 5, (1, 6))
    short = Training(classes, torch.rand(1, 3), durations, alignment)
    padded_alignment = torch.cat([alignment, torch.full((1, 6, 2), float("-inf"))], 2)
    padded = Training(
        torch.cat([classes, torch.randn(1, 4, 5)], 1),
        torch.cat([short.log_durations, torch.rand(1, 2)], 1),
        torch.cat([durations, torch.zeros(1, 2, dtype=torch.long)], 1),
        torch.cat([padded_alignment, padded_alignment[:, :4]], 1),
    )
    lengths = torch.tensor([6]), torch.tensor([3])
    one = aligned_losses(short, frames, *lengths, TextLossConfig())
    other = aligned_losses(padded, torch.cat([frames, torch.zeros(1, 4, dtype=torch.long)], 1), *lengths, TextLossConfig())
    for name, value in one.items():
        assert torch.allclose(value, other[name], atol=1e-5), name
