"""Resumable work, which may be killed at any moment: finished work stays, and is checked before it is used."""
