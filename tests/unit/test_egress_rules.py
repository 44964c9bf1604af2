"""Which hosts and ports the proxy lets through, in every notation that a browser understands."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from orchestrator.errors import UsageError
from sandbox.egress_policy import (
    EgressPolicy,
    Refused,
    canonical_host,
    check_target,
    closed_range,
    open_addresses,
    parse_target,
)

CLOSED_LITERALS = [
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "0",
    "0.0.0.0",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "0x7f.0.0.1",
    "0x7f000001",
    "0X7F.1",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
    "10.1.2.3",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "3232235777",
    "100.64.0.1",
    "100.100.100.200",
    "169.254.169.254",
    "0xa9fea9fe",
    "168.63.129.16",
    "192.0.0.192",
    "198.18.0.1",
    "192.0.2.7",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[fe80::1%25eth0]",
    "[fec0::1]",
    "[ff02::1]",
    "[2001:db8::1]",
    "[::ffff:0:10.0.0.1]",
    "[4000::1]",
    "localhost",
    "LOCALHOST.",
    "a.localhost",
    "metadata.google.internal",
    "printer.local",
]
OPEN_LITERALS = ["8.8.8.8", "1.1.1.1", "172.32.0.1", "[2606:4700:4700::1111]", "example.org"]


@pytest.mark.parametrize("host", CLOSED_LITERALS)
def test_an_internal_address_is_refused_in_every_notation(host: str) -> None:
    with pytest.raises(Refused):
        check_target(EgressPolicy(), parse_target(f"{host}:80"))


@pytest.mark.parametrize("host", OPEN_LITERALS)
def test_a_public_host_passes(host: str) -> None:
    assert check_target(EgressPolicy(), parse_target(f"{host}:443")) is False


@pytest.mark.parametrize(
    "authority",
    [
        "",
        ":80",
        "a b:80",
        "a\tb:80",
        "user@host:80",
        "host:80:81",
        "host:0",
        "host:65536",
        "host:٨٠",
        "host:-1",
        "host",
        "[::1:80",
        "[::1]x:80",
        "1.2.3.4.5:80",
        "256.1.1.1:80",
        "0x:80x",
        "a/b:80",
        "%31%32%37.0.0.1:80",
        "999999999999:80",
    ],
)
def test_a_malformed_authority_is_refused(authority: str) -> None:
    with pytest.raises(Refused):
        parse_target(authority)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("EXAMPLE.org.", "example.org"),
        ("0x7f.1", "127.0.0.1"),
        ("[::FFFF:7f00:1]", "127.0.0.1"),
        ("\uff11\uff12\uff17.0.0.1", "127.0.0.1"),
        ("bücher.example", "xn--bcher-kva.example"),
    ],
)
def test_a_host_has_one_spelling(written: str, canonical: str) -> None:
    assert canonical_host(written) == canonical


def test_the_operator_may_allow_one_endpoint_and_only_that_one_opens() -> None:
    policy = EgressPolicy(allow=frozenset({"127.0.0.1:8000"}))
    assert check_target(policy, parse_target("127.0.0.1:8000")) is True
    assert check_target(policy, parse_target("2130706433:8000")) is True
    for other in ("127.0.0.1:8001", "127.0.0.2:8000", "localhost:8000"):
        with pytest.raises(Refused):
            check_target(policy, parse_target(other))


def test_an_allowed_host_without_a_port_means_the_ports_of_the_web() -> None:
    policy = EgressPolicy(allow=frozenset({"127.0.0.1", "[::1]"}))
    for authority in ("127.0.0.1:80", "127.0.0.1:443", "[::1]:443"):
        assert check_target(policy, parse_target(authority)) is True
    with pytest.raises(Refused):
        check_target(policy, parse_target("127.0.0.1:8000"))


@pytest.mark.parametrize("entry", ["http://x/", "a b", "host:port", ""])
def test_a_malformed_setting_is_an_error_of_usage(entry: str) -> None:
    with pytest.raises(UsageError, match="malformed"):
        EgressPolicy(allow=frozenset({entry}))
    with pytest.raises(UsageError, match="malformed"):
        EgressPolicy(only_hosts=frozenset({entry}))


def test_a_name_that_leads_to_an_allowed_address_is_still_checked() -> None:
    policy = EgressPolicy(allow=frozenset({"127.0.0.1:8000"}))
    target = parse_target("rebind.example:8000")
    assert check_target(policy, target) is False
    with pytest.raises(Refused, match="loopback"):
        open_addresses(target, [ip_address("127.0.0.1")])


def test_only_the_public_ones_of_several_addresses_are_connected_to() -> None:
    public = ip_address("93.184.215.14")
    target = parse_target("both.example:80")
    assert open_addresses(target, [ip_address("10.0.0.1"), public]) == [public]


@pytest.mark.parametrize(
    ("host", "passes"),
    [
        ("example.org", True),
        ("www.example.org", False),
        ("docs.acme.test", True),
        ("acme.test", False),
        ("notacme.test", False),
        ("example.org.evil.test", False),
    ],
)
def test_a_list_of_hosts_restricts_the_web_to_it(host: str, passes: bool) -> None:
    policy = EgressPolicy(only_hosts=frozenset({"Example.org", "*.acme.test"}))
    target = parse_target(f"{host}:443")
    if passes:
        assert check_target(policy, target) is False
        return
    with pytest.raises(Refused, match="not among the hosts"):
        check_target(policy, target)


def test_a_closed_host_is_refused_by_its_name() -> None:
    policy = EgressPolicy(closed_hosts=frozenset({"tracker.test"}))
    with pytest.raises(Refused, match="closed"):
        check_target(policy, parse_target("Tracker.test.:443"))


@pytest.mark.parametrize(("port", "passes"), [(80, True), (443, True), (8443, True), (25, False)])
def test_well_known_ports_of_other_protocols_are_closed(port: int, passes: bool) -> None:
    target = parse_target(f"example.org:{port}")
    if passes:
        assert check_target(EgressPolicy(), target) is False
        return
    with pytest.raises(Refused, match="port"):
        check_target(EgressPolicy(), target)


def test_without_the_web_not_even_an_allowed_endpoint_opens() -> None:
    policy = EgressPolicy(enabled=False, allow=frozenset({"127.0.0.1:8000"}))
    with pytest.raises(Refused, match="switched off"):
        check_target(policy, parse_target("127.0.0.1:8000"))


def test_the_reason_names_the_kind_of_address() -> None:
    assert closed_range(ip_address("169.254.169.254")) == "link-local or cloud metadata"
    assert closed_range(ip_address("::ffff:10.0.0.1")) == "private"
    assert closed_range(ip_address("8.8.8.8")) is None
