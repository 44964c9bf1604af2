"""`python -m tasks.cli`: the same as `quaestor`."""

from __future__ import annotations

from tasks.cli.main import main

if __name__ == "__main__":
    main()
