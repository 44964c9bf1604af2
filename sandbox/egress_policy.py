"""Says which host and port may be reached from the browser or the box: pure rules, no sockets.

Knows address ranges and the many ways of writing an address. Refuses to know how bytes travel.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from orchestrator.errors import UsageError

Address = IPv4Address | IPv6Address
WEB_PORTS = frozenset({80, 443})
FIRST_UNPRIVILEGED_PORT = 1024
MEBIBYTE = 1024 * 1024

_CLOSED_V4: tuple[tuple[str, str], ...] = (
    ("0.0.0.0/8", "this host"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "carrier-grade NAT"),
    ("127.0.0.0/8", "loopback"),
    ("168.63.129.16/32", "cloud metadata"),  # a public address, but Azure's host agent answers
    ("169.254.0.0/16", "link-local or cloud metadata"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "reserved"),
    ("192.0.2.0/24", "documentation"),
    ("192.88.99.0/24", "reserved"),
    ("192.168.0.0/16", "private"),
    ("198.18.0.0/15", "benchmarking"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),
)
_CLOSED_V6: tuple[tuple[str, str], ...] = (
    ("::/128", "this host"),
    ("::1/128", "loopback"),
    ("100::/64", "discard"),
    ("2001::/23", "reserved"),
    ("2001:db8::/32", "documentation"),
    ("3fff::/20", "documentation"),
    ("5f00::/16", "reserved"),
    ("fc00::/7", "private"),
    ("fe80::/10", "link-local"),
    ("fec0::/10", "private"),
    ("ff00::/8", "multicast"),
)
_NETWORKS_V4 = tuple((IPv4Network(net), why) for net, why in _CLOSED_V4)
_NETWORKS_V6 = tuple((IPv6Network(net), why) for net, why in _CLOSED_V6)
_GLOBAL_UNICAST = IPv6Network("2000::/3")
# Wrappers whose address holds an IPv4 address: (network, bits to the right of it).
_EMBEDDED_V4: tuple[tuple[IPv6Network, int], ...] = (
    (IPv6Network("::/96"), 0),
    (IPv6Network("::ffff:0:0/96"), 0),
    (IPv6Network("::ffff:0:0:0/96"), 0),
    (IPv6Network("64:ff9b::/96"), 0),
    (IPv6Network("2002::/16"), 80),
)
_NUMERIC_LABEL = re.compile(r"^(0x[0-9a-f]*|[0-9]+)$")
_HOST_CHARACTERS = re.compile(r"^[a-z0-9._-]+$")


class Refused(ValueError):
    """The policy says no; the message is a reason that a person or a model can use."""


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """What may be reached. `allow` names private endpoints as HOST:PORT (or HOST, which means 80
    and 443); `only_hosts` restricts everything else to these hosts (`*.example.org` for
    subdomains); `closed_hosts` are never reached; no `ports` means 80, 443 and every port from
    1024. `max_bytes` is per connection, `branch_bytes` for all of a branch; the `unvisited` ones
    are for each host that only pages use, and that the branch never went to."""

    enabled: bool = True
    allow: frozenset[str] = frozenset()
    only_hosts: frozenset[str] = frozenset()
    closed_hosts: frozenset[str] = frozenset()
    ports: frozenset[int] = frozenset()
    max_bytes: int = 256 * MEBIBYTE
    branch_bytes: int = 4096 * MEBIBYTE
    unvisited_sent: int = MEBIBYTE // 4
    unvisited_received: int = 64 * MEBIBYTE
    max_seconds: float = 900.0
    connect_seconds: float = 10.0

    def __post_init__(self) -> None:
        try:
            for entry in self.allow:
                _allowed_targets(entry)
            for entry in self.only_hosts | self.closed_hosts:
                canonical_host(entry.removeprefix("*."))
        except Refused as refusal:
            raise UsageError(f"a host of the network settings is malformed: {refusal}") from refusal


@dataclass(frozen=True, slots=True)
class Target:
    """A host in its one canonical spelling, and a port."""

    host: str
    port: int

    @property
    def name(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def literal(self) -> Address | None:
        """The address, if the host is one and not a name."""
        try:
            return ip_address(self.host)
        except ValueError:
            return None


def parse_target(authority: str, default_port: int | None = None) -> Target:
    """Read HOST:PORT in any notation a browser accepts; raises Refused for anything else."""
    host, port_text = _split_port(authority)
    if not port_text and default_port is None:
        raise Refused(f"{authority!r} names no port")
    if port_text and not (port_text.isascii() and port_text.isdigit() and len(port_text) <= 5):
        raise Refused(f"{authority!r} has a malformed port")
    port = int(port_text) if port_text else default_port or 0
    if not 0 < port < 65536:
        raise Refused(f"port {port} does not exist")
    return Target(canonical_host(host), port)


def canonical_host(host: str) -> str:
    """One spelling per host: lower case, no trailing dots, numbers as dotted decimal."""
    bare = host.strip().lower()
    if (bare.startswith("[") and bare.endswith("]")) or ":" in bare:
        return _canonical_v6(bare.strip("[]"))
    bare = bare.rstrip(".")
    if not bare.isascii():
        try:
            bare = bare.encode("idna").decode("ascii").rstrip(".")
        except UnicodeError as error:
            raise Refused(f"{host!r} is not a host name") from error
    if not bare or len(bare) > 253 or not _HOST_CHARACTERS.match(bare):
        raise Refused(f"{host!r} is not a host name")
    if _NUMERIC_LABEL.match(bare.rsplit(".", 1)[-1]):
        return _canonical_v4(bare)
    return bare


def check_target(policy: EgressPolicy, target: Target) -> bool:
    """Apply every rule that needs no resolving. True: the operator allowed this very endpoint,
    so its address is not checked again. Raises Refused."""
    if not policy.enabled:
        raise Refused("the web is switched off for this run")
    if any(target in _allowed_targets(entry) for entry in policy.allow):
        return True
    if is_listed(target.host, policy.closed_hosts):
        raise Refused(f"{target.host} is closed")
    if policy.only_hosts and not is_listed(target.host, policy.only_hosts):
        raise Refused(f"{target.host} is not among the hosts that this run may visit")
    if not _port_is_open(policy, target.port):
        raise Refused(f"port {target.port} is closed")
    literal = target.literal
    if literal is not None and (why := closed_range(literal)):
        raise Refused(f"{target.host} is a {why} address")
    if target.host == "localhost" or target.host.endswith((".localhost", ".internal", ".local")):
        raise Refused(f"{target.host} is a name of the local network")
    return False


def open_addresses(target: Target, resolved: list[Address]) -> list[Address]:
    """The resolved addresses that may be connected to; raises Refused if there is none."""
    closed = {str(address): closed_range(address) for address in resolved}
    usable = [address for address in resolved if closed[str(address)] is None]
    if resolved and not usable:
        raise Refused(f"{target.host} leads to {resolved[0]}, a {closed[str(resolved[0])]} address")
    return usable


def closed_range(address: Address) -> str | None:
    """Why this address may not be reached, or None for a public one."""
    if isinstance(address, IPv4Address):
        return next((why for net, why in _NETWORKS_V4 if address in net), None)
    if address.scope_id is not None:
        return "link-local"
    own = next((why for net, why in _NETWORKS_V6 if address in net), None)
    if own is not None:
        return own
    for net, shift in _EMBEDDED_V4:
        if address in net:
            return closed_range(IPv4Address((int(address) >> shift) & 0xFFFFFFFF))
    return None if address in _GLOBAL_UNICAST else "reserved"


def _split_port(authority: str) -> tuple[str, str]:
    if "@" in authority or "/" in authority:
        raise Refused(f"{authority!r} is not a HOST:PORT")
    if authority.startswith("["):
        host, bracket, rest = authority.partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise Refused(f"{authority!r} is not a HOST:PORT")
        return host + bracket, rest[1:]
    host, _, port = authority.partition(":")
    return host, port


def _canonical_v4(host: str) -> str:
    """Decimal, octal, hexadecimal and short forms, the way that browsers read them."""
    try:
        return str(IPv4Address(socket.inet_aton(host)))
    except OSError as error:
        raise Refused(f"{host!r} is not an address") from error


def _canonical_v6(host: str) -> str:
    try:
        address = IPv6Address(host)
    except ValueError as error:
        raise Refused(f"{host!r} is not an address") from error
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)


def _allowed_targets(entry: str) -> list[Target]:
    """A host without a port means the two ports of the web."""
    host, port = _split_port(entry.strip())
    ports = [port] if port else [str(web) for web in sorted(WEB_PORTS)]
    return [parse_target(f"{host}:{one}") for one in ports]


def is_listed(host: str, listed: frozenset[str]) -> bool:
    """Whether a canonical host is one of these, or below one that begins with `*.`."""
    for entry in listed:
        if entry.startswith("*."):
            if host.endswith("." + canonical_host(entry[2:])):
                return True
        elif host == canonical_host(entry):
            return True
    return False


def _port_is_open(policy: EgressPolicy, port: int) -> bool:
    if policy.ports:
        return port in policy.ports
    return port in WEB_PORTS or port >= FIRST_UNPRIVILEGED_PORT
