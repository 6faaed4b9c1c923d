"""Access to the live view: hosts, origins and the token.

A foreign page must not reach a server on loopback through the user's browser. So unknown host names are refused (DNS
rebinding), and a websocket must come from the server's own page. A token stands in the address once. After that a
cookie made from it replaces it, which no script and no other site's page can use.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from urllib.parse import urlsplit

from edgemoe_gen.base.errors import ConfigError

LOOPBACK = "127.0.0.1"
LEAST_TOKEN = 12  # characters; one of ours has 32
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


def is_loopback(host: str) -> bool:
    """Whether an address to bind to can't be reached from another machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def token_for(host: str, given: str | None) -> str | None:
    """The token of the server: the given one, a new one if the network can reach the server, else None.

    Raises:
        ConfigError: the given one is too short to be a secret, or can't stand in an address.
    """
    if given is not None:
        if len(given) < LEAST_TOKEN or not all(c.isascii() and (c.isalnum() or c in "-_.~") for c in given):
            raise ConfigError(
                f"the token must have at least {LEAST_TOKEN} letters, digits or any of - _ . ~",
                "leave --token out: off loopback one is made and printed",
            )
        return given
    return None if is_loopback(host) else secrets.token_urlsafe(24)


class Access:
    """Decides about requests; knows nothing of a web framework.

    Args:
        host: that the server binds to.
        token: that it asks for, or None.
    """

    def __init__(self, host: str, token: str | None) -> None:
        self._names = {host.lower(), *_LOOPBACK_NAMES}
        self._token = token
        self.cookie_value = "" if token is None else self._cookie(token)

    @property
    def guarded(self) -> bool:
        """Whether there is a token."""
        return self._token is not None

    def knows_host(self, host: str) -> bool:
        """Whether a request's Host may be meant for this server.

        With a token any name is accepted: the board's name in a network is unknown here, and the token decides anyway.
        The port does not matter, as it may be forwarded by SSH.
        """
        name = _host_name(host)
        return name is not None and (self.guarded or name in self._names)

    def same_origin(self, origin: str | None, host: str) -> bool:
        """Whether a websocket comes from a page of this very server; every browser says where from."""
        if origin is None:
            return False
        parts = urlsplit(origin)
        return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()

    def accepts_token(self, token: str) -> bool:
        """Compares in constant time."""
        return self._token is not None and hmac.compare_digest(_bytes(token), _bytes(self._token))

    def accepts_cookie(self, value: str) -> bool:
        """Compares in constant time."""
        return not self.guarded or hmac.compare_digest(_bytes(value), _bytes(self.cookie_value))

    @staticmethod
    def _cookie(token: str) -> str:
        # Cookies go to every port of a host: what another server there sees must not be the token.
        return hmac.new(token.encode(), b"edgemoe-gen serve", hashlib.sha256).hexdigest()


def _bytes(text: str) -> bytes:
    """Any text, even what came as bytes that are no text."""
    return text.encode("utf-8", "backslashreplace")


def _host_name(host: str) -> str | None:
    """The name in a Host header, without port and brackets; None of what is no host."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return None
    if parts.netloc != host or "@" in host or not parts.hostname:
        return None
    return parts.hostname.lower()
