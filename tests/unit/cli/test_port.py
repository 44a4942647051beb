"""The look at the port before the service starts."""

import os
import socket

import pytest

from congressd.cli.datadir import StartError
from congressd.cli.port import check_free


def test_a_free_port_is_fine() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    check_free("127.0.0.1", port)


def test_a_taken_port_is_told_with_its_owner_and_a_way_out() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StartError) as caught:
            check_free("127.0.0.1", port)
    assert f"port {port} of 127.0.0.1 is taken by process {os.getpid()} (" in str(caught.value)
    assert "--port" in str(caught.value)


@pytest.mark.parametrize("host", ["192.0.2.1", "300.0.0.1"])
def test_an_address_of_elsewhere_is_told(host: str) -> None:
    with pytest.raises(StartError, match="not an address of this machine"):
        check_free(host, 1789)
