"""Which addresses may be sent to. A company names the address, so without this it could reach what only we can reach.

A name is resolved once, and it is the result that is checked and connected to: what the name says later changes nothing.
"""

import ipaddress
import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Annotated

from pydantic import BeforeValidator

from dure.errors import AddressRefused

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Sequence[Address]]

EXAMPLE = "https://hooks.example.com/dure"

_NAT64 = IPv6Network("64:ff9b::/96")

_NEVER: tuple[Network, ...] = (
    IPv4Network("168.63.129.16/32"),  # public by number, but inside of Azure it is Azure's own
    IPv4Network("192.0.0.0/24"),  # protocols' own, and Oracle's metadata; pythons differ about it
    IPv4Network("192.88.99.0/24"),
    IPv6Network("64:ff9b:1::/48"),
    IPv6Network("2001::/23"),
    IPv6Network("2002::/16"),  # 6to4, as Teredo above: IPv4 in clothes that nobody wears any more
    IPv6Network("fec0::/10"),
)


def split(value: object) -> object:
    """The parts of a setting that are separated by commas."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Networks = Annotated[tuple[Network, ...], BeforeValidator(split)]
"""Of a setting: networks separated by commas."""


def resolved(host: str, port: int) -> Sequence[Address]:
    """What the system's resolver says of a name or a number. Raises AddressRefused when it says nothing."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise _nowhere(host, f" ({getattr(error, 'strerror', None) or error})") from None
    return [ipaddress.ip_address(str(place[4][0]).partition("%")[0]) for place in found]


def permitted(host: str, port: int, *, plain: bool, networks: Sequence[Network], resolve: Resolve) -> list[Address]:
    """Where a host may be connected to. `plain` is without TLS, which only the operator's own `networks` get.

    Raises AddressRefused as soon as one of its addresses may not be sent to.
    """
    found = list(dict.fromkeys(resolve(host, port)))
    if not found:
        raise _nowhere(host)
    for address in found:
        ours = any(address in network for network in networks)
        if not ours and not is_public(address):
            # Which one is not said: it may be what only our own resolver knows.
            raise refused(f"{host} leads to an address that is not public")
        if not ours and plain:
            raise refused("http:// would show what is sent to everybody on the way; use https://")
    return found


def is_public(address: Address) -> bool:
    """Whether anybody on the internet could reach it. One that stands for an IPv4 address is as public as that one."""
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    hidden = address.is_multicast or address.is_reserved or any(address in network for network in _NEVER)
    return address.is_global and not hidden


def refused(why: str) -> AddressRefused:
    return _refused(f"{why}; webhooks go to public https addresses, for example {EXAMPLE}")


def _nowhere(host: str, why: str = "") -> AddressRefused:
    return _refused(f"no address is known for {host}{why}: check how it is spelled, or wait until its name is public")


def _refused(message: str) -> AddressRefused:
    return AddressRefused.about("url", message)
