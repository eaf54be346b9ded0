"""What this stage is to the rest of the house: one kind of checkpoint, the text reader's."""

from avcore.checkpoints.kinds import Kind

TEXT_READER = Kind.TEXT_READER
FILE = "text_reader.safetensors"
"""Its name in a bundle."""
