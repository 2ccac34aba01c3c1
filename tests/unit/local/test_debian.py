import os
import subprocess
import threading

import pytest

from connect.errors import ConnectError
from connect.local import debian, progress
from connect.local.debian import Packages, debian_mirror
from connect.local.download import Cache
from connect.local.home import Home

MYSQL = Packages("MySQL", "9.7", "sid", ("mysql-server-core",), ("usr/sbin/mysqld",), 72_000_000)
LOADER = "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"


@pytest.fixture
def cache(tmp_path):
    home = Home(tmp_path, user=None)
    home.cache.mkdir()
    return Cache(home, progress.silent(), threading.Event())


def test_mirror_is_the_one_that_apt_names_as_debians():
    listed = "https://packages.example/apt Example\nhttp://mirror.example/some/where/ Debian\n"

    assert debian_mirror(listed) == "http://mirror.example/some/where/"


def test_mirror_is_known_by_its_path_before_the_first_update():
    assert debian_mirror("http://mirror.example/debian/ $(ORIGIN)\n") == "http://mirror.example/debian/"


@pytest.mark.parametrize(
    "listed",
    [
        "",
        "http://mirror.example/ubuntu/ Ubuntu\n",
        "http://mirror.example/debian-security/ Debian\n",
        "cdrom:[x] Debian\n",
    ],
)
def test_other_repositories_are_no_mirror(listed):
    assert debian_mirror(listed) is None


def test_machine_without_apt_is_told_what_else_there_is(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ConnectError, match=r"MySQL 9\.7 cannot be started here.*no apt-get and dpkg-deb") as raised:
        debian.fetch(cache, MYSQL)

    assert raised.value.code == "local_version_missing"
    assert "--profile mysql" in raised.value.hint
    assert "CONNECT_TEST_MYSQL=mysql://" in raised.value.hint


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """A machine with the tools of a distribution that is not Debian."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in ("apt-get", "dpkg-deb"):
        (folder / name).write_text("#!/bin/sh\necho http://mirror.example/ubuntu/ Ubuntu\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    return folder


def test_machine_without_debians_keys_is_told_so(cache, tools, tmp_path, monkeypatch):
    monkeypatch.setattr(debian, "KEYRINGS", (tmp_path / "debian-archive-keyring.gpg",))

    with pytest.raises(ConnectError, match=r"has no .*debian-archive-keyring\.gpg"):
        debian.fetch(cache, MYSQL)


def test_machine_whose_apt_knows_no_debian_mirror_is_told_so(cache, tools, monkeypatch):
    monkeypatch.setattr(debian, "KEYRINGS", (tools / "apt-get",))

    with pytest.raises(ConnectError, match="name no mirror"):
        debian.fetch(cache, MYSQL)


def test_launcher_runs_the_program_with_the_trees_own_loader_from_wherever_the_tree_lies(tmp_path):
    tree = tmp_path / "built"
    loader = tree / LOADER
    loader.parent.mkdir(parents=True)
    loader.write_text('#!/bin/sh\necho "$@"\n')
    loader.chmod(0o755)
    debian.write_launchers(tree, ("usr/sbin/mysqld",))
    moved = tree.rename(tmp_path / "moved")

    said = subprocess.run([moved / "launch/mysqld", "--port", "1 2"], capture_output=True, text=True, check=True).stdout

    assert said.startswith("--library-path ")
    assert said.endswith(f"{moved}/usr/sbin/mysqld --port 1 2\n")
    assert f"{moved}/usr/lib/x86_64-linux-gnu" in said
