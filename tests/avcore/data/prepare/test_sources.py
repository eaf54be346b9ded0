import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from avcore.data.prepare import sources
from avcore.data.prepare.sources import CorpusFile, JoinedFile, list_files
from avcore.errors import InputError
from tests.avcore.data.prepare.made import split_file, write_tar, write_zip

FILES = {"소음환경1/F(여성)/가.json": b"one", "나.wav": b"two" * 5000}


def _contents(root: Path) -> dict[str, bytes]:
    return {file.name: b"".join(file.blocks()) for file in list_files(root).files}


def test_archives_with_korean_names(tmp_path: Path) -> None:
    write_zip(tmp_path / "02.라벨링데이터" / "TL1.zip", FILES)
    write_zip(tmp_path / "02.라벨링데이터" / "TL2.zip", FILES, "cp949")
    write_tar(tmp_path / "원천데이터" / "VS5.tar", FILES)
    archives = ("02.라벨링데이터/TL1", "02.라벨링데이터/TL2", "원천데이터/VS5")
    assert _contents(tmp_path) == {f"{archive}/{name}": content for archive in archives for name, content in FILES.items()}


@pytest.mark.parametrize(("write", "outer"), [(write_zip, "TS.zip"), (write_tar, "download.tar")])
@pytest.mark.parametrize("inner", ["TS_ko.zip", "01/TS_ko.zip.part0", "TS.tar"])
def test_archives_inside_an_archive_are_named_and_never_passed_over(
    tmp_path: Path, write: Callable[[Path, dict[str, bytes]], Path], outer: str, inner: str
) -> None:
    write(tmp_path / outer, {inner: b"PK", "readme.txt": b"a"})
    with pytest.raises(InputError, match=rf"{outer}.*found 1 of them, as .*{inner}; unpack {outer} first"):
        list_files(tmp_path)


@pytest.mark.parametrize("by_offset", [False, True])
@pytest.mark.parametrize("count", [2, 12])
def test_archives_in_parts(tmp_path: Path, count: int, by_offset: bool) -> None:
    files = {f"{number}.bin": bytes(range(256)) * 40 + bytes([number]) for number in range(20)}
    split_file(write_zip(tmp_path / "TS1.zip", files), count, by_offset)
    split_file(write_tar(tmp_path / "TS2.tar", files), count, by_offset)
    expected = {f"{archive}/{name}": content for archive in ("TS1", "TS2") for name, content in files.items()}
    assert _contents(tmp_path) == expected


def test_a_missing_part_is_named_and_damage_hides_no_others(tmp_path: Path) -> None:
    whole = write_zip(tmp_path / "good.zip", FILES)
    (tmp_path / "bad.zip").write_bytes(whole.read_bytes()[:100])
    (tmp_path / "bad.tar").write_bytes(b"nothing like a tar" * 100)
    listing = list_files(tmp_path)
    assert len(listing.files) == len(FILES)
    assert set(listing.problems) == {"bad.zip", "bad.tar"}
    parts = split_file(write_zip(tmp_path / "parts" / "TS1.zip", FILES), 4)
    parts[2].unlink()
    (tmp_path / "parts" / "a.txt").write_text("x")
    listing = list_files(tmp_path / "parts")
    assert [file.name for file in listing.files] == ["a.txt"]
    assert "a part of the archive is missing" in listing.problems["TS1.zip"]


def test_a_damaged_file_in_an_archive_is_an_error_with_its_name(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", {"a.bin": bytes(range(256)) * 400})
    content = bytearray(path.read_bytes())
    content[60:80] = bytes(20)
    path.write_bytes(bytes(content))
    file = list_files(tmp_path).files[0]
    with pytest.raises(InputError, match=r"x/a\.bin.*cannot be read"):
        list(file.blocks())


def test_names_are_composed_and_stay_inside(tmp_path: Path) -> None:
    write_zip(tmp_path / "x.zip", {unicodedata.normalize("NFD", "한국.wav"): b"1", "../../outside.wav": b"2"})
    assert sorted(_contents(tmp_path)) == ["x/outside.wav", "x/한국.wav"]


def test_an_unpacked_file_hides_its_archived_self(tmp_path: Path) -> None:
    write_zip(tmp_path / "TS1.zip", {"a.wav": b"archived", "b.wav": b"only there"})
    (tmp_path / "TS1").mkdir()
    (tmp_path / "TS1" / "a.wav").write_bytes(b"unpacked")
    assert _contents(tmp_path) == {"TS1/a.wav": b"unpacked", "TS1/b.wav": b"only there"}
    path = write_zip(tmp_path / "joined" / "TS1.zip", FILES)
    content = path.read_bytes()
    split_file(path, 3)
    path.write_bytes(content)
    assert len(_contents(tmp_path / "joined")) == len(FILES)


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "a.wav").write_bytes(b"a")
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "linked").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "back").symlink_to(tmp_path / "corpus")
    assert _contents(tmp_path / "corpus") == {"linked/a.wav": b"a"}


