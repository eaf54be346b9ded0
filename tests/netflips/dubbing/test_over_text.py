"""A recording dubbed over text: heard, translated and spelled by models of a folder; its texts corrected and given back."""

import json
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import netflips
from netflips.script.files import script_from
from netflips.script.types import Script

pytest.importorskip("faster_whisper", reason="needs the extra asr")
pytest.importorskip("sentencepiece", reason="needs the extra asr")


from avcore.media import write_speech
from netflips.commands.dub import main
from netflips.dubbing import recognize
from netflips.dubbing.options import DubOptions
from netflips.model_paths import ModelPaths
from netflips.recognizers.outside import installed_folder
from netflips.script.files import read_script, value_from, write_script
from netflips.script.targets import KeptOriginal, SpokenSound, TranslatedFrom, WrittenText
from netflips.script.types import SpeakerOf, Term
from tests.avcore.made_speech import babble, talk
from tests.netflips.cascade.tiny import write_translator
from tests.netflips.commands.test_say import write_random_text_to_unit
from tests.netflips.conftest import write_clip
from tests.netflips.dubbing.made import decode, given_text, why_alone, work_made, write_times
from tests.netflips.recognizers.tiny import by_pauses, write_whisper

HEARD, SAID = "the bus stops", "그 버스 서요"
WORDS = {"the": "그", "bus": "버스", "stops": "서요", "we": "우리", "go": "가요", "smile": "ש"}


