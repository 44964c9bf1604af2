"""Where the words that go around a suite's questions are; their hash is part of the manifest"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parents[1] / "prompts"
