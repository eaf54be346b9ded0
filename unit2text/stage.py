"""What the product needs to know of this stage before anything of it is loaded."""

from avcore.checkpoints.kinds import Kind

KIND = Kind.TEXT_READER
FILE = "text_reader.safetensors"
"""Its name in a bundle."""
LOADED_BY = "unit2text.reader:UnitReader.from_checkpoint"
