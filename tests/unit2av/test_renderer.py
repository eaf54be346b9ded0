"""Rendering lips with a small random face model. Lips and sound as streams, with stand-ins that only take notes."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from avcore.checkpoints.checkpoint import write_checkpoint
from avcore.errors import CheckpointError, UnitError, UnitRangeError, UsageError, VocabularyError
from avcore.faces.geometry import MouthsToDraw
from avcore.media import Frame
from avcore.units import Units
from tests.refusal import refused
from unit2av.face.model import FaceModel, FaceModelSize, network_input, pad_to_windows
from unit2av.lipsync import Scene, SpokenUnits
from unit2av.lipsync.patches import UnitLipSync
from unit2av.renderer import LipRenderer, ready_to_draw
from unit2av.rendering import OutputFrame, SoundFeed, Talk, drawn, faces_by_index, num_frames_for, steady, write_in_step
from unit2av.stage import RENDERER

SIZE = FaceModelSize(
    num_units=50, unit_width=24, feed_forward=40, encoder_widths=(4, 4, 6, 8, 10, 12, 16),
    decoder_widths=(14, 16, 12, 10, 8, 8, 6), output_width=5,
)  # fmt: skip


def random_model(size: FaceModelSize = SIZE) -> FaceModel:
    """A model whose frames vary as a trained one's do: batch norms hold the statistics of what goes through them."""
    torch.manual_seed(3)
    model = FaceModel(size).train()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
            torch.nn.init.uniform_(module.weight, 0.7, 1.3)
            torch.nn.init.normal_(module.bias, std=0.2)
    torch.nn.init.normal_(model.output_block[1].weight)
    with torch.no_grad():
        model(torch.randint(0, size.num_units, (2, 20)), torch.rand(20, 6, 96, 96))
    return model.eval()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tensors = {f"video.{key}": value for key, value in random_model().state_dict().items()}
    return write_checkpoint(tmp_path_factory.mktemp("face") / "face.safetensors", RENDERER, {"vocabulary": "sha256:1"}, tensors)


@pytest.fixture(scope="module")
def renderer(checkpoint: Path) -> LipRenderer:
    return LipRenderer.from_checkpoint(checkpoint)


@pytest.fixture
def units() -> Units:
    return Units.from_frames(np.random.default_rng(1).integers(0, 50, 75))


@pytest.fixture
def faces() -> list[np.ndarray]:
    return list(np.random.default_rng(2).integers(0, 256, (43, 96, 96, 3), dtype=np.uint8))


def rendered(batches: Iterator[np.ndarray]) -> np.ndarray:
    return np.concatenate(list(batches))


def test_published_size_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        model = FaceModel()
    assert sum(parameter.numel() for parameter in model.parameters()) == 36_100_147
    assert len(model.state_dict()) == 274


@pytest.mark.parametrize("context", [0, 1, 3])
def test_sizes_are_read_from_the_tensors(context: int) -> None:
    size = replace(SIZE, unit_context=context)
    assert FaceModelSize.from_tensors(random_model(size).state_dict()) == size


@torch.no_grad()
def test_only_a_unit_context_parts_what_comes_before_and_after() -> None:
    units = torch.randint(0, 50, (1, 10, 1), generator=torch.Generator().manual_seed(4)).expand(1, 10, 2)
    swapped = [0, 1, 4, 3, 2, 5, 6, 7, 8, 9]  # the neighbours of frame 3 in the other order
    published, ours = random_model(), random_model(replace(SIZE, unit_context=1))

    def code(model: FaceModel, order: list[int]) -> torch.Tensor:
        return model.encode_units(units[:, order].reshape(1, 20))[3]

    torch.testing.assert_close(code(published, swapped), code(published, list(range(10))), atol=1e-5, rtol=0)
    torch.testing.assert_close(code(ours, swapped), code(ours, list(range(10))), atol=1e-5, rtol=0)  # not yet
    torch.nn.init.normal_(ours.unit_context.weight)
    assert (code(ours, swapped) - code(ours, list(range(10)))).abs().max() > 0.1


