"""Configurations, as strings from Congress' client and as typed JSON, against a driver's table of options."""

from __future__ import annotations

from typing import Any

import pytest

from congressd.datasources.options import Option, OptionType, common_options, parse_config
from congressd.model.errors import CongressError

OPTIONS = (
    Option("url", required=True, description="where it is"),
    Option("password", secret=True, description="the password"),
    Option("port", OptionType.INTEGER, default=80, minimum=1, maximum=65535),
    Option("timeout", OptionType.NUMBER, default=1.5, minimum=0),
    Option("verify", OptionType.BOOLEAN, default=True),
    Option("mode", default="fast", choices=("fast", "safe")),
    Option("filters", OptionType.JSON, default={}),
)


def parse(**config: object) -> dict[str, Any]:
    return parse_config("demo", OPTIONS, {"url": "http://x", **config})


@pytest.mark.parametrize(
    ("option", "given", "parsed"),
    [
        ("port", "10", 10),
        ("port", 10, 10),
        ("port", 10.0, 10),
        ("port", "", 80),
        ("port", None, 80),
        ("timeout", "0.5", 0.5),
        ("timeout", 2, 2),
        ("verify", "True", True),
        ("verify", "false", False),
        ("verify", False, False),
        ("verify", "0", False),
        ("mode", "safe", "safe"),
        ("filters", '{"a": [1]}', {"a": [1]}),
        ("filters", [1], [1]),
        ("password", 12345, "12345"),
    ],
)
def test_text_and_json_give_the_same_value(option: str, given: object, parsed: object) -> None:
    assert parse(**{option: given})[option] == parsed


def test_defaults_fill_what_is_left_out() -> None:
    assert parse() == {
        "url": "http://x",
        "password": None,
        "port": 80,
        "timeout": 1.5,
        "verify": True,
        "mode": "fast",
        "filters": {},
    }


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"prot": 1}, 'has no option "prot". Did you mean "port"?'),
        ({"url": None}, 'Option "url" is required: where it is'),
        ({"url": ""}, 'Option "url" must not be empty'),
        ({"url": {"a": 1}}, "it must be text"),
        ({"port": "x"}, "is 'x'; it must be a whole number"),
        ({"port": 1.5}, "is 1.5; it must be a whole number"),
        ({"port": True}, "is True; it must be a whole number"),
        ({"port": 0}, "is 0; it must be a number from 1 up to 65535"),
        ({"port": "9" * 5000}, "it must be a"),
        ({"timeout": "inf"}, "it must be a number"),
        ({"timeout": -1}, "it must be a number from 0"),
        ({"verify": "maybe"}, "is 'maybe'; it must be true or false"),
        ({"mode": "sage"}, 'allowed are "fast", "safe". Did you mean "safe"?'),
        ({"filters": "{"}, "is not JSON"),
        ({"filters": "3"}, "must be a JSON object or list"),
    ],
)
def test_what_does_not_fit_is_refused_by_name_value_and_what_is_allowed(config: dict[str, Any], message: str) -> None:
    with pytest.raises(CongressError) as caught:
        parse(**config)
    assert message in str(caught.value)
    assert caught.value.code.name == "source_config"


def test_a_secret_is_never_shown() -> None:
    with pytest.raises(CongressError) as caught:
        parse(password={"hidden": "swordfish"})
    assert "swordfish" not in str(caught.value)


def test_a_configuration_must_be_an_object() -> None:
    with pytest.raises(CongressError, match="must be an object of options"):
        parse_config("demo", (), ["a"])  # type: ignore[arg-type]


def test_pushed_sources_have_no_poll_time() -> None:
    assert [option.name for option in common_options(None, "json")] == ["values"]
    assert [option.name for option in common_options(10.0, "congress")] == ["values", "poll_time"]
