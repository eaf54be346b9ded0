"""Scripts: files that come back whole, utterances that are divided and joined, and the command that lists and changes them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from avcore.contracts import Word
from avcore.errors import InputError, UsageError
from avcore.journal import file_digest
from avcore.notes import json_text
from avcore.timeline import Interval
from netflips import cli
from netflips.script.edit import join, split
from netflips.script.files import file_beside, other_files, read_script, require_own_files, script_from, script_json, write_script
from netflips.script.targets import (
    GivenUnits,
    KeptOriginal,
    SpokenSound,
    Target,
    Text,
    TranslatedFrom,
    TranslatedUnits,
    UnitList,
    WrittenText,
)
from netflips.script.types import FORMAT, Media, Script, SpeakerOf, Term, VoiceFile
from netflips.script.utterance import SourceUnits, TimeFit, Utterance
from tests.refusal import refused

_PAGE = Path(__file__).parents[3] / "docs" / "formats.md"


def _examples() -> list[dict[str, Any]]:
    blocks = re.findall(r"```json\n(.*?)```", _PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return [json.loads(one) for one in blocks if FORMAT in one]


def test_the_examples_of_the_page_come_back_without_a_difference() -> None:
    whole, by_hand = _examples()
    for example in (whole, by_hand):
        script = script_from(example)
        assert script_from(json.loads(json_text(script_json(script)))) == script
    for one, number in zip(whole["utterances"], (1, 2), strict=True):
        assert one["number"] == number
    assert json.loads(json_text(script_json(script_from(whole)))) == whole
    first, second = script_from(whole).utterances
    assert isinstance(first.target, TranslatedUnits)
    assert isinstance(second.target, WrittenText)
    assert (first.fit.duration_scale, first.fit.slack_s, first.fit.is_hurried) == (pytest.approx(0.5 / 0.46), 0.0, False)
    assert script_from(by_hand).utterances[1].number == 2


@pytest.mark.parametrize(
    ("changes", "place", "expected"),
    [
        ({"format": "netflips-script-9"}, "no script", "netflips-script-3"),
        ({"utterance": []}, "script.utterance ", "utterances"),
        ({"utterances": [{"target": {"kind": "written", "txt": "a"}}]}, r"script.utterances\[0\].target.txt", "text, by"),
        ({"utterances": [{"target": {"kind": "writen", "text": "a"}}]}, r"target.kind", "translated, written, spoken"),
        ({"utterances": [{"target": {"kind": "written"}}]}, r"target.text cannot", "a value"),
        ({"utterances": [{"place": {"start_s": float("nan"), "end_s": 1}}]}, "place.start_s", "a number"),
        ({"utterances": [{"place": {"start_s": True, "end_s": 1}}]}, "place.start_s", "a number"),
        ({"utterances": [{"place": [1, 2]}]}, "place cannot", "an object"),
        ({"utterances": {}}, "script.utterances cannot", "a list"),
        ({"schedule": "sideways"}, "script.schedule", "'own', 'ping_pong'"),
        ({"speakers": [{"name": "A", "face": 1.5}]}, "speakers.0..face", ""),
        ({"cuts": ["1"]}, r"script.cuts\[0\]", "a number"),
        ({"utterances": [{"target": {"kind": []}}]}, r"utterances\[0\].target.kind", "translated, written, spoken"),
        ({"utterances": [{"target": {"kind": {}}}]}, r"utterances\[0\].target.kind", "translated, written, spoken"),
        ({"utterances": [{"target": {"kind": "given", "units": {"ids": [1 << 63]}}}]}, r"units.ids\[0\]", "a whole number"),
    ],
)
def test_what_cannot_be_is_told_with_its_place(changes: dict[str, Any], place: str, expected: str) -> None:
    message = refused(InputError, place, script_from, {"format": FORMAT} | changes, Path("x.json"))
    assert expected in message
    assert message.startswith("x.json: ")


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ({"kind": "spoken", "file": "a.wav", "from_s": -5}, "from_s of utterance 2 cannot be used; expected 0 or more; found -5.0"),
        ({"kind": "spoken", "file": "a.wav", "from_s": 3, "to_s": 3}, "to_s of utterance 2 .* more than from_s, 3; found 3.0"),
        ({"kind": "given", "units": {"ids": [4, -1]}}, "ids of utterance 2 cannot be used; expected 0 or more; found -1"),
        ({"kind": "given", "units": {"ids": [4], "durations": [0]}}, "durations of utterance 2 .* expected 1 of 1 or more"),
        ({"kind": "given", "units": {"ids": [4], "durations": [1, 2]}}, "durations of utterance 2 .* found 2, the least 1"),
        ({"kind": "given", "units": {"ids": [4], "durations": [10**12]}}, "units of utterance 2 .* expected 20 s of speech"),
        ({"kind": "given", "units": {"ids": [4] * 1001}}, r"units of utterance 2 .* found 20\.0 s"),
    ],
)
def test_what_nothing_can_be_made_of_is_told_when_the_script_is_read(tmp_path: Path, target: dict[str, Any], said: str) -> None:
    place = {"start_s": 0.0, "end_s": 2.0}
    content = {"format": FORMAT, "utterances": [{"place": place}, {"place": place, "target": target}]}
    (tmp_path / "x.json").write_text(json.dumps(content))
    refused(InputError, f"x.json: {said}", read_script, tmp_path / "x.json")
    script_from(content)  # of a report, whose values were made


OLD_UTTERANCE = {
    "number": 1,
    "place": {"start_s": 0.8, "end_s": 1.3},
    "speaker": "Ann",
    "text": {"text": "Hello.", "by": "recogniser"},
    "target": {
        "kind": "written",
        "text": "안녕.",
        "translation": {"of": "Hello.", "glossary": {"said": "말"}},
        "said_by": "say.py",
    },
    "takes": [{"kind": "given", "units": {"ids": [3, 4]}, "by": "heard"}],
    "heard": {"units": {"ids": [737]}},
    "tries": [{"how": "wording", "heard": "안녕"}],
    "fit": {"output": {"start_s": 0.8, "end_s": 1.3}, "held_s": 0.1},
    "drawn": {"pictures": 13},
    "understood": {"share": 0.4},
}
OLD_SCRIPT = {
    "source": "en",
    "target": "ko",
    "schedule": "to_and_fro",
    "media": {"path": "a.mp4", "digest": "00", "picture_s": 4.0},
    "speakers": [{"name": "Ann", "level": "polite"}],
    "utterances": [OLD_UTTERANCE],
    "terms": [{"word": "Lee", "said": "리", "proposed": "이"}],
    "titles": {"takes": "찍기"},
    "understood": {"share": 0.4},
    "made": {"pictures": 13},
}


@pytest.mark.parametrize("number", [1, 2])
def test_an_older_script_is_brought_over(number: int, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "x.json").write_text(json.dumps({"format": f"netflips-script-{number}"} | OLD_SCRIPT))
    script = read_script(tmp_path / "x.json")
    (one,) = script.utterances
    assert (script.schedule, script.terms, script.titles) == ("ping_pong", (Term("Lee", "리", "이"),), {"takes": "찍기"})
    assert script.media == Media("a.mp4", "00", video_s=4.0)
    assert one.text == Text("Hello.", by="recognizer")
    assert one.target == WrittenText("안녕.", translation=TranslatedFrom("Hello.", glossary={"said": "말"}), spoken_by="say.py")
    assert one.alternatives == (GivenUnits(UnitList((3, 4)), "source"),)
    assert (one.source_units, one.checked, one.fit, script.quality, script.made) == (None, None, None, None, None)
    assert f"a script of an older format, netflips-script-{number}" in caplog.text
    write_script(tmp_path / "y.json", script)
    assert read_script(tmp_path / "y.json") == script


def test_files_that_changed_since_the_script_was_made_are_named(tmp_path: Path) -> None:
    for name in ("same.wav", "other.wav", "voice.wav", "unknown.wav"):
        (tmp_path / name).write_bytes(name.encode())
    digests = {"same.wav": file_digest(tmp_path / "same.wav"), "other.wav": "00", "unknown.wav": ""}
    utterances = tuple(Utterance(target=SpokenSound(*named)) for named in digests.items())
    script = Script(speakers=(SpeakerOf("a", VoiceFile("voice.wav", "00")),), utterances=utterances)
    assert other_files(script, tmp_path / "x.json") == ["voice.wav", "other.wav"]


def test_numbers_come_from_the_order_and_what_is_made_anew_is_dropped(tmp_path: Path) -> None:
    told = Utterance(9, Interval(1.0, 2.0), target=WrittenText("네."), fit=TimeFit(Interval(1.0, 2.0)))
    write_script(tmp_path / "x.json", Script("en", "ko", utterances=(told, told)))
    script = read_script(tmp_path / "x.json")
    assert [one.number for one in script.utterances] == [1, 2]
    assert [one.fit for one in script.utterances] == [None, None]
    assert script.utterances[1].target == WrittenText("네.")


def test_a_script_names_files_of_its_own_folder_only(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"x")
    for name in ("", "..", "../a.wav", "in/../../a.wav", "/etc/passwd", "C:\\a.wav", "\\\\host\\a", "in\\a.wav", "a\0b"):
        script = Script(utterances=(Utterance(target=SpokenSound(name)),))
        refused(InputError, "it may not use", require_own_files, script, tmp_path / "own" / "x.json")


def test_files_of_a_scripts_folder_are_found_and_links_not_followed(tmp_path: Path) -> None:
    own = tmp_path / "own"
    (own / "takes").mkdir(parents=True)
    (own / "takes" / "3.wav").write_bytes(b"x")
    (own / "link.wav").symlink_to(own / "takes" / "3.wav")
    (own / "out").symlink_to(tmp_path)
    (tmp_path / "secret.wav").write_bytes(b"x")
    script = Script(utterances=(Utterance(alternatives=(SpokenSound("takes/3.wav"),)),))
    assert require_own_files(script, own / "x.json") == [own / "takes" / "3.wav"]
    for name, said in (("link.wav", "may not use"), ("out/secret.wav", "may not use"), ("4.wav", "is not there")):
        refused(InputError, said, file_beside, own / "x.json", name)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    first = Utterance(1, Interval(2.0, 4.0), "Ann", text=Text("Take care. See you.", "en"), target=WrittenText("잘 가. 또 보자."))
    write_script(tmp_path / "talk.json", Script(utterances=(first, Utterance(2, Interval(5.0, 6.0), text=Text("Bye.", "en")))))
    return tmp_path / "talk.json"


def test_an_utterance_is_divided_and_joined_again(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole, parts, again = (path.with_name(name) for name in ("talk.json", "parts.json", "again.json"))
    assert cli.main(["script", "split", str(whole), "1", "--at", "3", "-o", str(parts)]) == 0
    assert f"{parts}: 3 utterances" in capsys.readouterr().err
    assert cli.main(["script", "list", str(parts)]) == 0
    lines = capsys.readouterr().out.splitlines()
    told = [" ".join(line.split(maxsplit=4)[:4]) for line in lines]
    assert told == ["1 2.00 to 3.00", "2 3.00 to 4.00", "3 5.00 to 6.00"]
    assert lines[1].endswith("Ann: See you. -> 또 보자.")
    assert cli.main(["script", "join", str(parts), "1", "-o", str(again)]) == 0
    assert read_script(again) == read_script(whole)


def test_the_files_of_a_script_must_be_there_from_where_it_goes(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.with_name("ann.wav").write_bytes(b"a voice")
    said = Utterance(1, Interval(0, 2), "Ann", target=SpokenSound("ann.wav"))
    write_script(path, Script(speakers=(SpeakerOf("Ann", VoiceFile("ann.wav")),), utterances=(said,)))
    (path.parent / "other").mkdir()
    assert cli.main(["script", "split", str(path), "1", "-o", str(path.with_name("new.json"))]) == 0
    assert cli.main(["script", "split", str(path), "1", "-o", str(path.parent / "other" / "new.json")]) == 2
    assert "names a file that is not there" in capsys.readouterr().err
    assert list((path.parent / "other").iterdir()) == []


WORDS = (Word("Take", 0.1, 0.4, 0.9), Word("care.", 0.4, 0.9, 0.9), Word("See", 1.5, 1.8, 0.8), Word("you.", 1.8, 2.1, 0.8))
HEARD = Text("Take care. See you.", "en", "recognizer", WORDS)
TRANSLATED = WrittenText("잘 가. 또 보자.", "cascade", TranslatedFrom(HEARD.text, "잘 가. 또 보자."))


def _script(target: Target | None = None) -> Script:
    first = Utterance(1, Interval(2.0, 4.4), "Ann", SourceUnits(), HEARD, target=target)
    return Script(utterances=(first, Utterance(2, Interval(5.0, 6.0), "Ben", text=Text("Bye.", "en"))))


def test_an_utterance_is_divided_at_its_longest_pause() -> None:
    made = split(_script(TRANSLATED), 1)
    first, second, last = made.utterances
    assert [one.number for one in made.utterances] == [1, 2, 3]
    assert (first.place, second.place) == (Interval(2.0, 3.2), Interval(3.2, 4.4))
    assert (first.text, second.text) != (None, None)
    assert [one.text.text for one in made.utterances if one.text] == ["Take care.", "See you.", "Bye."]
    assert [(word.text, round(word.start_s, 3)) for word in second.text.words] == [("See", 0.3), ("you.", 0.6)]
    assert (first.speaker, second.speaker, last.speaker) == ("Ann", "Ann", "Ben")
    assert (first.target, first.source_units, second.target) == (None, None, None)
    assert script_from(script_json(made)) == made


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        (WrittenText("잘 가. 또 보자."), (WrittenText("잘 가."), WrittenText("또 보자."))),
        (KeptOriginal(), (KeptOriginal(), KeptOriginal())),
        (SpokenSound("own.wav", from_s=1.0), (SpokenSound("own.wav", from_s=1.0, to_s=2.2), SpokenSound("own.wav", from_s=2.2))),
        (TranslatedUnits(), (None, None)),
    ],
)
def test_what_a_person_gave_is_divided_with_it_and_joined_again(target: Target, wanted: tuple[Target | None, ...]) -> None:
    made = split(_script(target), 1, 3.2)
    assert tuple(one.target for one in made.utterances[:2]) == wanted
    again = join(made, 1).utterances[0]
    assert (again.target, again.place, again.text) == (None if wanted[0] is None else target, Interval(2.0, 4.4), HEARD)


def test_a_translation_beside_a_persons_text_stays_its_text() -> None:
    script = split(_script(WrittenText("잘 가. 또 보자.")), 1)
    later = Script(utterances=(*script.utterances[:1], Utterance(2, script.utterances[1].place, target=TRANSLATED)))
    assert join(later, 1).utterances[0].target == WrittenText("잘 가. 잘 가. 또 보자.")


@pytest.mark.parametrize(("number", "at_s"), [(3, None), (0, None), (1, 2.1), (1, 4.4), (1, float("nan"))])
def test_what_cannot_be_divided_says_so(number: int, at_s: float | None) -> None:
    refused(UsageError, r"no such utterance|cannot be divided", split, _script(), number, at_s)
    refused(UsageError, "no such utterance", join, _script(), 2)


def test_a_script_is_shown_in_two_lines() -> None:
    utterance = Utterance(1, Interval(0.0, 2.4), "speaker 1", text=Text("Where is it? " * 30, "en"))
    shown = repr(Script("en", "ko", media=Media("talk.mp4", duration_s=2.44), utterances=(utterance,)))
    assert shown.splitlines()[0] == "<Script: talk.mp4, en to ko, 2.4 s, 1 utterance>"
    assert (len(shown.splitlines()), len(shown) < 200) == (2, True)
