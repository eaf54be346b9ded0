"""Detect the encoding of a text file that does not state it.

UTF-8 and UTF-16 are recognized by their form, CP949 (Korean Windows) and Johab (Korean DOS) by how common the decoded syllables
are, Windows-1252 by accented letters that stand alone. Text that was decoded wrongly and saved as UTF-8 is restored.
"""

import re
from typing import NamedTuple

LOST = "\ufffd"
"""Stands for bytes that are no letter."""
_USUAL = frozenset(
    "이다는가고하을의에지도를은한그어나있아서사해니리기요자로여시게안일라거대인수들정보내없장상주전너면원말만부마생각과무제우것네겠저했래오"
    "았습세데까미중으야러때좋알모든난와녕구신비선분조동성공연방바학소두개번할될위된"
)
"""Syllables that make up two thirds of Korean running text."""
_LEAST_USUAL = 0.3
"""Least share of these in correctly decoded text; bytes of other encodings give 0.1 at most, of 11,172 syllables."""
_JUDGED = 1 << 18
"""Bytes that are examined for that."""
_CP949_PAIR = re.compile(b"[\x81-\xfe][\x41-\xfe]", re.DOTALL)
_HANGUL_ROWS = range(0xB0, 0xC9)
"""First bytes of the 2,350 common syllables; Windows-1252 has accented letters there, followed by small letters."""
_SIGN_ROWS = range(0xA1, 0xA4)
"""First bytes of quotation marks, dashes and notes in CP949."""
_HIGH = re.compile(b"[\x80-\x84\x86-\x90\x95\x98-\x9f\xa1-\xaa\xac-\xba\xbc-\xff]+")
"""Bytes beyond ASCII, without the blank, quotation marks, dashes and dots of Windows-1252, which stand beside letters."""
_LONGEST_ALONE = 2
_MOST_IN_ROWS = 0.25
"""Largest share of a Western text's bytes beyond ASCII that stand in runs of three or more."""
_AS_BYTES = {bytes((code,)).decode("cp1252"): code for code in range(0x80, 0xA0) if code not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)}
"""Letters that Windows-1252 has where Latin-1 has controls, with their bytes."""
_BEYOND_ASCII = re.compile("[^\x00-\x7f]")


class Decoded(NamedTuple):
    """A text and the encoding that it was in."""

    text: str
    """with LOST where a byte is missing or superfluous"""
    encoding: str = ""
    """empty for a text that states its encoding itself (UTF-8, or UTF-16 with a mark)"""


def decode(content: bytes) -> Decoded | None:
    """Return the text of a file and its encoding; None where the encoding is unknown."""
    found = _decode(content)
    return None if found is None or "\0" in found.text else found


def _decode(content: bytes) -> Decoded | None:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _strictly(content, "utf-16")
    if b"\0" in content:  # without a mark: half of each Latin letter is zero
        return _strictly(content, "utf-16-be" if content[::2].count(0) > content[1::2].count(0) else "utf-16-le")
    if found := _strictly(content, "utf-8-sig"):
        return undone(found.text) or found

    # UTF-8 with a few damaged bytes, as after a cut; in text of another encoding, nearly every letter beyond ASCII is lost.
    head = content[:_JUDGED].decode("utf-8", "replace")
    if head.count(LOST) * 2 < len(_BEYOND_ASCII.findall(head)):
        return Decoded(content.decode("utf-8-sig", "replace"), "UTF-8")
    return _korean(content) or _western(content)


def undone(text: str) -> Decoded | None:
    """Restore a text that was decoded as Latin-1 or Windows-1252 and saved as UTF-8; None where that did not happen."""
    if not _BEYOND_ASCII.search(text) or any(ord(sign) > 0xFF and sign not in _AS_BYTES for sign in text):
        return None
    content = bytes(_AS_BYTES.get(sign, ord(sign) & 0xFF) for sign in text)
    found = _strictly(content, "utf-8")
    if found is None:
        found = _korean(content)
        found = None if found is None or LOST in found.text else found
    return None if found is None else Decoded(found.text, f"{found.encoding or 'UTF-8'} (twice)")


def _strictly(content: bytes, encoding: str) -> Decoded | None:
    try:
        return Decoded(content.decode(encoding), "" if encoding in ("utf-8", "utf-8-sig", "utf-16") else encoding.upper())
    except UnicodeDecodeError:
        return None


def _korean(content: bytes) -> Decoded | None:
    """Decode CP949 or Johab, whichever gives more common syllables; bytes that are no letter become LOST. None = neither fits."""
    head = content[:_JUDGED]
    usual = {name: _usual(head.decode(name, "replace")) for name in ("cp949", "johab")}
    best = max(usual, key=lambda name: usual[name])
    if usual[best] >= _LEAST_USUAL:
        return Decoded(content.decode(best, "replace"), best.upper())

    pairs = _CP949_PAIR.findall(head)
    hangul = sum(pair[0] in _HANGUL_ROWS and pair[1] > 0xA0 for pair in pairs)
    signs = sum(pair[0] in _SIGN_ROWS and pair[1] > 0xA0 for pair in pairs)
    is_likely = hangul * 2 > len(pairs) or (signs == len(pairs) and not hangul)
    return _strictly(content, "cp949") if is_likely else None


def _usual(text: str) -> float:
    """Return the share of common syllables among the letters beyond ASCII."""
    there = _BEYOND_ASCII.findall(text)
    return sum(sign in _USUAL for sign in there) / max(len(there), 1)


def _western(content: bytes) -> Decoded | None:
    """Decode Windows-1252, where letters beyond ASCII stand among others; None for other bytes."""
    rows = _HIGH.findall(content[:_JUDGED])
    is_text = sum(len(row) for row in rows if len(row) > _LONGEST_ALONE) <= _MOST_IN_ROWS * sum(map(len, rows))
    return _strictly(content, "cp1252") if is_text else None
