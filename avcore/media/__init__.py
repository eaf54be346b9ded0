"""Decode and encode video and sound as streams, by presentation time."""

from avcore.media.frames import Frame, at_rate, pixel_aspect_of, read_frames, read_gray_video
from avcore.media.media_source import AnySource, MediaSource
from avcore.media.passthrough import Subtitle, SubtitleTrack
from avcore.media.probe import MediaInfo, probe, require_media
from avcore.media.sound import (
    iter_sound_at,
    iter_sound_blocks,
    iter_speech_blocks,
    read_sound,
    read_speech,
    write_speech,
    write_speech_pieces,
)
from avcore.media.sound_writer import SoundWriter
from avcore.media.source import FrameSource, frames_at
from avcore.media.writer import QUICK, VideoJoiner, VideoWriter, require_video_name, write_lip_video

__all__ = [
    "QUICK",
    "AnySource",
    "Frame",
    "FrameSource",
    "MediaInfo",
    "MediaSource",
    "SoundWriter",
    "Subtitle",
    "SubtitleTrack",
    "VideoJoiner",
    "VideoWriter",
    "at_rate",
    "frames_at",
    "iter_sound_at",
    "iter_sound_blocks",
    "iter_speech_blocks",
    "pixel_aspect_of",
    "probe",
    "read_frames",
    "read_gray_video",
    "read_sound",
    "read_speech",
    "require_media",
    "require_video_name",
    "write_lip_video",
    "write_speech",
    "write_speech_pieces",
]
