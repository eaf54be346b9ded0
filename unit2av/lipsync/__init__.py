"""Lip-sync backends: ways to move the lips of a face to speech (see `unit2av.lipsync.backend`)."""