def test_a_file_of_an_archive_can_have_a_path(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    write_tar(tmp_path / "corpus" / "x.tar", FILES)
    file = list_files(tmp_path / "corpus").with_suffix(".wav")[0]
    with file.on_disk(work) as path:
        assert path.suffix == ".wav"
        assert path.read_bytes() == FILES["나.wav"]
    assert list(work.iterdir()) == []
    file.copy_to(work / "copy")
    assert (work / "copy").read_bytes() == FILES["나.wav"]


def test_text_in_both_usual_encodings(tmp_path: Path) -> None:
    for encoding in ("utf-8-sig", "cp949"):
        (tmp_path / f"{encoding}.txt").write_bytes("한국어".encode(encoding))
    (tmp_path / "none.txt").write_bytes(b"\xff\xff\xff")
    texts = {file.name: file for file in list_files(tmp_path).files}
    assert texts["utf-8-sig.txt"].read_text() == texts["cp949.txt"].read_text() == "한국어"
    with pytest.raises(InputError, match="no text file"):
        texts["none.txt"].read_text()


def test_texts_have_a_limit_wherever_they_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MOST_BYTES", 1000)
    files = {"a.json": b"[" * 1001, "b.json": b"[" * 1000}
    write_zip(tmp_path / "z.zip", files)
    write_tar(tmp_path / "t.tar", files)
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    told = {"a.json": "a.json: it", "z/a.json": r"z\.zip: z/a\.json: it", "t/a.json": r"t\.tar: t/a\.json: it"}
    for file in list_files(tmp_path).files:
        if file.name in told:
            words = f"{told[file.name]} is too large; expected 1,000 bytes of text; found 1,001 bytes"
            with pytest.raises(InputError, match=words):
                file.read_text()
        else:
            assert len(file.read_text()) == 1000


def test_lines_of_a_text_that_is_longer_than_one_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As lists of KsponSpeech are: some in CP949, read where they lie."""
    monkeypatch.setattr(sources, "MOST_BYTES", 30)
    lines = ["a.pcm :: one", "b.pcm :: 한국어", "", "c.pcm :: 뷁"]
    files = {f"{name}.trn": "\r\n".join(lines).encode(name) for name in ("utf-8-sig", "cp949")}
    write_zip(tmp_path / "z.zip", files)
    write_tar(tmp_path / "t.tar", files)
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    for file in list_files(tmp_path).with_suffix(".trn"):
        assert list(file.lines()) == [(f"{file.name}:{number}", line) for number, line in enumerate(lines, 1)]
    (tmp_path / "cp949.trn").write_bytes(b"a" * 31)
    for name, words in (
        ("cp949.trn", "line 1 is too large; expected 30 bytes of text"),
        ("t/cp949.trn", "cp949.trn: line 2 is no text; expected UTF-8; found"),
    ):
        (file,) = (one for one in list_files(tmp_path).files if one.name == name)
        with pytest.raises(InputError, match=words):
            list(file.lines(sources.UTF8))


def _table(folder: Path, content: bytes, archive: str) -> CorpusFile:
    """A table of a corpus, in a folder or an archive."""
    files = {"a.trn": content}
    if archive:
        (write_zip if archive == "zip" else write_tar)(folder / f"x.{archive}", files)
    else:
        (folder / "a.trn").write_bytes(content)
    (file,) = list_files(folder).files
    return file


@pytest.mark.parametrize("archive", ["", "zip", "tar"])
@pytest.mark.parametrize("encoding", ["utf-8", "cp949"])
def test_the_whole_file_decides_its_encoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str, archive: str) -> None:
    """The first line of CP949 is one of UTF-8, too, with another letter; blocks end within letters and within line ends."""
    assert "짹".encode("cp949").decode() == "±"
    lines = ["짹", "a", "", "한국어 뷁", "짹"]
    for block in (1, 7, 1 << 20):
        monkeypatch.setattr(sources, "_BLOCK", block)
        for end in ("\r", "\n", "\r\n"):
            (folder := tmp_path / f"{block}{ord(end[0])}{len(end)}").mkdir()
            file = _table(folder, end.join(lines).encode(encoding), archive)
            assert list(file.lines()) == [(f"{file.name}:{number}", line) for number, line in enumerate(lines, 1)]


@pytest.mark.parametrize(
    ("content", "encodings", "told"),
    [
        ("a\r\n한\r\n".encode("cp949"), sources.UTF8, "line 2 is no text; expected UTF-8; found other bytes; save it as UTF-8"),
        (
            b"a\rb\r\xff\r",
            ("utf-8-sig", "cp949"),
            "line 3 is no text; expected UTF-8 or CP949; found other bytes; save it as UTF-8",
        ),
    ],
)
def test_a_line_that_is_no_text_is_named_with_what_was_tried(
    tmp_path: Path, content: bytes, encodings: tuple[str, ...], told: str
) -> None:
    with pytest.raises(InputError, match=rf"a\.trn: {told}"):
        list(_table(tmp_path, content, "").lines(encodings))


def test_what_is_packed_as_no_recording_is_never_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_zip(tmp_path / "x.zip", {"a.mpg": bytes(500_000), "b.mpg": FILES["나.wav"]})
    work = tmp_path / "work"
    work.mkdir()
    bomb, good = list_files(tmp_path / "x.zip").files
    monkeypatch.setattr(sources, "_ANY_TIMES", 100_000)
    monkeypatch.setattr(CorpusFile, "blocks", lambda self: pytest.fail("it was unpacked"))
    for unpack in (lambda: bomb.copy_to(work / "x"), lambda: bomb.on_disk(work).__enter__()):
        with pytest.raises(InputError, match=r"x\.zip: x/a\.mpg: it is packed as no recording is; .*found 500,000 bytes out of"):
            unpack()
    monkeypatch.setattr(sources, "MOST_UNPACKED", 1000)
    with pytest.raises(InputError, match=r"x\.zip: x/b\.mpg: it is too large .*; expected 1,000 bytes at most; found 15,000"):
        good.copy_to(work / "x")
    monkeypatch.undo()
    monkeypatch.setattr(sources, "_RESERVE", 1 << 60)
    with pytest.raises(InputError, match="expected 0 bytes at most, which the disk has free"):
        good.copy_to(work / "x")
    assert not list(work.iterdir())


def test_a_file_that_ends_too_soon_is_told(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x.tar", FILES)
    file = list_files(tmp_path).with_suffix(".wav")[0]
    path.write_bytes(path.read_bytes()[: file.offset + 100])
    with pytest.raises(InputError, match=r"x\.tar: .*: it cannot be read; found 14,900 bytes less than it should have"):
        list(file.blocks())


def test_names_that_are_not_utf8_are_carried(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path / "화자")
    os.makedirs(folder + b"/\xb9\xe6")
    names = {b"\xb9\xe6/\xc7\xd1\xb1\xdb.mp4": "화자/방/한글.mp4", b"\xff\xfe.mp4": "화자/%FF%FE.mp4"}
    for number, name in enumerate(names):
        Path(os.fsdecode(folder + b"/" + name)).write_bytes(b"x" * number)
    found = list_files(tmp_path).files
    assert {file.name for file in found} == set(names.values())
    for file in found:
        assert b"".join(file.blocks()) in (b"", b"x")
        str(file).encode()


def test_what_cannot_be_a_corpus(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not there"):
        list_files(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no files"):
        list_files(tmp_path)
    (tmp_path / "zeroth_korean.tar.gz").write_bytes(b"x")
    with pytest.raises(InputError, match=r"unpack it: tar xf zeroth_korean\.tar\.gz"):
        list_files(tmp_path / "zeroth_korean.tar.gz")


def test_joined_files_are_read_anywhere(tmp_path: Path) -> None:
    content = bytes(range(200))
    paths = [tmp_path / str(number) for number in range(4)]
    for path, (start, stop) in zip(paths, [(0, 50), (50, 50), (50, 51), (51, 200)], strict=True):
        path.write_bytes(content[start:stop])
    with JoinedFile(paths) as joined:
        assert joined.read() == content
        assert joined.read() == b""
        assert joined.seek(-150, 2) == 50
        assert joined.read(10) == content[50:51]  # one part at a time, as files may
        assert joined.tell() == 51
