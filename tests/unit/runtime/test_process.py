"""A child as its supervisor starts it."""

import sys

from connect.runtime.process import ChildProcess

SAY = "import os, socket, sys; socket.socket(fileno=int(sys.argv[1])).sendall(os.environ['MALLOC_ARENA_MAX'].encode())"


def said():
    child = ChildProcess([sys.executable, "-c", SAY])
    try:
        child._sock.settimeout(30)
        text = child._sock.recv(100).decode()
        assert child.exit_code(30) == 0
    finally:
        child.kill()
        child.close()
    return text


def test_a_child_has_few_heaps(monkeypatch):
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    assert said() == "2"


def test_an_operators_own_bound_of_heaps_stands(monkeypatch):
    monkeypatch.setenv("MALLOC_ARENA_MAX", "7")
    assert said() == "7"
