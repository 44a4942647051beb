"""Bearer tokens: the file, who is who, and the role of every route."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from congressd.api import tokenfile
from congressd.api.access import TokenAccess
from congressd.api.app import Application, create_app
from congressd.api.callers import RANKS, ROLES
from congressd.api.routes import ROUTES, Route
from congressd.api.service import Service
from congressd.api.tokenfile import TOKEN_ROLES, TokenFileError
from congressd.model.errors import CongressError
from tests.unit.rig import Rig


class SetClock:
    """A clock that shows what it is set to."""

    def __init__(self, now: float) -> None:
        self.at = now

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


def _make(path: Path, name: str, role: str, expires: float | None = None) -> str:
    token, entry = tokenfile.new_token(name, role, expires)
    tokenfile.add(path, entry)
    return token


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tokens"


# --- the file


def test_a_token_is_found_by_itself_alone(file: Path) -> None:
    token = _make(file, "ci", "author")
    other = _make(file, "ops", "operator")
    tokens, _ = tokenfile.read(file)
    found = tokens.find(token)
    assert found is not None
    assert (found.name, found.role, found.expires) == ("ci", "author", None)
    swapped = f"{token[:22]}{other[22:]}"  # the id of one, the secret of the other
    for wrong in ("", "x", token[:-1], f"{token}x", token.upper(), swapped, found.digest, f"{token}\n"):
        assert tokens.find(wrong) is None
    assert token.rpartition("_")[2] not in file.read_text(encoding="utf-8")


def test_comments_and_rights_stay_when_tokens_come_and_go(file: Path) -> None:
    _make(file, "one", "reader")
    file.write_text(file.read_text(encoding="utf-8") + "# mine\n\n", encoding="utf-8")
    file.chmod(0o640)
    _make(file, "two", "admin", 2e9)
    assert tokenfile.remove(file, "one").name == "one"
    text = file.read_text(encoding="utf-8")
    assert "# mine\n" in text
    assert text.startswith("# Bearer tokens")
    assert file.stat().st_mode & 0o777 == 0o640
    (entry,) = tokenfile.read(file)[0].entries
    assert (entry.name, entry.role, entry.expires) == ("two", "admin", 2e9)
    tokenfile.remove(file, entry.id)
    assert tokenfile.read(file)[0].entries == ()
    assert [path.name for path in file.parent.iterdir()] == ["tokens"]


def test_what_is_appended_at_once_is_all_there(file: Path) -> None:
    threads = [threading.Thread(target=_make, args=(file, f"n{number}", "reader")) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert {entry.name for entry in tokenfile.read(file)[0].entries} == {f"n{number}" for number in range(8)}


DIGEST = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ci author never", r"line 1: there are 3 words; write name, role"),
        (f"# fine\nci author never 00000000000g {DIGEST}", r"line 2: '00000000000g' is not the id"),
        (f"ci boss never 000000000000 {DIGEST}", r"no role 'boss'; allowed: reader, author, operator, admin"),
        (f"ci anyone never 000000000000 {DIGEST}", r"no role 'anyone'"),
        (f"ci author soon 000000000000 {DIGEST}", r"'soon' is not a time; write one such as 2027-01-31"),
        (f"c/i author never 000000000000 {DIGEST}", r"'c/i' cannot be the name of a token: 1 to 64 letters"),
        ("ci author never 000000000000 sha256:12", r"'sha256:12' is not a digest"),
        (f"a author never 000000000000 {DIGEST}\na reader never 000000000001 {DIGEST}", r"line 2: the name 'a' stands"),
        (
            f"a author never 000000000000 {DIGEST}\nb reader never 000000000000 {DIGEST}",
            r"line 2: the id '000000000000'",
        ),
    ],
)
def test_a_line_that_is_not_right_is_named(text: str, said: str) -> None:
    with pytest.raises(TokenFileError, match=said):
        tokenfile.parse(text)


def test_names_are_given_once_and_only_known_ones_revoked(file: Path) -> None:
    _make(file, "ci", "reader")
    with pytest.raises(TokenFileError, match="has a token 'ci' already; revoke it"):
        _make(file, "ci", "author")
    with pytest.raises(TokenFileError, match="has no token 'di'; it has ci"):
        tokenfile.remove(file, "di")


def test_a_file_that_everybody_can_write_is_refused(file: Path) -> None:
    _make(file, "ci", "reader")
    file.chmod(0o666)
    with pytest.raises(TokenFileError, match="chmod o-w"):
        tokenfile.read(file)


# --- who is who


def _who(access: TokenAccess, token: str) -> str:
    return access.identify(f"Bearer {token}", None, "reader").name


def test_the_file_is_followed_without_a_restart(file: Path) -> None:
    first = _make(file, "first", "reader")
    access = TokenAccess(file)
    assert _who(access, first) == "first"
    second = _make(file, "second", "admin")
    assert _who(access, second) == "second"
    assert access.roles() == {"reader": 1, "admin": 1}
    tokenfile.remove(file, "first")
    with pytest.raises(CongressError, match="not known"):
        _who(access, first)
    assert _who(access, second) == "second"


@pytest.mark.parametrize("harm", ["words", "bytes", "gone", "rights"])
def test_a_file_that_is_broken_keeps_the_tokens_of_before(file: Path, harm: str) -> None:
    token = _make(file, "first", "reader")
    fine = file.read_bytes()
    access = TokenAccess(file)
    if harm == "words":
        file.write_text("what is this", encoding="utf-8")
    elif harm == "bytes":
        file.write_bytes(b"\xff\xfe")
    elif harm == "gone":
        file.unlink()
    else:
        file.chmod(0o666)
    assert _who(access, token) == "first"
    assert "the tokens of before stay good" in str(access.problem)
    assert _who(access, token) == "first"
    if file.exists():
        file.chmod(0o644)
    file.write_bytes(fine)
    access.reload()
    assert access.problem is None
    assert _who(access, token) == "first"


def test_without_tokens_of_before_a_broken_file_is_an_error(file: Path) -> None:
    with pytest.raises(TokenFileError, match="No such file"):
        TokenAccess(file)


def test_a_token_ends_when_it_is_said_to(file: Path) -> None:
    token = _make(file, "brief", "reader", 1000.0)
    clock = SetClock(999.0)
    access = TokenAccess(file, clock)
    assert _who(access, token) == "brief"
    assert access.roles() == {"reader": 1}
    clock.at = 1000.0
    with pytest.raises(CongressError, match=r"'brief' ended at 1970-01-01T00:16:40.000Z"):
        _who(access, token)
    assert access.roles() == {}


# --- every route


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Mapping[str, str]]:
    file = tmp_path_factory.mktemp("access") / "tokens"
    return file, {role: _make(file, f"a-{role}", role) for role in TOKEN_ROLES}


@pytest.fixture(scope="module")
def guarded(rig: Rig, tokens: tuple[Path, Mapping[str, str]]) -> Application:
    return create_app(Service(rig.node, TokenAccess(tokens[0])))


def _ask(app: Application, route: Route, headers: Mapping[str, str]) -> tuple[int, str | None]:
    path = "/".join("nothing" if part.startswith("<") else part for part in route.path.split("/"))
    query = {"action": route.action} if route.action else None
    with app.test_client() as client:
        answer = client.open(path, method=route.method, query_string=query, headers=dict(headers))
    return answer.status_code, answer.headers.get("WWW-Authenticate")


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path} {route.action or ''}")
def test_every_route_asks_for_its_role(
    guarded: Application, tokens: tuple[Path, Mapping[str, str]], route: Route
) -> None:
    assert route.role in ROLES
    if route.role == "anyone":
        assert _ask(guarded, route, {})[0] == 200
        assert _ask(guarded, route, {"Authorization": "Bearer wrong"})[0] == 200
        return
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"X-Auth-Token": "wrong"}, {"Authorization": "Basic YTpi"}):
        status, answered = _ask(guarded, route, headers)
        assert (status, answered) == (401, "Bearer")
    for role, token in tokens[1].items():
        enough = RANKS[role] >= RANKS[route.role]
        for headers in ({"Authorization": f"Bearer {token}"}, {"X-Auth-Token": token}):
            status, _ = _ask(guarded, route, headers)
            assert (status not in (401, 403)) if enough else (status == 403), (role, status)


def test_only_what_tells_nothing_is_open() -> None:
    open_routes = {route.path for route in ROUTES if route.role == "anyone"}
    assert open_routes == {"/", "/v1", "/v1/", "/v1/openapi.json", "/healthz", "/readyz"}
    changing = {route.role for route in ROUTES if route.method != "GET" and route.action != "simulate"}
    assert changing <= {"author", "operator", "admin"}


def test_a_broken_file_is_told_and_names_no_secret(
    rig: Rig, guarded: Application, tokens: tuple[Path, Mapping[str, str]]
) -> None:
    file, by_role = tokens
    fine = file.read_bytes()
    reader = {"Authorization": f"Bearer {by_role['reader']}"}
    with guarded.test_client() as client:
        assert client.get("/readyz").get_json()["access"] == "fine"
        file.write_text("what is this", encoding="utf-8")
        assert client.get("/v1/policies", headers=reader).status_code == 200
        assert "line 1: there are 3 words" in client.get("/readyz").get_json()["access"]
        figures = client.get("/metrics", headers=reader).get_data(as_text=True)
        assert "congressd_tokens_file_broken 1.0" in figures
        assert 'congressd_tokens{role="reader"} 1.0' in figures
        file.write_bytes(fine)
        os.utime(file, (1, 1))
        assert client.get("/v1/policies", headers=reader).status_code == 200
        assert client.get("/readyz").get_json()["access"] == "fine"


def test_the_author_of_a_change_is_the_tokens_name(
    guarded: Application, tokens: tuple[Path, Mapping[str, str]]
) -> None:
    headers = {"Authorization": f"Bearer {tokens[1]['author']}"}
    with guarded.test_client() as client:
        made = client.post("/v1/policies", json={"name": "authored"}, headers=headers)
        assert made.status_code == 201
        history = client.get("/v1/revisions?limit=1", headers=headers).get_json()["results"]
    assert [(each["author"], each["changes"][0]["kind"]) for each in history] == [("a-author", "policy_created")]


def test_rules_that_ask_for_actions_are_for_operators(
    guarded: Application, tokens: tuple[Path, Mapping[str, str]]
) -> None:
    acting = {"rule": 'execute[log:write("found", x)] :- found(x)'}
    plain = {"rule": "found(1)"}
    policy = "/v1/policies/careful"

    def ask(role: str, method: str, path: str, body: object = None) -> Any:
        with guarded.test_client() as client:
            headers = {"Authorization": f"Bearer {tokens[1][role]}"}
            answer = client.open(path, method=method, json=body, headers=headers)
        if answer.status_code == 403:
            assert "takes the role 'operator'" in answer.get_json()["error"]["message"]
        return answer.get_json() if answer.status_code < 300 else answer.status_code

    ask("author", "POST", "/v1/policies", {"name": "careful", "rules": [plain]})
    refused = [
        ("POST", "/v1/policies", {"name": "other", "rules": [plain, acting]}),
        ("PUT", policy, {"name": "careful", "rules": [plain, acting]}),
        ("PATCH", policy, {"rules": [acting]}),
        ("POST", f"{policy}/rules", acting),
        ("POST", f"{policy}/rules", acting | {"enabled": False}),
        ("POST", f"{policy}/rules", {"rules": [{"rule": "found(2)"}, acting]}),
        ("PUT", f"{policy}/rules", {"rules": [plain, acting]}),
    ]
    for method, path, body in refused:
        assert ask("author", method, path, body) == 403
    [kept] = ask("reader", "GET", f"{policy}/rules")["results"]
    assert ask("author", "PATCH", f"{policy}/rules/{kept['id']}", acting) == 403
    made = ask("operator", "POST", f"{policy}/rules", acting | {"enabled": False})["id"]
    for change in ({"enabled": True}, {"options": {"delay": 1}}, {"rule": 'execute[log:write("x", x)] :- found(x)'}):
        assert ask("author", "PATCH", f"{policy}/rules/{made}", change) == 403
    assert ask("author", "PUT", f"{policy}/rules/{made}", acting) == 403
    assert ask("operator", "PATCH", f"{policy}/rules/{made}", {"options": {"approval": True}})["id"] == made

    same = acting | {"enabled": False, "options": {"approval": True}}
    added = ask("author", "PUT", f"{policy}/rules", {"rules": [plain, {"rule": "found(3)"}, same]})
    assert [rule["rule"] for rule in added["results"]] == ["found(1)", "found(3)", acting["rule"]]
    assert ask("author", "DELETE", f"{policy}/rules/{made}")["id"] == made
