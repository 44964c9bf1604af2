"""Boxes as Docker containers: locked down, without network, reached over the attached stdin/stdout.

The only module that imports `docker`; its blocking calls run in threads, the stream itself is a raw
socket on the event loop. A container ends by itself when its stdin does, so none outlives its host.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from orchestrator.errors import NotReady, SandboxFailed
from sandbox import engine, owner, payload
from sandbox.base import SandboxSettings
from sandbox.inside.confine import Confinement
from sandbox.wire import Wire

if TYPE_CHECKING:
    from docker import APIClient

USER = 10001
OUTLET = "/run/sbx/outlet.sock"
LABEL = "quaestor."
ENGINE_SECONDS = 30
STREAM_LIMIT = 1 << 20
COMPLAINT_BYTES = 2048
# tmpfs is `noexec` unless told otherwise, and its pages count against the memory limit.
TMPFS = {
    "/workspace": f"rw,exec,nosuid,nodev,size=512m,nr_inodes=65536,uid={USER},gid={USER},mode=0700",
    "/tmp": "rw,exec,nosuid,nodev,size=128m,nr_inodes=16384,mode=1777",  # noqa: S108 - in the box
    "/run/sbx": "rw,noexec,nosuid,nodev,size=16m,mode=0755",
}
CAPABILITIES = ["KILL", "SETUID", "SETGID"]
BUILD = "quaestor sandbox build"
OTHERWISE = "or use `--sandbox bubblewrap`"


@dataclass(frozen=True, slots=True)
class ContainerLaunch:
    """Starts containers on an engine that has answered, from an image that is there."""

    settings: SandboxSettings
    address: str
    image: str

    @classmethod
    async def prepare(cls, settings: SandboxSettings) -> ContainerLaunch:
        """Find engine and image, remove boxes of dead processes; raises NotReady."""
        address, image = await asyncio.to_thread(_prepare, settings)
        return cls(settings, address, image)

    def describe(self) -> str:
        size = f"{self.settings.memory_bytes >> 20} MiB, {self.settings.cpus:g} CPU"
        return f"Docker container from {self.settings.image} ({self.image[7:19]}), {size}"

    async def launch(self) -> Wire:
        """Create, attach, start: in this order, so that nothing it says is lost."""
        name = f"quaestor-{secrets.token_hex(8)}"
        removing = _Removal(self.address, name)
        creating = asyncio.ensure_future(asyncio.to_thread(self._create, name))
        try:
            await asyncio.shield(creating)
            stream, sink = await _attach(self.address, name)
            await asyncio.to_thread(_start, self.address, name)
        except BaseException:
            # A thread cannot be cancelled: what it is about to create is removed afterwards.
            await asyncio.wait([creating])
            creating.exception()
            await asyncio.shield(removing())
            raise

        async def kill() -> None:
            sink.close()
            await removing()

        return Wire(stream, sink, kill, stream.complaint, name)

    def _create(self, name: str) -> None:
        with _client(self.address) as client, _explained(self.settings):
            client.create_container(
                image=self.image,
                name=name,
                entrypoint=[],
                command=payload.command(self._confinement()),
                user="0:0",
                hostname="sandbox",
                stdin_open=True,
                working_dir="/",
                environment={},
                labels=_labels(self.settings.run_id),
                host_config=_host_config(client, self.settings),
            )

    def _confinement(self) -> Confinement:
        return Confinement(
            workspace="/workspace",
            scratch="/tmp",  # noqa: S108 - a file system of the box
            code="/run/sbx",
            uid=USER,
            alone=True,
            threads=math.ceil(self.settings.cpus),
            relay=OUTLET if self.settings.proxy_socket else None,
        )


@dataclass(slots=True)
class _Removal:
    """Removes one container by force, once; an engine that is gone has removed it already."""

    address: str
    name: str
    done: bool = False

    async def __call__(self) -> None:
        if not self.done:
            self.done = True
            await asyncio.to_thread(_remove, self.address, self.name)


class AttachedStream:
    """The container's stdout out of the engine's multiplexed stream; stderr is kept aside."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._buffer = bytearray()
        self._stderr = bytearray()

    async def readexactly(self, n: int) -> bytes:
        """The next n bytes of stdout."""
        while len(self._buffer) < n:
            header = await self._reader.readexactly(8)
            piece = await self._reader.readexactly(int.from_bytes(header[4:], "big"))
            if header[0] == 1:
                self._buffer += piece
            else:
                self._stderr = (self._stderr + piece)[-COMPLAINT_BYTES:]
        taken = bytes(memoryview(self._buffer)[:n])
        del self._buffer[:n]
        return taken

    def complaint(self) -> str:
        """The end of what the supervisor wrote on stderr."""
        return self._stderr.decode("utf-8", errors="replace").strip()


