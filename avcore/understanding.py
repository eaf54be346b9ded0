"""Confidence that speech is understood: one measure for an utterance and for a whole recording, in words and in per cent.

It is printed before anything is spoken or drawn, from what the models know of themselves: scores under the bounds of their domain,
a translation that was cut, that repeats a stretch, or that says another filling than was heard.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from difflib import SequenceMatcher
from math import exp
from typing import Any, Final, Literal, get_args

import numpy as np

from avcore.command import LOG
from avcore.domain import DomainScore
from avcore.errors import NotUnderstoodError
from avcore.units import Ids

Grade = Literal["good", "doubtful", "bad", "unknown"]
Cause = Literal["outside", "part", "cut", "loop", "other", "words", "unsure", "speaker"]
GRADES: Final = get_args(Grade)
_BAD_CAUSES: Final[frozenset[Cause]] = frozenset({"outside", "cut", "loop"})
_BAD_SHARE, _GOOD_SHARE = 0.5, 0.9
"""Of a recording: it is bad where no more than half is understood, and good from nine tenths on."""
_HEARD_BADLY, _HEARD_SURELY = exp(-1.0), 0.6
_SPOKEN_BADLY = 0.5
"""Characters of what a program speaks that a recogniser hears wrongly, from which on it is hardly understood."""
_LEAST_LOOP, _LEAST_TWICE = 12, 16
"""Units of a repeated stretch: three times the same and 12 in all, or a stretch of 16 said twice. Words that Korean doubles, as
빨리빨리, are shorter; the 2,357 reference sentences of the demo have no such stretch."""

_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "understood": ("understood", "이해한 정도"),
    "all": ("all of it", "전부"),
    "share": ("about {0} %", "약 {0} %"),
    "no share": ("not known", "알 수 없음"),
    "good": ("good", "좋음"),
    "doubtful": ("doubtful: some of it will say something else", "의심스러움: 일부는 다른 뜻이 됩니다"),
    "bad": ("bad: the result most likely means nothing", "나쁨: 결과는 거의 뜻이 통하지 않습니다"),
    "unknown": ("these models do not say what they know", "이 모델은 무엇을 아는지 말하지 않습니다"),
    "outside": ("it is hardly anything that the models know", "모델이 아는 말이 아닙니다"),
    "part": ("a part of it is nothing that the models know", "일부는 모델이 아는 말이 아닙니다"),
    "cut": ("its translation was cut at the limit of length", "번역이 길이 한도에서 잘렸습니다"),
    "loop": ("its translation repeats a stretch", "번역이 같은 부분을 되풀이합니다"),
    "other": ("its translation says another word than was heard", "번역이 들은 것과 다른 말을 합니다"),
    "words": ("it has words that the voice did not learn", "배우지 않은 낱말이 있습니다"),
    "unsure": ("it was heard unsurely", "확실히 듣지 못했습니다"),
    "speaker": ("the program that speaks it is hardly understood", "읽어 주는 프로그램의 발음을 알아듣기 어렵습니다"),
}
"""Words of the output, in English and in Korean."""


@dataclass(frozen=True)
class Understanding:
    """How much is understood. share: of the speech, 0 to 1, None = not known. causes: why it is not more, in their order above."""

    grade: Grade = "unknown"
    share: float | None = None
    causes: tuple[Cause, ...] = ()

    @classmethod
    def from_json(cls, content: Mapping[str, Any] | None) -> "Understanding | None":
        """Return the measure again from its JSON; None for none."""
        if content is None:
            return None
        return cls(content["grade"], content["share"], tuple(content["causes"]))

    def as_json(self) -> dict[str, Any]:
        """Return numbers and codes, with the words in English and in Korean."""
        return asdict(self) | {"causes": list(self.causes), "words": {"en": self.words(), "ko": self.words("ko")}}

    def words(self, language: str = "en") -> str:
        """Return the measure in a sentence, in English or in Korean."""
        side = int(language == "ko")
        grade = _WORDS[self.grade][side]
        told = grade if self.grade == "unknown" else f"{_WORDS['understood'][side]}: {self.share_words(language)} ({grade})"
        return told + "".join(f"; {_WORDS[cause][side]}" for cause in self.causes)

    def share_words(self, language: str = "en") -> str:
        """Return the share in per cent; all of it only where it is."""
        side = int(language == "ko")
        if self.share is None or self.share >= 1:
            return _WORDS["no share" if self.share is None else "all"][side]
        return _WORDS["share"][side].format(min(round(100 * self.share), 99))


@dataclass(frozen=True)
class Evidence:
    """What is known of one utterance.

    readings: scores of the models with their domains. known: share of it that is like what the models know, None = not said.
    is_cut: its translation ended at the limit. repeats: its translation repeats a stretch, and the original does not. says_other:
    it says another filling than was heard.
    """

    readings: Sequence[DomainScore] = ()
    known: float | None = None
    is_cut: bool = False
    repeats: bool = False
    says_other: bool = False


def of_utterance(evidence: Evidence) -> Understanding:
    """Measure one utterance: bad where half of it or more is strange or its translation is broken, doubtful where less is."""
    strange = [one for one in evidence.readings if one.is_strange]
    names_domain = any(one.domain is not None for one in evidence.readings)
    share = _share(evidence, strange) if names_domain else None
    found: dict[Cause, bool] = {
        "outside": bool(strange) and share is not None and share <= _BAD_SHARE,
        "part": bool(strange) and share is not None and share > _BAD_SHARE,
        "cut": evidence.is_cut,
        "loop": evidence.repeats,
        "other": evidence.says_other,
    }
    causes = tuple(cause for cause, is_there in found.items() if is_there)
    grade: Grade = "bad" if _BAD_CAUSES & set(causes) else "doubtful" if causes else "good" if names_domain else "unknown"
    return Understanding(grade, share, causes)


def of_hearing(confidence: float | None) -> Understanding:
    """Measure what a recogniser wrote. confidence: mean probability of its words, 0 to 1, None = not known.

    Whisper takes what has a mean log-probability under -1 for heard wrongly (Radford et al. 2023, section 4.5): bad from there on.
    """
    if confidence is None:
        return Understanding()
    grade: Grade = "bad" if confidence < _HEARD_BADLY else "doubtful" if confidence < _HEARD_SURELY else "good"
    return Understanding(grade, confidence, () if grade == "good" else ("unsure",))


def of_text(known: float | None) -> Understanding:
    """Measure a text that is to be spoken. known: share of its words that the voice learnt, 0 to 1, None = it does not say."""
    if known is None:
        return Understanding()
    if known >= 1:
        return Understanding("good", 1.0)
    return Understanding("bad" if known <= _BAD_SHARE else "doubtful", known, ("words",))


def of_speaker(wrong: float | None) -> Understanding:
    """Measure a text-to-speech program. wrong: characters that a recogniser hears wrongly, 0 to 1, None = not known.

    How much it says is not known by that, only that no more than a part of it is understood.
    """
    return Understanding("doubtful", None, ("speaker",)) if wrong is not None and wrong >= _SPOKEN_BADLY else Understanding()


def worst(*measures: Understanding) -> Understanding:
    """Return the worst of several measures of one utterance, with the causes of all, and the least share where it has none."""
    causes = tuple(cause for cause in get_args(Cause) if any(cause in one.causes for one in measures))
    rank = ("bad", "doubtful", "good", "unknown")
    found = min(measures, key=lambda one: rank.index(one.grade))
    share = min((one.share for one in measures if one.share is not None), default=None) if found.share is None else found.share
    return replace(found, share=share, causes=causes)


def of_recording(utterances: Iterable[tuple[Understanding, float]]) -> Understanding:
    """Measure a whole recording from its utterances, each with its length (s): by time, those without a share left out.

    It is bad where half of it or more is, or where any translation was cut.
    """
    rows = list(utterances)
    causes = tuple(cause for cause in get_args(Cause) if any(cause in one.causes for one, _ in rows))
    known = [(one.share, seconds) for one, seconds in rows if one.share is not None]
    length = sum(seconds for _, seconds in known)
    share = sum(part * seconds for part, seconds in known) / length if length > 0 else None
    bad, whole = (sum(seconds for one, seconds in rows if one.grade in grades) for grades in (("bad",), GRADES))
    grade: Grade = "unknown" if share is None else "good"
    if "cut" in causes or (bad and bad >= (1 - _BAD_SHARE) * whole) or (share is not None and share <= _BAD_SHARE):
        grade = "bad"
    elif causes and (share is None or share < _GOOD_SHARE or bad or {"other", "speaker"} & set(causes) or len(rows) == 1):
        grade = "doubtful"
    return Understanding(grade, share, causes)


def stop_where_bad(understanding: Understanding) -> None:
    """Raise NotUnderstoodError where the measure is bad, as --strict asks for."""
    if understanding.grade == "bad":
        hint = "nothing was made of it; without --strict it goes on all the same"
        raise NotUnderstoodError("too little of it is understood", found=understanding.share_words(), hint=hint)


def tell_verdict(understanding: Understanding, of: object, is_strict: bool) -> bool:
    """Print the measure of a file or a text; returns whether it is bad. Raises NotUnderstoodError where it is and `is_strict`."""
    is_bad = understanding.grade == "bad"
    if is_bad:
        LOG.warning("%s: warning: %s", of, understanding.words())
    else:
        LOG.info("%s: %s", of, understanding.words())
    if is_strict:
        stop_where_bad(understanding)
    return is_bad


def repeats_a_stretch(ids: Ids) -> bool:
    """Return whether merged units, int64 [U], say a stretch several times in a row, as a search does that does not find its end."""
    for period in range(1, len(ids) // 2 + 1):
        same = ids[period:] == ids[:-period]
        # A run of n equal places is a stretch of `period` units that is said (n + period) / period times.
        run = _longest_run(same)
        if (run >= 2 * period and run + period >= _LEAST_LOOP) or (run >= period >= _LEAST_TWICE):
            return True
    return False


def other_words(heard: str, said: str) -> list[tuple[str, str]]:
    """Return words that differ, in pairs of heard and said; letters' case and marks are not compared."""
    one, other = (["".join(sign for sign in word if sign.isalnum()) for word in text.lower().split()] for text in (heard, said))
    blocks = SequenceMatcher(None, one, other, autojunk=False).get_opcodes()
    return [(" ".join(one[a:b]), " ".join(other[c:d])) for kind, a, b, c, d in blocks if kind != "equal"]


def _share(evidence: Evidence, strange: Sequence[DomainScore]) -> float:
    """Return the share that is like what the models know; a mean under its bound lowers it by as much as it is less probable."""
    share = 1.0 if evidence.known is None else evidence.known
    for one in strange:
        bound = None if one.domain is None or one.of != "least" else one.domain.bound(one.of)
        if bound is not None:
            share = min(share, exp(min(one.score - bound, 0.0)) if one.score == one.score else 0.0)
    return share


def _longest_run(same: "np.ndarray[Any, np.dtype[np.bool_]]") -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max(initial=0))
