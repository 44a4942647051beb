#!/usr/bin/python3
"""Puts our configuration into a live CIB without touching what is not ours. Standard library only.

Usage: cib_merge.py LIVE WANTED RESULT. Writes RESULT, and prints ``changed`` or ``same``.

Ours: resources, constraints, defaults, and the properties of our own set. Kept: nodes and their attributes (standby,
maintenance), status, properties that the cluster or the operator set, and constraints made by ``pcs resource move`` and
``ban`` (their ids begin with ``cli-``).
"""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

OURS = "congressd-properties"


def merge(live: Element, wanted: Element) -> Element:
    """A CIB that has the configuration ``wanted`` and all of ``live`` that is not ours."""
    result = ElementTree.fromstring(ElementTree.tostring(live))
    configuration = _part(result, "configuration")
    _merge_properties(_part(configuration, "crm_config"), _part(wanted, "crm_config"))
    _merge_constraints(_part(configuration, "constraints"), _part(wanted, "constraints"))
    for name in ("resources", "rsc_defaults", "op_defaults"):
        _part(configuration, name)[:] = list(_part(wanted, name))
    return result


def same(one: Element, other: Element) -> bool:
    """Whether two CIBs have the same configuration, blanks and the order of attributes aside."""
    first, second = (_part(cib, "configuration") for cib in (one, other))
    names = {child.tag for child in (*first, *second)}
    return all(_canonical(_part(first, name)) == _canonical(_part(second, name)) for name in names)


def _merge_properties(live: Element, wanted: Element) -> None:
    """Our set replaces the old one of ours; a property of ours is dropped from every other set."""
    own = _part(wanted, "cluster_property_set")
    names = {pair.get("name") for pair in own}
    for group in list(live):
        if group.get("id") == OURS:
            live.remove(group)
            continue
        for pair in list(group):
            if pair.get("name") in names:
                group.remove(pair)
    live.append(own)


def _merge_constraints(live: Element, wanted: Element) -> None:
    by_hand = [constraint for constraint in live if (constraint.get("id") or "").startswith("cli-")]
    live[:] = [*wanted, *by_hand]


def _part(parent: Element, name: str) -> Element:
    """The child of that name, made when there is none."""
    found = parent.find(name)
    return ElementTree.SubElement(parent, name) if found is None else found


def _canonical(element: Element) -> str:
    return ElementTree.canonicalize(ElementTree.tostring(element, encoding="unicode"), strip_text=True)


def main(arguments: list[str]) -> None:
    """Merge files."""
    live, wanted = (ElementTree.parse(path).getroot() for path in arguments[:2])
    result = merge(live, wanted)
    Path(arguments[2]).write_bytes(ElementTree.tostring(result))
    print("same" if same(live, result) else "changed")


if __name__ == "__main__":
    main(sys.argv[1:])
