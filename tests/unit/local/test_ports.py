import socket
from pathlib import Path

import pytest

from connect.errors import ConnectError
from connect.local.ports import check_given, free_ports


def ephemeral_start():
    return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])


def test_free_ports_are_distinct_and_out_of_reach_of_outgoing_connections():
    ports = free_ports(20)

    assert len(set(ports)) == 20
    assert max(ports) < ephemeral_start()


def test_port_that_another_holds_is_refused_with_its_name():
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]

        with pytest.raises(ConnectError, match=f"kafka: port {port}") as raised:
            check_given("kafka", port)

    assert raised.value.code == "local_port_taken"


def test_given_port_that_is_free_is_taken():
    check_given("kafka", free_ports(1)[0])
