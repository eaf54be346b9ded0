"""The share of right sentences over the loudness of noise, as a picture."""

from pathlib import Path

from avcore.files import atomic_output
from avcore.statistics import Figure

_NAMES = {"audio": "sound only", "audio,video": "sound and video"}
_COLOURS = {"audio": "#b5541c", "audio,video": "#1c6fb5"}


def plot_sweep(sweep: dict[str, dict[float, Figure]], video_only: Figure | None, path: Path) -> None:
    """Draw the sweep with its 95 % intervals into a picture (.svg or .png). Raises ImportError without matplotlib."""
    import matplotlib as mpl
    from matplotlib.figure import Figure as Canvas

    mpl.rcParams["svg.hashsalt"] = "netflips"  # the same figures give the same file
    canvas = Canvas(figsize=(6.4, 3.8), layout="constrained")
    axes = canvas.add_subplot()
    for modalities, figures in sweep.items():
        snrs = sorted(figures)
        values, colour = [figures[snr].value for snr in snrs], _COLOURS[modalities]
        axes.fill_between(snrs, [figures[s].low for s in snrs], [figures[s].high for s in snrs], color=colour, alpha=0.15, lw=0)
        axes.plot(snrs, values, "o-", color=colour, label=_NAMES[modalities])
    if video_only is not None:
        axes.axhline(video_only.value, color="#555555", ls="--", label="video only")
    axes.set(xlabel="speech over white noise (dB)", ylabel="right sentence", ylim=(-0.02, 1.02))
    axes.invert_xaxis()
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)
    with atomic_output(path) as temporary:
        canvas.savefig(temporary, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)
