"""Spelling, alignment and errors; one search by CTC and the decoder; long input, and two sentences in one window."""

import unicodedata
from collections.abc import Sequence
from itertools import pairwise, product

import numpy as np
import pytest
import torch
import torchaudio

from avcore.contracts import Transcript, Word, of_words
from avcore.errors import UsageError
from avcore.timeline import UNIT_RATE, Interval
from avcore.units import END, PAD, Units
from tests.unit2text.tiny import SMALL
from unit2text.model import EncodedUnits, UnitText
from unit2text.search import BLANK_ROW, _Before, _begun, _paths, align, best_path, log_likelihoods, search_together
from unit2text.text import (
    LETTERS,
    PIECES,
    TextVocabulary,
    character_errors,
    composed,
    letters_of_text,
    normalise_for_reading,
    word_errors,
)
from unit2text.training.corpus import SpokenText, UnitToTextCorpus
from unit2text.training.task import unit_to_text_config
from unit2text.windows import Window, WindowSettings, best_cut, join_windows, pauses_of, plan_windows

MARKS = ("<s>", "<pad>", "</s>", "<unk>")
KOREAN = "우체국이 어디예요?"


def letters(*texts: str) -> TextVocabulary:
    return TextVocabulary((*MARKS, *sorted({letter for text in texts for letter in letters_of_text(text)})), LETTERS)


@pytest.mark.parametrize("text", [KOREAN, "Where is it, please?", "déjà vu", unicodedata.normalize("NFD", KOREAN)])
def test_letters_there_and_back(text: str) -> None:
    vocabulary = letters(text)
    assert vocabulary.decode(vocabulary.encode(text).tolist()) == unicodedata.normalize("NFC", text)


def test_korean_is_read_in_jamo_and_an_unseen_letter_is_unknown() -> None:
    assert len(letters_of_text("국")) == 3
    assert (composed("우채ᅦ국"), composed("  a   b ")) == ("우채국", "a b")
    assert letters("ab").encode("axb").tolist() == [4, 3, 5]


def test_words_and_the_positions_of_their_rows() -> None:
    vocabulary = letters("ab cd")
    assert vocabulary.words([*vocabulary.encode("ab cd").tolist(), 2]) == [("ab", [0, 1]), ("cd", [3, 4])]
    pieces = TextVocabulary((*MARKS, "▁", "▁ab", "c"), PIECES)
    assert pieces.words([5, 6, 4, 6, 2]) == [("abc", [0, 1]), ("c", [2, 3])]
    assert pieces.decode([5, 6, 4, 6, 2]) == "abc c"


def log_probs(path: list[int], rows: int = 6) -> torch.Tensor:
    scores = torch.full((len(path), rows), 0.01)
    scores[range(len(path)), path] = 1.0
    return (scores / scores.sum(1, keepdim=True)).log()


def test_rows_are_aligned_as_by_torchaudio() -> None:
    chosen = np.random.default_rng(0)
    for _ in range(50):
        rows = chosen.choice([row for row in range(8) if row != BLANK_ROW], chosen.integers(1, 9)).astype(np.int64)
        found = torch.log_softmax(torch.from_numpy(chosen.standard_normal((chosen.integers(18, 60), 8)).astype(np.float32)), -1)
        targets = torch.from_numpy(rows.astype(np.int32))[None]
        path, scores = torchaudio.functional.forced_align(found[None], targets, blank=BLANK_ROW)
        theirs = torchaudio.functional.merge_tokens(path[0], scores[0], blank=BLANK_ROW)
        ours = align(found, rows)
        assert [span[:2] for span in ours] == [(one.start, one.end) for one in theirs]
        assert [span.probability for span in ours] == pytest.approx([np.exp(one.score) for one in theirs], rel=1e-5)


def test_the_best_path_and_when_its_rows_were_said() -> None:
    found = log_probs([0, 4, 4, 0, 0, 4, 5, 5, 0])
    assert best_path(found).tolist() == [4, 4, 5]
    spans = align(found, np.array([4, 4, 5]))
    assert [(one.first, one.last) for one in spans] == [(1, 3), (5, 6), (6, 8)]
    assert all(one.probability > 0.9 for one in spans)


