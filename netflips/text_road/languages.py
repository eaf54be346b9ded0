"""What the text translators that are published call a language, and the two letters that it has everywhere else here."""

import re
from collections.abc import Iterable

_NLLB = re.compile(r"[a-z]{3}_[A-Z][a-z]{3}")
_M2M = re.compile(r"__([a-z]{2})__")
_LATIN, _CYRILLIC, _ARABIC, _DEVANAGARI = "Latn", "Cyrl", "Arab", "Deva"
_FLORES = {
    _LATIN: "af:afr az:azj bs:bos ca:cat cs:ces cy:cym da:dan de:deu en:eng eo:epo es:spa et:est eu:eus fi:fin fr:fra ga:gle gl:glg"
    " ha:hau hr:hrv ht:hat hu:hun id:ind ig:ibo is:isl it:ita jv:jav lb:ltz lg:lug ln:lin lt:lit lv:lvs mg:plt ms:zsm mt:mlt "
    "nl:nld nn:nno no:nob pl:pol pt:por rn:run ro:ron rw:kin sk:slk sl:slv sm:smo sn:sna so:som sq:als su:sun sv:swe sw:swh tk:tuk "
    "tl:tgl tn:tsn tr:tur uz:uzn vi:vie xh:xho yo:yor zu:zul",
    _CYRILLIC: "be:bel bg:bul kk:kaz ky:kir mk:mkd mn:khk ru:rus sr:srp tg:tgk tt:tat uk:ukr",
    _ARABIC: "ar:arb fa:pes ps:pbt sd:snd ug:uig ur:urd",
    _DEVANAGARI: "hi:hin mr:mar ne:npi sa:san",
    "Beng": "as:asm bn:ben",
    "Ethi": "am:amh",
    "Hang": "ko:kor",
    "Hans": "zh:zho",
    "Hebr": "he:heb yi:ydd",
    "Jpan": "ja:jpn",
    "Armn": "hy:hye",
    "Geor": "ka:kat",
    "Grek": "el:ell",
    "Gujr": "gu:guj",
    "Guru": "pa:pan",
    "Khmr": "km:khm",
    "Knda": "kn:kan",
    "Laoo": "lo:lao",
    "Mlym": "ml:mal",
    "Mymr": "my:mya",
    "Orya": "or:ory",
    "Sinh": "si:sin",
    "Taml": "ta:tam",
    "Telu": "te:tel",
    "Thai": "th:tha",
    "Tibt": "bo:bod",
}
"""NLLB's name (of FLORES-200) for each language of two letters, by its script; of several scripts or kinds the usual one."""
_NLLB_NAMES = {
    f"{flores}_{script}": short for script, row in _FLORES.items() for short, flores in (pair.split(":") for pair in row.split())
}


def language_tokens(vocabulary: Iterable[str]) -> dict[str, str]:
    """The tokens of a translator's languages, by the two-letter name: `{"ko": "kor_Hang"}` of NLLB, `{"ko": "__ko__"}` of M2M-100.

    Empty for another translator. NLLB's languages without a two-letter name are left out.
    """
    found: dict[str, str] = {}
    for token in vocabulary:
        if known := _M2M.fullmatch(token):
            found.setdefault(known[1], token)
        elif _NLLB.fullmatch(token) and token in _NLLB_NAMES:
            found.setdefault(_NLLB_NAMES[token], token)
    return found
