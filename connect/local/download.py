"""Pinned downloads into the shared cache, whole or not at all."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from connect.errors import ConnectError
from connect.local.home import exclusive, is_locked
from connect.local.machine import megabytes

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Sequence

    from connect.local.artifacts import Artifact, Bundle
    from connect.local.home import Home
    from connect.local.progress import Progress

READ_TIMEOUT = 30  # seconds without a byte


class Download(Protocol):
    """What ends up in a folder of the cache: a bundle of the Maven repository, or packages of Debian."""

    @property
    def title(self) -> str:
        """What it is."""

    @property
    def version(self) -> str:
        """Of what it is."""

    @property
    def folder(self) -> str:
        """Name of its folder in the cache."""

    @property
    def size(self) -> int:
        """Bytes to download."""


class Cancelled(Exception):
    """The stack is being taken down while this thread still prepares a server."""


class Cache:
    """The shared folder of downloads.

    Args:
        home: Whose ``cache`` folder it is.
        progress: Where downloads show.
        stopping: Set when the caller gives up; downloads end within a moment.
    """

    def __init__(self, home: Home, progress: Progress, stopping: threading.Event) -> None:
        self._home = home
        self.progress = progress
        self.stopping = stopping

    def missing(self, bundles: Sequence[Download]) -> list[Download]:
        """Those that ``fetch`` would download."""
        return [bundle for bundle in bundles if self.find(bundle.folder) is None]

    def find(self, name: str) -> Path | None:
        """The folder of that name, once it is whole."""
        folder = self._home.cache / name
        return folder if folder.is_dir() else None

    def fetch(self, bundle: Bundle) -> Path:
        """The bundle's folder: its jars, or what was in its archive.

        Raises:
            ConnectError: ``local_download_failed`` or ``local_hash_mismatch``; nothing half-done is left in place.
        """
        return self.once(bundle.folder, lambda folder: self._download(bundle, folder))

    def copy(self, name: str, sources: Sequence[Path]) -> Path:
        """A folder that holds copies of ``sources`` under their names, where every user can reach them."""

        def fill(folder: Path) -> None:
            for source in sources:
                shutil.copytree(source, folder / source.name, symlinks=True)

        return self.once(name, fill)

    def once(self, name: str, fill: Callable[[Path], None]) -> Path:
        """Make a folder by filling a temporary one and renaming it: what has the name is whole."""
        final = self._home.cache / name
        if final.is_dir():
            return final
        lock = self._home.cache / f".{name}.lock"
        if is_locked(lock):
            self.progress.say(f"{name}: another process is fetching it; waiting for that")
        with exclusive(lock):
            if final.is_dir():
                return final
            for leftover in self._home.cache.glob(f".{name}.half-*"):
                shutil.rmtree(leftover)  # of a process that died: nobody else can be filling it while we hold the lock
            half = Path(tempfile.mkdtemp(prefix=f".{name}.half-", dir=self._home.cache))
            try:
                fill(half)
                open_to_all(half)
                os.sync()  # else a power cut could leave the name on files without contents
                half.rename(final)
            except OSError as error:
                raise _failed(name, error) from error
            finally:
                shutil.rmtree(half, ignore_errors=True)
        return final

    def _download(self, bundle: Bundle, folder: Path) -> None:
        with (
            tempfile.TemporaryDirectory(prefix=".download-", dir=folder) as repository,
            self.progress.bar(f"{bundle.title} {bundle.version}", bundle.size) as advance,
        ):
            for artifact in bundle.artifacts:
                path = self._resolve(artifact, Path(repository), advance)
                check_hash(path, artifact)
                if artifact.packaging == "jar" and not bundle.inside:
                    path.rename(folder / path.name)
                else:
                    unpack(path, folder, bundle.inside)

    def _resolve(self, artifact: Artifact, repository: Path, advance: Callable[[int], None]) -> Path:
        try:
            # Only here: the base install of connect-cdc comes without the [local] extra.
            from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415
            from requests import RequestException  # noqa: PLC0415
        except ImportError as error:
            raise extra_missing("jgo") from error

        @contextmanager
        def watch(_name: str, _size: int) -> Iterator[Callable[[int], None]]:
            yield self._unless_stopping(advance)

        context = MavenContext(
            resolver=PythonResolver(progress_callback=watch), repo_cache=repository, timeout=READ_TIMEOUT
        )
        component = context.project(artifact.group, artifact.name).at_version(artifact.version)
        try:
            return Path(component.artifact(classifier=artifact.classifier, packaging=artifact.packaging).resolve())
        except (RequestException, RuntimeError, OSError) as error:
            raise _failed(artifact.file_name, error) from error

    def _unless_stopping(self, advance: Callable[[int], None]) -> Callable[[int], None]:
        def step(count: int) -> None:
            if self.stopping.is_set():
                raise Cancelled
            advance(count)

        return step


def announce(progress: Progress, cache: Cache, bundles: Sequence[Download], folder: Path) -> int:
    """Say what will be downloaded before anything is; the number of bytes."""
    missing = cache.missing(bundles)
    total = sum(bundle.size for bundle in missing)
    if missing:
        names = ", ".join(f"{bundle.title} {bundle.version} ({megabytes(bundle.size)})" for bundle in missing)
        progress.say(f"will download once, {megabytes(total)} in all, into {folder}: {names}")
    return total


def check_hash(path: Path, artifact: Artifact) -> None:
    """Compare a downloaded file with its pin.

    Raises:
        ConnectError: ``local_hash_mismatch``.
    """
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != artifact.sha256:
        raise ConnectError(
            f"{artifact.file_name}: SHA-256 is {found} and should be {artifact.sha256}; it was thrown away",
            code="local_hash_mismatch",
            hint="try again; if it stays so, the Maven repository or a proxy on the way changes files",
        )


def unpack(archive: Path, folder: Path, inside: str = "") -> None:
    """Unpack a zip, whose own top folder is left out, one folder of a jar, or a tar.gz."""
    if archive.suffix in {".zip", ".jar"}:
        _unzip(archive, folder, inside)
        return
    _untar(archive, folder)


def _untar(archive: Path, folder: Path) -> None:
    # Not extractall(): it has its filter against wicked names from Python 3.11.4 on only.
    with tarfile.open(archive) as file:
        for entry in file:
            source = file.extractfile(entry) if entry.isfile() and ".." not in Path(entry.name).parts else None
            if source is not None:
                target = folder / entry.name.lstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                with source, target.open("wb") as out:
                    shutil.copyfileobj(source, out)


def _unzip(archive: Path, folder: Path, inside: str) -> None:
    top = Path(inside).parts
    with zipfile.ZipFile(archive) as file:
        for entry in file.infolist():
            parts = Path(entry.filename).parts
            inner = Path(*parts[len(top) or 1 :])
            if ".." in parts or parts[: len(top)] != top:
                continue
            target = folder / inner
            if entry.is_dir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with file.open(entry) as source, target.open("wb") as out:
                shutil.copyfileobj(source, out)
            run = entry.external_attr >> 16 & 0o111 or (0o111 if _is_program(target) else 0)
            target.chmod(stat.S_IRUSR | stat.S_IWUSR | run)


def _is_program(path: Path) -> bool:
    """Whether a file is one to run, where the archive does not say: a jar keeps no run bits."""
    with path.open("rb") as file:
        return file.read(4).startswith((b"\x7fELF", b"#!"))


def open_to_all(folder: Path) -> None:
    """Let every user read what is in the folder, whatever the umask; who may write stays as it is."""
    for root, _folders, names in os.walk(folder):
        Path(root).chmod(0o755)
        for name in names:
            path = Path(root, name)
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)


def package_folder(package: str) -> tuple[Path, str]:
    """Where an installed package of the ``[local]`` extra lies, and a name for a copy of it: without importing it.

    Raises:
        ConnectError: ``local_packages_missing``.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise extra_missing(package)
    distribution = package.replace("_", "-")
    return Path(spec.submodule_search_locations[0]), f"{distribution}-{version(distribution)}"


def extra_missing(package: str) -> ConnectError:
    """The error of an install without the ``[local]`` extra."""
    return ConnectError(
        f"the local stack needs the package {package}, which is not installed",
        code="local_packages_missing",
        hint="pip install 'connect-cdc[local]'",
    )


def _failed(what: str, error: Exception) -> ConnectError:
    return ConnectError(
        f"{what}: could not be downloaded or unpacked: {error}",
        code="local_download_failed",
        hint="check the network, the proxy settings and the space in CONNECT_HOME, then try again",
    )
