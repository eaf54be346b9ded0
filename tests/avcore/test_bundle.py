"""Which models a command takes, and how avcore finds the list of stages."""

import json
import logging
from pathlib import Path

import pytest

from av2unit.stage import UNIT_ENCODER
from avcore.checkpoints import stages as installed
from avcore.checkpoints.bundle import (
    ABOUT,
    FORMAT,
    VARIABLE,
    checkpoint_or_bundle,
    checkpoints_or_bundle,
    find_bundle,
    needed_stages,
    read_bundle,
)
from avcore.errors import CheckpointError, InputError, NetflipsError, UsageError
from netflips import stages
from netflips.cli import main
from tests.refusal import refused
from unit2av.stage import RENDERER
from unit2unit.stage import TRANSLATOR


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    made = {"date": "2026-11-20", "commit": "0123456789abcdef"}
    (folder / ABOUT).write_text(json.dumps({"format": FORMAT, "name": "the demo bundle", "domain": "its phrasebook", "made": made}))
    for stage in needed_stages():
        (folder / stage.file).write_text("weights")
    monkeypatch.setenv(VARIABLE, str(folder))
    return folder


def test_without_flags_the_bundle_is_taken_and_said_in_one_line(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "netflips")
    found = checkpoints_or_bundle({UNIT_ENCODER: None, TRANSLATOR: None})
    assert found == {kind: folder / kind.file for kind in (UNIT_ENCODER, TRANSLATOR)}
    (line,) = caplog.messages
    assert line == "models: the demo bundle, which knows only its phrasebook"
    checkpoints_or_bundle({UNIT_ENCODER: None})
    assert len(caplog.messages) == 1  # once in a command
    facts = f"the demo bundle ({folder}, made on 2026-11-20 from commit 0123456789ab): it knows only its phrasebook"
    assert read_bundle(folder).describe() == facts


def test_what_is_given_is_taken_and_the_bundle_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "/nowhere")
    given = {UNIT_ENCODER: Path("a.pt"), TRANSLATOR: Path("b.pt")}
    assert checkpoints_or_bundle(given) == given
    assert checkpoint_or_bundle(Path("c.pt"), RENDERER) == Path("c.pt")


@pytest.mark.usefixtures("folder")
def test_a_few_of_them_are_not_filled_up_from_the_bundle() -> None:
    given = {UNIT_ENCODER: Path("a.pt"), TRANSLATOR: None, RENDERER: None}
    refused(UsageError, "missing: --utut-path, --unit2av-path; give all of them, or none", checkpoints_or_bundle, given)


def test_no_flags_and_no_bundle_is_one_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, "")
    with pytest.raises(UsageError, match=r"missing: --av2unit-path; no models come with this installation; netflips models list"):
        checkpoint_or_bundle(None, UNIT_ENCODER)
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setattr(stages, "SHIPPED", tmp_path)
    assert find_bundle() is None


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (None, InputError, "is not there"),
        ("{", CheckpointError, "is no JSON"),
        ("[]", CheckpointError, "describes no bundle"),
        ('{"format": "x"}', CheckpointError, "name"),
        ('{"format": "netflips-bundle-9", "name": "", "domain": ""}', CheckpointError, "update NetfLips"),
    ],
)
def test_a_folder_that_is_no_bundle(folder: Path, content: str | None, error: type[NetflipsError], words: str) -> None:
    (folder / ABOUT).unlink()
    if content is not None:
        (folder / ABOUT).write_text(content)
    refused(error, words, find_bundle)


ROOT = Path(__file__).resolve().parents[2]


def test_the_installations_table_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert installed.stages() is stages.STAGES
    assert installed.shipped_bundle() == ROOT / "netflips" / "bundle"
    monkeypatch.setattr(installed, "TABLE", "nowhere.stages")
    assert installed._stage_table.__wrapped__() is None


def test_the_ground_floor_has_no_stages_and_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(installed, "_stage_table", lambda: None)
    assert installed.stages() == ()
    assert installed.shipped_bundle() is None
    assert main(["info", "none.pt"]) == 2
    assert "NetfLips is not installed; run `pip install --no-deps -e .` in its folder" in capsys.readouterr().err