@pytest.mark.parametrize("rows", [1000, 1024])
def test_the_number_of_units_comes_from_the_table(tmp_path: Path, rows: int) -> None:
    size = FaceModelSize(**{**vars(SIZE), "num_units": rows})
    tensors = {f"video.{key}": value for key, value in random_model(size).state_dict().items()}
    renderer = LipRenderer.from_checkpoint(write_checkpoint(tmp_path / "face.safetensors", RENDERER, {}, tensors))
    assert renderer.num_units == rows
    assert renderer.codes(Units.from_frames([rows - 1])).shape == (10, 24)
    refused(UnitRangeError, f"position 1 is out of range.*0..{rows - 1}", renderer.codes, Units.from_frames([3, rows]))


def test_one_code_for_each_40_ms_in_whole_windows(renderer: LipRenderer) -> None:
    for steps, codes in ((0, 0), (1, 10), (20, 10), (21, 20), (75, 40)):
        assert renderer.codes(Units.from_frames([7] * steps)).shape == (codes, 24)


def test_the_last_unit_fills_the_last_window_anyhow(renderer: LipRenderer, units: Units, monkeypatch: pytest.MonkeyPatch) -> None:
    short, long = Units.from_frames([1, 2, 3]), Units.from_frames([1, 2] + [3] * 18)
    torch.testing.assert_close(renderer.codes(short), renderer.codes(long), atol=0, rtol=0)
    assert pad_to_windows(np.array([4, 5])).tolist() == [[4] + [5] * 19]
    whole = renderer.codes(units)
    monkeypatch.setattr("unit2av.renderer.BATCH_WINDOWS", 1)
    torch.testing.assert_close(renderer.codes(units), whole, atol=1e-5, rtol=0)


@pytest.mark.parametrize("context", [0, 1])
@torch.no_grad()
def test_drawing_in_chunks_equals_the_whole(units: Units, faces: list[np.ndarray], context: int) -> None:
    model = random_model(replace(SIZE, unit_context=context))
    if model.unit_context is not None:
        torch.nn.init.normal_(model.unit_context.weight, std=0.2)
    windows, frames = pad_to_windows(units.frames()), network_input(torch.from_numpy(np.stack(faces[:40])))
    trained = model(windows, frames)
    assert trained.std() > 0.05
    ready_to_draw([model.face_encoder_blocks, model.face_decoder_blocks, model.output_block], torch.float32)
    whole = model(windows, frames)
    torch.testing.assert_close(whole, trained, atol=5e-5, rtol=0)
    by_window = [model(windows[k : k + 1], frames[10 * k : 10 * k + 10]) for k in range(len(windows))]
    torch.testing.assert_close(torch.cat(by_window), whole, atol=1e-5, rtol=0)
    codes = model.encode_units(windows)
    across_windows = [model.draw(codes[k : k + 7], frames[k : k + 7]) for k in range(0, 40, 7)]
    torch.testing.assert_close(torch.cat(across_windows), whole, atol=1e-5, rtol=0)


def test_the_batch_changes_nothing_and_bounds_what_is_yielded(renderer: LipRenderer, units: Units, faces: list[np.ndarray]) -> None:
    whole = rendered(renderer.render(units, faces, batch_size=43))
    for batch_size in (1, 7, 20, 100):
        batches = list(renderer.render(units, faces, batch_size=batch_size))
        assert max(len(batch) for batch in batches) == min(batch_size, 43)
        chunked = np.concatenate(batches)
        assert (chunked.shape, chunked.dtype) == ((43, 96, 96, 3), np.uint8)
        assert np.abs(chunked.astype(int) - whole).max() <= 1
    refused(ValueError, "1 or more, not 0", list, renderer.render(units, faces, batch_size=0))


