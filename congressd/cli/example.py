"""The example cloud: its files are copied to where the user may edit them, its sources and policies set up once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from congressd.cli.http import Service
from congressd.cli.policyfile import read_policies

CLOUD = "cloud"
APPROVALS = "approvals"


def examples() -> Path:
    """The folder of the examples: inside the installed package, or at the top of the checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "examples"
    return installed if installed.is_dir() else package.parent / "examples"


def prepare(data_dir: Path) -> Path:
    """Copy the cloud's files into ``data_dir``, unless they are there already; returns the folder of the copy."""
    target = data_dir / CLOUD
    if not target.exists():
        draft = data_dir / f"{CLOUD}.new"
        shutil.rmtree(draft, ignore_errors=True)  # of a start that was interrupted
        shutil.copytree(examples() / "cloud", draft)
        draft.rename(target)
    return target


def install(service: Service, folder: Path) -> bool:
    """Set up the sources, policies and pushed rows of the example in a service that has none of its own yet.

    Returns whether there was anything to do. An installation that was interrupted is completed.
    Raises UnreachableError, RefusedError.
    """
    sources = {each["name"] for each in service.get("v1", "data-sources")["results"]}
    policies = {each["name"] for each in service.get("v1", "policies")["results"]}
    wanted = [policy for path in sorted((folder / "policies").glob("*.yaml")) for policy in read_policies(path)]
    marker = folder / ".installed"
    if marker.exists():
        return False
    if CLOUD not in sources:
        config = {"path": str((folder / "data").resolve())}
        body = {"name": CLOUD, "driver": "file", "description": "the example cloud's files", "config": config}
        service.call("POST", "v1", "data-sources", body=body)
    if APPROVALS not in sources:
        tables = {"exceptions": ["server", "reason", "approved_by", "until"]}
        body = {
            "name": APPROVALS,
            "driver": "push",
            "description": "exceptions from the rules, sent by those who approve them",
            "config": {"tables": json.dumps(tables), "key": json.dumps({"exceptions": "server"})},
        }
        service.call("POST", "v1", "data-sources", body=body)
    rows = json.loads((folder / "pushed" / "exceptions.json").read_text(encoding="utf-8"))
    service.call("PUT", "v1", "data-sources", APPROVALS, "tables", "exceptions", "rows", body=rows)
    for policy in wanted:
        if policy.name not in policies:
            service.call("POST", "v1", "policies", body=policy.document())
    marker.touch()
    return True
