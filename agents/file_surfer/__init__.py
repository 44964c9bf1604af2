"""Finds things in documents."""

from agents.file_surfer.agent import FileSurfer

__all__ = ["FileSurfer"]
