"""The part of docs/language.md that is made from the table of builtins.

``python -m congressd.language.builtins.reference docs/language.md`` writes it anew; a test fails when it is old.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from congressd.language.builtins import GROUPS

BEGIN: Final = "<!-- builtins: made by congressd.language.builtins.reference, do not edit -->"
END: Final = "<!-- end of builtins -->"


def reference() -> str:
    """The builtins as Markdown, by group."""
    lines = []
    for title, group in GROUPS.items():
        lines += [f"### {title}", ""]
        for builtin in group:
            lines.append(f"- `{builtin.signature}`: {builtin.doc} Example: `{builtin.example}`.")
        lines.append("")
    return "\n".join(lines)


def updated(text: str) -> str:
    """The text with what stands between the two marks made anew. Raises ValueError if a mark is missing."""
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n\n{reference()}\n{END}{after}"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(updated(path.read_text(encoding="utf-8")), encoding="utf-8")
