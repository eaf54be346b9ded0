"""What a translator was trained on is known: no run goes on over other pairs, and no score is taken on pairs that were learnt."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from avcore.errors import InputError
from netflips.cli import main as netflips
from tests.unit2unit.phrasebook import NUM_UNITS, prepare_stage, train_here
from unit2unit.learnt import NAME, data_digest, learnt_file, learnt_from, read_learnt, write_learnt
from unit2unit.training.export import main as average
from unit2unit.training.prepare_pairs import main as prepare_pairs

_FEW = ("fairseq.optimizer.max_update=2", "fairseq.dataset.num_workers=0", "fairseq.common.log_interval=1")
_SCORE = ("--beam", "1", "--max-target-units", "4", "--quiet")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `data` and the run of a translator that was trained on it, `run`."""
    root = tmp_path_factory.mktemp("learnt")
    prepare_stage(root, "finetune", 40, "--valid", "4", "--test", "6")
    assert train_here("finetune", f"data_dir={root / 'data'}", f"run_dir={root / 'run'}", *_FEW) == 0
    return root


def _divided(root: Path, out: Path, *options: str) -> Path:
    """Divide the same pairs in another way."""
    sides = ["--source", root / "units" / "en", "--target", root / "units" / "ko", "--num-units", NUM_UNITS]
    assert prepare_pairs([*map(str, sides), "--valid", "4", "--out", str(out), "--overwrite", "--quiet", *options]) == 0
    return out


def _score(pairs: Path, checkpoint: Path, *options: str) -> int:
    return netflips(["evaluate", "translate", "--pairs", str(pairs), "--utut-path", str(checkpoint), *_SCORE, *options])


def test_a_run_does_not_go_on_over_other_pairs(trained: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "copy"
    shutil.copytree(trained, root)
    settings = [f"data_dir={root / 'data'}", f"run_dir={root / 'run'}", *_FEW]
    shutil.copytree(root / "data", tmp_path / "moved")
    assert train_here("finetune", f"data_dir={tmp_path / 'moved'}", *settings[1:]) == 0, "the same pairs in another place"
    before = (root / "run" / "checkpoints" / "checkpoint_last.pt").read_bytes()
    _divided(root, root / "data", "--test", "6", "--seed", "3")
    assert train_here("finetune", *settings) == 2
    assert "these are other pairs than this run was trained on" in capfd.readouterr().err
    assert (root / "run" / "checkpoints" / "checkpoint_last.pt").read_bytes() == before
    assert train_here("finetune", *settings, "resume=never") == 0
    assert read_learnt(root / "run" / "checkpoints" / "checkpoint_last.pt").data == data_digest(root / "data")


def test_a_score_on_pairs_that_were_learnt_is_an_error(trained: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    best = trained / "run" / "checkpoints" / "checkpoint_best.pt"
    assert _score(trained / "data", best) == 0
    other = _divided(trained, tmp_path / "other", "--test", "12", "--seed", "3")
    known = set((trained / "data" / "text" / "train.ids").read_text().split())
    asked = (other / "text" / "test.ids").read_text().split()
    capfd.readouterr()
    assert _score(other, best) == 2
    told = capfd.readouterr().err
    assert "the translator was trained on sentences that it would be scored on" in told
    assert f"found {sum(name in known for name in asked)} of {len(asked)}, as" in told
    assert _score(other, best, "--split", "train") == 0
    assert "pairs were trained on: this is how well they are known, and no score" in capfd.readouterr().err


def test_rows_of_learnt_sentences_are_not_scored(trained: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    best, units = trained / "run" / "checkpoints" / "checkpoint_best.pt", trained / "units"
    known = (trained / "data" / "text" / "train.ids").read_text().split()
    test = (trained / "data" / "text" / "test.ids").read_text().split()
    for name, ids, code in (("known", [*test, known[0]], 2), ("test", test, 0)):
        for side in ("en", "ko"):
            for one in ids:
                (place := tmp_path / name / side / f"{one}.txt").parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(units / side / f"{one}.txt", place)
        rows = tmp_path / f"{name}.jsonl"
        given = ["--utut-path", str(best), "--from", "en", "--to", "ko", "--cpu", *_SCORE]
        assert netflips(["translate", str(tmp_path / name / "en"), "-o", str(rows), *given]) == 0
        assert netflips(["evaluate", "units", "--hypotheses", str(rows), "--references", str(tmp_path / name / "ko")]) == code
    assert f"found 1 of {len(test) + 1}, as {known[0]}" in capfd.readouterr().err


def test_copies_averages_and_runs_from_it_have_learnt_the_same(trained: Path, tmp_path: Path) -> None:
    best = trained / "run" / "checkpoints" / "checkpoint_best.pt"
    own = read_learnt(best)
    assert netflips(["convert", str(best), "-o", str(tmp_path / "one.safetensors"), "--quiet"]) == 0
    assert netflips(["convert", str(best), "--to", "hub", "-o", str(tmp_path / "hub"), "--quiet"]) == 0
    assert average([str(best), str(best), "--out", str(tmp_path / "mean.pt"), "--quiet"]) == 0
    other = _divided(trained, tmp_path / "other", "--test", "12", "--seed", "3")
    assert train_here("finetune", f"data_dir={other}", f"run_dir={tmp_path / 'run'}", f"init={best}", *_FEW) == 0
    for path in ("one.safetensors", "hub/model.safetensors", "mean.pt"):
        assert learnt_file(tmp_path / path).is_file()
        assert _score(other, tmp_path / path) == 2
    on = read_learnt(tmp_path / "run" / "checkpoints" / "checkpoint_last.pt")
    assert set(own.pairs.tolist()) < set(on.pairs.tolist())


def test_numbers_of_lines_name_no_pair_and_a_damaged_file_is_named(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.mkdir()
    for ending, lines in (("ids", "000000001\n000000002\n"), ("en", "1 2\n3 4\n"), ("ko", "5 6\n7 8\n")):
        (text / f"train.{ending}").write_text(lines)
    learnt = learnt_from(tmp_path, ["train"], ("en", "ko"))
    first, other = (np.array([1, 1, 2]), np.array([5, 6, 6])), (np.array([9]), np.array([9]))
    assert learnt.among({"000000002": other, "x": first}) == ["x"]
    write_learnt(tmp_path / NAME, learnt)
    (tmp_path / NAME).write_bytes(b"PK no archive")
    with pytest.raises(InputError, match="cannot be read"):
        read_learnt(tmp_path / "checkpoint_best.pt")


def test_pre_training_tells_its_sentences_by_id(tmp_path: Path) -> None:
    data = prepare_stage(tmp_path, "pretrain", 30, "--valid", "5", "--denoise")
    learnt, other = learnt_from(data, ["train"], ("", "")), (np.array([1]), np.array([2]))
    ids = {path.stem for path in (tmp_path / "units" / "en").iterdir()}
    known = learnt.among(dict.fromkeys(sorted(ids), other))
    assert len(ids) == 30
    assert len(known) == 25