async def _attach(address: str, name: str) -> tuple[AttachedStream, asyncio.StreamWriter]:
    """Take over one connection to the engine; the SDK's own stream would block a thread."""
    url = urlsplit(address)
    if url.scheme == "unix":
        reader, writer = await asyncio.open_unix_connection(url.path, limit=STREAM_LIMIT)
    else:
        reader, writer = await asyncio.open_connection(url.hostname, url.port, limit=STREAM_LIMIT)
    query = "stream=1&stdin=1&stdout=1&stderr=1"
    request = (
        f"POST /containers/{name}/attach?{query} HTTP/1.1\r\n"
        "Host: engine\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n"
    )
    writer.write(request.encode("ascii"))
    try:
        async with asyncio.timeout(ENGINE_SECONDS):
            answer = await reader.readuntil(b"\r\n\r\n")
    except BaseException:
        writer.close()
        raise
    status = answer.split(b"\r\n", 1)[0].split()
    if len(status) < 2 or status[1] not in (b"101", b"200"):
        writer.close()
        raise SandboxFailed(f"the engine refused to attach to {name}: {status!r}")
    return AttachedStream(reader), writer


def _prepare(settings: SandboxSettings) -> tuple[str, str]:
    address = _answering()
    with _client(address) as client:
        _sweep(client)
        return address, _image(client, settings)


def _answering() -> str:
    from docker.errors import DockerException

    tried = []
    for address in engine.candidates():
        if urlsplit(address).scheme not in ("unix", "tcp", "http"):
            tried.append(f"{address}: only unix:// and tcp:// addresses can be used")
            continue
        try:
            with _client(address) as client:
                client.ping()
            return address
        except (DockerException, OSError) as error:
            tried.append(f"{address}: {_reason(error)}")
    raise NotReady(
        f"No container engine answers ({'; '.join(tried) or 'no socket was found'}).",
        fix=f"Start Docker (`sudo systemctl start docker`), {OTHERWISE}.",
    )


def _client(address: str) -> APIClient:
    from docker import APIClient

    return APIClient(base_url=address, version="auto", timeout=ENGINE_SECONDS)


def _reason(error: Exception) -> str:
    text = str(error)
    if "Permission denied" in text or "PermissionError" in text:
        return "permission denied (add yourself to the group `docker` and log in again)"
    return text.splitlines()[0][:200] if text else type(error).__name__


def _image(client: APIClient, settings: SandboxSettings) -> str:
    """The digest that the name stands for now: a run keeps to one image, and never pulls."""
    from docker.errors import ImageNotFound

    try:
        found: dict[str, Any] = client.inspect_image(settings.image)  # type: ignore[no-untyped-call]
        return str(found["Id"])
    except ImageNotFound as error:
        raise NotReady(
            f"The sandbox image {settings.image} is not on the engine.", fix=f"Run `{BUILD}`."
        ) from error


def _labels(run_id: str) -> dict[str, str]:
    return {
        f"{LABEL}owner": owner.place(),
        f"{LABEL}process": owner.process(),
        f"{LABEL}run": run_id,
    }


def _sweep(client: APIClient) -> None:
    """Remove what an engine crash or a power cut left; nothing of another machine or process."""
    from docker.errors import APIError

    mine = {"label": f"{LABEL}owner={owner.place()}"}
    for found in client.containers(all=True, filters=mine):
        if not owner.alive(found["Labels"].get(f"{LABEL}process", "")):
            with suppress(APIError):  # somebody else sweeps as well
                client.remove_container(found["Id"], force=True)


def _host_config(client: APIClient, settings: SandboxSettings) -> dict[str, Any]:
    from docker.types import LogConfig, Mount, Ulimit

    mounts = []
    if settings.inputs is not None:
        source = str(settings.inputs.resolve())
        mounts.append(Mount("/workspace/inputs", source, type="bind", read_only=True))
    if settings.proxy_socket is not None:
        source = str(settings.proxy_socket.resolve())
        mounts.append(Mount(OUTLET, source, type="bind", read_only=True))
    return dict(
        client.create_host_config(
            network_mode="none",
            read_only=True,
            cap_drop=["ALL"],
            cap_add=CAPABILITIES,
            security_opt=["no-new-privileges:true"],
            pids_limit=settings.pids,
            mem_limit=settings.memory_bytes,
            memswap_limit=settings.memory_bytes,
            nano_cpus=int(settings.cpus * 1e9),
            ulimits=[Ulimit(name="core", soft=0, hard=0)],
            shm_size=64 << 20,
            ipc_mode="private",
            cgroupns="private",
            log_config=LogConfig(type="none"),
            auto_remove=True,
            tmpfs=TMPFS,
            mounts=mounts,
            runtime=settings.runtime,
        )
    )


class _explained:
    """Turns the engine's refusals while creating a container into our errors."""

    def __init__(self, settings: SandboxSettings) -> None:
        self._settings = settings

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from docker.errors import APIError, ImageNotFound

        if isinstance(error, ImageNotFound):
            raise NotReady("The sandbox image has been removed.", fix=f"Run `{BUILD}`.") from error
        if isinstance(error, APIError):
            raise SandboxFailed(f"the engine refused the container: {error.explanation}") from error


def _start(address: str, name: str) -> None:
    from docker.errors import APIError

    try:
        with _client(address) as client:
            client.start(name)
    except APIError as error:
        raise SandboxFailed(f"the engine could not start the box: {error.explanation}") from error


def _remove(address: str, name: str) -> None:
    from docker.errors import DockerException

    with suppress(DockerException, OSError), _client(address) as client:
        client.remove_container(name, force=True)
