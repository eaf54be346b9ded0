"""A file that is given as a video opens itself and nothing else, whatever it says it is."""

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import pytest
from PIL import Image

from avcore.errors import EXIT_BAD_INPUT, MediaError
from avcore.media import FrameSource, probe, read_frames, read_gray_video, read_speech
from netflips.commands.info import main as info
from tests.avcore.media_samples import Film, at_constant_rate, clicks, numbered_frame
from tests.refusal import refused

Make = Callable[[Path, Path], Path]
"""Makes an attack in a folder that leads to a private video; gives the attack back."""

HLS = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n#EXTINF:2.0,\n{}\n#EXT-X-ENDLIST\n"


def _text(name: str, content: str) -> Make:
    def make(folder: Path, private: Path) -> Path:
        path = folder / name
        path.write_text(content.format(private, private.name))
        return path

    return make


def _nested_playlist(folder: Path, private: Path) -> Path:
    (folder / "clip.m3u8").write_text(HLS.format(f"file://{private}"))
    return _text("talk.mp4", "ffconcat version 1.0\nfile clip.m3u8\n")(folder, private)


def _frames_by_number(folder: Path, _: Path) -> Path:
    path = folder / "x%d.png"
    for name in ("x0.png", "x1.png", path.name):
        cv2.imwrite(str(folder / name), numbered_frame(3))
    return path


def _subtitles_that_are_a_playlist(folder: Path, private: Path) -> Path:
    """An AVI whose subtitle track holds a whole file of its own (GAB2), here a playlist."""
    inner = HLS.format(f"file://{private}").encode()
    packet = b"GAB2\0" + struct.pack("<HI", 2, 4) + b"e\0n\0" + struct.pack("<HI", 4, len(inner)) + inner
    header = struct.pack("<4s4sIHHIIIIIIIIhhhh", b"txts", b"\0" * 4, 0, 0, 0, 0, 1, 25, 0, 1, 0, 0, 0, 0, 0, 0, 0)
    track = _list(b"strl", _chunk(b"strh", header) + _chunk(b"strf", b"\0" * 4))
    main = struct.pack("<14I", 40_000, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0)
    path = folder / "talk.avi"
    body = _list(b"hdrl", _chunk(b"avih", main) + track) + _list(b"movi", _chunk(b"00tx", packet))
    path.write_bytes(_chunk(b"RIFF", b"AVI " + body))
    return path


def _data_elsewhere(folder: Path, private: Path) -> Path:
    """An MP4 whose track says that its data lies in another file, at the same place; its own data are zeros."""
    content = private.read_bytes()
    start = content.index(b"mdat") + 4
    stop = start - 8 + int.from_bytes(content[start - 8 : start - 4], "big")
    content = content[:start] + bytes(stop - start) + content[stop:]
    alias = _alias(f"../{private.parent.name}/{private.name}".encode())
    box = struct.pack(">I4sI", 12 + len(alias), b"alis", 0) + alias
    place = content.index(b"url \0\0\0\1") - 4
    content = content[:place] + box + content[place + 12 :]
    for name in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):  # the boxes that it lies in have grown
        at = content.rindex(name, 0, place) - 4
        content = content[:at] + struct.pack(">I", int.from_bytes(content[at : at + 4], "big") + len(box) - 12) + content[at + 4 :]
    path = folder / "talk.mp4"
    path.write_bytes(content)
    return path


def _alias(relative: bytes) -> bytes:
    """A Macintosh alias record: a volume, a file, and as tags 2 and 18 the path."""
    head = bytes(10) + b"\4disk".ljust(28, b"\0") + bytes(12) + b"\x08talk.mp4".ljust(64, b"\0") + bytes(16)
    head += struct.pack(">HH", 1, 1) + bytes(16)
    tags = b"".join(
        struct.pack(">HH", kind, len(text)) + text + b"\0" * (len(text) % 2) for kind, text in ((2, relative), (18, relative))
    )
    return head + tags + struct.pack(">hH", -1, 0)


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def _list(name: bytes, content: bytes) -> bytes:
    return _chunk(b"LIST", name + content)


ATTACKS = {
    "concat with a neighbour": _text("talk.mp4", "ffconcat version 1.0\nfile '{1}'\n"),
    "concat that leads to a playlist": _nested_playlist,
    "hls": _text("talk.mp4", HLS.replace("{}", "file://{0}")),
    "hls of the web": _text("talk.mp4", HLS.replace("{}", "http://localhost:1/a.ts")),
    "hls through concat:": _text("talk.mp4", HLS.replace("{}", "concat:{0}|{0}")),
    "hls through pipe:": _text("talk.mp4", HLS.replace("{}", "pipe:0")),
    "hls through subfile": _text("talk.mp4", HLS.replace("{}", "subfile,,start,0,end,0,,:{0}")),
    "numbered images": _frames_by_number,
    "text": _text("notes.txt", "what to say\n" * 50),
    "text called a video": _text("talk.mp4", "what to say\n" * 50),
    "ansi": _text("talk.ans", "\x1b[2Jwhat to say\n" * 50),
    "subtitles": _text("talk.srt", "1\n00:00:00,000 --> 00:00:02,000\nwhat to say\n"),
    "dash": _text(
        "talk.mpd",
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT2S"><Period>'
        '<AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1"><BaseURL>file://{0}</BaseURL></Representation>'
        "</AdaptationSet></Period></MPD>",
    ),
    "sdp": _text(
        "talk.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
    ),
    "asx": _text("talk.wmv", '<asx version="3.0"><entry><ref href="file://{0}"/></entry></asx>'),
    "reference of windows media": _text("talk.asf", "[Reference]\r\nRef1=file://{0}\r\n"),
    "play list of sound": _text("talk.mp3", "#EXTM3U\n#EXTINF:2,x\n{0}\n"),
    "subtitles of an avi": _subtitles_that_are_a_playlist,
    "data in another file": _data_elsewhere,
}


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Film(sound=clicks(16000, 2, [1.0])).write(tmp_path_factory.mktemp("private") / "private.mp4")


