"""Utterances are divided and joined: what a person said stays, what was found is found anew."""

import pytest

from avcore.contracts import Word
from avcore.errors import UsageError
from netflips.script.edit import join, split
from netflips.script.files import script_from, script_json
from netflips.script.types import (
    HeardUnits,
    KeptOriginal,
    Script,
    SpokenSound,
    Target,
    Text,
    TimeSpan,
    TranslatedFrom,
    TranslatedUnits,
    Utterance,
    WrittenText,
)

WORDS = (Word("Take", 0.1, 0.4, 0.9), Word("care.", 0.4, 0.9, 0.9), Word("See", 1.5, 1.8, 0.8), Word("you.", 1.8, 2.1, 0.8))
HEARD = Text("Take care. See you.", "en", "recogniser", WORDS)
TRANSLATED = WrittenText("잘 가. 또 보자.", "cascade", TranslatedFrom(HEARD.text, "잘 가. 또 보자."))


def _script(target: Target | None = None) -> Script:
    first = Utterance(1, TimeSpan(2.0, 4.4), "Ann", HeardUnits(), HEARD, target=target)
    return Script(utterances=(first, Utterance(2, TimeSpan(5.0, 6.0), "Ben", text=Text("Bye.", "en"))))


def test_an_utterance_is_divided_at_its_longest_pause() -> None:
    made = split(_script(TRANSLATED), 1)
    first, second, last = made.utterances
    assert [one.number for one in made.utterances] == [1, 2, 3]
    assert (first.place, second.place) == (TimeSpan(2.0, 3.2), TimeSpan(3.2, 4.4))
    assert (first.text, second.text) != (None, None)
    assert [one.text.text for one in made.utterances if one.text] == ["Take care.", "See you.", "Bye."]
    assert [(word.text, round(word.start_s, 3)) for word in second.text.words] == [("See", 0.3), ("you.", 0.6)]
    assert (first.speaker, second.speaker, last.speaker) == ("Ann", "Ann", "Ben")
    assert (first.target, first.heard, second.target) == (None, None, None)
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
    assert (again.target, again.place, again.text) == (None if wanted[0] is None else target, TimeSpan(2.0, 4.4), HEARD)


def test_a_translation_beside_a_persons_text_stays_its_text() -> None:
    script = split(_script(WrittenText("잘 가. 또 보자.")), 1)
    later = Script(utterances=(*script.utterances[:1], Utterance(2, script.utterances[1].place, target=TRANSLATED)))
    assert join(later, 1).utterances[0].target == WrittenText("잘 가. 잘 가. 또 보자.")


@pytest.mark.parametrize(("number", "at_s"), [(3, None), (0, None), (1, 2.1), (1, 4.4), (1, float("nan"))])
def test_what_cannot_be_divided_says_so(number: int, at_s: float | None) -> None:
    with pytest.raises(UsageError, match=r"no such utterance|cannot be divided"):
        split(_script(), number, at_s)
    with pytest.raises(UsageError, match="no such utterance"):
        join(_script(), 2)
