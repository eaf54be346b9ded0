"""Kinds of notes that a dub reports, besides those of the packages below (see `avcore.notes`).

Importing this module registers the words of all notes that scripts contain.
"""

from collections.abc import Sequence

import unit2unit.inference  # noqa: F401  # so that their kinds of notes are known
from avcore.faces.geometry import CUT_OFF
from avcore.notes import KINDS, Note, NoteKind, Values, sentence

NO_FACE = NoteKind(
    "no_face",
    lambda one, say: say(
        "no face was found in any frame: the video stays as it is"
        if one.get("of_clip")
        else "no face was found: the video stays as it is"
    ),
    rank=1,
)
NOISE_ONLY = NoteKind("noise_only", "no speech was found in its sound: noise may be dubbed", rank=1)
NO_SUCH_FACE = NoteKind(
    "no_such_face",
    lambda one, say: say(
        "there is no face number {face} in {who}: the video stays as it is there"
        if one["who"]
        else "there is no face number {face} in any shot: the video stays as it is"
    ),
    rank=1,
)
OUT_OF_SIGHT = NoteKind(
    "out_of_sight",
    "no visible speaker in {who}: the lips are not changed there",
    " (--face largest draws one all the same)",
    rank=1,
)
MOUTHS_CUT = NoteKind("mouths_cut", "the mouth is cut off by the edge of the frame in {who}: it stays as it is there", rank=0)
SEEN_TWICE = NoteKind(
    "seen_twice", "the speaker is in the frame twice in {who}, as on a screen: only one of them gets new lips", rank=0
)
LEFT_ALONE = NoteKind("left_alone", "{who} is left alone: {reason:@}")
UNHEARD = NoteKind("unheard", "nothing of it can be heard or seen")
EMPTY = NoteKind("empty_translation", "its translation is empty")
SILENT = NoteKind("silent", "nothing was heard in it")
KEPT = NoteKind("kept", "it is kept, as the script asks")
OTHER_MEDIA = NoteKind("other_media", "{name} was made of another file; its places and texts are used")
OLDER_SCRIPT = NoteKind(
    "older_script", "a script of an older format, {format}: speakers, places, texts and terms are used; all else is made anew"
)
OTHER_SOUND = NoteKind("other_sound", "{name} changed since the script was made; it is taken as it is now")
UNSAYABLE = NoteKind("unsayable", "its text cannot be said: {error}; correct it in {file}, and give that with --script-in")
NOT_SPOKEN = NoteKind("not_spoken", "its text was not said: {error}")
NOT_TRANSLATED = NoteKind("not_translated", "its text was not translated: {error}")
TOO_LONG = NoteKind("too_long", "its translation takes {seconds:.1f} s where there are {slot:.1f} s: {text}")
REPEATED = NoteKind("repeated", "its translation repeats a stretch")
ECHOED = NoteKind("echoed", "its translation is not in '{language}'")
HARDLY_WORDS = NoteKind("hardly_words", "hardly words are heard in it, as of a laugh or a sigh: its sound is kept")
RECOGNIZER_LOOP = NoteKind("recognizer_loop", "what was recognized repeats a stretch")
FOREIGN = NoteKind("foreign", "it is in another language ('{language}')")
SOUNDS_FOREIGN = NoteKind(
    "sounds_foreign",
    "{u}it sounds like '{language}' ({share:.2f}), and was recognized as '{asked}'",
    "; --from auto keeps it as it is",
    alike=("language", "asked"),
)
OTHER_LANGUAGE = NoteKind("other_language", "most of what is said is in '{found}', not in '{asked}'", "; --from {found} takes it")
TERMS_MISSED = NoteKind("terms_missed", "{u}the translation has nothing for {terms} of the glossary")
TERM_PUT = NoteKind("term_put", "{u}'{term}' is put in place of '{earlier}', in {times:#place}, as the script's terms say")
TERMS_LACKING = NoteKind(
    "terms_lacking",
    "the script's texts stay without {terms}, which its terms ask for",
    "; --retranslate {numbers} asks for other texts",
)
TEXT_STAYS = NoteKind("text_stays", "{u}no other translation was found ({reason:@}): the script's text stays")
READ_AS_PROPOSED = NoteKind(
    "read_as_proposed",
    "{words} are read as the terms propose, since nobody decided how",
    "; `spoken` in the script's terms decides",
)
AMOUNTS_DIFFER = NoteKind(
    "amounts_differ",
    lambda one, say: say(
        "{u}the original says {missed}, the translation {added}"
        if one["missed"] and one["added"]
        else "{u}the translation has no {missed}"
        if one["missed"]
        else "{u}the translation says {added}, which the original does not"
    ),
)
NAMES_EXCHANGED = NoteKind("names_exchanged", "{u}the original names {names}, the translation {others}")
NEGATION_TURNED = NoteKind("negation_turned", "{u}the translation denies what the original says, or the other way round")
HALF_LOST = NoteKind("half_lost", "{u}the translation breaks off, or is too short for all of it")
MANY_AMOUNTS_DIFFER = NoteKind(
    "many_amounts_differ", "{count} of {of:#translation} lack an amount or have another: is the translator right?", rank=2
)
ANSWERS_SHIFTED = NoteKind(
    "answers_shifted",
    lambda one, say: say(
        "{u}each translation says what belongs to the next sentence: the translator's answers are out of step"
        if one["words"] == "next"
        else "{u}each translation says what belongs to the sentence before: the translator's answers are out of step"
    ),
    rank=2,
)
ANSWERS_OVERLAP = NoteKind("answers_overlap", "{u}the translation also says what belongs to a sentence beside it", rank=2)
TAIL_SHARED = NoteKind("tail_shared", '{u}each translation ends in "{words}", and its original does not', rank=2)
QUESTION_LOST = NoteKind("question_lost", "{u}the translation is no question any more")
NO_TRANSLATION = NoteKind("no_translation", "what was answered is no translation of it")
NAMES_SPELLED_OUT = NoteKind(
    "names_spelt", "its translation leaves {names} in Latin letters", "; --glossary says how a name is written"
)
NOTHING_GIVEN = NoteKind("nothing_given", "there is no speech for it in {name}")
NOT_USABLE = NoteKind("not_usable", "{name} cannot be said: {error}")
NO_TEXT = NoteKind("no_text", "there is no text for it, and no unit translator")
SPEECH_LEFT_OUT = NoteKind("speech_left_out", "{name}: speech that belongs to no utterance is not said: {spans}")
_MOST_SPANS = 8
"""Most stretches of time that a sentence lists."""