def test_texts_without_room_share_time_and_unsaid_marks_take_none() -> None:
    spans = align(log_probs([4, 5]), np.array([4, 4, 5]))
    assert [one.first for one in spans] == sorted(one.first for one in spans)
    assert spans[-1].last == 2
    assert align(log_probs([4]), np.zeros(0, np.int64)) == []
    spans = align(log_probs([0, 4, 4, 0, 5]), np.array([0, 4, 0, 5]))
    assert [(one.first, one.last) for one in spans] == [(0, 0), (1, 3), (3, 3), (4, 5)]


def test_the_likelier_text_has_the_higher_log_likelihood() -> None:
    right, wrong, none = log_likelihoods(log_probs([0, 4, 0, 5]), [np.array(rows) for rows in ([4, 5], [5, 4], [4, 4, 4, 5])])
    assert right > wrong
    assert none == -np.inf


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Hello,  World!", "hello world"),
        ("don't — O\u2019Neill's 'quoted'", "don't o'neill's quoted"),
        (unicodedata.normalize("NFD", "안녕하세요, 여러분."), "안녕하세요 여러분"),
        ("ＡＢＣ １２", "abc 12"),  # noqa: RUF001
        ("Straße", "strasse"),
        ("...", ""),
    ],
)
def test_texts_are_made_comparable(text: str, wanted: str) -> None:
    assert normalise_for_reading(text) == wanted


def test_errors() -> None:
    assert (word_errors("a b c", "a x c d"), word_errors("", "a b")) == ((2, 3), (2, 0))
    assert (character_errors("우체국이 어디", "우채국이어디"), character_errors("", "x")) == ((1, 6), (1, 0))


ROWS = 8
_SAID = SpokenText("a", "the end of it", "en", Units.from_frames([1]))
SIZES = unit_to_text_config(SMALL, UnitToTextCorpus((_SAID,), (_SAID,), "", 1000), 20, {"en": 19})


def scored(text: list[int], log_probs: np.ndarray) -> tuple[float, float]:
    """Log-probability of a text by CTC, and of all texts that begin with it."""
    texts, whole = _begun(7, log_probs[:, 0]), 0.0
    for row in text:
        before, said = _Before.of(texts), log_probs[:, [row]]
        paths = before.each(np.array([0]), np.array([row]))
        ends, pauses = _paths(paths, said, log_probs[:, 0])
        whole = float(before.begun(log_probs)[0, row])
        assert whole == pytest.approx(float(np.logaddexp.reduce(paths + said, axis=0)[0]), abs=1e-9)
        texts = texts._replace(tokens=np.column_stack([texts.tokens, [row]]), ends=ends, pauses=pauses)
    return float(np.logaddexp(texts.ends[-1, 0], texts.pauses[-1, 0])), whole


@pytest.mark.parametrize("text", [[3, END], [3, 4, 5, END], [3, 3, 4, END], [5, 5, 5, END]])
def test_the_score_of_a_text_is_that_of_all_its_paths(text: list[int]) -> None:
    log_probs = torch.log_softmax(torch.from_numpy(np.random.default_rng(len(text)).normal(size=(11, ROWS))), dim=-1)
    alone, whole = scored(text, log_probs.numpy())
    assert alone == pytest.approx(float(log_likelihoods(log_probs, [np.array(text)])[0]), abs=1e-9)
    assert whole >= alone


def test_beginnings_share_the_probability_of_what_goes_on() -> None:
    log_probs = torch.log_softmax(torch.from_numpy(np.random.default_rng(1).normal(size=(6, ROWS))), dim=-1).numpy()
    _, begun = scored([3], log_probs)
    alone, _ = scored([3], log_probs)
    longer = [scored([3, row], log_probs)[1] for row in range(1, ROWS)]
    assert np.exp(begun) == pytest.approx(np.exp(alone) + np.exp(longer).sum(), abs=1e-12)


