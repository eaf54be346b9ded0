"""Reduce a text to the words to be spoken: Markdown, emoji, stage directions and signs of music are removed.

    clean_text("**네!** 공항은 *저기*에 있어요 😊").text    # 네! 공항은 저기에 있어요

Signs that may have a meaning are kept: `3*4`, `1 > 0`, `#1`, `-5도`, and brackets without a stage direction.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import unescape

from avcore.encodings import LOST
from avcore.notes import Note, NoteKind
from avcore.texts import DIRECTION_MARKS
from text2unit.korean.signs import has_reading

_WORD = "0-9A-Za-z가-힣"
_FENCE = re.compile(r"^(```|~~~)[^`\n]*\n(?:.*?\n)??\1$", re.MULTILINE | re.DOTALL)
_LONE_FENCE = re.compile(r"^(?:```|~~~)[\w+-]*$", re.MULTILINE)
_RULE = re.compile(r"^([-*_=]) ?(?:\1 ?){2,}$|^\|?(?: ?:?-+:? ?\|)+(?: ?:?-+:?)?$", re.MULTILINE)
_HEADING = re.compile(r"^#{1,6} ", re.MULTILINE)
_QUOTE = re.compile(r"^(?:> ?)+(?=[^\d\s])", re.MULTILINE)
_BULLET = re.compile(r"^(?:[-*\u2022\u25aa\u25e6\u2023\u00b7\u2013\u2014] |\+ (?=[^\d\s]))(?:\[[ xX]\] )?", re.MULTILINE)
_DASH = re.compile(r"^[-\u2013\u2014]+(?=[^\d\s-])", re.MULTILINE)
_IMAGE = re.compile(r"!\[[^\[\]\n]{0,300}\]\([^()\n]{0,300}\)")
_LINK = re.compile(r"\[([^\[\]\n]{1,300})\]\((?:https?:|/|#|www\.|mailto:|\.)[^()\n]{0,300}(?:\([^()\s]{0,300}\)[^()\n]{0,300})?\)")
_FOOTNOTE = re.compile(r"\[\^[^\]\s]{1,20}\]|(?<=[가-힣.!?\u2026])(?:\[\d{1,3}\]|[⁰¹²³⁴-⁹]{1,3})")
_MARK = re.compile(r"(?<!\\)(?:\*+|_+|~~|`+)")
_ESCAPE = re.compile(r"\\(?=[*_#`~\[\]()>+\-.!|])")
_TAGS = (
    "a|b|big|br|center|code|del|div|em|font|h[1-6]|hr|i|img|ins|kbd|li|mark|ol|p|pre|rt|ruby|s|small|span|strong|sub|sup|table|tbody|td|"
    "th|thead|tr|u|ul"
)
_TAG = re.compile(rf"</?(?:{_TAGS})(?:\s[^<>\n]{{0,300}})?\s?/?>", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:[A-Za-z][A-Za-z0-9]{1,31}|#\d{2,7}|#x[0-9a-fA-F]{2,6});")
_REPEATED = re.compile(r"(?<![가-힣])([가-힣]{1,20})\+(?=[\s,.?!]|$)(?=\s*([가-힣]?))")
_UNSURE = re.compile(r"(?<=[가-힣])\*(?=[\s,.?!]|$)")
"""KsponSpeech's marks of repeated words, and of words that are hard to recognize."""
_PICTOGRAPH = (
    "[\u231a\u231b\u23e9-\u23fa\u2600-\u27bf\u2934\u2935\u2b05-\u2b07\u2b1b\u2b1c\u2b50\u2b55\U0001f000-\U0001faff]"
    "[\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]*"
)
_TEARS = "[ㅠㅜㅡ](?:[._]?[ㅠㅜㅡ])+;*|(?<![A-Za-z])T[_.^]+T(?![A-Za-z])|(?<=[가-힣.!?~])[ㅠㅜ](?![가-힣ㄱ-ㅣ])"
_FACE = r"\(?[≧≥>][▽∇ω◡_.︿ᴗ][≦≤<]\)?|(?<=[가-힣.!?~I] )<3+(?=$|[\s.!~])"
"""Emoticons and hearts."""
_EMOJI = re.compile(f"{_TEARS}|{_FACE}|[0-9#*]\ufe0f?\u20e3|[\U0001f1e6-\U0001f1ff]{{2}}|{_PICTOGRAPH}(?:\u200d{_PICTOGRAPH})*")
_MUSIC = "\u2669\u266a\u266b\u266c\u266d\u266e\u266f\U0001f3b5\U0001f3b6\U0001f3bc"
_STEERING = re.compile(f"[{DIRECTION_MARKS}\u202e\ufff9-\ufffb]")
"""Control characters that editors leave in subtitles."""
_DRAWN = "\u2217\u2218\u22c4\u22c6\u25c1\u25f8\u25f9\u25fa\u25fb\u25fc\u25fd\u25fe\u25ff\u266f"
"""Mathematical signs that people draw with. All others, and arrows, belong to the meaning of a text."""
_SYMBOLS = {"So", "Sk", "Sm", "Sc", "Co", "Cn", "Me"}
"""Unicode categories of symbols; those without a reading are treated as emoji."""

