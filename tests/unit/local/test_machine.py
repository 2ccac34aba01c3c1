import platform
import pwd

import pytest

from connect.errors import ConnectError
from connect.local import machine


def test_this_machine_will_do():
    machine.check_machine()


@pytest.mark.parametrize(("system", "processor"), [("Darwin", "arm64"), ("Linux", "riscv64")])
def test_other_machines_are_named(monkeypatch, system, processor):
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: processor)

    with pytest.raises(ConnectError, match=f"{system} on {processor}") as raised:
        machine.check_machine()

    assert raised.value.code == "local_unsupported_machine"


@pytest.mark.parametrize(("found", "named"), [(("glibc", "2.17"), "glibc 2.17"), (("", ""), "another C library")])
def test_old_or_other_c_library_is_named(monkeypatch, found, named):
    monkeypatch.setattr(platform, "libc_ver", lambda: found)

    with pytest.raises(ConnectError, match=named):
        machine.check_machine()


def test_full_disk_is_refused_with_what_is_needed(tmp_path):
    with pytest.raises(ConnectError, match="needs") as raised:
        machine.check_room(tmp_path, download=10**18)

    assert raised.value.code == "local_no_space"


def test_root_without_an_unprivileged_user_is_told_so(monkeypatch):
    def absent(name):
        raise KeyError(name)

    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwnam", absent)

    with pytest.raises(ConnectError) as raised:
        machine.server_user()

    assert raised.value.code == "local_no_unprivileged_user"


def test_root_runs_servers_as_nobody(monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 0)

    user = machine.server_user()

    assert (user.name, user.uid) == ("nobody", pwd.getpwnam("nobody").pw_uid)


def test_user_runs_servers_as_itself(monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    assert machine.server_user() is None


@pytest.mark.parametrize(("count", "text"), [(9_000, "1 MB"), (45_035_737, "45 MB"), (1_500_000_000, "1.5 GB")])
def test_bytes_as_people_read_them(count, text):
    assert machine.megabytes(count) == text
