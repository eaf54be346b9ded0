"""The one place that asks whether fairseq is here."""

from avcore.errors import UsageError


def require_fairseq() -> None:
    """Raise UsageError naming `make fairseq` when fairseq, or something that it needs, cannot be imported."""
    try:
        import fairseq  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "training unit2unit needs fairseq", found=str(error), hint="run `make fairseq` (translating does not need it)"
        ) from error
