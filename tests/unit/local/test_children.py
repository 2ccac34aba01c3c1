import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from connect.errors import ConnectError
from connect.local.children import Children, Command
from connect.local.home import KEEPER_LOCK, Home, is_locked
from connect.local.keeper import is_running

STARTER = """
import sys
from pathlib import Path
from connect.local.children import Children, Command
from connect.local.home import Home
home = Home(Path(sys.argv[1]), user=None)
children = Children(home)
pid = children.start("sleeper", Command(["sleep", "600"], cwd=home.path), children.folder / "log")
print(children.pid, pid, flush=True)
input()
"""


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path, user=None)
    home.stacks.mkdir()
    return home


@pytest.fixture
def children(home):
    children = Children(home)
    yield children
    children.close()


def eventually(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def start(children, home, *argv):
    return children.start("server", Command(argv, cwd=home.path), children.folder / "log")


def test_process_runs_in_a_clean_environment_of_its_own(children, home, monkeypatch):
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Dleak")
    command = Command(["sh", "-c", "echo $ANSWER-$JAVA_TOOL_OPTIONS"], cwd=home.path, env={"ANSWER": "42"})

    children.run("tool", command, children.folder / "log")

    assert (children.folder / "log").read_text() == "42-\n"


def test_failed_tool_shows_the_end_of_its_output(children, home):
    with pytest.raises(ConnectError, match="no room") as raised:
        children.run("tool", Command(["sh", "-c", "echo no room; exit 3"], cwd=home.path), children.folder / "log")

    assert raised.value.code == "local_start_failed"


def test_program_that_is_not_there_is_named(children, home):
    with pytest.raises(ConnectError, match="/no/such/program"):
        start(children, home, "/no/such/program")


def test_kill_ends_the_whole_tree(children, home):
    start(children, home, "sh", "-c", "setsid sleep 600 & echo $!; wait")
    log = children.folder / "log"
    eventually(lambda: log.read_text().strip())
    grandchild = int(log.read_text())

    children.kill("server")

    assert children.exit_code("server") == -signal.SIGKILL
    assert not is_running(grandchild)


def test_signal_reaches_the_process(children, home):
    start(children, home, "sleep", "600")

    children.signal("server", signal.SIGTERM)

    eventually(lambda: children.exit_code("server") is not None)
    assert children.exit_code("server") == -signal.SIGTERM


def test_pause_and_resume_stop_and_continue_the_process(children, home):
    pid = start(children, home, "sleep", "600")

    def state():
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]

    children.signal("server", signal.SIGSTOP, whole_tree=True)
    eventually(lambda: state() == "T")
    children.signal("server", signal.SIGCONT, whole_tree=True)
    eventually(lambda: state() == "S")


def test_close_ends_everything_and_removes_the_folder(home):
    children = Children(home)
    pid = start(children, home, "sleep", "600")

    children.close()

    assert not is_running(pid)
    assert not children.folder.exists()


def test_closed_children_say_that_the_stack_has_ended(home):
    children = Children(home)
    children.close()

    with pytest.raises(ConnectError) as raised:
        start(children, home, "sleep", "600")

    assert raised.value.code == "local_stack_ended"


@pytest.fixture
def starter(home):
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, str(home.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        yield process
        process.kill()


def test_kill_9_of_the_starter_ends_keeper_and_servers_and_removes_the_folder(home, starter):
    keeper, server = map(int, starter.stdout.readline().split())

    starter.kill()

    eventually(lambda: not is_running(server) and not is_running(keeper))
    assert [path.name for path in home.stacks.iterdir()] == [".lock"]


def test_kill_9_of_the_keeper_ends_the_servers(starter):
    keeper, server = map(int, starter.stdout.readline().split())

    os.kill(keeper, signal.SIGKILL)

    eventually(lambda: not is_running(server))


def test_fork_that_holds_the_pipe_does_not_keep_the_servers_alive(home):
    code = STARTER.replace("input()", "import os, time\nif os.fork() == 0:\n    time.sleep(600)\ninput()")
    with subprocess.Popen(
        [sys.executable, "-c", code, str(home.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        keeper, server = map(int, process.stdout.readline().split())
        process.kill()
        eventually(lambda: not is_running(server) and not is_running(keeper))
        os.killpg(process.pid, signal.SIGKILL)


def test_detached_servers_outlive_their_starter_until_the_keeper_is_asked_to_end(home):
    code = STARTER.replace("input()", "children.detach()")
    done = subprocess.run([sys.executable, "-c", code, str(home.path)], capture_output=True, check=True)
    keeper, server = map(int, done.stdout.split())
    folder = next(path for path in home.stacks.iterdir() if path.is_dir())
    assert is_running(server)

    os.kill(keeper, signal.SIGTERM)

    eventually(lambda: not is_locked(folder / KEEPER_LOCK))
    assert not is_running(server)