@pytest.fixture(autouse=True)
def one_utterance_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of several utterances are tested in test_recognize.py; that a folder is tried apart, with recognizers."""
    monkeypatch.setattr(recognize, "packed", by_pauses)
    for module in ("recognizers.whisper", "cascade.translator"):
        monkeypatch.setattr(f"netflips.{module}.try_apart", lambda *_: None)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("folders")
    return {
        "--recognizer": write_whisper(place / "small.en", HEARD),
        "--text-translator": write_translator(place / "nllb", WORDS),
        "--text2unit-path": write_random_text_to_unit(place / "text2unit.safetensors"),
    }


@pytest.fixture
def dub(paths: ModelPaths, folders: dict[str, Path], recording: Path, work: Path) -> Callable[..., int]:
    """Dubs over text, with renderer, text-to-unit model and the two folders alone; finished work is kept in `work`."""

    def run(source: Path, out: Path, *more: object, given: dict[str, Path] = folders) -> int:
        flags = [item for pair in (given | {"--unit2av-path": paths.unit2av}).items() for item in pair]
        kept = ["--work-dir", work] if source == recording else []
        asked = [source, "--out-vid-path", out, "--cascade", *flags, "--tgt-lang", "ko", "--cpu", "--quiet", *kept, *more]
        return main([str(one) for one in asked])

    return run


def _reported(report: Path) -> Script:
    return script_from(json.loads(report.read_text(encoding="utf-8")))


def test_a_corrected_text_changes_its_own_utterance(recording: Path, dub: Callable[..., int], tmp_path: Path, work: Path) -> None:
    out, told = tmp_path / "talk_ko.mp4", tmp_path / "report.json"
    assert dub(recording, out, "--work-dir", tmp_path / "other", "--draft", tmp_path / "draft.json") == 0
    draft = read_script(tmp_path / "draft.json")
    assert {(one.text.text, one.spoken.text) for one in draft.utterances if one.text and one.spoken} == {(HEARD, SAID)}
    assert not out.exists()
    assert dub(recording, out, "--report", told, "--subtitles", "source,target") == 0
    for language, said in (("en", HEARD), ("ko", SAID)):
        shown = (tmp_path / f"talk_ko.{language}.srt").read_text(encoding="utf-8").split()
        assert [shown.count(word) for word in said.split()] == [3, 3, 3]
    first, plain = _reported(told), decode(out)
    assert first.is_over_text
    assert "unjudged" in first.quality.causes
    assert {"recognizer", "text translator"} <= {one.part for one in first.result.models}
    assert all(one.source_units is None for one in first.processed)
    assert [why_alone(one) for one in first.processed] == ["", "", ""]
    assert all(one.drawn.drawn > 10 and one.fit.units for one in first.processed)
    assert {(one.text.text, one.spoken.text) for one in first.processed} == {(HEARD, SAID)}
    assert all(0.5 < one.text.confidence <= 1 for one in first.processed)
    assert work_made(first)["recognized"] == 3
    assert work_made(first)["translated"] == work_made(first)["texts"] == 1  # all three say the same

    texts, mine = work / "talk_ko.script.json", tmp_path / "mine.json"
    shutil.copy(texts, mine)
    assert [(one.text.text, one.spoken.text) for one in read_script(mine).utterances] == [(HEARD, SAID)] * 3
    assert dub(recording, out, "--report", told, "--script-in", mine) == 0
    assert work_made(_reported(told)) == {}  # nothing was changed: nothing is made
    content = json.loads(texts.read_text(encoding="utf-8"))
    content["utterances"][1]["text"]["text"] = "we go"  # as somebody does who corrects a text, and nothing else
    content["utterances"][2]["target"]["text"] = "세 번째예요."
    mine.write_text(json.dumps(content), encoding="utf-8")
    assert dub(recording, out, "--report", told, "--script-in", mine) == 0
    made = work_made(_reported(told))
    assert (made["translated"], made["texts"], made["speech"]) == (1, 2, 2)
    assert "recognized" not in made
    assert read_script(work / "talk_ko.script.old.json").utterances[1].text.text == HEARD
    again = read_script(texts).utterances
    assert (again[1].text.text, again[1].spoken.text, again[1].target.by) == ("we go", "우리 가요", "cascade")
    assert (again[2].text.text, again[2].spoken.text, again[2].target.by) == (HEARD, "세 번째예요.", "person")
    before, after = (report.processed for report in (first, _reported(told)))
    assert after[0] == before[0]
    assert [given_text(one) for one in after] == ["", "", "세 번째예요."]
    changed = decode(out)
    elsewhere = plain.times < before[1].place.start_s
    assert np.array_equal(changed.frames[elsewhere], plain.frames[elsewhere])
    assert not np.array_equal(changed.frames[~elsewhere], plain.frames[~elsewhere])


def test_titles_and_chapters_are_translated_and_may_be_corrected(
    recording: Path, dub: Callable[..., int], tmp_path: Path, work: Path
) -> None:
    talk, draft, out = tmp_path / "talk.mkv", tmp_path / "draft.json", tmp_path / "out.mkv"
    with av.open(str(recording)) as given, av.open(str(talk), "w") as copy:
        copy.metadata["title"] = "the bus stops"
        rows = (0, 3000, "we go"), (3000, 6000, "그 버스"), (6000, 60_000, "smile")
        copy.set_chapters(
            [
                {"id": number, "start": start, "end": end, "time_base": Fraction(1, 1000), "metadata": {"title": title}}
                for number, (start, end, title) in enumerate(rows, 1)
            ]
        )
        streams = {stream.index: copy.add_stream_from_template(stream) for stream in given.streams}
        for packet in (one for one in given.demux() if one.size):
            packet.stream = streams[packet.stream_index]
            copy.mux(packet)
    assert dub(talk, out, "--draft", draft, "--work-dir", work) == 0
    content = json.loads(draft.read_text(encoding="utf-8"))
    assert content["titles"] == {"the bus stops": "그 버스 서요", "we go": "우리 가요"}  # smile has no letters of Korean
    content["titles"]["the bus stops"] = "버스가 서요"
    draft.write_text(json.dumps(content), encoding="utf-8")
    assert dub(talk, out, "--script-in", draft, "--work-dir", work, "--preview") == 0
    with av.open(str(out)) as container:
        assert {name.lower(): value for name, value in container.metadata.items()}["title"] == "버스가 서요"
        assert next(one["metadata"]["title"] for one in container.chapters()) == "우리 가요"


def test_a_short_clip_is_dubbed_alike_but_for_the_unsayable(
    dub: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip, out, told = tmp_path / "clip.mp4", tmp_path / "out.mp4", tmp_path / "report.json"
    assert dub(write_clip(clip, talk([0.3, 2.4, 0.3]), 75), out, "--report", told) == 0
    (one,) = _reported(told).processed
    assert one.spoken.text == SAID
    assert _reported(told).output_s == pytest.approx(3, abs=0.1)
    longer = write_clip(tmp_path / "longer.mp4", talk([0.3, 2.4, 1.3, 2.2, 0.3]), 162)
    times = write_times(tmp_path / "times.json", (one.place.start_s, one.place.end_s, "", "we smile"), (4.0, 6.2))
    assert dub(longer, out, "--script-in", times, "--report", told) == 0
    one, other = _reported(told).processed
    assert why_alone(other) == ""
    assert "its text cannot be said" in why_alone(one)
    assert f"correct it in {times}" in why_alone(one)
    assert "utterance 1 is left alone: its text cannot be said" in capsys.readouterr().err


TRANSLATE = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    open(sys.argv[1], "a").write(line)
    answer = {"error": "no idea"} if asked["number"] == 3 else {"ok": True, "text": "그 bus를 " + asked["level"]}
    print(json.dumps(answer), flush=True)
"""