def listed(spans: Sequence[Sequence[float]]) -> str:
    """Return stretches of time (s) for a sentence, as `0.2-2.3, 7.3-8.0`, the first of many."""
    shown = ", ".join(f"{start:.1f}-{end:.1f}" for start, end in spans[:_MOST_SPANS])
    return shown + (", ..." if len(spans) > _MOST_SPANS else "")


UNCOVERED = NoteKind(
    "speech_uncovered",
    lambda one, say: (
        say(
            "{seconds:.1f} s of speech have no subtitle ({these}), and "
            if one["is_subtitles"]
            else "{seconds:.1f} s of speech belong to no utterance ({these}), and ",
            these=listed(one["spans"]),
        )
        + say("are silent" if one["is_muted"] else "stay as they are")
        + (say('; heard there: "{heard}"') if one["heard"] else "")
    ),
    lambda one, say: "" if one["is_muted"] else say("; other_speech: mute silences them"),
)
NO_SPEECH_THERE = NoteKind(
    "no_speech_there",
    lambda one, say: say(
        "a subtitle lies where nobody speaks ({these})"
        if len(one["spans"]) == 1
        else "{count} subtitles lie where nobody speaks ({these})",
        count=len(one["spans"]),
        these=listed(one["spans"]),
    ),
)
OFFSET = NoteKind(
    "subtitles_offset",
    lambda one, say: say(
        "{name}: the subtitles come {size:.1f} s after the speech"
        if one["seconds"] > 0
        else "{name}: the subtitles come {size:.1f} s before the speech",
        size=abs(one["seconds"]),
    ),
    "; subtitle_offset: auto moves them",
)
OFFSET_UNKNOWN = NoteKind("subtitles_offset_unknown", "{name}: how late the subtitles are is not sure: they are not moved")
SUBTITLES_MOVED = NoteKind("subtitles_moved", "{name}: the subtitles are moved by {seconds:+.2f} s")
BACKGROUND_ESTIMATED = NoteKind(
    "bed_estimated",
    "the sound behind the speech ({level:.0f} dB) is estimated from around it: rooms and chords stay, no rhythm",
    "; separate_with: spleeter, or a program as demucs, keeps one",
)
LOUDNESS_MISSED = NoteKind("loudness_missed", "its loudness is {level:.1f} LUFS, not {target:g}: louder, its peaks would clip")
CUT = NoteKind("cut", "{u}{units:#unit} at its end found no room, left out", "; freeze_frame: true makes room")
HURRIED = NoteKind("hurried", "{who} is spoken at {factor:.2f} of its natural length", "; freeze_frame: true gives it time")
TEXTS_LEFT_OUT = NoteKind("texts_left_out", "{name}: left out of what is said: {words}")
ONLY_TIMES = NoteKind(
    "only_times", "{name}: only its times are used: its texts are not in '{source}', and cannot be spoken in '{target}'"
)
SHOWN_ONLY = NoteKind("shown_only", "{name} is only shown; the speech is translated", "; --cascade translates texts")
SUBTITLES_LEFT_OUT = NoteKind(
    "subtitles_left_out", "the unit-to-text model has no language '{language}'; these subtitles are left out"
)
KNOWN_PERSON = NoteKind("known_person", "{speaker} is {person} of {folder}, by the voice ({likeness:.2f})")
MAYBE_PERSON = NoteKind(
    "maybe_person",
    "{speaker} may be {person} of {folder} ({likeness:.2f}), which is not sure",
    "; netflips script rename gives a name",
)
FONT_LACKS = NoteKind("font_lacks", "this font has no sign for {signs}; the subtitles show a box there")
FOUND_FAULTS = NoteKind(
    "found_faults",
    lambda one, say: (
        say("{u}check of the spoken audio: ") + ", ".join(say("{reason:@}", reason=f"fault_{name}") for name in one["faults"])
    ),
    rank=2,
)
NoteKind("fault_unheard", "nothing of its text is heard")
NoteKind("fault_misheard", "half of its text or more is misheard")
NoteKind("fault_missing", "a word of its text is not heard")
NoteKind("fault_repeated", "more is heard than its text")
NoteKind("fault_voice", "it is another's voice")
NoteKind("fault_hurried", "it is too fast, or cut")
NoteKind("fault_slow", "it is spoken slower than natural to fill the time")
NoteKind("fault_clicks", "it clicks")
NoteKind("fault_leak", "the original voice is heard under it")
NoteKind("fault_open_lips", "the lips stay open where b, m and p close them")
RECOGNIZED_AGAIN = NoteKind(
    "heard_again",
    lambda one, say: (
        say('heard back: "{recognized}" ({right:.0%})')
        + "".join("; " + say("{reason:@}", reason=f"fault_{name}") for name in one["faults"])
    ),
)
LIPS_FAILED = NoteKind("lips_failed", "the lips in {who} stay as they are: {error}", rank=1)
MOUTHS_LACK = NoteKind(
    "mouths_lack", "what is seen of the speaker of {who} lacks {lack:@}: there the lips themselves are moved", rank=1
)
NoteKind("mouths_few", "mouths to choose from")
NoteKind("mouths_still", "a mouth that speaks")
NoteKind("mouths_open", "a closed mouth")
NoteKind("mouths_unlike", "mouths that are open as the speech needs them, from that side")
NOT_CHECKED = NoteKind("not_checked", "{u}the check failed: {error}")
NOT_RECOGNIZED = NoteKind(
    "not_heard",
    "no recognizer here knows '{language}': speech is measured, not heard",
    "; netflips models get korean-free, or make judges, brings one",
)
FRAMES_ENCODED = NoteKind("frames_encoded", "its frames are not copied but encoded anew: {reason:@}")
NoteKind("encoded_codec", "a {file} file cannot hold {codec}, as an .mkv file can")
NoteKind("encoded_times", "their packets have no times of their own")
NoteKind("encoded_cut", "not all of them are shown, or the first is no key frame")
NoteKind("encoded_freeze", "some are held for longer")
NoteKind("encoded_loop", "they are played forwards and backwards")
NoteKind("encoded_drawn", "a label or subtitles are drawn into them")
REPORT_LACKS = NoteKind("report_lacks", "the report shows no {what}: {error}")
TRIED_AGAIN = NoteKind("tried_again", "tried again: {deaths}")
DUB_CHANGED = NoteKind("dub_changed", "it is not as it was made; it is made anew")


ABSENT = {"": "", "no_face": "no face was found", "out_of_sight": "the speaker is not in sight", "not_wanted": "no face was wanted"}
"""Why no face is drawn, in words, by `SeenFaces.absent`."""
LEFT_REASONS = {CUT_OFF: "cut_off", "the program failed": "failed"} | {
    name.replace("_", " "): name for name in ("no_face", "profile", "blurred", "brief", "hidden")
}
"""Why a frame was left as it was: codes by words."""


def left_words(code: str) -> str:
    """Return why a frame was left as it was, in words."""
    return next((words for words, known in LEFT_REASONS.items() if known == code), code)


def why_left(values: Values) -> str:
    """Return why an utterance was left alone, in English words."""
    reason = str(values["reason"])
    return sentence(Note(reason, values)) if reason in KINDS else reason