def test_faces_are_read_only_as_they_are_needed(renderer: LipRenderer, units: Units, faces: list[np.ndarray]) -> None:
    read = 0

    def source() -> Iterator[np.ndarray]:
        nonlocal read
        for face in faces:
            read += 1
            yield face

    batches = renderer.render(units, source())
    assert read == 0
    next(batches)
    assert read == 20
    next(batches)
    assert read == 40


def test_each_frame_speaks_the_unit_of_its_moment(renderer: LipRenderer, faces: list[np.ndarray]) -> None:
    units = Units.from_frames(np.arange(40))
    in_order = rendered(renderer.render(units, [faces[0]] * 20))
    assert len({frame.tobytes() for frame in in_order}) == 20
    times = [0.76, 0.0, Fraction(1, 25), 0.119, 5.0, -1.0]
    at_times = rendered(renderer.render(units, [faces[0]] * 6, times=times))
    expected = in_order[[19, 0, 1, 2, 19, 0]]
    assert np.abs(at_times.astype(int) - expected).max() <= 1
    refused(ValueError, "shorter", list, renderer.render(units, faces[:3], times=[0.0, 0.04]))


def test_crops_of_any_size_are_scaled_and_no_face_is_black(renderer: LipRenderer, units: Units, faces: list[np.ndarray]) -> None:
    large = np.repeat(np.repeat(faces[0], 2, axis=0), 2, axis=1)
    black = np.zeros((96, 96, 3), dtype=np.uint8)
    some = rendered(renderer.render(units, [None, large, faces[0]]))
    truth = rendered(renderer.render(units, [black, faces[0], faces[0]]))
    assert np.abs(some.astype(int) - truth).max() <= 1


def test_bfloat16_is_close(checkpoint: Path, renderer: LipRenderer, units: Units, faces: list[np.ndarray]) -> None:
    quick = LipRenderer.from_checkpoint(checkpoint, precision="bfloat16")
    difference = rendered(quick.render(units, faces)).astype(int) - rendered(renderer.render(units, faces))
    assert 0 < np.abs(difference).mean() < 3


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_draws_the_same(checkpoint: Path, renderer: LipRenderer, units: Units, faces: list[np.ndarray]) -> None:
    quick = LipRenderer.from_checkpoint(checkpoint, device="cuda")
    difference = rendered(quick.render(units, faces)).astype(int) - rendered(renderer.render(units, faces))
    assert np.abs(difference).max() <= 2


def test_bad_units_are_refused_before_a_face_is_read(renderer: LipRenderer) -> None:
    refused(UnitError, "durations", renderer.render, Units(np.array([1, 2])), iter([None]))
    refused(UnitError, "no units", renderer.render, Units.from_frames([]), iter([None]))
    refused(UnitRangeError, "position 2", renderer.render, Units.from_frames([1, 2, 50]), iter([None]))
    refused(VocabularyError, "another quantizer", renderer.render, Units.from_frames([1], vocabulary="sha256:2"), iter([None]))
    refused(UsageError, "float16", LipRenderer.from_checkpoint, "unused.pt", precision="float16")


def test_a_checkpoint_without_a_whole_face_says_so(tmp_path: Path) -> None:
    tensors = {f"video.{key}": value for key, value in random_model().state_dict().items()}
    for missing in ("video.unit_embed.weight", "video.face_encoder_blocks.3.1.conv_block.0.weight", "video.output_block.1.bias"):
        rest = {key: value for key, value in tensors.items() if key != missing}
        path = write_checkpoint(tmp_path / "face.safetensors", RENDERER, {}, rest)
        refused(CheckpointError, missing.removeprefix("video.").replace(".", r"\."), LipRenderer.from_checkpoint, path)


