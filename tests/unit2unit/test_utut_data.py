"""Pre-training data: the published tables, batches, and how language pairs are drawn."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from avcore.data.parallel import UnitReading, read_unit_corpus
from avcore.data.published.utut import load_units, read_samples
from avcore.errors import InputError, UnitError, UnitRangeError
from tests.refusal import refused
from tests.unit2unit.phrasebook import LANGUAGES, NUM_UNITS, write_folders
from unit2unit.model import TranslatorVocabulary
from unit2unit.training.items import UnitPairDataset, pair_counts
from unit2unit.training.noise import SpanNoise

_VOCABULARY = TranslatorVocabulary(NUM_UNITS, LANGUAGES)
_NOISE = SpanNoise(0.3, 3.0, 0.1, _VOCABULARY.mask, _VOCABULARY.num_rows)
_HEADER = "src_unit_path\tsrc_n_units\ttgt_unit_path\ttgt_n_units"


def _table(root: Path, pair: str, rows: list[str], header: str = _HEADER, split: str = "train") -> None:
    table = root / split / f"{pair}.tsv"
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text("\n".join([header, *rows]) + "\n")
    with (root / split / "lang_pairs.txt").open("a") as listing:
        listing.write(f"{pair}\n")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """en->ko with 40 samples and en->es with 10."""
    write_folders(tmp_path / "units", 40)
    names = sorted(path.stem for path in (tmp_path / "units" / "en").iterdir())
    for target, count in (("ko", 40), ("es", 10)):
        rows = [f"units/en/{name}.txt\t12\tunits/{target}/{name}.txt\t12" for name in names[:count]]
        _table(tmp_path, f"corpus/en/{target}", rows)
    return tmp_path


def _dataset(data: Path, noise: SpanNoise | None = None, alpha: float = 1.0, seed: int = 1) -> UnitPairDataset:
    return UnitPairDataset(read_samples(data, "train")[0], _VOCABULARY, noise, alpha, seed)


def test_samples_are_tagged_and_merged(data: Path) -> None:
    sample = _dataset(data)[0]
    name = sorted(path.name for path in (data / "units" / "en").iterdir())[0]
    for side, language in (("source", "en"), ("target", "ko")):
        written = [int(unit) for unit in (data / "units" / language / name).read_text().split()]
        merged = [unit + 4 for unit in written[::2]]
        assert sample[side].tolist() == [0, *merged, 2, _VOCABULARY.tag(language)]


def test_batches_are_padded_right_and_start_decoding_at_the_tag(data: Path) -> None:
    dataset = _dataset(data)
    batch = dataset.collater([dataset[index] for index in (0, 41, 5, 45)])
    source, before, target = batch["net_input"]["src_tokens"], batch["net_input"]["prev_output_tokens"], batch["target"]
    lengths = batch["net_input"]["src_lengths"].tolist()
    assert lengths == sorted(lengths, reverse=True)
    for row, length in zip(source, lengths, strict=True):
        assert (row[0], row[length - 1]) == (0, _VOCABULARY.tag("en"))
        assert (row[length:] == 1).all()
    for into, wanted, index in zip(before, target, batch["id"].tolist(), strict=True):
        length = int((wanted != 1).sum())
        tag = _VOCABULARY.tag("ko" if index < 40 else "es")
        assert (into[0], wanted[length - 1], wanted[0]) == (tag, tag, 0)
        assert torch.equal(into[1:length], wanted[: length - 1])
    assert batch["ntokens"] == int((target != 1).sum())


def test_a_bad_file_is_skipped_by_name(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    dataset = _dataset(data)
    bad = sorted((data / "units" / "en").iterdir())[0]
    bad.write_text("1 2 x")
    assert dataset.collater([dataset[index] for index in range(3)])["nsentences"] == 2
    assert str(bad) in caplog.text
    assert dataset.collater([dataset[0]]) == {}


def test_noise_is_on_the_source_and_fixed_by_seed_epoch_and_sample(data: Path) -> None:
    plain, noisy, again = _dataset(data), _dataset(data, _NOISE), _dataset(data, _NOISE)
    assert torch.equal(noisy[3]["target"], plain[3]["target"])
    assert not all(torch.equal(noisy[index]["source"], plain[index]["source"]) for index in range(10))
    assert all(torch.equal(noisy[index]["source"], again[index]["source"]) for index in range(50))
    again.set_epoch(2)
    assert not all(torch.equal(noisy[index]["source"], again[index]["source"]) for index in range(10))
    other = _dataset(data, _NOISE, seed=2)
    assert not all(torch.equal(noisy[index]["source"], other[index]["source"]) for index in range(10))


def test_pairs_are_drawn_by_their_size_to_the_power_alpha() -> None:
    sizes = np.array([100_000, 10_000, 1000])
    shares = sizes**0.7 / (sizes**0.7).sum()
    assert pair_counts(sizes, 0.7) / sizes.sum() == pytest.approx(shares, abs=1e-5)
    assert pair_counts(sizes, 1.0).tolist() == sizes.tolist()
    assert pair_counts(np.array([10**6, 1]), 1.0).tolist() == [10**6, 1]


def test_each_epoch_draws_anew_and_takes_whole_rounds_first(data: Path) -> None:
    dataset = _dataset(data, alpha=0.3)
    expected = pair_counts(np.array([10, 40]), 0.3)  # en/es before en/ko
    targets = [int(dataset[index]["target"][-1]) for index in range(len(dataset))]
    assert targets.count(_VOCABULARY.tag("es")) == expected[0] == 20
    assert targets.count(_VOCABULARY.tag("ko")) == expected[1]
    rare = [dataset[index]["source"].tolist() for index in range(20)]
    assert all(rare.count(one) == 2 for one in rare), "20 of 10 is each of them twice"
    before = dataset.sizes.copy(), [dataset[index]["source"].tolist() for index in range(len(dataset))]
    dataset.set_epoch(2)
    assert len(dataset) == len(before[1])
    assert [dataset[index]["source"].tolist() for index in range(len(dataset))] != before[1]
    assert not dataset.can_reuse_epoch_itr_across_epochs
    assert not _dataset(data, _NOISE).can_reuse_epoch_itr_across_epochs
    assert _dataset(data).can_reuse_epoch_itr_across_epochs


def test_every_sample_is_ordered_once_by_length(data: Path) -> None:
    dataset = _dataset(data)
    order = dataset.ordered_indices()
    assert sorted(order.tolist()) == list(range(50))
    assert (np.diff(dataset.sizes[order][:, 0]) >= 0).all()
    kept, dropped = dataset.filter_indices_by_size(order, (14, 13))
    assert (len(kept), len(dropped)) == (0, 50)
    assert len(dataset.filter_indices_by_size(order, 14)[0]) == 50


def test_lengths_out_of_range_are_counted_and_languages_overridden(tmp_path: Path) -> None:
    header = f"{_HEADER}\tsrc_lang\ttgt_lang"
    rows = ["a\t0\tb\t5\t\t", "a\t1\tb\t1022\tspa\t", "a\t1023\tb\t5\t\t", "a\t5\tb\t5\t\t[ko]"]
    _table(tmp_path, "en/es", rows, header)
    samples, left_out = read_samples(tmp_path, "train")
    assert left_out == 2
    assert [(one.source.language, one.target.language) for one in samples] == [("es", "es"), ("en", "ko")]


@pytest.mark.parametrize(
    ("pair", "rows", "header", "words"),
    [
        ("en/ko", ["x\t5\ty\tmany"], _HEADER, r"ko\.tsv:2.*'many'"),
        ("en/ko", ["x\t5"], _HEADER, r"ko\.tsv:2: a unit file is not named"),
        ("en/ko", ["x\t5"], "src_unit_path\tsrc_n_units", r"lacks columns.*tgt_unit_path, tgt_n_units"),
        ("ko", ["x\t5\ty\t5"], _HEADER, "x/en/ko"),
        ("en/ko", [], _HEADER, "holds no samples"),
    ],
)
def test_what_is_wrong_with_tables_is_named(tmp_path: Path, pair: str, rows: list[str], header: str, words: str) -> None:
    _table(tmp_path, pair, rows, header)
    refused(InputError, words, read_samples, tmp_path, "train")
    refused(InputError, "list of language pairs", read_samples, tmp_path, "valid")


def test_unit_files_may_be_saved_tensors(tmp_path: Path) -> None:
    torch.save(torch.tensor([3, 3, 5]), tmp_path / "tensor.pt")
    torch.save([7, 7, 1], tmp_path / "list.pt")
    assert load_units(tmp_path / "tensor.pt", 10).tolist() == [3, 5]
    assert load_units(tmp_path / "list.pt", 10).tolist() == [7, 1]
    torch.save(torch.tensor([3, 12]), tmp_path / "large.pt")
    refused(UnitRangeError, r"large\.pt", load_units, tmp_path / "large.pt", 10)
    torch.save(Path("a"), tmp_path / "unsafe.pt")
    refused(UnitError, r"unsafe\.pt", load_units, tmp_path / "unsafe.pt", 10)


def test_shards_of_bulk_extraction_are_read_like_one_file(tmp_path: Path) -> None:
    (tmp_path / "en" / "shards").mkdir(parents=True)
    for number in range(3):
        row = {"id": f"clip{number}", "units": [number, 5], "durations": [1, 2], "language": "en"}
        (tmp_path / "en" / "shards" / f"{number:05d}.jsonl").write_text(json.dumps(row) + "\n")
    corpus = read_unit_corpus(tmp_path / "en", "en", UnitReading(num_units=10))
    assert {name: units.tolist() for name, units in corpus.units.items()} == {f"clip{n}": [n, 5] for n in range(3)}


@pytest.mark.parametrize("durations", [[1, [2]], ["x", 1], 3, [1e400, 1], {"a": 1}])
def test_a_row_with_other_durations_is_a_problem_of_its_own(tmp_path: Path, durations: object) -> None:
    rows = [{"id": "bad", "units": [1, 2], "durations": durations}, {"id": "good", "units": [1, 2], "durations": [3, 4]}]
    (tmp_path / "en.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    corpus = read_unit_corpus(tmp_path / "en.jsonl", "en", UnitReading(num_units=10))
    assert corpus.steps == {"good": 7}
    (problem,) = corpus.problems
    assert problem.startswith(f"{tmp_path / 'en.jsonl'}:1: ")
