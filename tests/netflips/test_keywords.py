"""Functions of commands: what they say of arguments that cannot be, in the words of Python, and what they return."""

from collections.abc import Callable
from pathlib import Path

import pytest

import netflips
from avcore.errors import NetflipsError, UsageError
from avcore.media import probe
from netflips.script.targets import Text
from netflips.script.types import Script
from netflips.script.utterance import Utterance
from netflips.stub import PLACE, stub

CLIP = str(Path(netflips.__file__).parents[1] / "demo/clip.mp4")


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: netflips.dub(CLIP, "x.mp4", to=5),
         "to of netflips.dub() cannot be used; expected a text or None; found 5; write '5'"),
        (lambda: netflips.say("네", "x.wav", speed="fast"),
         "speed of netflips.say() cannot be used; expected a number; found 'fast'"),
        (lambda: netflips.dub(CLIP, subtitles=["source"]),
         "subtitles of netflips.dub() cannot be used; expected a text or None; found ['source']"),
        (lambda: netflips.dub(CLIP, draft=3), "draft of netflips.dub() cannot be used; expected a path or None; found 3"),
        (lambda: netflips.dub(None), "video of netflips.dub() cannot be used; expected a path; found None"),
        (lambda: netflips.dub(CLIP, pace=0.9), "pace of netflips.dub() cannot be used; expected (a number, a number); found 0.9"),
        (lambda: netflips.dub(CLIP, check="on"),
         "check of netflips.dub() cannot be used; expected 'off', 'tell', 'repair' or None; found 'on'"),
        (lambda: netflips.dub(CLIP, quiet="no"), "quiet of netflips.dub() cannot be used; expected True or False; found 'no'"),
        (lambda: netflips.get_models("korean", accept_licence="MIT"),
         "accept_licence of netflips.get_models() cannot be used; expected a list, each a text; found 'MIT'"),
        (lambda: netflips.dub([CLIP]), f"netflips.dub() takes one file; found ['{CLIP}'"[:60]),
    ],
)  # fmt: skip
def test_an_argument_of_another_type_is_refused_by_name(call: Callable[[], object], line: str) -> None:
    with pytest.raises(NetflipsError) as caught:
        call()
    assert isinstance(caught.value, TypeError)
    assert str(caught.value).startswith(line)


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: netflips.say("네", quiet=True), 'say where the speech goes; expected out="x.wav", units_path="x.txt", or both'),
        (lambda: netflips.dub(CLIP, "x.mp4", embed_subtitles=True),
         'embed_subtitles=True belongs to subtitles=; add subtitles="source,target"'),
        (lambda: netflips.dub(CLIP, "x.mp4", translate_model="x"),
         "translate_model= belongs to the cascade; add cascade=True, or leave it out"),
        (lambda: netflips.dub(CLIP, "x.mp4", lips="mouth"),
         "unknown lip-sync backend; expected auto, program, wav2lip, mesh, units, none; found mouth"),
        (lambda: netflips.lipsync(CLIP, "x.mp4", speech=CLIP, lips="none"),
         'lips="none" belongs to dub; expected auto, program, wav2lip, mesh, units; found none'),
        (lambda: netflips.portrait("a.jpg", "x.mp4"),
         "say what the portrait says; expected one of speech=, text=, units=; found none of them"),
        (lambda: netflips.portrait("a.jpg", "x.mp4", text="네", speech="a.wav"),
         "say what the portrait says; expected one of speech=, text=, units=; found speech= and text="),
    ],
)  # fmt: skip
def test_errors_name_keywords_and_no_flags(call: Callable[[], object], line: str) -> None:
    with pytest.raises(UsageError) as caught:
        call()
    assert str(caught.value) == line


def test_words_of_other_programs_lead_to_a_keyword_and_help_knows_no_flags() -> None:
    for word, near in (("target", "to"), ("tgt_lang", "to"), ("speaker", "voice")):
        with pytest.raises(TypeError, match=f"'{word}'; did you mean '{near}'"):
            netflips.dub(CLIP, **{word: "ko"})
    with pytest.raises(TypeError, match=r"netflips.dub\(\) has no keyword 'one_file'$"):  # which is of several languages
        netflips.dub(CLIP, to="ko,es", one_file=True)
    assert "auto with cascade=True" in " ".join((netflips.dub.__doc__ or "").split())
    assert "\nvideo: the video or sound file\n" in (netflips.dub.__doc__ or "")
    assert [name for name in dir(netflips) if not name.startswith("__")] == sorted(netflips.__all__)


def test_functions_return_what_they_made(tmp_path: Path) -> None:
    units, speech = tmp_path / "en.txt", tmp_path / "ko.wav"
    made = netflips.analyse(CLIP, units, quiet=True)
    assert netflips.say("안녕하세요?", units_path=tmp_path / "said.txt", quiet=True) == tmp_path / "said.txt"
    assert netflips.translate(str(units), str(tmp_path / "ko.txt"), quiet=True) == tmp_path / "ko.txt"
    assert netflips.speak(tmp_path / "ko.txt", str(speech), voice=CLIP, quiet=True) == speech
    assert probe(speech).audio_rate == 24_000  # that of the bundle's voice
    assert len(made) > 0
    script = Script("en", "ko", utterances=(Utterance(1, text=Text("Hello."), fit=None),))
    assert script.text == script.source_text


def test_editors_read_the_signatures_that_there_are() -> None:
    assert PLACE.read_text(encoding="utf-8") == stub(), "an option has changed: make stub"
