"""Names that rules can use, made from the names that files and documents happen to have."""

from __future__ import annotations

import re
import unicodedata

from congressd.model.pushtables import MAX_NAME, RESERVED

_FOREIGN = re.compile(r"[^A-Za-z0-9_.]")


def usable_name(text: str) -> str:
    """``text`` as a name of the policy language: accents are dropped, what does not fit becomes ``_``.

    "Größe (cm)" gives "Grosse__cm_", "os-zone" gives "os_zone", "2fa" gives "_2fa", "not" gives "not_".
    """
    plain = unicodedata.normalize("NFKD", text.strip().replace("ß", "ss"))
    name = _FOREIGN.sub("_", "".join(char for char in plain if not unicodedata.combining(char)))[:MAX_NAME]
    if not name or name[0].isdigit():
        name = "_" + name
    return name + "_" if name in RESERVED else name