_SOUND = re.compile(
    "음악|노래|노랫소리|웃음|웃음소리|폭소|코웃음|비웃음|박수|박수갈채|박수소리|환호|환호성|함성|야유|한숨|기침|헛기침|재채기|하품|울음|울음소리|흐느낌|비명|신음|숨소리|심호흡|"
    "침묵|정적|휘파람|콧노래|발소리|노크|노크소리|벨소리|전화벨|전화벨소리|초인종|사이렌|총성|총소리|폭발음|천둥|천둥소리|잡음|소음|효과음|배경음악|배경음|간주|전주|웃는다|운다|"
    "웃으며|울며|울먹이며|기침하며|속삭이며|소리치며|한숨쉬며|music|song|laugh|laughs|laughing|laughter|chuckles|chuckling|"
    "giggles|applause|clapping|cheering|cheers|cough|coughs|coughing|sigh|sighs|sighing|sobs|sobbing|"
    "crying|screams|screaming|gasps|silence|inaudible|whistling|humming|sneezes|yawns"
)
_BESIDE = re.compile(
    "소리|쉬며|치며|지으며|터뜨리며|내쉬며|삼키며|흐른다|흐르며|나온다|들린다|들리며|시작|끝|계속|중|큰|작은|잔잔한|경쾌한|신나는|슬픈|조용한|밝은|어두운|긴|짧은|멀리서|함께|"
    "크게|작게|살짝|관객|관중|청중|모두|일동|배경|오프닝|엔딩|playing|plays|continues|stops|soft|softly|upbeat|gentle|tense|"
    "dramatic|loud|loudly|crowd|audience|background|in|the|and|with|nervously"
)
_PARTICLES = re.compile(r"(?<=[가-힣])(?:을|를|이|가|과|와|으로|로|하며|하고|하면서|하는|한다)$")
_MOST_WORDS = 4
_IN_BRACKETS = re.compile(
    rf"\[([^\[\]\n]{{1,40}})\]|(?<![{_WORD}])\(([^()\n]{{1,40}})\)(?![{_WORD}])|\uff08([^\uff08\uff09\n]{{1,40}})\uff09"
)
_ANY_BRACKETS = re.compile(r"\[(?!\d+\])[^\[\]]*\]|\{[^{}]*\}")
_CODE = re.compile(r"\{\\[^{}]*\}")
"""Codes of SubStation Alpha, which also occur within words: 있{\\k30}어요."""
_WHOLE_LINE = re.compile(r"^[(\uff08]([^()\uff08\uff09\n]{1,40})[)\uff09]$", re.MULTILINE)
_SENTENCE = re.compile(r"[.?!\u2026]\s*$|(?:다|요|죠|까|네|야|어|아|지|해)$")
_BLANKS = re.compile(r"[ \t\u00a0]+")
_SHOWN, _LETTERS = 6, 24

_LEFT_OUT = NoteKind("left_out", "left out of what is said: {words}")


@dataclass(frozen=True)
class Cleaned:
    """A text to be spoken."""

    text: str
    """with its lines"""
    left_out: tuple[str, ...] = ()
    """removed parts, in order"""


def clean_text(text: str, is_subtitle: bool = False) -> Cleaned:
    """Remove all parts of a text that are not spoken.

    is_subtitle: everything in square brackets, and a line in round brackets that is no sentence, is a stage direction.
    """
    out = _Out()
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    # Entities come first, since tags and brackets may be written with them; then code, in which nothing else is a mark.
    text = _ENTITY.sub(lambda found: unescape(found[0]), text)
    text = out.take(_FENCE, _trimmed(text), lambda found: "\n" * found[0].count("\n"), lambda _: "a block of code")
    text = out.take(_TAG, text, lambda found: "\n" if found[0][1:3].lower() == "br" else "")
    for pattern in (_LONE_FENCE, _IMAGE, _RULE, _HEADING, _QUOTE, _BULLET):
        text = out.take(pattern, text, lambda _: "")

    text = out.take(_LINK, text, lambda found: found[1], lambda found: found[0].removeprefix(f"[{found[1]}]"))
    text = out.take(_FOOTNOTE, text, lambda _: "")
    if is_subtitle:
        text = out.take(_CODE, _STEERING.sub("", text), lambda _: "")
        text = out.take(_ANY_BRACKETS, out.take(_DASH, text, lambda _: ""), lambda _: " ")
        text = out.take(_DASH, _trimmed(text), lambda _: "")  # dashes that followed brackets
        text = out.take(_WHOLE_LINE, text, lambda found: found[0] if _SENTENCE.search(found[1].strip()) else " ")

    text = out.take(_IN_BRACKETS, text, lambda found: " " if is_direction(found[1] or found[2] or found[3]) else found[0])
    text = "\n".join(_unmarked(line, out.left) if _MARK.search(line) else line for line in text.split("\n"))
    text = out.take(_UNSURE, text, lambda _: "")
    text = _REPEATED.sub(lambda found: found[1] if len(found[1]) == 1 or found[2] == found[1][0] else found[0], text)
    text = without_emoji(text, out.left.append)
    return Cleaned(_trimmed(_ESCAPE.sub("", text)), tuple(out.left))


