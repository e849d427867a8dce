"""Which addresses may be sent to: what is not everybody's is refused, in whatever clothes it comes."""

from collections.abc import Sequence
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dure.errors import AddressRefused
from scheduler.webhooks.addresses import Address, is_public, permitted

PRIVATE = {
    "127.0.0.1": "loopback",
    "127.255.255.254": "the far end of loopback",
    "0.0.0.0": "this host",
    "0.1.2.3": "this network",
    "10.0.0.1": "private",
    "172.16.0.1": "private, the second",
    "172.31.255.255": "private, the end of the second",
    "192.168.1.1": "private, the third",
    "169.254.169.254": "the clouds' metadata",
    "169.254.0.1": "link-local",
    "100.64.0.1": "a carrier's own",
    "100.100.100.200": "Alibaba's metadata",
    "168.63.129.16": "Azure's own",
    "192.0.0.192": "Oracle's metadata",
    "198.18.0.1": "benchmarks",
    "203.0.113.7": "documentation",
    "224.0.0.1": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "broadcast",
    "::": "this host",
    "::1": "loopback",
    "fe80::1": "link-local",
    "fec0::1": "site-local",
    "fc00::1": "unique local",
    "fd00:ec2::254": "Amazon's metadata",
    "ff02::1": "multicast",
    "2001:db8::1": "documentation",
    "::ffff:127.0.0.1": "loopback, mapped",
    "::ffff:8.8.8.8": "mapped at all",
    "::127.0.0.1": "loopback, the old way",
    "64:ff9b::7f00:1": "loopback through NAT64",
    "64:ff9b::a9fe:a9fe": "metadata through NAT64",
    "2002:7f00:1::": "loopback through 6to4",
    "2002:a9fe:a9fe::1": "metadata through 6to4",
    "2001:0:7f00:1::1": "Teredo",
    "64:ff9b:1::7f00:1": "loopback through a NAT64 of one's own",
}

PUBLIC = ["8.8.8.8", "1.1.1.1", "93.184.215.14", "172.32.0.1", "2606:4700:4700::1111", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", PRIVATE, ids=lambda address: f"{address} {PRIVATE[address]}")
def test_what_not_everybody_could_reach_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_what_everybody_could_reach_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@given(st.ip_addresses(v=4))
def test_an_address_is_no_more_public_inside_of_another(address: Address) -> None:
    inner = int(address)
    assert is_public(ip_address((0x64FF9B << 96) | inner)) is is_public(address)
    for clothed in ((0x2002 << 112) | (inner << 80), (0xFFFF << 32) | inner, (0x20010000 << 96) | inner):
        assert not is_public(ip_address(clothed))


def told(*answers: str):
    def resolve(host: str, port: int) -> Sequence[Address]:
        return [ip_address(answer) for answer in answers]

    return resolve


def test_every_address_of_a_name_must_be_good() -> None:
    with pytest.raises(AddressRefused, match=r"hooks\.acme\.example leads to an address that is not public"):
        permitted("hooks.acme.example", 443, plain=False, networks=(), resolve=told("8.8.8.8", "10.0.0.5"))
    assert permitted("h", 443, plain=False, networks=(), resolve=told("8.8.8.8", "8.8.8.8")) == [ip_address("8.8.8.8")]


def test_what_is_refused_does_not_say_what_our_own_resolver_knows() -> None:
    with pytest.raises(AddressRefused) as refused:
        permitted("db.internal", 443, plain=False, networks=(), resolve=told("10.0.0.5"))
    assert "10.0.0.5" not in str(refused.value)
    assert [error.field for error in refused.value.errors] == ["url"]
    assert "https://hooks.example.com/dure" in refused.value.detail


def test_a_name_that_leads_nowhere_is_refused() -> None:
    with pytest.raises(
        AddressRefused, match=r"no address is known for nobody\.example: check how it is spelled"
    ) as found:
        permitted("nobody.example", 443, plain=False, networks=(), resolve=told())
    assert "hooks.example.com" not in found.value.detail


def test_the_operators_own_networks_are_allowed_and_they_alone_without_tls() -> None:
    networks = [ip_network("10.1.0.0/16"), ip_network("fd00::/8")]
    for address in ("10.1.2.3", "fd00::5"):
        for plain in (True, False):
            assert permitted("h", 80, plain=plain, networks=networks, resolve=told(address))
    with pytest.raises(AddressRefused):
        permitted("h", 443, plain=False, networks=networks, resolve=told("10.2.0.1"))
    with pytest.raises(AddressRefused, match="use https://"):
        permitted("h", 80, plain=True, networks=networks, resolve=told("8.8.8.8"))
