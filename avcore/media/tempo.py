"""Speech at another tempo and the same pitch, by FFmpeg's `atempo` (waveform similarity)."""

import av
import numpy as np

from avcore.arrays import Samples

_LEAST, _MOST = 0.5, 100.0


def faster(samples: Samples, rate: int, factor: float) -> Samples:
    """Return sound, float32 [S], that lasts S / factor at the same pitch. factor: 0.5 to 100; above 1 is faster."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=rate, format="flt", layout="mono", time_base=f"1/{rate}")
    tempo = graph.add("atempo", f"{min(max(factor, _LEAST), _MOST):.6f}")
    out = graph.add("aformat", "sample_fmts=flt:channel_layouts=mono")
    sink = graph.add("abuffersink")
    for one, other in ((source, tempo), (tempo, out), (out, sink)):
        one.link_to(other)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None], np.float32), format="flt", layout="mono")
    frame.sample_rate, frame.pts = rate, 0
    source.push(frame)
    source.push(None)
    parts = []
    while True:
        try:
            parts.append(sink.pull().to_ndarray().ravel())
        except (av.BlockingIOError, av.EOFError):
            break
    return np.concatenate(parts).astype(np.float32) if parts else np.zeros(0, np.float32)