@pytest.mark.parametrize("beam", [1, 4])
@torch.inference_mode()
def test_letters_of_the_past_are_kept_as_the_decoder_saw_them(beam: int) -> None:
    """What a search with the decoder's cache says of its text is what the decoder says of that text as a whole."""
    torch.manual_seed(beam)
    model = UnitText(SIZES).eval()
    encoded = torch.randn(1, 30, SMALL.dim)
    log_probs = model.ctc_log_probs(3 * encoded)[0]
    start, weight = SIZES.starts[0], 0.3
    found = search_together(model, encoded, log_probs, (start, END), beam, weight, np.array([3, start]), (4, 12))
    assert len(found.rows) >= 4
    text = torch.tensor([[start, *found.rows.tolist()]])
    scores = torch.log_softmax(model.logits(EncodedUnits(encoded, None), text)[0].double(), dim=-1).numpy()
    by_decoder = scores[np.arange(text.shape[1]), [*found.rows, END]]
    assert np.log(found.probabilities) == pytest.approx(by_decoder[:-1], abs=1e-5)
    by_ctc = float(log_likelihoods(log_probs, [np.append(found.rows, END)])[0])
    assert found.score == pytest.approx((1 - weight) * by_decoder.sum() + weight * by_ctc, abs=1e-4)


@torch.inference_mode()
def test_a_wide_search_finds_the_best_of_all_texts() -> None:
    torch.manual_seed(5)
    model, weight, start = UnitText(SIZES).eval(), 0.4, SIZES.starts[0]
    encoded = torch.randn(1, 8, SMALL.dim)
    log_probs = model.ctc_log_probs(2 * encoded)[0]
    never = sorted({3, *SIZES.starts})
    letters = sorted(set(range(SIZES.num_rows)) - {*never, BLANK_ROW, PAD, END})
    texts = [list(text) for length in range(3) for text in product(letters, repeat=length)]
    scores = []
    for text in texts:
        said = torch.log_softmax(model.logits(EncodedUnits(encoded, None), torch.tensor([[start, *text]]))[0].double(), dim=-1)
        by_decoder = float(said[range(len(text) + 1), [*text, END]].sum())
        scores.append((1 - weight) * by_decoder + weight * float(log_likelihoods(log_probs, [np.array([*text, END])])[0]))
    found = search_together(model, encoded, log_probs, (start, END), len(texts), weight, np.array(never), (0, 2))
    assert found.rows.tolist() == texts[int(np.argmax(scores))]
    assert found.score == pytest.approx(max(scores), abs=1e-4)


@pytest.mark.parametrize("border", [47, 60, 101])
def test_the_cut_is_where_both_parts_are_most_probable(border: int) -> None:
    steps, asked = 160, 0

    def log_probs(stretches: Sequence[tuple[int, int]]) -> list[torch.Tensor]:
        nonlocal asked
        asked += len(stretches)
        found = []
        for first, last in stretches:
            strange = max(0, min(border - first, last - border))  # steps of the other sentence
            found.append(torch.full((last - first, 5), -9.0).index_fill(1, torch.tensor([0]), -0.01 - 0.02 * strange))
        return found

    cut = best_cut(steps, UNIT_RATE, log_probs)
    assert cut is not None
    assert abs(cut - border) <= 2
    assert asked < 2 * steps / 4  # not at every step


def test_what_is_too_short_for_two_is_not_parted() -> None:
    def refuse(stretches: Sequence[tuple[int, int]]) -> list[torch.Tensor]:
        raise AssertionError(stretches)

    assert best_cut(60, UNIT_RATE, refuse) is None


SETTINGS = WindowSettings(longest_s=10.0, shortest_s=4.0, overlap_s=2.0)


def covered(windows: list[Window], num_steps: int) -> None:
    """Every step is read, by one window or by two that follow one another."""
    assert (windows[0].first, windows[-1].last) == (0, num_steps)
    for one, following in pairwise(windows):
        assert one.first < following.first <= one.last < following.last
    assert all(one.last - one.first <= 500 for one in windows)


def test_short_input_is_one_window_long_windows_overlap() -> None:
    assert plan_windows(500, 50, [], SETTINGS) == [Window(0, 500)]
    assert plan_windows(0, 50, [], SETTINGS) == [Window(0, 0)]
    windows = plan_windows(1200, 50, [], SETTINGS)
    covered(windows, 1200)
    assert [(one.first, one.last) for one in windows] == [(0, 500), (400, 900), (800, 1200)]


