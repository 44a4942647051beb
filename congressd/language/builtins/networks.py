"""IP addresses and networks, versions 4 and 6. Those of different versions are never equal; 4 comes before 6."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from congressd.language.builtins.signature import Builtin, BuiltinError, kind
from congressd.model.values import Value


@lru_cache(maxsize=8192)
def _parse_address(text: str) -> tuple[int, int]:
    address: IPv4Address | IPv6Address = ip_address(text.strip())
    return address.version, int(address)


@lru_cache(maxsize=8192)
def _parse_network(text: str) -> tuple[int, int, int]:
    # strict=False: the address of a host in the network names the network, as in Congress
    network: IPv4Network | IPv6Network = ip_network(text.strip(), strict=False)
    return network.version, int(network.network_address), int(network.broadcast_address)


def _address(value: Value) -> tuple[int, int]:
    """Version and number of an address."""
    if isinstance(value, str):
        try:
            return _parse_address(value)
        except ValueError:
            pass
    raise BuiltinError(f"{kind(value)} is not an IP address such as 192.0.2.7 or 2001:db8::7")


def _network(value: Value) -> tuple[int, int, int]:
    """Version, first and last number of a network."""
    if isinstance(value, str):
        try:
            return _parse_network(value)
        except ValueError:
            pass
    raise BuiltinError(f"{kind(value)} is not an IP network such as 192.0.2.0/24 or 2001:db8::/32")


def ips_equal(x: Value, y: Value) -> bool:
    return _address(x) == _address(y)


def ips_less(x: Value, y: Value) -> bool:
    return _address(x) < _address(y)


def ips_less_or_equal(x: Value, y: Value) -> bool:
    return _address(x) <= _address(y)


def ips_greater(x: Value, y: Value) -> bool:
    return _address(x) > _address(y)


def ips_greater_or_equal(x: Value, y: Value) -> bool:
    return _address(x) >= _address(y)


def networks_equal(x: Value, y: Value) -> bool:
    return _network(x) == _network(y)


def networks_overlap(x: Value, y: Value) -> bool:
    version, first, last = _network(x)
    other_version, other_first, other_last = _network(y)
    return version == other_version and first <= other_last and other_first <= last


def ip_in_network(ip: Value, network: Value) -> bool:
    version, number = _address(ip)
    other_version, first, last = _network(network)
    return version == other_version and first <= number <= last


_XY: Final = ("x", "y")

NETWORKS: Final = (
    Builtin("ips_equal", _XY, 2, ips_equal, "x and y are the same address.", 'ips_equal("::1", "0:0:0:0:0:0:0:1")'),
    Builtin("ips_lt", _XY, 2, ips_less, "the address x is before y.", 'ips_lt("10.0.0.9", "10.0.0.10")'),
    Builtin("ips_lteq", _XY, 2, ips_less_or_equal, "the address x is y or before it.", 'ips_lteq("::1", "::1")'),
    Builtin("ips_gt", _XY, 2, ips_greater, "the address x is after y.", 'ips_gt("10.0.0.10", "10.0.0.9")'),
    Builtin("ips_gteq", _XY, 2, ips_greater_or_equal, "the address x is y or after it.", 'ips_gteq("::2", "::1")'),
    Builtin(
        "networks_equal",
        _XY,
        2,
        networks_equal,
        "x and y are the same network.",
        'networks_equal("192.0.2.7/24", "192.0.2.0/24")',
    ),
    Builtin(
        "networks_overlap",
        _XY,
        2,
        networks_overlap,
        "the networks x and y have an address in common.",
        'networks_overlap("10.1.0.0/16", "10.0.0.0/8")',
    ),
    Builtin(
        "ip_in_network",
        ("ip", "network"),
        2,
        ip_in_network,
        "the address ip is in the network.",
        'ip_in_network("192.0.2.7", "192.0.2.0/24")',
    ),
)
