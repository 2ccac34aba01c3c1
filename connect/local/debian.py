"""Programs of Debian's packages, unpacked into the cache: nothing is installed, and nobody need be root.

apt-get resolves and fetches with a state folder of its own and checks Debian's signature; it knows the mirror and the
proxy from the machine's own settings. The programs run with the C library that they were built against (``ld.so``).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from connect.errors import ConnectError
from connect.local.children import POLL
from connect.local.download import Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from threading import Event

    from connect.local.download import Cache

KEYRINGS: Final = tuple(Path(f"/usr/share/keyrings/debian-archive-keyring.{end}") for end in ("gpg", "pgp"))
LAUNCHERS: Final = "launch"  # folder of a tree whose scripts run its programs
_TOOLS: Final = ("apt-get", "dpkg-deb")
_LISTS: Final = 10_000_000  # bytes of a suite's list of packages
_PROGRESS: Final = re.compile(r"^(?:dl|pm)status:.*\n", re.MULTILINE)
_DOWNLOADED: Final = re.compile(r"^dlstatus:\d+:([\d.]+):", re.MULTILINE)

# Over the machine's own settings, of which the proxy and the like stay; its hooks are for what is installed.
_SETTINGS: Final = """\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
Dir::State "{folder}";
Dir::State::lists "{folder}/lists";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}";
Dir::Cache::archives "{folder}/archives";
Dir::Etc::sourcelist "{folder}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
APT::Status-Fd "1";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::CNF::DefaultEnabled "false";
"""

# After `exec` the process is the program's own: signals reach it, and its pid stays.
_LAUNCHER: Final = """\
#!/bin/sh
tree=$(dirname "$(dirname "$(readlink -f "$0")")")
exec "$tree/{loader}" --library-path "{libraries}" "$tree/{program}" "$@"
"""


@dataclass(frozen=True, slots=True)
class Packages:
    """Packages of one suite and what they need.

    Attributes:
        title: What they are, for messages and the folder's name.
        version: Of the series that the suite had when this was written; Debian keeps only the newest of each suite,
            so that neither a version nor a hash can be pinned: its signature vouches for the files.
        suite: Of Debian.
        names: Of the packages.
        programs: Paths below the tree that get a launcher.
        size: About how many bytes are downloaded, the suite's list of packages among them.
    """

    title: str
    version: str
    suite: str
    names: tuple[str, ...]
    programs: tuple[str, ...]
    size: int

    @property
    def folder(self) -> str:
        """Name of the tree's folder in the cache."""
        return f"{self.title.lower().replace(' ', '-')}-{self.version}-debian"


def fetch(cache: Cache, packages: Packages) -> Path:
    """The tree that the packages' files are in; ``LAUNCHERS`` in it has a script for each program.

    Raises:
        ConnectError: ``local_version_missing`` on a machine that has no Debian mirror, ``local_download_failed``.
    """

    def fill(folder: Path) -> None:
        mirror = _mirror(packages)
        with (
            tempfile.TemporaryDirectory(prefix=".apt-", dir=folder) as state,
            cache.progress.bar(f"{packages.title} {packages.version}", packages.size) as advance,
        ):
            tools = _Tools(Path(state), cache.stopping)
            _download(packages, mirror, tools, advance)
            for archive in Path(state, "archives").glob("*.deb"):
                tools.run(["dpkg-deb", "-x", archive, folder])
        write_launchers(folder, packages.programs)

    return cache.once(packages.folder, fill)


class _Tools:
    """Runs programs of the package system, until the stack is taken down.

    Args:
        folder: Of apt's state and of what they say.
        stopping: See ``Cache``.
    """

    def __init__(self, folder: Path, stopping: Event) -> None:
        self.folder = folder
        self._stopping = stopping
        self._env = {**os.environ, "LC_ALL": "C.UTF-8"}

    def run(self, argv: Sequence[str | Path], show: Callable[[str], None] = lambda _text: None) -> None:
        """Run one to its end; ``show`` gets what it has said so far."""
        said = self.folder / "said"
        with (
            said.open("wb") as out,
            subprocess.Popen(  # in a session of its own: Ctrl-C is ours to deal with
                argv, env=self._env, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            ) as tool,
        ):
            while tool.poll() is None:
                if self._stopping.wait(POLL):
                    tool.kill()
                    raise Cancelled
                show(said.read_text(encoding="utf-8", errors="replace"))
        if tool.returncode != 0:
            text = _PROGRESS.sub("", said.read_text(encoding="utf-8", errors="replace"))
            raise ConnectError(
                f"{argv[0]} ended with {tool.returncode}; the end of what it said:\n"
                + "\n".join(text.splitlines()[-8:]),
                code="local_download_failed",
                hint="check the network and apt's mirror (apt-get update), then try again",
            )


