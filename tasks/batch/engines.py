"""Opens the engine of a plan by its name. Each is imported when it is wanted."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from tasks.batch.port import Engine, Job
from tasks.batch.values import EngineName


def open_engine(name: EngineName, job: Job = "task") -> AbstractAsyncContextManager[Engine]:
    """The engine, cleaned up after at the end, with what its processes will need already loaded for
    this job. Raises NotReady when it is not there."""
    if name == "ray":
        from tasks.batch.ray_engine import open_ray

        return open_ray()
    from tasks.batch.local_engine import open_local

    return open_local(job)
