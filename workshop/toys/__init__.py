"""Small data to try a training on."""
