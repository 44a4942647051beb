"""What must hold between options; each check is a sentence that names the options, their values and what would do."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from congressd.config.options import Settings
from congressd.model.errors import CongressError
from congressd.store.epochs import check_lease


def problems_across(settings: Settings) -> Iterator[str]:
    """One sentence for each rule that ``settings`` break."""
    yield from _lease(settings)
    yield from _access(settings)


def _lease(settings: Settings) -> Iterator[str]:
    """The store's own rule, so that it is told when the configuration is read and not when the node starts."""
    dsd = settings.dsd
    try:
        check_lease(dsd.renew_period, dsd.retry_period, dsd.lease)
    except CongressError as error:
        yield f"[dsd]/renew_period, retry_period, lease: {error.detail}"


def _access(settings: Settings) -> Iterator[str]:
    default = settings.default
    if default.auth_strategy == "none" and not default.serve_everybody and not is_loopback(default.bind_host):
        yield (
            f"[DEFAULT]/bind_host is {default.bind_host!r}, which other machines can reach, and auth_strategy is "
            f"`none`, so everybody who reaches the port could change everything. Bind to 127.0.0.1, "
            f"or say serve_everybody = true if that is what you want."
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
