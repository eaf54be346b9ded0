"""A dub that says what it is: consent, manifest, label and licences, from the command line on."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avcore.errors import InputError, UsageError
from avcore.media import FrameSource, probe
from netflips.dubbing.dub import dub
from netflips.dubbing.options import DubOptions
from netflips.models import Models
from netflips.provenance import options as provenance
from netflips.provenance.manifest import read_provenance
from netflips.provenance.options import SPEECH_AND_LIPS, read_consent, require_in_force
from netflips.script.files import read_script
from netflips.script.types import Consent
from tests.refusal import refused

pytest.importorskip("c2pa")


class _Days(date):
    """It is the last of a month."""

    @classmethod
    def today(cls) -> date:
        return date(2027, 2, 28)


@pytest.mark.parametrize(("until", "is_over"), [("2027-03-01", False), ("2027-02-28", False), ("2027-02-27", True), ("", False)])
def test_a_consent_holds_to_the_end_of_its_last_day(until: str, is_over: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "date", _Days)
    agreed = (Consent("A. Kim", "a dub", until),)
    if not is_over:
        require_in_force(agreed, None)
        return
    refused(InputError, rf"the consent of A\. Kim is over; found until {until}", require_in_force, agreed, None)


_CONSENT = "- {who: A. Kim, agreed_to: a dub into Korean, until: 2999-12-31}\n- {who: B. Lee, agreed_to: 더빙}\n"
_PEOPLE = (Consent("A. Kim", "a dub into Korean", "2999-12-31"), Consent("B. Lee", "더빙"))


@pytest.fixture(autouse=True)
def consent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    path = tmp_path / "consent.yaml"
    path.write_text(_CONSENT, encoding="utf-8")
    return path


def quick(**more: Any) -> DubOptions:
    return DubOptions(beam=1, max_target_units=20, modalities="audio", **more)


def test_a_dub_carries_who_agreed_and_what_made_it(clip: Path, models: Models, consent: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    script = dub(clip, out, models, quick(sign=True, consent=consent))
    said = read_provenance(out).made
    assert script.consent == _PEOPLE
    assert [one["who"] for one in said["consent"]] == ["A. Kim", "B. Lee"]
    assert said["consent"][0]["until"] == "2999-12-31"
    assert said["languages"] == {"from": "en", "to": "ko"}
    assert {one["part"]: one["fingerprint"] for one in said["models"] if one["fingerprint"]} == models.fingerprints
    assert said["may_be_sold"] == script.result.may_be_sold
    assert script.result.may_be_sold.startswith("not stated, because of ")
    assert str(tmp_path) not in json.dumps(said)  # nothing tells of the disk
    assert [one["action"] for one in read_provenance(out).actions] == ["c2pa.opened", "c2pa.translated", "c2pa.dubbed"]


def test_an_operator_labels_signs_and_asks(clip: Path, models: Models, consent: Path, tmp_path: Path) -> None:
    refused(UsageError, "an operator needs the consent", dub, clip, tmp_path / "none.mp4", models, quick(operator="Studio"))
    assert not (tmp_path / "none.mp4").exists()
    options = quick(operator="Studio", consent=consent)
    assert (options.label, options.sign) == (SPEECH_AND_LIPS.label, True)
    out, plain = tmp_path / "out.mp4", tmp_path / "plain.mp4"
    dub(clip, out, models, options)
    dub(clip, plain, models, quick())
    assert SPEECH_AND_LIPS.notice in probe(out).comment
    assert probe(out).comment.endswith("Studio")
    assert (read_provenance(out).made["operator"], read_provenance(plain).state) == ("Studio", "none")
    pairs = zip(FrameSource(out), FrameSource(plain), strict=True)
    for with_label, without in pairs:  # seen in every frame, in its upper part, and nowhere else
        difference = np.abs(with_label.rgb.astype(int) - without.rgb.astype(int)).mean(axis=2)
        assert (difference[:20] > 60).sum() > 100
        assert difference[40:].mean() < 3


def test_a_draft_keeps_the_consent_for_the_dub_from_it(clip: Path, models: Models, consent: Path, tmp_path: Path) -> None:
    draft = tmp_path / "draft.json"
    dub(clip, tmp_path / "out.mp4", models, quick(draft=draft, operator="Studio", consent=consent))
    assert not (tmp_path / "out.mp4").exists()
    assert read_script(draft).consent == _PEOPLE
    over = json.loads(draft.read_text(encoding="utf-8"))
    over["consent"][0]["until"] = "2001-01-01"
    draft.write_text(json.dumps(over), encoding="utf-8")
    with pytest.raises(InputError, match=r"the consent of A\. Kim is over"):
        dub(clip, tmp_path / "out.mp4", models, quick(script_in=draft, sign=True))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- {who: A, agreed_to: b, until: 2001-01-01}", "the consent of A is over"),
        ("- {who: A, agreed_to: b, until: soon}", "until is no date"),
        ("- {who: A}", "agreed_to cannot be used"),
        ("- {who: A, agreed_to: b, untill: 2999-01-01}", "untill cannot be used"),
        ("- {who: '', agreed_to: b}", "this is no consent"),
        ("[]", "this is no consent"),
        ("hello", "the consent cannot be used"),
        ("{", "is no YAML"),
        ("- {who: A, agreed_to: 1}", "agreed_to cannot be used"),
    ],
)
def test_a_consent_that_says_nothing_is_refused_in_one_line(text: str, words: str, consent: Path) -> None:
    consent.write_text(text)
    assert "\n" not in refused(InputError, words, read_consent, consent)
