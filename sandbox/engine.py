"""The container engine, blocking: the only module that imports `docker`, inside its functions.

Callers run these in threads. Knows how a container is made, not what runs in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from orchestrator.errors import NotReady, SandboxFailed
from sandbox import address, owner

if TYPE_CHECKING:
    from docker import APIClient

LABEL = "quaestor."
RECIPE = f"{LABEL}recipe"
SECONDS = 30
IMAGE_SECONDS = 900
"""An image is pulled, imported or exported in one request."""
BUILD = "quaestor sandbox build"


class Engine:
    """An engine that has answered at `address`."""

    def __init__(self, where: str) -> None:
        self.address = where

    @classmethod
    def find(cls) -> Engine:
        """The first engine that answers; raises NotReady saying what was tried."""
        tried = []
        for where in address.candidates():
            if urlsplit(where).scheme not in ("unix", "tcp", "http"):
                tried.append(f"{where}: only unix:// and tcp:// addresses can be used")
                continue
            problem = _problem(where)
            if problem is None:
                return cls(where)
            tried.append(f"{where}: {problem}")
        raise NotReady(
            f"No container engine answers ({'; '.join(tried) or 'no socket was found'}).",
            fix="Start Docker (`sudo systemctl start docker`), or use `--sandbox bubblewrap`.",
        )

    def image(self, name: str) -> str:
        """The digest that a name stands for now; raises NotReady. Nothing is ever pulled."""
        found = self._inspect(name)
        if found is None:
            raise NotReady(f"The sandbox image {name} is not there.", fix=f"Run `{BUILD}`.")
        return str(found["Id"])

    def recipe(self, name: str) -> str:
        """The recipe that an image was made from, or ""."""
        found = self._inspect(name) or {}
        labels = found.get("Config", {}).get("Labels") or {}
        return str(labels.get(RECIPE, ""))

    def create(
        self, name: str, image: str, command: list[str], run_id: str, limits: dict[str, Any]
    ) -> None:
        """Make a container around a supervisor, from `limits` (see `host_config`)."""
        with _connected(self.address) as client, _explained("create the box"):
            client.create_container(
                image=image,
                name=name,
                entrypoint=[],
                command=command,
                user="0:0",
                hostname="sandbox",
                stdin_open=True,
                working_dir="/",
                environment={},
                labels=_labels(run_id),
                host_config=client.create_host_config(**limits),
            )

    def start(self, name: str) -> None:
        """Start a created container."""
        with _connected(self.address) as client, _explained("start the box"):
            client.start(name)

    def remove(self, name: str) -> None:
        """Kill and remove; one that is gone already is fine."""
        from docker.errors import DockerException

        with suppress(DockerException, OSError), _connected(self.address) as client:
            client.remove_container(name, force=True)

    def sweep(self) -> None:
        """Remove what an engine crash or a power cut left of processes that are dead by now."""
        mine = {"label": f"{LABEL}owner={owner.place()}"}
        with _connected(self.address) as client, _explained("list old boxes"):
            found = client.containers(all=True, filters=mine)
        for container in found:
            if not owner.alive(container["Labels"].get(f"{LABEL}process", "")):
                self.remove(container["Id"])

    def import_tree(self, tar: IO[bytes], name: str, recipe: str) -> str:
        """Make an image from a tar stream; its digest. The one it replaces goes, unless in use."""
        from docker.errors import DockerException

        before = self._inspect(name)
        with _connected(self.address, IMAGE_SECONDS) as client, _explained("import the image"):
            client.import_image(
                src=tar,
                repository=name,
                tag=None if ":" in name else "latest",
                changes=[f"LABEL {RECIPE}={recipe}", "ENV PATH=/usr/local/bin:/usr/bin:/bin"],
                stream_src=True,
            )
        if before is not None:
            with suppress(DockerException), _connected(self.address) as client:
                client.remove_image(before["Id"])
        return self.image(name)

    def pull(self, image: str) -> bool:
        """Fetch an image from its registry; False when no registry can be reached."""
        from docker.errors import DockerException
        from requests.exceptions import RequestException

        repository, _, tag = image.partition(":")
        try:
            with _connected(self.address, IMAGE_SECONDS) as client:
                client.pull(repository, tag=tag)
        except (DockerException, RequestException):
            return False
        return True

    @contextmanager
    def exported(self, image: str, script: str) -> Iterator[Iterator[bytes]]:
        """Run a shell script in a fresh container with network, then stream its file system."""
        with _connected(self.address, IMAGE_SECONDS) as client, _explained("prepare the base"):
            made = client.create_container(
                image=image, command=["sh", "-c", script], user="0:0", labels=_labels("build")
            )
            try:
                client.start(made["Id"])
                if (status := client.wait(made["Id"])["StatusCode"]) != 0:
                    log = client.logs(made["Id"], tail=5).decode("utf-8", errors="replace")
                    raise SandboxFailed(f"preparing {image} ended with {status}: {log}")
                yield client.export(made["Id"])
            finally:
                self.remove(made["Id"])

    def _inspect(self, name: str) -> dict[str, Any] | None:
        from docker.errors import ImageNotFound

        with _connected(self.address) as client, _explained("look for the image"):
            try:
                found: dict[str, Any] = client.inspect_image(name)  # type: ignore[no-untyped-call]
            except ImageNotFound:
                return None
            return found


def bind(source: str, target: str) -> dict[str, Any]:
    """A read-only bind mount."""
    from docker.types import Mount

    return Mount(target, source, type="bind", read_only=True)


def core_limit() -> dict[str, Any]:
    """No core dumps."""
    from docker.types import Ulimit

    return Ulimit(name="core", soft=0, hard=0)


def no_log() -> dict[str, Any]:
    """Without it the engine writes everything that passes the stream to its disk."""
    from docker.types import LogConfig

    return LogConfig(type="none")


@contextmanager
def _connected(where: str, seconds: int = SECONDS) -> Iterator[APIClient]:
    from docker import APIClient

    client = APIClient(base_url=where, version="auto", timeout=seconds)
    try:
        yield client
    finally:
        client.close()


@contextmanager
def _explained(attempt: str) -> Iterator[None]:
    from docker.errors import APIError, DockerException, ImageNotFound

    try:
        yield
    except ImageNotFound as error:
        raise NotReady("The sandbox image has been removed.", fix=f"Run `{BUILD}`.") from error
    except APIError as error:
        raise SandboxFailed(f"could not {attempt}: {error.explanation}") from error
    except (DockerException, OSError) as error:
        raise SandboxFailed(f"could not {attempt}: the engine does not answer ({error})") from error


def _problem(where: str) -> str | None:
    from docker.errors import DockerException

    try:
        with _connected(where) as client:
            client.ping()
    except (DockerException, OSError) as error:
        text = str(error)
        if "Permission denied" in text or "PermissionError" in text:
            return "permission denied (add yourself to the group `docker` and log in again)"
        return text.splitlines()[0][:200] if text else type(error).__name__
    return None


def _labels(run_id: str) -> dict[str, str]:
    return {
        f"{LABEL}owner": owner.place(),
        f"{LABEL}process": owner.process(),
        f"{LABEL}run": run_id,
    }
