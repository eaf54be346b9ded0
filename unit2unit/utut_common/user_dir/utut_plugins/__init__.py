"""The former folder for fairseq's `--user-dir`: it registers what the one in unit2unit.training does."""

from unit2unit.training.user_dir import utut_plugins

__all__ = ["utut_plugins"]
