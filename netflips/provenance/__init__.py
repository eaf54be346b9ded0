"""Provenance of a file: a signed C2PA manifest, and the consent of the people in the video."""
