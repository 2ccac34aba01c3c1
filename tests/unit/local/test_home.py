import json
import subprocess
import sys

import pytest

from connect.errors import ConnectError
from connect.local import home as home_module
from connect.local.home import KEEPER_LOCK, Home, exclusive, is_locked, open_home, write_state
from connect.local.machine import User

HOLDER = """
import sys
from pathlib import Path
from connect.local.home import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    input()
"""


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path, user=None)
    home.stacks.mkdir()
    return home


@pytest.fixture
def as_user(monkeypatch):
    monkeypatch.setattr(home_module, "server_user", lambda: None)


def make_stack(home, name):
    folder = home.stacks / name
    folder.mkdir()
    write_state(folder, {"id": name})
    return folder


def test_given_folder_is_made_with_its_parts(tmp_path, as_user):
    home = open_home(tmp_path / "new" / "home")

    assert home.cache.is_dir()
    assert home.stacks.is_dir()


def test_environment_names_the_folder(tmp_path, as_user, monkeypatch):
    monkeypatch.setenv("CONNECT_HOME", str(tmp_path / "env"))

    assert open_home().path == tmp_path / "env"


def test_user_gets_a_folder_in_the_cache(tmp_path, as_user, monkeypatch):
    monkeypatch.delenv("CONNECT_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert open_home().path == tmp_path / "connect"


def test_folder_that_the_servers_user_cannot_enter_is_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(home_module, "server_user", lambda: User("nobody", 65534, 65534))
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)

    with pytest.raises(ConnectError, match="closed to that user") as raised:
        open_home(closed / "home")

    assert raised.value.code == "local_home_unusable"


def test_file_in_the_way_is_named(tmp_path, as_user):
    (tmp_path / "file").write_text("")

    with pytest.raises(ConnectError, match="cannot write"):
        open_home(tmp_path / "file")


def test_state_is_replaced_whole_and_closed_to_others(tmp_path):
    write_state(tmp_path, {"id": "a"})
    write_state(tmp_path, {"id": "b"})

    assert json.loads((tmp_path / "state.json").read_text()) == {"id": "b"}
    assert (tmp_path / "state.json").stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_only_stacks_whose_keeper_lives_are_running(home):
    make_stack(home, "dead")
    alive = make_stack(home, "alive")

    with exclusive(alive / KEEPER_LOCK):
        assert [state["id"] for state in home.running()] == ["alive"]


def test_prune_removes_what_dead_keepers_left(home):
    dead, alive = make_stack(home, "dead"), make_stack(home, "alive")

    with exclusive(alive / KEEPER_LOCK):
        home.prune()

    assert alive.is_dir()
    assert not dead.exists()


def test_lock_ends_with_the_process_that_held_it(tmp_path):
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        holder.stdout.readline()
        held = is_locked(path)
        holder.kill()

    assert held
    assert not is_locked(path)
