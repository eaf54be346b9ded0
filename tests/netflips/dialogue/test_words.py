"""What an avatar answers and what it does not: lists of words, patterns of questions, programs."""

import os
import stat
import sys
import time
from pathlib import Path

import pytest

from avcore.errors import InputError, UsageError
from avcore.programs import parse_command
from netflips.dialogue.guards import WordList, names
from netflips.dialogue.replies import DEMO_REPLIES, Program, Replies
from recipes.demo.voices.phrasebook import phrasebook
from tests.refusal import refused
from text2unit.script import script_of


@pytest.fixture(scope="module")
def words() -> WordList:
    return WordList(["바보", "멍청이", "시발", "stupid"], ["바보온달", "시발점"])


@pytest.mark.parametrize(
    "text",
    [
        "이 바보야", "바 보", "ㅂㅏㅂㅗ", "바ㅂㅗ", "바.보", "바1보", "바\u200b보", "바*보!", "바 보야", "멍 청 이",
        "너 진짜 멍청이구나", "십알", "ㅅl발",
        "STUPID", "s t u p i d", "s.t.u.p.i.d", "stup1d", "\uff53\uff54\uff55\uff50\uff49\uff44", "바보온달은 바보다",
        "\u1107\u1161\u1107\u1169",
    ],
)  # fmt: skip
def test_blocked_words_are_found_however_they_are_typed(words: WordList, text: str) -> None:
    assert words.refuses(text).startswith("the word")


def test_other_words_are_not(words: WordList) -> None:
    others = "|안녕하세요|바다를 보고 싶어요|역시 발이 아파요|두 시 발표|바보온달 이야기|시발점이 어디예요?"
    for text in (*others.split("|"), "the studio", "stu pidgin", "바 보리", "?!"):
        assert words.refuses(text) == "", text


def test_lists_of_words_are_read(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("\ufeff# a comment\n바보\n\n!바보온달\n", encoding="utf-8")
    words = WordList.read(path)
    assert words.refuses("바 보")
    assert not words.refuses("바보온달")
    for content, complaint in (("# nothing\n", "no list of blocked words"), ("바보\n??\n", "line 2"), ("!바보\n", "no list")):
        path.write_text(content, encoding="utf-8")
        refused(InputError, complaint, WordList.read, path)


def test_letters_are_single_strokes() -> None:
    assert (names("값이 싸요!"), names("\uff21-1 ㅘ")) == ("ㄱㅏㅂㅅㅣㅅㅅㅏㅛ", "a1ㅗㅏ")


def test_every_question_of_the_shipped_bundle_has_a_sayable_answer() -> None:
    replies, book = Replies.read(DEMO_REPLIES), phrasebook()
    for template in sorted({*range(35)} - {4, 18}):
        pairs = list(book.pairs_of(template))
        asked, said = replies.nearest(pairs[-1].english)
        assert asked == pairs[-1].english
        assert not script_of(said).spelled_out


def test_what_was_heard_badly_is_answered_and_what_is_far_is_not() -> None:
    replies = Replies.read(DEMO_REPLIES)
    assert replies.reply("how do i get to the pharmacie") == "약국까지 십 분 걸려요."
    assert replies.reply("How much is this umbrela") == "이 우산은 만 원이에요."
    for far in ("My hovercraft is full of eels and I will not buy this record.", "", "?!"):
        assert replies.reply(far) == replies.fallback


REPLIES = """
fallback: 다시 말씀해 주세요.
slots: {place: [the bank | 은행, the park | 공원, Seoul | 서울]}
replies:
  - ask: ["Where is {place}?", "{place}(이/가) 어디예요?"]
    say: "{place}(은/는) 저기 있어요."
"""


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("fallback", "fallbak", "expected fallback and replies"),
        ("slots:", "slot:", "did you mean slots?"),
        ("{place}(은/는)", "{goods}(은/는)", "reply 1 has a slot that nothing fills; found goods"),
        ('say: "{place}', 'sai: "{place}', "reply 1 cannot be used"),
        ("다시 말씀해 주세요.", "좋아요 ש", "fallback of the replies: .*HEBREW LETTER SHIN"),
        ("the bank | 은행", "the bank | ", "a filling of slot place"),
        ('["Where is {place}?", "{place}(이/가) 어디예요?"]', "[]", "reply 1 of the replies has no text"),
        ("fallback:", "most_errors: 2\nfallback:", "no share"),
        ("{place: [the bank | 은행, the park | 공원, Seoul | 서울]}", "[a]", "the slots"),
        ("Seoul | 서울", "Seoul | …", "reply 1 of the replies: there is nothing to say"),
    ],
)
def test_replies_that_cannot_be_used_are_named(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    path = tmp_path / "replies.yaml"
    path.write_text(REPLIES, encoding="utf-8")
    assert Replies.read(path).reply("where is the park") == "공원은 저기 있어요."
    assert Replies.read(path).reply("은행이 어디에요") == "은행은 저기 있어요."
    path.write_text(REPLIES.replace(old, new), encoding="utf-8")
    refused(InputError, complaint, Replies.read, path)


def program(path: Path, code: str) -> Program:
    path.write_text(f"#!{sys.executable}\nimport os, sys, time\n{code}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return Program(parse_command(f"'{path}' --polite", "--reply-command"), 5.0)


def test_a_program_answers_without_a_shell(tmp_path: Path) -> None:
    code = "print('들었어요:', sys.stdin.read().strip(), sys.argv[1])"
    assert program(tmp_path / "answer it", code).reply("은행; rm -rf $HOME `id`") == "들었어요: 은행; rm -rf $HOME `id` --polite"


def test_a_program_that_fails_or_is_not_named_is_one_error(tmp_path: Path) -> None:
    for code, complaint in (
        ("sys.exit(3)", "exit code 3"),
        ("pass", "no answer"),
        ("sys.stdout.buffer.write(bytes([255, 254, 0]))", "no UTF-8"),
        ("print('가' * 100_000, flush=True); time.sleep(60)", "more than"),
    ):
        refused(InputError, complaint, program(tmp_path / "answer", code).reply, "은행")
    for text in ("", "'", "no-such-program-anywhere x"):
        refused(UsageError, "--reply-command", parse_command, text, "--reply-command")


def test_a_program_that_does_not_end_is_ended_with_all_that_it_began(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = f"child = os.fork()\nif child: open({str(note)!r}, 'w').write(str(child))\ntime.sleep(60)"
    slow = program(tmp_path / "answer", code)
    refused(InputError, "nothing within 1 s; make it quicker, or give --reply-seconds", Program(slow._command, 1.0).reply, "은행")
    child = int(note.read_text())
    for _ in range(100):
        if not _runs(child):
            break
        time.sleep(0.05)
    assert not _runs(child)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except (OSError, IndexError):
        return os.path.exists(f"/proc/{pid}")
