"""Short words for tests of actions."""

from __future__ import annotations

from typing import Any

from tests.unit.rig import Rig, wait_until


def add(rig: Rig, rule: str, **options: Any) -> Any:
    """Add an execute rule with options to the policy ``p``, which is made if need be."""
    if not any(policy["name"] == "p" for policy in rig.get("/v1/policies")["results"]):
        rig.post("/v1/policies", {"name": "p"})
    return rig.post("/v1/policies/p/rules", {"rule": rule, "options": options})


def bad(rig: Rig, *ids: object) -> None:
    """Let exactly these be bad."""
    rig.push("inv", "bad", [[each] for each in ids])


def listed(rig: Rig, **query: str) -> list[dict[str, Any]]:
    """The log, newest first."""
    text = "&".join(f"{name}={value}" for name, value in query.items())
    found: list[dict[str, Any]] = rig.get(f"/v1/actions?{text}")["results"]
    return found


def wait_states(rig: Rig, *states: str, **query: str) -> list[dict[str, Any]]:
    """The activations, once their states are these, whatever their order."""

    def reached() -> bool:
        return sorted(each["state"] for each in listed(rig, **query)) == sorted(states)

    wait_until(reached, 15)
    return listed(rig, **query)


def settle(
    rig: Rig, activation: dict[str, Any], verb: str, status: int | None = None, outcome: str | None = None
) -> Any:
    """What a person says to an activation."""
    body = {} if outcome is None else {"as": outcome}
    return rig.post(f"/v1/actions/{activation['id']}?action={verb}", body, status)


PAUSE = "execute[world:pause(x)] :- inv:bad(x)"
