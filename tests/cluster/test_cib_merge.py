"""Merging our configuration into a live one: what is ours is replaced, what is not is kept, and again is the same."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from tests.cluster.simulation import configuration, empty, merger


def _merge(live: Element, **variables: Any) -> Element:
    merged: Element = merger().merge(live, configuration(**variables))
    return merged


def _find(cib: Element, path: str) -> Element:
    found = cib.find(path)
    assert found is not None, path
    return found


def test_a_second_merge_changes_nothing() -> None:
    once = _merge(empty())
    assert not merger().same(empty(), once)
    assert merger().same(once, _merge(once))


def test_a_changed_variable_is_a_change() -> None:
    once = _merge(empty())
    assert not merger().same(once, _merge(once, pacemaker_pe_instances=2))


def test_what_the_cluster_knows_of_itself_is_kept() -> None:
    merged = _merge(empty())
    assert [node.get("uname") for node in merged.iter("node")] == ["ctl1", "ctl2", "ctl3"]
    properties = {
        pair.get("name"): pair.get("value") for pair in _find(merged, "configuration/crm_config").iter("nvpair")
    }
    assert properties["cluster-infrastructure"] == "corosync"
    assert properties["stonith-enabled"] == "true"


def test_a_property_of_ours_that_an_operator_set_elsewhere_is_ours_again() -> None:
    live = empty()
    group = _find(live, "configuration/crm_config/cluster_property_set")
    ElementTree.SubElement(group, "nvpair", id="x", name="stonith-enabled", value="false")
    ElementTree.SubElement(group, "nvpair", id="y", name="maintenance-mode", value="true")
    pairs = [(pair.get("name"), pair.get("value")) for pair in _merge(live).iter("nvpair")]
    assert ("stonith-enabled", "false") not in pairs
    assert ("maintenance-mode", "true") in pairs


def test_bans_and_moves_by_hand_are_kept() -> None:
    live = _merge(empty())
    constraints = _find(live, "configuration/constraints")
    attributes = {"id": "cli-ban-dsd-on-ctl1", "rsc": "dsd", "node": "ctl1", "score": "-INFINITY"}
    ElementTree.SubElement(constraints, "rsc_location", attributes)
    ElementTree.SubElement(constraints, "rsc_location", {**attributes, "id": "somebody-else"})
    ids = [constraint.get("id") for constraint in _find(_merge(live), "configuration/constraints")]
    assert "cli-ban-dsd-on-ctl1" in ids
    assert "somebody-else" not in ids


def _health_urls(**variables: Any) -> dict[str, str]:
    """By resource, what its deep monitor asks; every resource that has a URL has such a monitor."""
    found = {}
    for resource in configuration(**variables).iter("primitive"):
        values = {pair.get("name"): pair.get("value", "") for pair in resource.iter("nvpair")}
        if "health_url" in values:
            found[resource.get("id", "")] = values["health_url"]
        assert ("OCF_CHECK_LEVEL" in values) == ("health_url" in values), resource.get("id")
    return found


def test_deep_monitors_ask_each_policy_engine_on_its_own_port() -> None:
    assert _health_urls(pacemaker_pe_instances=2, pacemaker_pe_first_port="1890") == {
        "pe-1": "http://{node}:1890/healthz",
        "pe-2": "http://{node}:1891/healthz",
    }


def test_the_deep_monitor_of_a_group_asks_the_datasource_node_on_its_address() -> None:
    assert _health_urls(pacemaker_dsd_layout="group") == {
        "dsd": "http://192.0.2.10:1788/healthz",
        "pe-1": "http://{node}:1790/healthz",
    }
    without = {"ip": "", "netmask": 24, "nic": ""}
    assert "dsd" not in _health_urls(pacemaker_dsd_layout="group", pacemaker_vip_dsd=without)


def test_the_live_configuration_is_not_harmed() -> None:
    live = empty()
    before = ElementTree.tostring(live)
    _merge(live)
    assert ElementTree.tostring(live) == before
