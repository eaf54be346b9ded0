"""Takes off what programs and language models put around a translation. What the original says itself stays."""

import re
from functools import cache

from avcore.texts import read_table
from netflips.cascade.answers import THOUGHT, THOUGHT_ENDS
from text2unit.cleaning import clean_text

_NAMES = (
    r"short|natural|full|translation|translated|korean|answer|output|text|line\s*\d+|짧은|짧게|짧음|자연스러운|자연스럽게|자연|"
    r"전체|완전한|긴|번역|번역문|번역\s*결과|한국어|한국어\s*번역|답변|대답|출력|문장"
)
_LABEL = re.compile(
    rf"^(?:[\[(<「]\s*(?:{_NAMES})(?:\s*(?:버전|문장|번역|표현))?\s*[\])>」]\s*[:-]?|(?:{_NAMES})(?:\s*(?:버전|문장|번역|표현))?\s*[:])\s*",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"^(?:\(\d{1,2}\)|\[\d{1,2}\]|#\d{1,2}[.:)]?|\d{1,2}[.):](?=\s))\s*")
_COUNTED = (
    r"(?:약|총|about|approx\.?)?\s*\d+(?:\.\d+)?\s*(?:음절|글자|자|초|syllables?|characters?|letters?|words?|seconds?|secs?|s)"
)
_COUNT = re.compile(rf"\s*(?:[\[(]\s*{_COUNTED}[^\])]{{0,12}}[\])]|[-\u2013\u2014/|]\s*{_COUNTED}\s*$)", re.IGNORECASE)
_NARROW = str.maketrans("\uff08\uff09\uff1a\uff1f\u3010\u3011", "():?[]")
_TOKEN = re.compile(r"<\|?/?[a-z_]{1,20}\|?>|</?s>", re.IGNORECASE)
_BRACKETED = re.compile(r"\s*[(\[]([^()\[\]]{1,200})[)\]]")
_ROMANIZED = re.compile(r"[A-Za-z\u00c0-\u024f'-]*[a-z\u014f\u016d]{2}[A-Za-z\u00c0-\u024f' ,.?!-]*")
"""Korean in Latin letters, and other words that are no acronyms."""
_IN_HANGUL = re.compile(r"[A-Za-z][A-Za-z .'-]*\s*[(]([가-힣][가-힣 ]*)[)]")
"""A name in Latin letters, followed by the same in Hangul."""
_QUOTES = (('"', '"'), ("'", "'"), ("\u201c", "\u201d"), ("\u2018", "\u2019"), ("\u300c", "\u300d"), ("\u300e", "\u300f"))
_NOTE = re.compile(
    r"\u203b|(?:참고|주|역주|직역|의역|해석|설명|또는|혹은|다른\s*표현|note|literally|lit\.|or|alternatively|translation)\b|[:]",
    re.IGNORECASE,
)
_SPEAKER = re.compile(
    r"^(?!(?:첫째|둘째|셋째|넷째|다섯째|마지막|결론|요점|핵심|이유|결과|즉|예|보기|문제)\b)(?:[가-힣]{1,8}|[A-Z])(?:\s[가-힣]{1,8})?\s?:\s+(?=\S)"
)
"""Who speaks, before a colon; words that belong to a sentence are none."""
_ROLE = re.compile(r"^(?:정답|해답|답|질문|원문|translation|question|[QA])\s?:\s+(?=\S)", re.IGNORECASE)
_SENTENCES = re.compile(r"[^.!?\u2026]*[.!?\u2026]+[\"'\u201d\u2019)]*\s*|[^.!?\u2026]+$")
_ENGLISH_BEHIND = re.compile(r"(?<=[.?!\u2026])\s*[A-Za-z][^가-힣]*$")
_ENGLISH_BEFORE = re.compile(r"^[A-Za-z][^가-힣]*[.?!:]\s+(?=[\"\u201c]?[가-힣])")


@cache
def _phrases(name: str) -> list[tuple[re.Pattern[str], re.Pattern[str]]]:
    """Return phrases of habits.yaml, each with the words of originals that say it themselves."""
    rows = read_table(__package__, "habits.yaml")[name]
    return [(re.compile(row["said"], re.IGNORECASE), re.compile(row["unless"], re.IGNORECASE)) for row in rows]