@pytest.mark.parametrize("first_row", [1, 40, 46, 95])
def test_the_lower_rows_alone_are_drawn_as_in_the_whole(renderer: LipRenderer, units: Units, first_row: int) -> None:
    crops = [np.random.default_rng(k).integers(0, 256, (96, 96, 3)).astype(np.uint8) for k in range(3)]
    codes, times = renderer.codes(units), [0.0, 0.2, 0.4]
    whole, lower = renderer.draw(codes, crops, times), renderer.draw(codes, crops, times, first_row)
    assert not lower[:, :first_row].any()
    assert np.abs(lower[:, first_row:].astype(int) - whole[:, first_row:]).max() <= 1  # of rounding to 8 bits
    assert np.mean(lower[:, first_row:] != whole[:, first_row:]) < 0.001


BOX = np.array([8, 6, 40, 38], dtype=np.float32)


class WhiteFaces:
    """Draws white faces and notes what it was asked for."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, list[float]]] = []

    def codes(self, units: Units) -> torch.Tensor:
        return torch.zeros(-(-units.num_steps // 20) * 10, 4)

    def draw(self, codes: torch.Tensor, faces: Sequence[np.ndarray], times: Sequence[Fraction], first_row: int = 0) -> np.ndarray:
        assert all(face.shape == (96, 96, 3) for face in faces)
        self.calls.append((len(faces), [float(time) for time in times]))
        return np.full((len(faces), 96, 96, 3), 255, dtype=np.uint8)


class Notes:
    """A writer that notes in which order it gets what."""

    frame_rate = Fraction(25)

    def __init__(self) -> None:
        self.frames: list[np.ndarray] = []
        self.sound: list[np.ndarray] = []
        self.lead: list[float] = []

    def write_rgb(self, rgb: np.ndarray) -> None:
        self.frames.append(rgb)
        self.lead.append(sum(map(len, self.sound)) / 16000 - len(self.frames) / 25)

    def write_sound(self, samples: np.ndarray) -> None:
        self.sound.append(samples)


class Footage:
    """Frames in memory, played as avcore.media.FrameSource plays them."""

    def __init__(self, frames: Sequence[np.ndarray]) -> None:
        self._frames = frames

    @property
    def own(self) -> range:
        return range(len(self._frames))

    def pingpong(self, num_frames: int, among: range) -> Iterator[Frame]:
        assert among == self.own
        order = [*range(len(self._frames)), *range(len(self._frames) - 2, 0, -1)]
        for k in range(num_frames):
            index = order[k % len(order)]
            yield Frame(self._frames[index], Fraction(index, 25), index)


@pytest.fixture
def frames() -> np.ndarray:
    return np.random.default_rng(4).integers(0, 200, (6, 50, 60, 3), dtype=np.uint8)


def played(footage: Footage, boxes: Sequence[np.ndarray | None], count: int) -> list[OutputFrame]:
    face_of = faces_by_index(MouthsToDraw.of(boxes))
    return list(steady(footage.pingpong(count, footage.own), 25, Talk(1, Fraction(0), torch.zeros(40, 4)), face_of))


def scenes(frames: np.ndarray, boxes: Sequence[np.ndarray | None]) -> Iterator[Scene]:
    for k, (frame, box) in enumerate(zip(frames, boxes, strict=True)):
        yield Scene(frame, box, Fraction(k, 25))


def talking_frames(
    renderer: WhiteFaces, units: Units, shown: Iterator[Scene], *paste: object, batch_size: int = 20
) -> Iterator[np.ndarray]:
    mouth = UnitLipSync(renderer, *paste, batch_size=batch_size)
    return mouth.draw(mouth.codes(SpokenUnits(units)), shown)


def test_faces_are_pasted_into_boxes_and_nothing_else_changes(frames: np.ndarray) -> None:
    boxes = [BOX, None, BOX + 3, None, None, BOX]
    renderer = WhiteFaces()
    shown = list(talking_frames(renderer, Units.from_frames([5] * 12), scenes(frames, boxes), batch_size=4))
    for frame, box, result in zip(frames, boxes, shown, strict=True):
        if box is None:
            np.testing.assert_array_equal(result, frame)
            continue
        x1, y1, x2, y2 = box.astype(int)
        outside = np.ones(frame.shape[:2], dtype=bool)
        outside[y1:y2, x1:x2] = False
        np.testing.assert_array_equal(result[outside], frame[outside])
        assert np.all(result[(y1 + 3 * y2) // 4, (x1 + x2) // 2] == 255)
    assert renderer.calls == [(2, [0.0, 0.08]), (1, [0.2])]


def test_scenes_are_read_a_batch_ahead_and_no_further(frames: np.ndarray) -> None:
    read = 0

    def counted() -> Iterator[Scene]:
        nonlocal read
        for scene in scenes(frames, [BOX] * 6):
            read += 1
            yield scene

    stream = talking_frames(WhiteFaces(), Units.from_frames([5] * 12), counted(), batch_size=2)
    for number in range(1, 7):
        next(stream)
        assert read == (number + 1) // 2 * 2
    refused(UnitError, "no units", talking_frames, WhiteFaces(), Units.from_frames([]), scenes(frames, [BOX] * 6))


def test_as_published_an_odd_last_unit_has_no_frame() -> None:
    for steps, count in ((1, 1), (2, 1), (3, 1), (45, 22), (60, 30)):
        assert num_frames_for(Units.from_frames([1] * steps)) == count


def test_footage_is_played_to_and_fro_with_its_boxes(frames: np.ndarray) -> None:
    boxes = [BOX + k for k in range(3)] + [None, BOX, BOX]
    shown = played(Footage(frames), boxes, 13)
    order = [0, 1, 2, 3, 4, 5, 4, 3, 2, 1, 0, 1, 2]
    for k, (one, index) in enumerate(zip(shown, order, strict=True)):
        assert one.time == Fraction(k, 25)
        assert one.face.box is boxes[index]
        np.testing.assert_array_equal(one.rgb, frames[index])
    seen = list(drawn(UnitLipSync(WhiteFaces()), shown))
    assert [one.rgb[30, 24].min() == 255 for one in seen] == [boxes[index] is not None for index in order]
    assert [one.time for one in seen] == [one.time for one in shown]


def test_sound_goes_with_the_frames_even_where_it_ends_early() -> None:
    samples = np.arange(16000 * 2, dtype=np.float32)
    notes = Notes()
    write_in_step(notes, iter(np.zeros((40, 2, 2, 3), dtype=np.uint8)), SoundFeed(np.split(samples, 8)))
    np.testing.assert_array_equal(np.concatenate(notes.sound), samples)
    assert len(notes.frames) == 40
    assert min(notes.lead) >= 0
    assert max(notes.lead) <= 0.25
    notes = Notes()
    write_in_step(notes, iter(np.zeros((40, 2, 2, 3), dtype=np.uint8)), SoundFeed([np.zeros(100, dtype=np.float32)]))
    assert len(notes.frames) == 40


def test_a_face_renderer_that_draws_no_numbers_is_refused_and_named(tmp_path: Path, units: Units) -> None:
    """NaN became 0, and a black hole stood where the mouth was, without a word; weights of 3e38 are numbers and draw none."""
    for name, value, told in (("nan", float("nan"), "weights are damaged"), ("large", 3e38, "draws no numbers")):
        tensors = {f"video.{key}": tensor.clone() for key, tensor in random_model().state_dict().items()}
        tensors["video.output_block.1.weight"][:, ::2], tensors["video.output_block.1.weight"][:, 1::2] = value, -value
        path = write_checkpoint(tmp_path / name, RENDERER, {}, tensors)
        with pytest.raises(CheckpointError, match=rf"{path}: .*{told}"):
            list(LipRenderer.from_checkpoint(path).render(units, [np.zeros((96, 96, 3), np.uint8)] * 3))
