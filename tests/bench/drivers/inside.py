"""A terminal without a process: runs a program of the benchmark inside of the measured process.

For the rows about many tasks at once, where processes of the terminal would be what is measured.
Runs nothing but what the benchmark's own policy wrote. Standard library only.
"""

from __future__ import annotations

import contextlib
import io
import traceback


def run_inside(code: str) -> tuple[int, str]:
    """Exit code and output of a Python program, with a traceback at the end when it fails."""
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            exec(compile(code, "program.py", "exec"), {"__name__": "__main__"})
    except Exception:  # noqa: BLE001 - a failed program is a result
        return 1, out.getvalue() + traceback.format_exc(limit=1)
    return 0, out.getvalue()
