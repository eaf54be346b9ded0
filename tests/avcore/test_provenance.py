"""What a dubbed video says of itself."""

from avcore.provenance import synthetic_comment
from netflips import __version__


def test_comment_names_version_languages_and_models() -> None:
    comment = synthetic_comment("ko", ["sha256:1", "", "sha256:2"], "en")
    assert comment == f"synthetic: NetfLips {__version__}, en->ko, models sha256:1 sha256:2"
    assert "->ko, models" in synthetic_comment("ko", ["sha256:1"])
