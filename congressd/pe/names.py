"""Which names policies and sources may have: what the policy language reads as one name."""

from __future__ import annotations

import re
from typing import Final

from congressd.model.errors import CongressError
from congressd.model.pushtables import RESERVED
from congressd.pe.policyset import Image

#: Policies that always exist.
SYSTEM_POLICIES: Final = {"classification": "nonrecursive", "action": "action"}

MAX_NAME: Final = 255
_NAME: Final = re.compile(r"[A-Za-z_.][A-Za-z0-9_.]*\Z")
_TAKEN: Final = RESERVED | {"builtin"}


def check_name(what: str, name: str) -> str:
    """The name, if a ``what`` ("policy" or "data source") may have it. Raises CongressError ``name_invalid``."""
    if not _NAME.match(name) or len(name) > MAX_NAME:
        raise CongressError(
            "name_invalid",
            f"{name[:80]!r} cannot be the name of a {what}: a name is made of letters A-Z, digits, _ and ., does not "
            f"begin with a digit, and has at most {MAX_NAME} characters",
        )
    if name in _TAKEN:
        raise CongressError("name_invalid", f"{name!r} cannot be the name of a {what}: the policy language uses it")
    if what != "policy" and name.startswith("_"):
        raise CongressError("name_invalid", f"{name!r} cannot be the name of a {what}: it begins with _")
    return name


def check_free(image: Image, name: str, owner: str = "") -> None:
    """Raise CongressError ``name_taken`` if a policy or source other than that with the id ``owner`` has the name."""
    taken = image.policy_ids.get(name) or image.source_ids.get(name)
    if taken is not None and taken != owner:
        what = "policy" if name in image.policy_ids else "data source"
        raise CongressError("name_taken", f"there is a {what} {name!r} already; policies and data sources share names")
