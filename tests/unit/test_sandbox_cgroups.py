"""Which control group is made where; the kernel's part is in the sandbox suites."""

from __future__ import annotations

from pathlib import Path

from sandbox import cgroups


def test_version_2_takes_a_group_that_hands_its_limits_down(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n", encoding="ascii")
    (tmp_path / "cgroup.subtree_control").write_text("cpu io memory pids\n", encoding="ascii")
    group = cgroups.make(memory=1 << 20, pids=7, cpus=1.5, root=tmp_path)
    assert group is not None
    ((folder, shown),) = group.folders.items()
    assert shown == "/sys/fs/cgroup"
    written = {file.name: file.read_text(encoding="ascii") for file in folder.iterdir()}
    assert written == {"memory.max": "1048576", "pids.max": "7", "cpu.max": "150000 100000"}


def test_version_2_without_such_a_group_makes_none(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n", encoding="ascii")
    (tmp_path / "cgroup.subtree_control").write_text("cpu\n", encoding="ascii")
    assert cgroups.make(memory=1 << 20, pids=7, cpus=1.0, root=tmp_path) is None


def test_version_1_needs_every_kind_of_limit(tmp_path: Path) -> None:
    for kind in ("memory", "pids"):
        (tmp_path / kind).mkdir()
    assert cgroups.make(memory=1 << 20, pids=7, cpus=1.0, root=tmp_path) is None
    (tmp_path / "cpu").mkdir()
    group = cgroups.make(memory=1 << 20, pids=7, cpus=0.5, root=tmp_path)
    assert group is not None
    assert sorted(group.folders.values()) == [
        f"/sys/fs/cgroup/{kind}" for kind in ("cpu", "memory", "pids")
    ]
    (cpu,) = (tmp_path / "cpu").iterdir()
    assert (cpu / "cpu.cfs_quota_us").read_text(encoding="ascii") == "50000"


def test_only_the_groups_of_dead_processes_are_swept(tmp_path: Path) -> None:
    from sandbox import owner

    folders = [tmp_path / "cpu" / f"quaestor-{mark}-ab" for mark in ("999999@1", owner.process())]
    for folder in folders:
        folder.mkdir(parents=True)
    cgroups.sweep(tmp_path)
    assert [folder.exists() for folder in folders] == [False, True]