def _download(packages: Packages, mirror: str, tools: _Tools, advance: Callable[[int], None]) -> None:
    folder = tools.folder
    for name in ("lists/partial", "archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()  # nothing is installed: all that the packages need comes too
    source = f"deb [signed-by={_keyring()}] {mirror} {packages.suite} main\n"
    (folder / "sources.list").write_text(source, encoding="utf-8")
    (folder / "apt.conf").write_text(_SETTINGS.format(folder=folder), encoding="utf-8")
    apt_get: list[str | Path] = ["apt-get", "-q", "-c", folder / "apt.conf"]
    tools.run([*apt_get, "update"], _shown_as(_LISTS, advance))
    install = [*apt_get, "-y", "--download-only", "install", *packages.names]
    tools.run(install, _shown_as(packages.size - _LISTS, advance))


def _shown_as(size: int, advance: Callable[[int], None]) -> Callable[[str], None]:
    """Turns the percentages in apt's output into bytes of ``size``."""
    shown = 0

    def show(said: str) -> None:
        nonlocal shown
        percents = [float(percent) for percent in _DOWNLOADED.findall(said)]
        done = round(size * max(percents, default=0.0) / 100)
        if done > shown:
            advance(done - shown)
            shown = done

    return show


def _mirror(packages: Packages) -> str:
    """The Debian mirror that the machine's own apt uses.

    Raises:
        ConnectError: ``local_version_missing``.
    """
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing or _keyring() is None:
        lacks = " and ".join(missing) or str(KEYRINGS[0])
        raise _not_here(packages, f"it comes from Debian's packages, and this machine has no {lacks}")
    words = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(ORIGIN)", "Created-By: Packages"]
    listed = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    if (mirror := debian_mirror(listed)) is None:
        raise _not_here(packages, "it comes from Debian's packages, and apt's sources on this machine name no mirror")
    return mirror


def _keyring() -> Path | None:
    return next((path for path in KEYRINGS if path.exists()), None)


def debian_mirror(listed: str) -> str | None:
    """The first repository of Debian's archive among lines of ``URI ORIGIN``; it has origins after an update only."""
    for line in listed.splitlines():
        uri, _, origin = line.partition(" ")
        is_debian = origin == "Debian" or urlsplit(uri).path.rstrip("/").endswith("/debian")
        if is_debian and uri.startswith(("http", "file:")) and "security" not in uri:
            return uri
    return None


def _not_here(packages: Packages, why: str) -> ConnectError:
    """The error of a machine where the packages cannot be had."""
    kind = packages.title.split()[0]
    return ConnectError(
        f"{packages.title} {packages.version} cannot be started here: {why}",
        code="local_version_missing",
        hint=f"with a Docker engine: docker compose -f docker/compose.yaml --profile {kind.lower()} up; "
        f"tests use a server of yours: CONNECT_TEST_{kind.upper()}=mysql://root@127.0.0.1:3306/",
    )


def write_launchers(tree: Path, programs: tuple[str, ...]) -> None:
    """Make a script for each program that runs it with the tree's own C library."""
    loader = next(path for path in tree.glob("**/*-linux-gnu*/ld-linux-*.so.*"))
    triplet = loader.parent.name
    libraries = [f"$tree/{place}/{triplet}" for place in ("lib", "usr/lib")] + ["$tree/usr/lib/mysql/private"]
    (tree / LAUNCHERS).mkdir()
    for program in programs:
        script = tree / LAUNCHERS / Path(program).name
        script.write_text(
            _LAUNCHER.format(loader=loader.relative_to(tree), libraries=":".join(libraries), program=program),
            encoding="utf-8",
        )
        script.chmod(0o755)
