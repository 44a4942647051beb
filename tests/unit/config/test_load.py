"""Reading a configuration: who wins over whom, and what is said about what is wrong."""

from pathlib import Path

import pytest

from congressd.config.load import ConfigError, load, options
from congressd.config.options import Settings


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "congressd.conf"
    path.write_text(text, encoding="utf-8")
    return path


def _problems(*args: object) -> str:
    with pytest.raises(ConfigError) as caught:
        load(*args)  # type: ignore[arg-type]  # each test gives its own kinds of arguments
    return str(caught.value)


def test_without_anything_the_defaults_hold() -> None:
    assert load().settings == Settings()


def test_file_wins_over_default(tmp_path: Path) -> None:
    path = _file(tmp_path, "[DEFAULT]\nbind_port = 1800\n[dsd]\nlease = 30\n")
    settings = load([path]).settings
    assert (settings.default.bind_port, settings.dsd.lease) == (1800, 30.0)


def test_environment_wins_over_file(tmp_path: Path) -> None:
    path = _file(tmp_path, "[DEFAULT]\nbind_port = 1800\n[dsd]\nlease = 30\n")
    settings = load([path], {"CONGRESSD_BIND_PORT": "1801", "CONGRESSD_DSD__LEASE": "40"}).settings
    assert (settings.default.bind_port, settings.dsd.lease) == (1801, 40.0)


def test_command_line_wins_over_environment() -> None:
    settings = load([], {"CONGRESSD_BIND_PORT": "1801"}, {("DEFAULT", "bind_port"): 1802}).settings
    assert settings.default.bind_port == 1802


def test_environment_of_others_does_not_matter() -> None:
    assert load([], {"OS_DEFAULT__BIND_PORT": "9", "CONGRESS_ENDPOINT": "x", "HOME": "/"}).settings == Settings()


def test_names_of_congress_are_read(tmp_path: Path) -> None:
    path = _file(tmp_path, "[DEFAULT]\nauth_strategy = noauth\ndatasource_sync_period = 3\n")
    loaded = load([path])
    assert (loaded.settings.default.auth_strategy, loaded.settings.pe.sync_period) == ("none", 3.0)
    assert loaded.warnings == ()


def test_options_of_congress_without_meaning_are_named_in_a_warning(tmp_path: Path) -> None:
    path = _file(tmp_path, "[DEFAULT]\ntcp_keepalive = true\n[keystone_authtoken]\nusername = congress\n")
    warnings = load([path]).warnings
    assert len(warnings) == 2
    assert "[DEFAULT]/tcp_keepalive has no meaning" in warnings[0]
    assert "[keystone_authtoken]/username" in warnings[1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[DEFAULT]\nbind_prt = 1\n", "there is no option [DEFAULT]/bind_prt. Did you mean [DEFAULT]/bind_port?"),
        ("[DEFAULT]\nbind_port = high\n", "[DEFAULT]/bind_port is 'high'. Allowed: a whole number from 1 to 65535."),
        ("[DEFAULT]\nbind_port = 65536\n", "[DEFAULT]/bind_port is '65536'. Allowed: a whole number from 1 to 65535."),
        ("[DEFAULT]\nauth_strategy = keystone\n", "[DEFAULT]/auth_strategy is 'keystone'. Allowed: "),
        ("[DEFAULT]\nserve_everybody = maybe\n", "[DEFAULT]/serve_everybody is 'maybe'. Allowed: true or false."),
        ("[DEFAULT]\ndatasource_sync_period = x\n", "[pe]/sync_period is 'x'. Allowed: a number, at least 0.1."),
        ("bind_port = 1\n", "congressd.conf: "),
        ("[DEFAULT\n", "congressd.conf: "),
    ],
)
def test_what_is_wrong_in_a_file_is_named_with_what_is_allowed(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in _problems([_file(tmp_path, text)])


def test_all_problems_are_told_at_once() -> None:
    text = _problems([], {"CONGRESSD_BIND_PORT": "x", "CONGRESSD_DSD__LEASE": "y"})
    assert "[DEFAULT]/bind_port is 'x'" in text
    assert "[dsd]/lease is 'y'" in text


def test_misspelt_variable_is_told_with_the_nearest() -> None:
    text = _problems([], {"CONGRESSD_DSD__LEAS": "1"})
    assert text == "environment: CONGRESSD_DSD__LEAS is no option. Did you mean CONGRESSD_DSD__LEASE?"


def test_missing_file_is_told(tmp_path: Path) -> None:
    assert "No such file" in _problems([tmp_path / "nothing.conf"])


def test_lease_too_short_for_its_renewal_is_refused() -> None:
    text = _problems([], {"CONGRESSD_DSD__LEASE": "8"})
    assert text.startswith("[dsd]/lease is 8 s but must be at least 2 * renew_period + lease_margin = 2 * 5 + 2 = 12 s")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_without_authentication_loopback_is_allowed(host: str) -> None:
    assert load([], {}, {("DEFAULT", "bind_host"): host}).settings.default.bind_host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "congress.example.org"])
def test_without_authentication_other_addresses_need_so_many_words(host: str) -> None:
    given = {("DEFAULT", "bind_host"): host}
    assert "serve_everybody = true" in _problems([], {}, given)
    assert load([], {"CONGRESSD_SERVE_EVERYBODY": "true"}, given).settings.default.bind_host == host


def test_every_option_says_what_it_means() -> None:
    for row in options():
        assert row.about.help.endswith("."), row.label
        assert row.type in ("str", "int", "float", "bool"), row.label


def test_wrong_values_are_told_beside_unknown_names_and_what_does_not_hold_together(tmp_path: Path) -> None:
    path = _file(
        tmp_path,
        "[DEFAULT]\nbind_prt = 1\nbind_port = many\n[dsd]\nlease = 1\n[pe]\nsync_period = x\n[bus]\nurl = nonsense\n",
    )
    told = _problems([path])
    for each in (
        "[DEFAULT]/bind_prt",
        "[DEFAULT]/bind_port is 'many'",
        "[pe]/sync_period is 'x'",
        "[dsd]/lease is 1",
    ):
        assert each in told


def test_nothing_follows_from_a_value_that_is_not_known(tmp_path: Path) -> None:
    path = _file(tmp_path, "[dsd]\nlease = soon\nrenew_period = 100\n")
    assert len(_problems([path]).splitlines()) == 1


@pytest.mark.parametrize("data", [b"\x7fELF\0\0", b"[DEFAULT]\nlog_level = \xff\n"])
def test_a_binary_file_is_told_in_a_sentence(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "congressd.conf"
    path.write_bytes(data)
    told = _problems([path])
    assert told.startswith(f"{path}: not ")
    assert len(told.splitlines()) == 1
