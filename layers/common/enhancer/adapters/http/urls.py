"""Check the URLs that users give us, and whether an IP address is public. Nothing here opens a connection."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import quote, urljoin, urlsplit

from enhancer.domain.errors import ImageUrlRefused

FIELD = "imageUrl"
PORT = 443
URL_CHARACTERS_MAX = 4096
HOST_CHARACTERS_MAX = 253

_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\]")
"""Control characters and the backslash: URL parsers silently drop them or turn them into a slash."""
_NAME = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])")
"""A host name of two or more labels. The last one starts with a letter, so no notation of a number matches."""
_AMBIGUOUS = frozenset("ßς\u200c\u200d")
"""Letters that the two IDNA standards map to different domains."""
_SAFE = "%/:@!$&'()*+,;=~"

_UNICAST = ip_network("2000::/3")
"""The only part of IPv6 with public hosts (RFC 4291, 2.4): IPv4-mapped, local and multicast addresses lie outside.

`ipaddress` itself excludes 6to4 in it, which embeds IPv4."""
_NAT64 = ip_network("64:ff9b::/96")
"""IPv6 addresses that stand for an IPv4 address (RFC 6052)."""
_NOT_PUBLIC = [
    ip_network(block)
    for block in (
        "192.0.0.0/24",  # protocol assignments, among them anycast services of the own network
        "192.88.99.0/24",  # relays into 6to4
        "224.0.0.0/4",  # multicast
        "2001::/23",  # protocol assignments, among them Teredo, which embeds IPv4
        "3fff::/20",  # documentation
    )
]
"""Blocks that `ipaddress` calls global, wholly or in part, and that are not public hosts."""


def vetted(url: str, *, base: str = "") -> tuple[str, str]:
    """Return the ASCII host name and the request target of a URL; raise `ImageUrlRefused` for one we do not fetch.

    ``base`` is the URL that a relative one is resolved against. Only the two returned parts are used to connect, so it
    does not matter how another parser would read the URL. An IP address instead of a host name is refused even if it
    is public, which excludes every notation of a private one.
    """
    if len(url) > URL_CHARACTERS_MAX or _FORBIDDEN.search(url):
        raise ImageUrlRefused(field=FIELD, reason="malformed")
    try:
        parts = urlsplit(urljoin(base, url))
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode()
        target = quote(parts.path or "/", safe=_SAFE)
        if parts.query:
            target += "?" + quote(parts.query, safe=_SAFE + "?")
    except ValueError:
        raise ImageUrlRefused(field=FIELD, reason="malformed") from None
    if parts.scheme != "https":
        raise ImageUrlRefused(field=FIELD, reason="scheme")
    if "@" in parts.netloc:
        raise ImageUrlRefused(field=FIELD, reason="credentials")
    if port not in (None, PORT):
        raise ImageUrlRefused(field=FIELD, reason="port")
    if len(target) > URL_CHARACTERS_MAX or _AMBIGUOUS.intersection(parts.hostname or ""):
        raise ImageUrlRefused(field=FIELD, reason="malformed")
    if len(host) > HOST_CHARACTERS_MAX or not _NAME.fullmatch(host):
        raise ImageUrlRefused(field=FIELD, reason="address" if _numeric(host) else "malformed")
    return host, target


def public(text: str) -> bool:
    """Return whether an IP address is that of a public host; for NAT64 the embedded IPv4 address decides."""
    try:
        address: IPv4Address | IPv6Address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return False
        if address in _NAT64:
            return public(str(IPv4Address(int(address) & 0xFFFF_FFFF)))
        if address not in _UNICAST:
            return False
    return address.is_global and not any(address in block for block in _NOT_PUBLIC)


def _numeric(host: str) -> bool:
    """Return whether text that is no host name means an IP address or a name of the local network."""
    name = host.removesuffix(".")
    last = name.rpartition(".")[2]
    return bool(name) and (":" in name or "." not in name or last[:1].isdigit())