def test_a_program_translates_with_recording_glossary_and_level(
    recording: Path, dub: Callable[..., int], folders: dict[str, Path], tmp_path: Path, work: Path
) -> None:
    (tmp_path / "translate.py").write_text(TRANSLATE)
    (tmp_path / "glossary.tsv").write_text("Bus\t전차\n", encoding="utf-8")
    assert dub(recording, tmp_path / "x.mp4", "--draft", tmp_path / "draft.json") == 0
    draft = read_script(tmp_path / "draft.json")
    told_by = tuple(replace(one, speaker="Ann", target=None) for one in draft.utterances)
    write_script(tmp_path / "ann.json", replace(draft, speakers=(SpeakerOf("Ann", level="반말"),), utterances=told_by))
    given = {name: path for name, path in folders.items() if name != "--text-translator"}
    out, told = tmp_path / "out.mp4", tmp_path / "report.json"
    with_program = ["--translate-with", f"{sys.executable} {tmp_path / 'translate.py'} {tmp_path / 'log'}"]
    with_program += ["--glossary", tmp_path / "glossary.tsv", "--script-in", tmp_path / "ann.json", "--lips", "none"]
    assert dub(recording, out, "--report", told, *with_program, given=given) == 0
    one, _, third = _reported(told).processed
    assert (one.spoken.text, given_text(one), why_alone(one)) == ("그 전차를 plain", "", "")
    assert "its text was not translated" in why_alone(third)
    assert "no idea" in why_alone(third)
    assert one.target.translation == TranslatedFrom(HEARD, "그 전차를 plain", glossary={"bus": "전차"})
    assert one.target.seconds < one.fit.natural_s <= one.place.seconds + 0.02  # a slow speaker's, up to the original's time
    assert value_from(TranslatedFrom, {"of": "a", "glossary": {"bus": "전차"}}, "x").glossary == {"bus": "전차"}
    asked = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [row["number"] for row in asked if "again" not in row] == [1, 2, 3]
    said_again = [row["again"] for row in asked if "again" in row]
    assert {(one["text"], one["reason"]) for one in said_again} == {("그 전차를 plain", "write names in Hangul: plain")}
    assert all(list(map(bool, row["syllables"])) == [True, True] for row in asked)
    assert asked[0]["context"] == [{"number": k, "speaker": "Ann", "text": HEARD} for k in (1, 2, 3)]
    assert asked[0]["glossary"] == {"bus": "전차"}
    assert read_script(work / "out.script.json").utterances[0].target == one.target


DRAFTED = ["그 버스가 섭니다.", "버스가 서요.", "버스는 여기 섭니다."]
"""What a translator said of three sentences, and a person read."""


