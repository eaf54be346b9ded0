"""The rules of the beam search, on scores written by hand, and the decoder with reordered beams, against teacher forcing."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from avcore.decoding.beam import Beam, Choice, Chosen, SearchConfig, SearchRules, book
from avcore.decoding.beam_search import BeamPool, IncrementalDecoder
from avcore.decoding.layers import KeysValues
from tests.unit2unit.tiny import tiny_model
from unit2unit.model import encode, search_beams

BEGIN, PAD, UNKNOWN, A, B, C, END = 0, 1, 3, 4, 5, 6, 7
ROWS = 8
TAG = 36


def logits(*rows: dict[int, float]) -> Tensor:
    """A row of log-probabilities for each live beam; what is not named is all but impossible."""
    scores = torch.full((len(rows), ROWS), -50.0)
    for row, named in enumerate(rows):
        for token, probability in named.items():
            scores[row, token] = float(np.log(probability))
    return scores


class OneBeam(Beam):
    """The beam of a sentence alone, with the choice that a device makes of its scores."""

    def __init__(self, config: SearchConfig, rules: SearchRules) -> None:
        super().__init__(config, rules, ROWS)
        self.choice = Choice(config, [rules], ROWS, torch.device("cpu"))
        self.live = self.choice.begin([rules])

    def take(self, scores: Tensor) -> None:
        chosen, self.live = self.choice.choose(scores[None], self.live, len(self._steps))
        book([([self], chosen)])


def beam_of(size: int, limit: int = 9, suppressed: tuple[int, ...] = (), **settings: float) -> OneBeam:
    return OneBeam(SearchConfig(beam=size, **settings), SearchRules(END, suppressed, limit))  # type: ignore[arg-type]


def advance(beam: OneBeam, scores: Tensor) -> None:
    beam.take(scores)


def test_a_hypothesis_keeps_the_tokens_and_scores_of_its_ancestors() -> None:
    beam = beam_of(2)
    advance(beam, logits({A: 0.6, B: 0.4}))
    advance(beam, logits({C: 0.2, A: 0.8}, {C: 0.9, B: 0.1}))
    advance(beam, logits({END: 0.5, A: 0.5}, {END: 0.9, B: 0.1}))
    assert beam.is_done
    assert [one.tokens.tolist() for one in beam.hypotheses] == [[B, C, END], [A, A, END]]
    best = beam.hypotheses[0]
    np.testing.assert_allclose(best.positional_scores, np.log([0.4, 0.9, 0.9]), atol=1e-5)
    assert best.score == pytest.approx(np.log(0.4 * 0.9 * 0.9) / 3, abs=1e-6)


def test_a_token_may_be_forbidden_to_follow_itself() -> None:
    for forbids, expected in ((False, [A, A, END]), (True, [A, B, END])):
        beam = beam_of(1, no_repeat_unit=forbids)
        advance(beam, logits({A: 0.9, B: 0.1}))
        advance(beam, logits({A: 0.8, B: 0.2}))
        advance(beam, logits({END: 0.9, A: 0.05, B: 0.05}))
        assert beam.hypotheses[0].tokens.tolist() == expected


def test_unlikely_early_ends_end_the_search_by_the_published_rule() -> None:
    steps = (
        logits({A: 0.9, END: 0.1}),
        logits({B: 0.9, END: 0.1}, {A: 1.0}),
        logits({C: 0.9, END: 0.1}, {A: 1.0}),
        logits({END: 0.9, A: 0.1}, {A: 1.0}),
    )
    found = {}
    for early_stopping in (True, False):
        beam = beam_of(2, early_stopping=early_stopping, min_len=0)
        for scores in steps:
            if not beam.is_done:
                advance(beam, scores)
        found[early_stopping] = [one.tokens.tolist() for one in beam.hypotheses]
    assert found[True] == [[A, END], [END]]
    assert found[False][0] == [A, B, C, END]


def test_a_search_ends_once_no_live_beam_beats_the_finished() -> None:
    beam = beam_of(1, early_stopping=False)
    advance(beam, logits({A: 0.9, B: 0.1}))
    advance(beam, logits({END: 0.9, A: 0.1}))
    assert beam.is_done


@pytest.mark.parametrize(("settings", "divisor"), [({"lenpen": 2.0}, 4), ({"lenpen": 0.0}, 1), ({"unnormalized": True}, 1)])
def test_scores_are_divided_by_the_length_with_the_end_tag(settings: dict[str, float], divisor: float) -> None:
    beam = beam_of(1, **settings)
    advance(beam, logits({A: 0.5, B: 0.5}))
    advance(beam, logits({END: 0.6, B: 0.4}))
    assert beam.hypotheses[0].score == pytest.approx(np.log(0.3) / divisor, abs=1e-5)


def test_only_what_would_have_gone_on_is_cut_at_the_limit() -> None:
    beam = beam_of(2, limit=1)
    advance(beam, logits({A: 0.6, B: 0.4}))
    advance(beam, logits({A: 0.7, END: 0.3}, {A: 0.3, END: 0.7}))
    assert {tuple(one.tokens): one.is_cut for one in beam.hypotheses} == {(A, END): True, (B, END): False}


def test_padding_and_suppressed_rows_are_never_chosen() -> None:
    beam = beam_of(1, suppressed=(A, C))
    advance(beam, logits({PAD: 0.4, A: 0.3, C: 0.2, B: 0.1}))
    assert beam.live.tokens.tolist() == [[B]]


def test_unknown_is_penalised_and_not_forbidden() -> None:
    for penalty, chosen in ((0.0, UNKNOWN), (1.0, A)):
        beam = beam_of(1, unkpen=penalty)
        advance(beam, logits({UNKNOWN: 0.6, A: 0.4}))
        assert beam.live.tokens.tolist() == [[chosen]]


def test_beams_without_numbers_are_not_chosen() -> None:
    beam = beam_of(2)
    advance(beam, logits({A: 0.6, B: 0.4}))
    scores = logits({A: 0.5, B: 0.5}, {END: 0.6, C: 0.4})
    scores[0] = torch.nan
    advance(beam, scores)
    assert [one.tokens.tolist() for one in beam.hypotheses] == [[B, END]]
    assert beam.live.tokens.tolist()[0][0] == C


def test_a_network_without_numbers_finds_nothing() -> None:
    beam = beam_of(2, limit=1)
    while not beam.is_done:
        advance(beam, torch.full((2 if beam._steps else 1, ROWS), torch.nan))
    assert beam.hypotheses == []


def test_a_beam_wider_than_the_vocabulary() -> None:
    beam = beam_of(20, limit=1)
    advance(beam, logits({A: 0.5, B: 0.3, C: 0.2}))
    advance(beam, logits({END: 0.5, A: 0.5}).expand(beam.live.tokens.numel(), ROWS))
    assert beam.is_done
    assert [one.tokens.tolist() for one in beam.hypotheses[:3]] == [[A, END], [B, END], [C, END]]


class RecordedOnCpu:
    """A record as a GPU keeps it: what it returned is written anew at each replay, in the same memory."""

    def __init__(self, work: Callable[[], Chosen]) -> None:
        self._work = work
        self._made: Chosen | None = None

    def replay(self) -> Chosen:
        made = self._work()
        if self._made is None:
            self._made = made
        assert made.is_cut is None
        for kept, new in zip(self._made[:2], made[:2], strict=True):
            kept.copy_(new)
        return self._made


@pytest.mark.parametrize("limits", [(30, 30), (5, 23), (40, 3), (90, 88)])
@pytest.mark.parametrize("least", [1, 8])
def test_a_search_as_on_a_gpu_finds_the_same(limits: tuple[int, int], least: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model, sources = tiny_model(3), [np.array([0, 5, 9, 12, 2, 34]), np.array([0, 7, 2, 34])]
    rules = [SearchRules(34, (0,), max(limit, least)) for limit in limits]

    def found() -> list[list[tuple[list[int], bool]]]:
        hypotheses = search_beams(model, sources, SearchConfig(beam=4, min_len=least), rules)
        return [[(one.tokens.tolist(), one.is_cut) for one in beam] for beam in hypotheses]

    wanted = found()
    monkeypatch.setattr("avcore.decoding.beam_search.steps_ahead", lambda _: 16)
    assert found() == wanted
    monkeypatch.setattr("avcore.decoding.beam_search._LEAST_GROWTH_ON_GPU", 64)
    monkeypatch.setattr("avcore.decoding.beam_search.can_record", lambda _: True)
    monkeypatch.setattr("avcore.decoding.beam_search.Recorded", RecordedOnCpu)
    assert found() == wanted
    assert all(len(one) == 4 for one in wanted)


def test_a_search_short_of_memory_puts_half_off_and_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model, sizes = tiny_model(3), list[int]()
    sources = [np.array([0, *range(5, 8 + 3 * one), 2, 34]) for one in range(5)]
    rules = [SearchRules(34, (0,), 30)] * len(sources)
    wanted = search_beams(model, sources, SearchConfig(beam=4, min_len=20), rules)
    step = IncrementalDecoder.step
    monkeypatch.setattr(IncrementalDecoder, "step", lambda self, *given: (sizes.append(self.shape[0]), step(self, *given))[1])
    told: list[int] = []
    found = search_beams(model, sources, SearchConfig(beam=4, min_len=20), rules, told.append, most_entries=130)
    assert [[one.tokens.tolist() for one in each] for each in found] == [[one.tokens.tolist() for one in each] for each in wanted]
    assert {5, 2, 1} <= set(sizes)
    assert told == sorted(told)


def test_a_search_on_several_cores_finds_the_same() -> None:
    model, source, rules = tiny_model(3), np.array([0, 5, 9, 12, 2, 34]), [SearchRules(34, (0,), 90)]
    found, before = list[list[list[int]]](), torch.get_num_threads()
    for threads in (1, 2):
        torch.set_num_threads(threads)
        try:
            found.append([one.tokens.tolist() for one in search_beams(model, [source], SearchConfig(beam=4, min_len=88), rules)[0]])
            assert torch.get_num_threads() == threads
        finally:
            torch.set_num_threads(before)
    assert found[0] == found[1]


def sources(generator: np.random.Generator, *lengths: int) -> list[np.ndarray]:
    return [np.concatenate([[0], generator.integers(4, 34, length), [2, 34]]) for length in lengths]


@pytest.mark.parametrize("num_sentences", [1, 3])
def test_steps_with_reorders_equal_teacher_forcing(num_sentences: int) -> None:
    generator = np.random.default_rng(num_sentences)
    model, num_beams = tiny_model(1), 5
    inputs = sources(generator, 9, 4, 13)[:num_sentences]
    with torch.inference_mode():
        decoder = IncrementalDecoder(model.decoder, encode(model, inputs), 30)
        paths = np.full((num_sentences, 1, 1), TAG)
        parents = np.zeros((num_sentences, 1), dtype=np.int64)
        for _ in range(30):
            decoder.make_room(paths.shape[1])
            logits = decoder.step(torch.from_numpy(paths[:, :, -1]), torch.from_numpy(parents))
            for row, source in enumerate(inputs):
                repeated = torch.from_numpy(source)[None].expand(paths.shape[1], -1)
                wanted = model(repeated, torch.from_numpy(paths[row]))[:, -1]
                torch.testing.assert_close(logits[row], wanted, atol=2e-5, rtol=1e-5)
            parents = generator.integers(0, paths.shape[1], (num_sentences, num_beams))
            tokens = generator.integers(4, 34, (num_sentences, num_beams, 1))
            paths = np.concatenate([np.take_along_axis(paths, parents[:, :, None], axis=1), tokens], axis=2)


def test_going_on_with_some_sentences() -> None:
    generator = np.random.default_rng(0)
    model, inputs = tiny_model(2), sources(generator, 6, 11, 3)
    first, parents = torch.full((3, 1), TAG), torch.zeros(3, 1, dtype=torch.int64)
    with torch.inference_mode():
        decoder = IncrementalDecoder(model.decoder, encode(model, inputs), 30)
        decoder.make_room(1)
        decoder.step(first, parents)
        decoder.keep([0, 2])
        decoder.make_room(2)
        logits = decoder.step(torch.tensor([[5, 6], [7, 8]]), torch.zeros(2, 2, dtype=torch.int64))
        for row, number, tokens in ((0, 0, (5, 6)), (1, 2, (7, 8))):
            for beam, token in enumerate(tokens):
                wanted = model(torch.from_numpy(inputs[number])[None], torch.tensor([[TAG, token]]))[0, -1]
                torch.testing.assert_close(logits[row, beam], wanted, atol=2e-5, rtol=1e-5)


def entry(value: float, num_beams: int) -> KeysValues:
    return KeysValues(torch.full((1, 2, num_beams, 3), value), torch.full((1, 2, num_beams, 3), value))


def test_common_ancestors_are_kept_once_and_dead_slots_come_back() -> None:
    pool, device = BeamPool(1, 1, torch.device("cpu")), 4
    pool.make_room(1)
    pool.begin_step(torch.tensor([[0]]))
    pool.extend(0, entry(1, 1))
    for step in range(2, 200):
        # All beams descend from the first one, so that each step leaves one common ancestor and three dead ends.
        pool.make_room(device)
        mask = pool.begin_step(torch.zeros(1, device, dtype=torch.int64))
        seen = pool.extend(0, entry(step, device))
        assert pool.num_slots <= step + 2 * device + 64
        assert seen.keys.is_contiguous()
        assert seen.keys.shape[2] == mask.shape[3] == pool.num_slots
        assert sorted(seen.keys[0, 0, :, 0][mask[0, 0, 3] == 0].tolist()) == list(range(1, step + 1))