def cleaned(text: str, source: str, speaker: str | None = None) -> str:
    """Return a translation without what models put around it: thoughts, marks of Markdown, labels and numbers of lines, counts of
    syllables, quotes, notes, remarks, other wordings, the original, and names in two scripts.

    source: the original; what it has itself is not taken off. speaker: who says it, whose name is taken off as a label; None =
    nobody, as of a title.
    """
    text = _TOKEN.sub(" ", clean_text(_unescaped(_without_thoughts(text), source).translate(_NARROW)).text)
    text = text if _COUNT.search(source) else _COUNT.sub("", text)
    for habit, cue in _phrases("beside"):
        rest = habit.sub("", text).strip()
        text = rest if rest and not cue.search(source) else text
    text = _without_remarks(_without_source(text, source), source)
    if not has_brackets(source):
        text = _IN_HANGUL.sub(r"\1", text)
        text = _BRACKETED.sub(lambda found: _of_bracket(found, source), text)

    # What was taken off may have hidden more, such as a label within quotes.
    before, has_label = None, bool(re.search(r":|\s[-\u2013\u2014]\s|\u2014", source))
    while before != text:
        before, text = text, " ".join(text.split())
        text = _LABEL.sub("", text)
        if not _NUMBER.match(source):
            text = _NUMBER.sub("", text)
        if not has_label:
            text = (_ROLE if speaker is None else _SPEAKER).sub("", text)
        if speaker and not source.startswith(speaker):
            text = re.sub(rf"^[\[(]?{re.escape(speaker)}[\])]?\s*[:]\s*", "", text)
        for first, last in _QUOTES:
            inner = text[1:-1]
            is_quoted = len(text) > 2 and text[0] == first and text[-1] == last and not {first, last} & set(inner)
            if is_quoted and source[:1] not in _OPENING:
                text = inner
    return text


def _without_thoughts(text: str) -> str:
    if ends := list(THOUGHT_ENDS.finditer(text)):
        return text[ends[-1].end() :]
    begins = THOUGHT.search(text)
    return text if begins is None else text[: begins.start()]


def _unescaped(text: str, source: str) -> str:
    r"""Return a text in which \\N, \\n, \\" and the like, which were written as letters, are what they mean."""
    if "\\" in source or "\\" not in text:
        return text
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)
    return re.sub(r"\\u(?![0-9a-fA-F])", "", re.sub(r"\\([\"'/])", r"\1", re.sub(r"\\[Nnhrt]", " ", text)))


def _without_source(text: str, source: str) -> str:
    """Return a Korean text without the original that stands before or behind it."""
    if not re.search("[가-힣]", text) or re.search("[가-힣]", source):
        return text
    for pattern in (_ENGLISH_BEHIND, _ENGLISH_BEFORE):
        found = pattern.search(text)
        if found is not None and as_compared(found[0]) and as_compared(found[0]) in as_compared(source):
            text = (text[: found.start()] + text[found.end() :]).strip()
    return text


def has_remark(text: str, source: str) -> bool:
    """Return whether a sentence speaks of the translation, or to the one who asked for it, where the original does not."""
    return any(_is_remark(one, source) for one in _SENTENCES.findall(text))


def _without_remarks(text: str, source: str) -> str:
    """Return a text without remarks before and behind the translation; one of remarks alone stays as it is."""
    sentences = _SENTENCES.findall(text)
    kept = [sentence for sentence in sentences if not _is_remark(sentence, source)]
    return text if not kept or len(kept) == len(sentences) else "".join(kept).strip()


def _is_remark(sentence: str, source: str) -> bool:
    return any(remark.search(sentence) and not cue.search(source) for remark, cue in _phrases("remarks"))


def as_compared(text: str) -> str:
    """Return the letters and digits of a text, in small letters: two texts are the same if these are."""
    return "".join(filter(str.isalnum, text.casefold()))


_OPENING = frozenset(first for first, _ in _QUOTES)


def _of_bracket(found: re.Match[str], source: str) -> str:
    """Return what stays of a bracket: nothing if it holds a note, or a word of the source in Latin letters; else all of it."""
    inner = found[1].strip()
    is_gloss = inner.isascii() and inner.lower() in source.lower()
    return "" if is_gloss or _ROMANIZED.fullmatch(inner) or _NOTE.match(inner) else found[0]


def has_brackets(text: str) -> bool:
    """Return whether a text has brackets."""
    return bool(re.search(r"[()\[\]{}]", text))