@pytest.fixture
def there(work: Path, tmp_path: Path) -> Path:
    """Another machine's folder of work, in which faces and sound are kept as in `work`."""
    return shutil.copytree(work, tmp_path / "there")


_DRAFTS: dict[Path, bytes] = {}
"""What was drafted of each recording: once for all tests."""


@pytest.fixture
def draft(recording: Path, dub: Callable[..., int], folders: dict[str, Path], there: Path, tmp_path: Path) -> Path:
    """A draft of one machine, with its own translator and folder of work."""
    out = tmp_path / "draft.json"
    if recording not in _DRAFTS:
        given = {name: path for name, path in folders.items() if name != "--text-translator"}
        with_program = ["--translate-with", _program(f"{DRAFTED}[number - 1]"), "--work-dir", there]
        assert dub(recording, tmp_path / "there.mp4", *with_program, "--draft", out, given=given) == 0
        _DRAFTS[recording] = out.read_bytes()
    out.write_bytes(_DRAFTS[recording])
    return out


def _changed(draft: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    content = json.loads(draft.read_text(encoding="utf-8"))
    change(content)
    changed = draft.with_name("changed.json")
    changed.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return changed


def _renamed(content: dict[str, Any]) -> None:
    """Two speakers that are one, under another name."""
    content["speakers"] = [{"name": "Daniel"}]
    for one in content["utterances"]:
        one["speaker"] = "Daniel"


def _heard_otherwise(content: dict[str, Any]) -> None:
    content["utterances"][1]["text"]["text"] = "we go"


def _taken_out(content: dict[str, Any]) -> None:
    content["utterances"][1]["target"] = None


OTHER = "우리 가요 네."


@pytest.mark.parametrize(
    ("change", "said", "more"),
    [
        (_renamed, DRAFTED, ()),
        (_heard_otherwise, [DRAFTED[0], OTHER, DRAFTED[2]], ()),
        (_taken_out, [DRAFTED[0], OTHER, DRAFTED[2]], ()),
        (lambda content: None, [OTHER] * 3, ("--retranslate",)),
    ],
    ids=["speakers renamed", "one heard otherwise", "one taken out", "all anew"],
)
def test_what_was_approved_is_what_is_said_whoever_translates_here(
    recording: Path, dub: Callable[..., int], folders: dict[str, Path], tmp_path: Path, draft: Path,
    change: Callable[[dict[str, Any]], None], said: list[str], more: tuple[str, ...],
) -> None:  # fmt: skip
    given = {name: path for name, path in folders.items() if name != "--text-translator"}
    asked = f"open({str(tmp_path / 'log')!r}, 'a').write(f'{{number}} ') and {OTHER!r}"
    with_program = ["--translate-with", _program(asked), "--script-in", _changed(draft, change)]
    told = "--draft" if OTHER in said else "--report"
    assert dub(recording, tmp_path / "here.mp4", *with_program, told, tmp_path / "r.json", *more, given=given) == 0
    report = _reported(tmp_path / "r.json")
    assert [one.spoken.text for one in report.utterances if one.spoken] == said
    asked_for = set((tmp_path / "log").read_text().split()) if (tmp_path / "log").exists() else set()
    assert asked_for == {str(number) for number, text in enumerate(said, 1) if text == OTHER}
    if OTHER not in said:
        assert [one.text for one in report.processed] == [one.text for one in read_script(draft).utterances]  # nor heard again
        assert "recognized" not in work_made(report)


@pytest.fixture
def over_units(recording: Path, paths: ModelPaths, folders: dict[str, Path], work: Path) -> Callable[..., int]:
    """Dubs over units, with a text-to-unit model beside the chain."""
    flags = {"--av2unit-path": paths.av2unit, "--utut-path": paths.utut, "--unit2av-path": paths.unit2av}

    def run(out: Path, *more: object) -> int:
        asked = ["--from", "en", "--to", "ko", "--cpu", "--quiet", "--modalities", "audio"]
        asked += ["--max-target-units", "20", "--beam", "1"]
        asked += ["--text2unit-path", str(folders["--text2unit-path"])] if "--script-in" in more else []
        words = [recording, "-o", out, *asked, *(item for pair in flags.items() for item in pair), "--work-dir", work, *more]
        return main([str(one) for one in words])

    return run


def test_what_was_approved_is_said_by_the_chain_over_units_too(over_units: Callable[..., int], tmp_path: Path, draft: Path) -> None:
    assert over_units(tmp_path / "out.mp4", "--script-in", draft, "--report", tmp_path / "r.json", "--lips", "none") == 0
    assert [one.spoken.text for one in _reported(tmp_path / "r.json").processed if one.spoken] == DRAFTED


def test_a_laugh_that_was_kept_is_kept_by_the_chain_over_units_too(
    recording: Path, dub: Callable[..., int], over_units: Callable[..., int], folders: dict[str, Path], there: Path, tmp_path: Path,
    paths: ModelPaths, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    given = folders | {"--recognizer": write_whisper(tmp_path / "small.en", "ha ha ha ha")}
    draft, again = tmp_path / "draft.json", tmp_path / "again.json"
    assert dub(recording, tmp_path / "x.mp4", "--draft", draft, "--work-dir", there, given=given) == 0
    assert capsys.readouterr().err.count("hardly words are heard in it, as of a laugh or a sigh: its sound is kept") == 3
    assert over_units(tmp_path / "x.mp4", "--script-in", draft, "--draft", again) == 0
    assert capsys.readouterr().err.count("it is kept, as the script asks") == 3
    for path in (draft, again):
        assert [type(one.target) for one in read_script(path).utterances] == [KeptOriginal] * 3

    (tmp_path / "actor").mkdir()
    write_speech(tmp_path / "actor" / "2.wav", 0.3 * babble(1.0, 4))
    spoken = ["--speech-in", tmp_path / "actor", "--draft", again, "--work-dir", there]
    assert dub(recording, tmp_path / "x.mp4", *spoken, given=given | {"--av2unit-path": paths.av2unit}) == 0
    assert [type(one.target) for one in read_script(again).utterances] == [type(None), SpokenSound, type(None)]
    assert "hardly words" not in capsys.readouterr().err


STRANGE = [3, 1, 2, 9, 4]
"""Units that no translator here says."""


def test_approved_units_are_said_whoever_translates_here(
    recording: Path, dub: Callable[..., int], over_units: Callable[..., int], there: Path, tmp_path: Path
) -> None:
    assert over_units(tmp_path / "x.mp4", "--draft", tmp_path / "draft.json") == 0
    drafted = [one.target.units.ids for one in read_script(tmp_path / "draft.json").utterances]
    assert tuple(STRANGE) not in drafted

    def strange(content: dict[str, Any]) -> None:
        """As another translator said it."""
        content["utterances"][1]["target"]["units"] = {"ids": STRANGE}

    def corrected(content: dict[str, Any]) -> None:
        strange(content)
        content["utterances"][1]["text"] = {"text": "we go"}

    def said(run: Callable[..., int], change: Callable[[dict[str, Any]], None], name: str, *more: object) -> list[Any]:
        """What is said by a draft that is made of the changed one: the units of each, or its text."""
        asked = ["--script-in", _changed(tmp_path / "draft.json", change), "--draft", tmp_path / "out.json", *more]
        assert run(tmp_path / name, *asked) == 0
        found = read_script(tmp_path / "out.json").utterances
        for one in found:
            if not isinstance(one.target, WrittenText):
                assert one.units.ids == tuple(unit for unit, _ in groupby(one.target.units.ids))
        return [one.target.text if isinstance(one.target, WrittenText) else one.target.units.ids for one in found]

    def over_text(out: Path, *more: object) -> int:
        return dub(recording, out, *more)

    approved = [drafted[0], tuple(STRANGE), drafted[2]]
    assert said(over_units, strange, "x.mp4") == approved
    assert said(over_units, strange, "other.mp4", "--work-dir", there) == approved
    assert said(over_text, strange, "text.mp4") == approved
    assert said(over_units, strange, "x.mp4", "--retranslate") == drafted
    assert said(over_units, _taken_out, "x.mp4") == drafted
    assert said(over_text, corrected, "text.mp4") == [drafted[0], "우리 가요", drafted[2]]


def test_a_term_is_corrected_once_for_text_translator_and_voice(
    recording: Path, dub: Callable[..., int], folders: dict[str, Path], there: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    given = {name: path for name, path in folders.items() if name != "--text-translator"}
    given["--recognizer"] = write_whisper(tmp_path / "small.en", "we saw Marchetti here")
    drafted = "['마체티를 봤어요 네', '마체티를 여기서요', '그분이 저기 계세요'][number - 1]"
    asked = ["--translate-with", _program(drafted), "--draft", tmp_path / "draft.json", "--work-dir", there]
    assert dub(recording, tmp_path / "x.mp4", *asked, given=given) == 0
    assert read_script(tmp_path / "draft.json").terms == (Term("Marchetti", "", "마체티"),)

    def correct(content: dict[str, Any]) -> None:
        content["terms"][0]["spoken"] = "마르켈로"
        content["utterances"][1]["target"] = {"kind": "written", "text": "Marchetti가 여기 있어요"}

    log = tmp_path / "log"
    answer = f"open({str(log)!r}, 'a').write(line) and '마르켈로는 저기 계세요'"
    changed = _changed(tmp_path / "draft.json", correct)

    def said(program: str, *more: str) -> list[str]:
        asked = ["--translate-with", program, "--script-in", changed, "--draft", tmp_path / "new.json", *more]
        assert dub(recording, tmp_path / "x.mp4", *asked, given=given) == 0
        return [one.spoken.text for one in read_script(tmp_path / "new.json").utterances if one.spoken]

    texts = ["마르켈로를 봤어요 네", "Marchetti가 여기 있어요", "그분이 저기 계세요"]
    assert said(_program(answer)) == texts
    assert not log.exists()  # nobody was asked for a text that lacks the term
    assert "without 마르켈로 (3), which its terms ask for; --retranslate 3 asks for other texts" in capsys.readouterr().err
    assert said("false", "--retranslate", "3") == texts
    told = capsys.readouterr().err
    assert "utterance 3: no other translation was found" in told
    assert "left alone" not in told
    assert said(_program(answer), "--retranslate", "3") == [*texts[:2], "마르켈로는 저기 계세요"]
    assert {(row["number"], *row["glossary"].items()) for row in map(json.loads, log.read_text().splitlines())} == {
        (3, ("marchetti", "마르켈로"))
    }
    new = read_script(tmp_path / "new.json")
    assert all("unsayable" not in one.quality.causes for one in new.utterances)  # the name is not spelled letter by letter
    assert new.terms == (Term("Marchetti", "마르켈로", "마체티"),)
    wrong = ["--script-in", changed, "--translate-with", "false"]
    for numbers, line in (("4", "not there; expected numbers from 1 to 3; found 4"), ("x", "expected numbers of utterances")):
        assert dub(recording, tmp_path / "x.mp4", *wrong, "--retranslate", numbers, given=given) == 2
        assert line in capsys.readouterr().err


def test_a_name_in_latin_letters_is_read_as_proposed_and_told(
    recording: Path, dub: Callable[..., int], folders: dict[str, Path], there: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    given = {name: path for name, path in folders.items() if name != "--text-translator"}
    given["--recognizer"] = write_whisper(tmp_path / "small.en", "we saw Marchetti here")
    answers = "['Marchetti를 봤어요 네', '마체티를 봤어요 네', '그분이 저기 계세요'][number - 1]"
    asked = ["--translate-with", _program(answers), "--report", tmp_path / "r.json", "--work-dir", there, "--lips", "none"]
    assert dub(recording, tmp_path / "x.mp4", *asked, given=given) == 0
    assert "Marchetti (마체티) are read as the terms propose" in capsys.readouterr().err
    latin, hangul, _ = _reported(tmp_path / "r.json").processed
    assert latin.spoken.text == "Marchetti를 봤어요 네"  # subtitles keep the word
    assert latin.units == hangul.units
    assert "unsayable" not in latin.quality.causes


ROUND = "['그 버스가 섭니다', '버스는 여기 섭니다', '우리는 갑니다 네']"


def test_a_text_asked_for_again_is_another_and_stays_after_a_stop(
    recording: Path, dub: Callable[..., int], folders: dict[str, Path], tmp_path: Path
) -> None:
    """By the same program, in the same folder, which says something else each time."""
    given = {name: path for name, path in folders.items() if name != "--text-translator"}
    log = str(tmp_path / "log")
    code = f"open({log!r}, 'a').write('x') and '버스가 섭니다 ' + '가나다라마바사아자차'[len(open({log!r}).read()) - 1]"
    with_program, drafted = ["--translate-with", _program(code)], tmp_path / "draft.json"
    assert dub(recording, tmp_path / "x.mp4", *with_program, "--draft", drafted, given=given) == 0
    before = [one.spoken.text for one in read_script(drafted).utterances if one.spoken]
    again, asked = _changed(drafted, _taken_out), (tmp_path / "log").read_text()
    for name in ("one.json", "two.json"):
        assert dub(recording, tmp_path / "x.mp4", *with_program, "--script-in", again, "--draft", tmp_path / name, given=given) == 0
    after, same = (
        [one.spoken.text for one in read_script(tmp_path / name).utterances if one.spoken] for name in ("one.json", "two.json")
    )
    assert after == same
    assert [after[0], after[2]] == [before[0], before[2]]
    assert after[1] not in before
    assert len((tmp_path / "log").read_text()) > len(asked)


def test_models_of_the_cascade_are_loaded_once_for_many_dubs(paths: ModelPaths, folders: dict[str, Path], tmp_path: Path) -> None:
    recognizer, text_translator, text2unit = folders.values()
    (tmp_path / "in").mkdir()
    clip = write_clip(tmp_path / "in" / "clip.mp4", talk([0.3, 2.4, 0.3]), 75)
    options = DubOptions(cascade=True, recognizer=recognizer, text_translator=text_translator)
    loaded = netflips.load("en", "ko", options, unit2av_path=paths.unit2av, text2unit_path=text2unit, device="cpu")
    made = list(loaded.dub_all([clip, tmp_path / "none.mp4"], tmp_path / "out"))
    assert [one.name for one, _ in made] == [clip.name, "none.mp4"]
    script, error = made[0][1], made[1][1]
    assert isinstance(script, Script)
    assert [one.spoken.text for one in script.utterances if one.spoken] == [SAID]
    assert (tmp_path / "out" / f"{clip.stem}_ko.mp4").is_file()
    assert isinstance(error, netflips.NetflipsError)
    with pytest.raises(netflips.NetflipsError, match="no unit translator"):
        loaded.translate(netflips.Units(np.array([1, 2])))
    with pytest.raises(netflips.NetflipsError, match="one name"):
        loaded.dub_all([clip, clip.parent / "." / clip.name, tmp_path / clip.name], tmp_path / "out")


@pytest.mark.local
def test_whisper_and_two_programs_dub_the_demo(tmp_path: Path) -> None:
    """On the demo bundle: nothing of the chain is made up but the translator, which knows one sentence."""
    whisper = installed_folder("judge-whisper")
    if whisper is None:
        pytest.skip("make judges installs Whisper")
    pytest.importorskip("espeakng_loader")
    korean, clip = "실례합니다, 공항이 어디에 있어요?", Path(__file__).parents[3] / "docs" / "clip" / "clip.mp4"
    answer = "print(json.dumps({'ok': True, 'text': sys.argv[1]}), flush=True)"
    code = f"import json, sys\nfor line in sys.stdin:\n    {answer}"
    translate = shlex.join([sys.executable, "-c", code, korean])
    say = ["-m", "avcore.speech.say", "--voice", "ko", "--text-file", "{text_file}", "--out", "{out}"]
    speak = shlex.join([sys.executable, *say])
    out, told = tmp_path / "out.mp4", tmp_path / "report.json"
    asked = ["--cascade", "--recognizer", whisper, "--translate-with", translate, "--speak-with", speak, "--report", told]
    assert main([str(one) for one in (clip, "--out-vid-path", out, "--quiet", "--cpu", *asked)]) == 0
    (one,) = _reported(told).processed
    assert one.text.text == "Excuse me, where is the airport?"
    assert (one.spoken.text, one.spoken_by, one.fit.cut_s) == (korean, "avcore.speech.say", 0)
    assert one.drawn.drawn > 40


def _verdict(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "verdict.json").read_text(encoding="utf-8"))
    return found


def _program(code: str) -> str:
    """A program that answers each line by an expression of `text`, what it was asked, and `number`."""
    answer = f"print(json.dumps({{'ok': True, 'text': ({code})}}), flush=True)"
    asked = "asked = json.loads(line); text, number = asked['text'], asked['number']"
    return shlex.join([sys.executable, "-c", f"import json, sys\nfor line in sys.stdin:\n    {asked}\n    {answer}"])


@pytest.mark.parametrize(
    ("code", "share", "cause", "reason"),
    [
        ("text", 0.0, "echo", "its translation is not in 'ko'"),
        ("'Der Bus hält'", 0.0, "echo", "its translation is not in 'ko'"),
        ("'실례합니다, ' * 60", 0.0, "loop", "its translation repeats a stretch"),
        ("'그 버스 서요' if number == 2 else 1 / 0", 1 / 3, "untranslated", "its text was not translated"),
    ],
)
def test_what_is_no_translation_is_named_and_keeps_its_sound(
    recording: Path, dub: Callable[..., int], folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    code: str, share: float, cause: str, reason: str,
) -> None:  # fmt: skip
    given = {name: path for name, path in folders.items() if name != "--text-translator"}
    asked = ["--translate-with", _program(code), "--verdict", tmp_path / "verdict.json", "--draft", tmp_path / "draft.json"]
    assert dub(recording, tmp_path / "out.mp4", *asked, given=given) == 0  # a draft of nothing is one to be filled
    verdict, told = _verdict(tmp_path), capsys.readouterr().err
    assert (verdict["words"], [one for one in verdict["causes"] if one != "unjudged"]) == ("not_understood", [cause])
    assert verdict["share"] == pytest.approx(share, abs=0.05)
    assert f"utterance 1 is left alone: {reason}" in told
    assert dub(recording, tmp_path / "out.mp4", *asked, "--strict", given=given) == 3


def test_another_language_is_found_out_and_auto_takes_it(
    recording: Path, dub: Callable[..., int], folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    french = write_whisper(tmp_path / "small", "le bus s arrete", language="fr")
    given = {"--recognizer": french, "--text2unit-path": folders["--text2unit-path"]}
    asked = ["--translate-with", _program("'그 버스 서요'"), "--verdict", tmp_path / "verdict.json"]
    asked += ["--draft", tmp_path / "draft.json"]
    assert dub(recording, tmp_path / "out.mp4", *asked, given=given) == 0
    verdict, told = _verdict(tmp_path), capsys.readouterr().err
    assert (verdict["words"], verdict["share"], verdict["causes"]) == ("not_understood", 0.0, ["language"])
    assert "most of what is said is in 'fr', not in 'en'; --from fr takes it" in told
    assert "utterance 1 is left alone: it is in another language ('fr')" in told
    assert dub(recording, tmp_path / "out.mp4", *asked, "--from", "auto", given=given) == 0
    assert _verdict(tmp_path)["words"] == "sure"
    assert read_script(tmp_path / "draft.json").source == "fr"
    assert dub(recording, tmp_path / "out.mp4", *asked, "--from", "en", given=given) == 0  # what somebody says is final
    assert _verdict(tmp_path)["words"] == "sure"
    assert "in another language" not in capsys.readouterr().err
