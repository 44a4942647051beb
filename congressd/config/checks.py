"""What must hold between options; each check is a sentence that names the options, their values and what would do."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Iterator
from typing import Final

from congressd.config.brokers import broker_urls
from congressd.config.options import Settings
from congressd.model.commands import parse_commands


def problems_across(settings: Settings, wrong: Collection[str] = ()) -> Iterator[str]:
    """One sentence for each rule that ``settings`` break; ``wrong`` are options, as ``[group]/name``, of which the
    value is not known, so that nothing can be said of what they are in."""
    for check, read in _CHECKS:
        if not any(label in wrong for label in read):
            yield from check(settings)


def _lease(settings: Settings) -> Iterator[str]:
    """A holder has a second try at renewal before it must stop, and stops before another may believe it gone."""
    dsd = settings.dsd
    needed = 2 * dsd.renew_period + dsd.lease_margin
    if needed > dsd.lease:
        yield (
            f"[dsd]/lease is {dsd.lease:g} s but must be at least 2 * renew_period + lease_margin = "
            f"2 * {dsd.renew_period:g} + {dsd.lease_margin:g} = {needed:g} s, so that one lost renewal does not end "
            f"it. Raise lease, or lower renew_period"
        )


def _access(settings: Settings) -> Iterator[str]:
    default, dsd = settings.default, settings.dsd
    if default.auth_strategy != "none" or default.serve_everybody:
        return
    hosts = [("DEFAULT", default.bind_host, "change everything")]
    if dsd.bind_port:
        hosts.append(("dsd", dsd.bind_host, "read its figures"))
    for group, host, done in hosts:
        if not is_loopback(host):
            yield (
                f"[{group}]/bind_host is {host!r}, which other machines can reach, and auth_strategy is "
                f"`none`, so everybody who reaches the port could {done}. Bind to 127.0.0.1, "
                f"take auth_strategy = token, or say serve_everybody = true if that is what you want."
            )


def _bus(settings: Settings) -> Iterator[str]:
    try:
        broker_urls(settings.bus.url)
    except ValueError as error:
        yield f"[bus]/url {error}"


def _actions(settings: Settings) -> Iterator[str]:
    try:
        parse_commands(settings.actions.commands)
    except ValueError as error:
        yield f"[actions]/commands: {error}"
    for url in settings.actions.allowed_urls.split():
        if not url.startswith(("http://", "https://")) or url.count("/") < 3:
            yield (
                f"[actions]/allowed_urls has {url!r}, which is not the beginning of an address; write the host with "
                f"the slash behind it, such as https://hooks.example.org/"
            )


#: Each check with the options that it reads.
_CHECKS: Final[tuple[tuple[Callable[[Settings], Iterator[str]], tuple[str, ...]], ...]] = (
    (_lease, ("[dsd]/lease", "[dsd]/renew_period", "[dsd]/lease_margin")),
    (
        _access,
        (
            "[DEFAULT]/auth_strategy", "[DEFAULT]/serve_everybody", "[DEFAULT]/bind_host", "[dsd]/bind_host",
            "[dsd]/bind_port",
        ),
    ),
    (_bus, ("[bus]/url",)),
    (_actions, ("[actions]/commands", "[actions]/allowed_urls")),
)  # fmt: skip


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