def _trimmed(text: str) -> str:
    """Return the text with single blanks, and none at the ends of lines."""
    return "\n".join(line.strip() for line in _BLANKS.sub(" ", text).split("\n"))


def _unmarked(line: str, left_out: list[str]) -> str:
    """Return a line without the marks around words, and without stage directions in such marks."""
    opened: dict[str, re.Match[str]] = {}
    gone: list[tuple[int, int]] = []
    for mark in _MARK.finditer(line):
        before, after, sign = line[max(mark.start() - 1, 0) : mark.start()], line[mark.end() : mark.end() + 1], mark[0]
        is_code, is_single = sign[0] == "`", len(sign) == 1
        is_amid = before.isalnum() and (is_single or sign[0] == "_" or before.isascii())
        if sign in opened and before.strip() and not (after.isascii() and after.isalnum() and not is_code):
            first = opened.pop(sign)
            is_out = sign == "*" and is_direction(line[first.end() : mark.start()])
            gone += [(first.start(), mark.end())] if is_out else [first.span(), mark.span()]
        elif (after.strip() and not is_amid) or is_code:
            opened[sign] = mark
        elif sign.startswith("**") and not (before.isdigit() and after.isdigit()) and (before.strip() or after.strip()):
            gone.append(mark.span())

    gone += [mark.span() for sign, mark in opened.items() if sign.startswith(("**", "`"))]  # never closed
    kept, place = list[str](), 0
    for start, stop in sorted(gone):
        if start < place:
            continue  # within a direction
        left_out.append(line[start:stop])
        kept.append(line[place:start])
        place = stop

    return "".join([*kept, line[place:]])


def without_emoji(text: str, leave_out: Callable[[str], None] | None = None) -> str:
    """Replace each character of emoji, and of symbols without a reading, by a blank, so that letters keep their positions.

    leave_out: called with each that is replaced.
    """

    def blank(found: re.Match[str]) -> str:
        if leave_out is not None:
            leave_out(found[0].rstrip("\ufe0f"))
        kept = found[0][0] if found[0][-1] == "\u20e3" and found[0][0].isdigit() else " "  # a digit on a key is a digit
        return kept.ljust(len(found[0]))

    text = _EMOJI.sub(blank, text)
    if all(sign.isalnum() or sign.isspace() or sign.isascii() for sign in text):
        return text
    return "".join(" " if _is_emoji(sign, leave_out) else sign for sign in text)


def left_out_note(left_out: Sequence[str]) -> Note:
    """Return a note of the removed parts, each once with its count."""
    counts = Counter(" ".join(one.split()) or one for one in left_out)
    shown = [
        (one if len(one) <= _LETTERS else f"{one[: _LETTERS - 3]}...") + (f" ({times})" if times > 1 else "")
        for one, times in list(counts.items())[:_SHOWN]
    ]
    more = [f"and {len(counts) - _SHOWN} more"] if len(counts) > _SHOWN else []
    return _LEFT_OUT(words=", ".join([*shown, *more]))


class _Out:
    """Removes matches from a text, and collects them."""

    def __init__(self) -> None:
        self.left: list[str] = []

    def take(
        self,
        pattern: re.Pattern[str],
        text: str,
        stays: Callable[[re.Match[str]], str],
        name: Callable[[re.Match[str]], str] | None = None,
    ) -> str:
        """Return the text with each match replaced by `stays`; name: the part that is removed (default: all of it)."""

        def put(found: re.Match[str]) -> str:
            kept = stays(found)
            if kept != found[0] and (left := (found[0] if name is None else name(found)).strip()):
                self.left.append(left)
            return kept

        return pattern.sub(put, text)


def is_direction(text: str) -> bool:
    """Return whether a text in brackets only names a sound or a gesture."""
    words = text.strip(f" {_MUSIC}.,!~").lower().split()
    plain = [word if _names(word) else _PARTICLES.sub("", word.strip(",.")) for word in words]
    is_music = not words and any(sign in _MUSIC for sign in text)
    return is_music or (len(plain) <= _MOST_WORDS and any(map(_SOUND.fullmatch, plain)) and all(map(_names, plain)))


def _names(word: str) -> bool:
    """Return whether a word occurs in stage directions."""
    return bool(_SOUND.fullmatch(word) or _BESIDE.fullmatch(word))


def _is_emoji(sign: str, leave_out: Callable[[str], None] | None) -> bool:
    if sign.isascii() or sign.isalnum() or unicodedata.category(sign) not in _SYMBOLS or has_reading(sign):
        return False
    if sign == LOST or (unicodedata.category(sign) == "Sm" and sign not in _DRAWN):
        return False
    if leave_out is not None:
        leave_out(sign)
    return True