@pytest.mark.parametrize("make", ATTACKS.values(), ids=ATTACKS)
def test_only_the_file_itself_is_opened(tmp_path: Path, private: Path, make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / private.name).write_bytes(private.read_bytes())
    attack = make(tmp_path, private)
    assert info([str(attack)]) == EXIT_BAD_INPUT
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert str(attack) in lines[0]
    refused(MediaError, "", next, read_frames(attack))
    assert not _heard(attack)


def _heard(path: Path) -> int:
    try:
        return len(read_speech(path))
    except MediaError:
        return 0


def _element(name: str, content: bytes) -> bytes:
    """An element of Matroska, its identifier in hexadecimal."""
    return bytes.fromhex(name) + struct.pack(">Q", len(content) | 1 << 56) + content


def _parts(content: bytes) -> list[tuple[str, bytes]]:
    """The elements that stand in a row."""
    found, place = [], 0
    while place < len(content):
        length = 9 - content[place].bit_length()
        name, place = content[place : place + length].hex(), place + length
        length = 9 - content[place].bit_length()
        size = int.from_bytes(content[place : place + length], "big") & (1 << 7 * length) - 1
        place += length
        found.append((name, content[place : place + size]))
        place += size
    return found


def _linked(path: Path, own: bytes, following: bytes) -> None:
    """Make of a Matroska file one that goes on in another, by its name, by its identifier, and by a chapter of it."""
    head, (segment, content) = _parts(path.read_bytes())
    uid, following_uid, name = _element("73a4", own), _element("3eb923", following), _element("3e83bb", b"private.mkv")
    times = _element("91", b"\0") + _element("92", b"\x3b\x9a\xca\0")
    atom = _element("b6", _element("73c4", b"\1") + times + _element("6e67", following))
    chapters = _element("1043a770", _element("45b9", _element("45dd", b"\1") + _element("45db", b"\1") + atom))
    made = b""
    for kind, inside in _parts(content):
        if kind == "1549a966":
            made += _element(kind, inside + uid + following_uid + name) + chapters
        elif kind in ("1654ae6b", "1f43b675"):  # what tells of places in the file is wrong now
            made += _element(kind, inside)
    path.write_bytes(_element(*head) + _element(segment, made))


def test_segments_that_are_linked_are_not_followed(tmp_path: Path) -> None:
    lengths = {"talk.mkv": 8, "private.mkv": 5}
    film, other = (Film(at_constant_rate(Fraction(25), count)).write(tmp_path / name) for name, count in lengths.items())
    _linked(film, b"1" * 16, b"2" * 16)
    _linked(other, b"2" * 16, b"1" * 16)
    assert (len(list(read_frames(film))), len(list(read_frames(other)))) == (8, 5)


def test_a_script_in_an_asf_is_not_followed(tmp_path: Path, private: Path) -> None:
    film = Film(at_constant_rate(Fraction(25), 8), codec="msmpeg4v3", tick=Fraction(1, 25)).write(tmp_path / "talk.asf")
    content = film.read_bytes()
    size, number = struct.unpack_from("<QI", content, 16)
    words = [text.encode("utf-16-le") for text in ("URL", f"file://{private}")]
    counts = [struct.pack("<H", len(word) // 2) for word in words]
    script = bytes(16) + struct.pack("<HH", 1, 1) + counts[0] + words[0] + struct.pack("<IH", 0, 0) + counts[1] + words[1]
    script = bytes.fromhex("301afb1e620bd011a39b00a0c90348f6") + struct.pack("<Q", 24 + len(script)) + script
    header = struct.pack("<QI", size + len(script), number + 1) + content[28:size] + script
    film.write_bytes(content[:16] + header + content[size:])
    assert len(list(read_frames(film))) == 8
    assert not _heard(film)


@pytest.mark.parametrize(
    "name", ["concat:{0}|{0}", "pipe:0", "http://localhost:1/a.mp4", "subfile,,start,0,end,0,,:{0}", "data:,x"]
)
def test_a_name_is_a_file_and_no_address(private: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert info([name.format(private)]) == EXIT_BAD_INPUT
    assert "is not there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "kind"), [("photo.png", "PNG"), ("photo.jpg", "JPEG"), ("photo.gif", "GIF"), ("photo.webp", "WebP"), ("a.mp4", "PNG")]
)
def test_a_frame_is_read_as_itself_and_is_no_video(name: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / name
    Image.fromarray(numbered_frame(5)).save(path, format=kind)
    found = probe(path)
    assert (found.num_frames, found.still) == (1, kind)
    for read in (FrameSource, read_gray_video):
        refused(MediaError, f"this is a still image; expected a video; found {kind}", read, path)


def test_a_gif_that_moves_is_a_video(tmp_path: Path) -> None:
    first, *others = (Image.fromarray(numbered_frame(number)) for number in (3, 4, 5))
    first.save(tmp_path / "a.gif", save_all=True, append_images=others, duration=40)
    assert probe(tmp_path / "a.gif").still == ""
    assert len(FrameSource(tmp_path / "a.gif")) == 3
