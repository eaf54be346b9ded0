"""Prepare corpora as they are delivered, into one manifest and the files it names; manifests to and from other forms."""
