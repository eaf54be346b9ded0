"""Which wording is spoken, whole sentences over pauses, and what a translation may not lose."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from avcore.contracts import Transcript
from avcore.notes import Note, Notes
from avcore.progress import StageClock
from avcore.timeline import Interval
from avcore.units import Units
from netflips.cascade.translator import TextTranslation
from netflips.dubbing.candidates import TranslationCandidate, best_candidate, with_best_units
from netflips.dubbing.losses import Loss
from netflips.dubbing.options import DubOptions
from netflips.dubbing.part import part_of
from netflips.dubbing.sentence_translator import SentenceTranslator
from netflips.dubbing.sentences import sentences_in, shared_out
from netflips.dubbing.store import Store
from netflips.dubbing.subtitles import read_units_as_text
from netflips.dubbing.translators import CachingTranslator
from netflips.script.files import read_script, write_script
from netflips.script.notes import QUESTION_LOST
from netflips.script.targets import Text, TranslatedUnits, UnitList, WrittenText
from netflips.script.types import Script
from netflips.script.utterance import Slot, TimeFit, Utterance


def _said(*rows: tuple[float, float, str, str]) -> list[Utterance]:
    return [Utterance(number, Interval(*row[:2]), row[2], text=Text(row[3], "en")) for number, row in enumerate(rows, 1)]


@pytest.mark.parametrize(
    ("seconds", "slot_s", "place"),
    [
        ([3.0, 2.0, 4.0], 3.0, 0),  # the best fits
        ([3.0, 2.0, 4.0], 2.1, 1),  # another one does
        ([3.0, 2.0, 4.0], 2.5, 0),  # none does: the nearest
        ([3.0, 2.0, 4.0], 9.0, 2),
        ([3.0, 2.95, 3.3], 3.0, 0),  # of several that fit the best, wherever it stands
        ([2.8, 3.0, 3.2], 3.0, 0),  # though another one is nearer
        ([5.0, 2.8, 3.0], 3.0, 1),
        ([None, 2.0, 4.0], 3.9, 2),  # what cannot be said is none
        ([3.4, 2.0], 2.6, 0),  # it takes a part of the pause
        ([3.4, 2.7], 2.6, 1),  # where it must
        ([None, None], 2.0, 0),
    ],
)
def test_the_best_of_those_that_fit_is_spoken(seconds: list[float | None], slot_s: float, place: int) -> None:
    candidates = [TranslationCandidate(str(number), seconds=one) for number, one in enumerate(seconds)]
    assert best_candidate(candidates, slot_s, slot_s + 0.5) is candidates[place]


def test_one_that_lacks_a_term_or_a_number_gives_way() -> None:
    candidates = [
        TranslationCandidate("a", missed=("bus",), seconds=2.0),
        TranslationCandidate("b", losses=(Loss(QUESTION_LOST(), "", 2),), seconds=2.0),
        TranslationCandidate("c", seconds=9.0),
    ]
    assert best_candidate(candidates, 2.0, 2.0).text == "c"
    assert best_candidate(candidates[:2], 2.0, 2.0).text == "a"


@pytest.mark.parametrize(("slot_s", "chosen"), [(0.4, 0), (0.8, 1), (1.2, 2)])
def test_of_a_unit_translator_s_wordings_the_one_that_fits_is_spoken(slot_s: float, chosen: int, tmp_path: Path) -> None:
    """Each unit lasts 5 steps; what is much less probable is not looked at, and a single wording is taken as it is."""
    scores = ((4, -0.1), (8, -0.2), (12, -0.3), (2, -2.0), (0, -0.1))
    made = [TranslatedUnits(UnitList(tuple(range(units))), score) for units, score in scores]
    voice: Any = SimpleNamespace(language="ko", predict_durations=lambda units: Units(units.ids, np.full(len(units), 5), "ko"))
    one = Utterance(1, Interval(0, slot_s), "Ann")
    script = Script("en", "ko", "ping_pong", utterances=(one,))  # a clip: no pause behind it
    part = part_of(script, Fraction(slot_s))
    found = with_best_units(one, made, voice, 0.0, 1.0)
    assert isinstance(found.target, TranslatedUnits)
    lengths = [len(target.units.ids) for target in (found.target, *found.alternatives) if isinstance(target, TranslatedUnits)]
    assert lengths == [4 + 4 * chosen, *(4 + 4 * number for number in range(3) if number != chosen)]
    assert sum(found.target.units.durations or ()) == round(slot_s / 0.02)
    write_script(tmp_path / "script.json", Script("en", "ko", utterances=(found,)))
    assert read_script(tmp_path / "script.json").utterances[0].alternatives == found.alternatives
    assert with_best_units(one, made[1:2], voice, 0.0, 1.0) == replace(one, target=made[1])

    reader = SimpleNamespace(languages=("ko",), read=lambda units: Transcript(f"{len(units)} units", units.language))
    steps = list[tuple[str, int, int]]()
    for draft, offered in ((None, []), (tmp_path / "draft.json", [(n, 0.1 * n) for n in (4, 8, 12) if n != 4 + 4 * chosen])):
        options = DubOptions(draft=draft)
        how = {"clock": StageClock(), "part": part, "progress": lambda *step: steps.append(step)}
        how["models"] = SimpleNamespace(paths=SimpleNamespace(utut=None))
        drafting: Any = SimpleNamespace(options=options, reader=reader, **how)
        (told,) = read_units_as_text(replace(script, utterances=(found,)), drafting).utterances
        assert told.offered == [(f"{number} units", pytest.approx(seconds)) for number, seconds in offered]
        assert steps.pop() == ("texts", 1, 1)
        slot = Slot(slot_s)
        for natural_s, spoken_s, is_long in ((0.9, 0.5, True), (0.9, 0.9, False)):
            fitted = replace(told, fit=TimeFit(one.place, natural_s=natural_s, spoken_s=spoken_s, slot=slot))
            assert fitted.offered == [take for take in told.offered if not is_long or (take[1] or 1.0) < natural_s]


def test_pieces_of_one_sentence_are_joined_over_their_pauses() -> None:
    said = _said(
        (0, 2, "Ann", "If you want to go to"),
        (3, 5, "Ann", "the airport."),
        (6, 7, "Ann", "Come here..."),
        (8, 9, "Ann", "because of."),
        (10, 11, "Ann", "The end"),
        (11, 12, "Bob", "Is it?"),
        (13, 14, "Bob", "Yes"),
        (44, 45, "Bob", "it is."),
    )
    assert [[one.number for one in sentence.pieces] for sentence in sentences_in(said)] == [[1, 2], [3, 4, 5], [6], [7], [8]]
    first = sentences_in(said)[0]
    assert (first.text, first.seconds, first.number) == ("If you want to go to the airport.", 4, 1)
    apart = "When I was a child.", "There was no shade.", "and nobody walked.", "When?"
    heard_apart = _said(*((2 * k, 2 * k + 1, "", text) for k, text in enumerate(apart)))
    assert [len(sentence.pieces) for sentence in sentences_in(heard_apart)] == [3, 1]
    assert len(sentences_in(_said((0, 1, "", "the bus"), (1, 2, "", "stops")))) == 2
    assert len(sentences_in([said[0], said[2]])) == 2  # no neighbours


@pytest.mark.parametrize(
    ("first", "pause_s", "second", "is_one"),
    [
        ("It has two of them.", 0.3, "And it keeps them warm.", True),  # a stop is not always an end
        ("It has two of them.", 0.8, "And it keeps them warm.", False),
        ("It has two of them.", 0.8, "and it keeps them warm.", True),
        ("Inside the battery,", 0.8, "Tiny particles swim.", True),
        ("Inside the battery,", 3.0, "Tiny particles swim.", False),
        ("It is empty.", 0.3, "The particles are elsewhere.", False),
    ],
)
def test_stops_and_pauses_tell_where_a_sentence_ends(first: str, pause_s: float, second: str, is_one: bool) -> None:
    said = _said((0, 2, "Ann", first), (2 + pause_s, 5, "Ann", second), (6, 7, "Ann", "Yes."))
    assert len(sentences_in(said)) == (2 if is_one else 3)


def test_a_translation_is_shared_out_at_phrases_by_length() -> None:
    text = "공항에 가고 싶으시면, 저기에서 버스를 타세요"
    assert shared_out(text, [2.0, 2.0]) == ["공항에 가고 싶으시면,", "저기에서 버스를 타세요"]
    assert shared_out(text, [2.4, 1.6]) == ["공항에 가고 싶으시면,", "저기에서 버스를 타세요"]
    assert shared_out(text, [1.0, 1.0, 1.0]) == ["공항에 가고", "싶으시면, 저기에서", "버스를 타세요"]
    assert shared_out(text, [3.0]) == [text]
    assert shared_out("네 그럼요", [1.0, 1.0, 1.0]) is None


def test_numbers_of_terms_are_not_added(translating: Any) -> None:
    _, _, made = translating(_Model({1: [GOOD], 2: [STOP]}))
    sentence = sentences_in(made.script.utterances)[1]
    ((found,), _) = replace(made, glossary={"bus": "472번 버스"})._judged(sentence, [("472번 " + STOP, None)])
    assert (found.losses, found.missed) == ((), ())


def test_a_translation_without_added_numbers_comes_first(translating: Any) -> None:
    model = _Model({1: ["2017년에 " + GOOD], 2: [STOP]}, {1: [GOOD]})
    done, notes, _ = translating(model)
    assert done[1].target.text == GOOD
    assert notes == {}
    assert model.asked[1][0]["again"]["reason"] == "the line does not say 2017년"


class Counted(tuple[Utterance, ...]):
    """Counts how often all of them are gone through."""

    count = 0

    def __iter__(self) -> Iterator[Utterance]:
        self.count += 1
        return super().__iter__()


class _Model:
    """Answers with what stands in `answers`, and notes what it was asked."""

    together = 4
    key = ("model",)

    def __init__(self, *answers: Mapping[int, list[str]]) -> None:
        self.answers, self.asked = list(answers), list[list[dict[str, Any]]]()

    def candidates(self, requests: Sequence[dict[str, Any]]) -> dict[int, list[str]]:
        self.asked.append(list(requests))
        return {number: texts for number, texts in self.answers.pop(0).items() if number in {one["number"] for one in requests}}


@pytest.fixture
def translating(tmp_path: Any) -> Any:
    """Makes what translates two sentences, the second in two pieces; a letter lasts 0.1 s."""
    said = _said((0, 2, "Ann", "This is 1609."), (3, 4, "Ann", "If you go to"), (5, 6, "Ann", "the bus stop, tell me."))
    texts: Any = SimpleNamespace(seconds_of=lambda text: 0.1 * sum(map(str.isalnum, text)), syllable_s=0.1, readings={})

    def make(model: _Model) -> tuple[Any, Any, Any]:
        notes: dict[int, list[Note]] = {}
        tell: Any = SimpleNamespace(add=lambda note, number: notes.setdefault(number, []).append(note))
        script = Script("en", "ko", utterances=Counted(said))
        part = replace(part_of(script, Fraction(7)), slack=dict.fromkeys((1, 2, 3), Fraction(0)))
        translating: Any = model
        made = SentenceTranslator(script, part, translating, texts, Store(tmp_path / "work"), tell, {"bus": "버스"}, "talk")
        return made.of(sentences_in(said)), notes, made

    return make


GOOD = "그것은 1609년에 있었던 오래된 일이었습니다"
STOP = "버스 정류장에 가시면, 저에게 꼭 말씀해 주세요 네"


def test_what_will_not_do_is_asked_again_with_the_reason(translating: Any, tmp_path: Any) -> None:
    model = _Model(
        {1: ["This is it.", "그것은 옛날에 있었던 아주 오래된 일이었습니다"]},
        {1: [GOOD], 2: ["버스로", "정류장에 가요 " * 20]},
        {2: ["버스 정류장에 가시면, 말씀하세요"]},
        {2: [STOP]},
    )
    done, notes, again = translating(model)
    assert [[one["number"] for one in row] for row in model.asked] == [[1, 2], [1, 2], [2], [2]]
    assert "context" in model.asked[0][0]
    reasons = [[one.get("again", {}).get("reason", "") for one in row] for row in model.asked]
    assert reasons[1] == ["it lacks 1609", "there was no answer for this line"]
    assert reasons[2] == ["it takes 0.3 s where there are 2.0 s: say it longer"]
    assert model.asked[3][0]["again"]["seconds"] == 1.4
    assert notes == {}
    assert done[1].target.text == GOOD
    assert [take.text for take in done[1].alternatives] == ["그것은 옛날에 있었던 아주 오래된 일이었습니다"]
    assert [done[2].target.text, done[3].target.text] == ["버스 정류장에 가시면,", "저에게 꼭 말씀해 주세요 네"]
    assert all(one.target.translation.of == "If you go to the bus stop, tell me." for one in (done[2], done[3]))
    assert all(one.target.is_translated and one.target.seconds for one in done.values())
    assert [len(done[number].alternatives) for number in (2, 3)] == [1, 1]  # the wording of one word has no two parts
    model.answers.append({2: [STOP]})  # what was answered is kept; what was not is asked for again
    found = again.of(sentences_in(again.script.utterances))
    assert {number: one.target for number, one in found.items()} == {number: one.target for number, one in done.items()}
    assert [one["number"] for one in model.asked[4]] == [2]


def test_another_name_of_who_speaks_asks_for_nothing_again(translating: Any) -> None:
    model = _Model({1: [GOOD], 2: [STOP]})
    done, _, again = translating(model)
    renamed = tuple(replace(one, speaker="Daniel") for one in again.script.utterances)
    found = replace(again, script=replace(again.script, utterances=renamed)).of(sentences_in(renamed))
    assert [one.target for one in found.values()] == [one.target for one in done.values()]
    assert len(model.asked) == 1


def test_what_never_comes_is_left_alone_and_gaps_are_named(translating: Any) -> None:
    old = "그것은 옛날에 있었던 아주 오래된 일이었습니다"
    model = _Model({1: [old], 2: ["Go there."]}, {1: [old]}, {1: [GOOD[2:]], 2: ["bus bus"]}, {2: ["버스" * 40]})
    done, notes, _ = translating(model)
    assert [note.values["reason"] for note in notes[2]] == [note.values["reason"] for note in notes[3]] == ["repeated"]
    assert [note.code for note in notes[1]] == ["amounts_differ"]  # it said the same twice, and is not asked a third time
    assert set(done) == {1}


def test_a_text_of_a_person_stays_and_its_neighbour_keeps_its_part(translating: Any) -> None:
    _, _, made = translating(_Model({1: [GOOD], 2: [STOP]}))
    one, first, second = made.script.utterances
    mine = Utterance(second.number, second.place, second.speaker, text=second.text, target=WrittenText("제가 썼어요"))
    (found,) = made.of([sentences_in([one, first, mine])[1]]).values()
    assert (found.number, found.target.text) == (2, "버스 정류장에 가시면,")


def test_another_translator_is_asked_though_one_before_has_answered(tmp_path: Path) -> None:
    """Both keep their work in one folder."""
    texts: Any = SimpleNamespace(seconds_of=lambda text: 2.0, syllable_s=0.1, readings={})
    (said,) = _said((0, 2, "Ann", "Hello there."))
    script = Script("en", "ko", utterances=(said,))
    store, part = Store(tmp_path), part_of(script, Fraction(3))
    answers = {"one": "안녕하세요 여러분", "other": "여러분 반갑습니다"}
    asked = list[str]()

    def translated(name: str) -> str:
        def candidates(text: str, source: str, target: str) -> tuple[TextTranslation, ...]:
            asked.append(name)
            return (TextTranslation(answers[name], -0.1),)

        translator: Any = SimpleNamespace(candidates=candidates)
        caching = CachingTranslator(translator, store, (name, "float32"))
        (found,) = SentenceTranslator(script, part, caching, texts, store, Notes()).of(sentences_in([said])).values()
        assert isinstance(found.target, WrittenText)
        return found.target.text

    assert [translated(name) for name in ("one", "other", "one")] == [answers[name] for name in ("one", "other", "one")]
    assert asked == ["one", "other"]  # what each has answered is kept


def test_a_talk_is_not_gone_through_for_every_sentence(translating: Any) -> None:
    """1,200 sentences took minutes when it was."""
    model = _Model(*[{1: [GOOD], 2: [STOP]}] * 41)
    _, _, made = translating(model)
    before = made.script.utterances.count
    for number in range(40):
        model.key = ("model", number)  # it has translated nothing so far
        made.of(sentences_in(made.script.utterances[:]))
    assert len(model.asked) == 41
    assert made.script.utterances.count - before == 0
