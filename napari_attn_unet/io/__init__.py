"""Volumes, masks and maps from and to files."""
