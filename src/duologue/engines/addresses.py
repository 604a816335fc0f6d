"""Which addresses a stranger's URL may lead to: never one inside the house."""

from __future__ import annotations

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_public(address: Address) -> bool:
    """Is it an address of the open internet: not loopback, private, link-local, multicast or reserved?"""
    inner = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None) or address
    # Behind NAT64 (RFC 6052) the last four bytes are an IPv4 address.
    if isinstance(inner, ipaddress.IPv6Address) and inner in ipaddress.ip_network("64:ff9b::/96"):
        inner = ipaddress.IPv4Address(int(inner) & 0xFFFFFFFF)
    is_local = isinstance(inner, ipaddress.IPv6Address) and inner.is_site_local
    return inner.is_global and not (inner.is_multicast or inner.is_reserved or is_local)