def test_cuts_lie_in_the_longest_pause_that_a_window_may_end_at() -> None:
    windows = plan_windows(800, 50, [Interval(1.0, 1.9), Interval(5.0, 5.4), Interval(7.0, 7.6), Interval(12.0, 12.3)], SETTINGS)
    covered(windows, 800)
    assert windows == [Window(0, 365), Window(365, 800)]


@pytest.mark.parametrize("seed", range(5))
def test_any_input_is_covered_once(seed: int) -> None:
    random = np.random.default_rng(seed)
    starts = np.sort(random.uniform(0, 100, 20))
    pauses = [Interval(float(start), float(start + random.uniform(0.1, 1))) for start in starts]
    covered(plan_windows(5000, 50, pauses, SETTINGS), 5000)


def heard(*words: tuple[str, float, float], by: Window) -> list[Word]:
    begin = by.first / 50
    return [Word(text, start - begin, end - begin, 1.0) for text, start, end in words]


ONE, OTHER = Window(0, 500), Window(400, 900)  # both hear 8 to 10 s


def joined(before: list[tuple[str, float, float]], after: list[tuple[str, float, float]]) -> str:
    words = join_windows([ONE, OTHER], [heard(*before, by=ONE), heard(*after, by=OTHER)], 50)
    edges = [edge for word in words for edge in (word.start_s, word.end_s)]
    assert edges == sorted(edges)
    return " ".join(word.text for word in words)


def test_windows_are_joined_behind_a_word_that_both_heard() -> None:
    before = [("The", 7.0, 7.2), ("weather", 7.5, 8.2), ("is", 8.4, 8.6), ("nice", 8.7, 9.2), ("toaster", 9.4, 10.0)]
    after = [("other", 8.0, 8.2), ("is", 8.4, 8.6), ("nice,", 8.7, 9.2), ("today", 9.4, 9.9), ("again", 10.1, 10.5)]
    assert joined(before, after) == "The weather is nice today again"


def test_without_such_a_word_nothing_is_said_twice_or_left_out() -> None:
    """Half a word at the end of a window or at the beginning of the next is never kept beside the whole one."""
    before = [("near", 7.2, 7.5), ("the", 7.6, 7.8), ("muse", 9.6, 10.0)]
    assert joined(before, [("museum", 9.6, 10.3), ("today", 10.5, 10.9)]) == "near the museum today"
    before = [("near", 7.2, 7.5), ("the", 7.6, 7.8), ("museum", 7.9, 8.6)]
    assert joined(before, [("seum", 8.0, 8.6), ("closes", 9.0, 9.4)]) == "near the museum closes"


def test_repeated_words_stay_and_an_empty_window_takes_nothing() -> None:
    before = [("very", 8.2, 8.5), ("very", 9.2, 9.5)]
    assert joined(before, [("very", 8.2, 8.5), ("very", 9.2, 9.5), ("well", 10.2, 10.5)]) == "very very well"
    assert joined([("near", 7.2, 7.5), ("it", 8.6, 8.9)], []) == "near it"
    assert joined([], [("near", 8.6, 8.9), ("it", 10.6, 10.9)]) == "near it"


def test_times_never_go_back() -> None:
    windows = [Window(0, 100), Window(100, 200)]
    joined = join_windows(windows, [[Word("a", 1.5, 2.3, 1.0)], [Word("b", 0.1, 0.5, 1.0)]], 50)
    edges = [edge for word in joined for edge in (word.start_s, word.end_s)]
    assert edges == sorted(edges)


def test_a_unit_that_lasts_is_a_pause_and_lengths_must_go_together() -> None:
    assert pauses_of(Units(np.array([3, 0, 5, 0, 7]), np.array([10, 5, 10, 20, 10]))) == [(0.5, 0.9)]
    with pytest.raises(UsageError, match="2 x overlap <= shortest <= longest"):
        WindowSettings(longest_s=2.0)


def test_transcripts_can_be_said_later() -> None:
    spoken = of_words([Word("a", 0.0, 0.5, 0.5), Word("b", 0.5, 1.0, 1.0)], "en")
    assert (spoken.text, spoken.confidence) == ("a b", 0.75)
    assert [word.start_s for word in spoken.shifted(2.0).words] == [2.0, 2.5]
    assert Transcript("", "en").confidence == 0
