"""What a dub tells its user besides what the packages below tell: kinds of notes (see `avcore.notes`).

Whoever imports this has the words of all notes that stand in scripts.
"""

import unit2unit.inference  # noqa: F401  # so that their kinds of notes are known
from avcore.faces.geometry import CUT_OFF
from avcore.notes import KINDS, Note, NoteKind, Values, sentence

_STAYS = "the speech is dubbed, the picture stays as it is"

NO_FACE = NoteKind(
    "no_face",
    lambda one: f"no face was found{' in any picture' if one.get('of_clip') else ''}: {_STAYS}",
    "얼굴을 찾지 못했습니다. 음성만 더빙하고 화면은 그대로 둡니다.",
    rank=1,
)
NO_SUCH_FACE = NoteKind(
    "no_such_face",
    lambda one: f"there is no face number {one['face']} in {one['who'] or 'any shot'}: {_STAYS}{' there' if one['who'] else ''}",
    "왼쪽에서 {face}번째 얼굴이 없습니다. 그 부분은 음성만 더빙합니다.",
    rank=1,
)
OUT_OF_SIGHT = NoteKind(
    "out_of_sight",
    f"nobody in sight seems to say {{who}}: {_STAYS} there",
    "{who}를 말하는 사람이 화면에 보이지 않습니다. 그 부분은 음성만 더빙합니다.",
    " (--face largest draws one all the same)",
    rank=1,
)
MOUTHS_CUT = NoteKind(
    "mouths_cut",
    "the mouth is cut off by the edge of the picture in {who}: it stays as it is there",
    "{who}에서 입이 화면 밖으로 잘렸습니다. 그 부분의 입 모양은 그대로 둡니다.",
    rank=0,
)
LEFT_ALONE = NoteKind("left_alone", "{who} is left alone: {reason:@}", "{who}는 원본 그대로 두었습니다: {reason:@}")
UNHEARD = NoteKind("unheard", "nothing of it can be heard or seen", "들리는 말도 보이는 입도 없습니다.")
EMPTY = NoteKind("empty_translation", "its translation is empty", "번역 결과가 비어 있습니다.")
SILENT = NoteKind("silent", "nothing was heard in it", "들린 말이 없습니다.")
KEPT = NoteKind("kept", "it is kept, as the script asks", "대본에서 원본을 두라고 했습니다.")
OTHER_MEDIA = NoteKind(
    "other_media",
    "{name} was made of another file; its places and texts are used",
    "{name}은(는) 다른 파일로 만든 대본이라 시간과 글만 썼습니다.",
)
OTHER_SOUND = NoteKind(
    "other_sound",
    "{name} holds something else than when the script was made; it is taken as it is now",
    "{name}은(는) 대본을 만들 때와 내용이 다르며, 지금 내용을 씁니다.",
)
UNSAYABLE = NoteKind(
    "unsayable",
    "its text cannot be said: {error}; correct it in {file}, and give that with --script-in",
    "이 글은 소리 내어 읽을 수 없습니다({error}). 고쳐서 다시 시도해 주세요.",
)
NOT_SPOKEN = NoteKind("not_spoken", "its text was not said: {error}", "글을 소리로 만들지 못했습니다({error}).")
NOT_TRANSLATED = NoteKind("not_translated", "its text was not translated: {error}", "글을 번역하지 못했습니다({error}).")
REPEATED = NoteKind("repeated", "its translation repeats a stretch", "번역이 같은 말만 되풀이합니다.")
ECHOED = NoteKind("echoed", "its translation is not in '{language}'", "번역문이 '{language}'로 되어 있지 않습니다.")
HEARD_LOOP = NoteKind("heard_loop", "what was recognised repeats a stretch", "알아들은 말이 같은 말의 되풀이입니다.")
FOREIGN = NoteKind("foreign", "it is in another language ('{language}')", "다른 언어('{language}')입니다.")
OTHER_LANGUAGE = NoteKind(
    "other_language",
    "most of what is said is in '{found}', not in '{asked}'",
    "대부분 '{asked}'가 아니라 '{found}'입니다.",
    "; --from {found} takes it",
)
TERMS_MISSED = NoteKind(
    "terms_missed",
    "{u}the translation has nothing for {terms} of the glossary",
    "{u}용어집의 {terms}에 해당하는 말이 번역에 없습니다.",
)
NOTHING_GIVEN = NoteKind("nothing_given", "there is no speech for it in {name}", "{name}에 이 발화의 음성이 없습니다.")
NOT_TAKEN = NoteKind("not_taken", "{name} cannot be said: {error}", "{name}의 음성을 쓸 수 없습니다({error}).")
UNTOLD = NoteKind("untold", "there is no text for it, and no unit translator", "말할 글도 번역 모델도 없습니다.")
UNSAID = NoteKind(
    "unsaid_speech",
    "{name}: speech that belongs to no utterance is not said: {spans}",
    "{name}: 어느 발화에도 속하지 않아 말하지 않은 부분: {spans}.",
)
CUT_SOUND = NoteKind(
    "cut_sound",
    "{u}the last {seconds:.2f} s of its speech found no room, cut off with a fade",
    "{u}시간이 모자라 음성의 마지막 {seconds:.1f}초를 잘랐습니다. 화면을 잠시 멈추면 다 들립니다.",
    "; --hold-picture makes room",
)
CUT = NoteKind(
    "cut",
    "{u}{units:#unit} at its end found no room, left out",
    "{u}시간이 모자라 끝부분이 빠졌습니다. 화면을 잠시 멈추면 다 말할 수 있습니다.",
    "; --hold-picture makes room",
)
HURRIED = NoteKind(
    "hurried",
    "{who} is spoken at {factor:.2f} of its natural length",
    "{u}자연스러운 길이의 {factor:.0%}로 빠르게 말합니다. 화면을 잠시 멈추면 여유가 생깁니다.",
    "; --hold-picture gives it time",
)
TEXTS_LEFT_OUT = NoteKind("texts_left_out", "{name}: left out of what is said: {words}", "{name}: 말하지 않고 뺀 것: {words}.")
ONLY_TIMES = NoteKind(
    "only_times",
    "{name}: only its times are used: its texts are not in '{source}', and cannot be spoken in '{target}'",
    "{name}: 시간만 썼습니다. 글이 '{source}'도 아니고 '{target}'로 말할 수도 없습니다.",
)
SHOWN_ONLY = NoteKind(
    "shown_only",
    "{name}: its texts are shown, not translated: that is the speech",
    "{name}: 글은 자막으로만 보이고, 번역하는 것은 음성입니다.",
    "; --cascade translates texts",
)
SUBTITLES_LEFT_OUT = NoteKind(
    "subtitles_left_out",
    "the text reader has no language '{language}'; these subtitles are left out",
    "글로 옮길 수 없는 언어('{language}')라서 이 자막은 만들지 않았습니다.",
)
FONT_LACKS = NoteKind(
    "font_lacks",
    "this font has no sign for {signs}; the subtitles show a box there",
    "글꼴에 없는 글자({signs})는 자막에 네모로 보입니다.",
)
REPORT_LACKS = NoteKind("report_lacks", "the report shows no {what}: {error}", "보고서에 넣지 못했습니다({what}): {error}")
TRIED_AGAIN = NoteKind("tried_again", "tried again: {deaths}", "다시 시도했습니다: {deaths}")
DUB_CHANGED = NoteKind("dub_changed", "it is not as it was made; it is made anew", "만들어 둔 파일이 달라져 다시 만듭니다.")


ABSENT = {"": "", "no_face": "no face was found", "out_of_sight": "the speaker is not in sight", "not_wanted": "no face was wanted"}
"""Why nobody is drawn, in words, by `SeenFaces.absent`."""
LEFT_REASONS = {CUT_OFF: "cut_off"} | {
    name.replace("_", " "): name for name in ("no_face", "profile", "blurred", "brief", "hidden")
}
"""Why a picture was left as it was: codes by words."""


def left_words(code: str) -> str:
    """Return why a picture was left as it was, in words."""
    return next((words for words, known in LEFT_REASONS.items() if known == code), code)


def why_left(values: Values) -> str:
    """Return the English words of why an utterance was left alone."""
    reason = str(values["reason"])
    return sentence(Note(reason, values)) if reason in KINDS else reason
