"""The shapes of all request bodies and query parameters: literal tables, read by the checks and by OpenAPI."""

from __future__ import annotations

from typing import Final

from congressd.api.shapes import (
    Anything,
    Boolean,
    Field,
    ListOf,
    MapOf,
    Number,
    Object,
    OneOrMany,
    Parameter,
    Text,
    Whole,
)

#: The longest text of a rule, query or sequence, in characters.
LONGEST_RULE: Final = 100_000
LONGEST_SEQUENCE: Final = 1_000_000

KINDS: Final = ("nonrecursive", "action", "database", "materialized", "z3")

_READ_ONLY: Final = ("id", "owner_id", "type")

RULE_FIELDS: Final = (
    Field(
        "rule", Text(LONGEST_RULE, 1), "one rule or fact of the policy language", True, "rule_syntax", "p(x) :- q(x)"
    ),
    Field("name", Text(255), "a name for people; need not be unique"),
    Field("comment", Text(255), "why the rule is there"),
    Field("enabled", Boolean(), "a rule that is not enabled is kept, and has no effect"),
    Field("options", MapOf(Anything()), "how the actions of an execute rule are run", False, "rule_options"),
)
RULE: Final = Object("Rule", RULE_FIELDS, ("id", "warnings"))
RULE_PATCH: Final = Object(
    "RulePatch",
    tuple(Field(each.name, each.shape, each.doc, False, each.code, each.example) for each in RULE_FIELDS),
    ("id", "warnings"),
)
RULES: Final = Object("Rules", (Field("rules", ListOf(RULE, 100_000), "all the rules, taken or refused as one", True),))

_NAME = Field("name", Text(255, 1), "letters, digits, _ and ., not beginning with a digit", True)
_POLICY_REST = (
    Field("abbreviation", Text(5, 0), "at most five characters, for traces", False, "policy_abbreviation_error"),
    Field("description", Text(65_535), "what the policy is about"),
    Field("kind", Text(64, 1, KINDS, ignore_case=True), "all kinds are run by one engine; `action` relaxes checks"),
    Field("rules", ListOf(RULE, 100_000), "the rules of the policy, taken or refused as one"),
)
POLICY: Final = Object(
    "Policy",
    (Field(_NAME.name, _NAME.shape, _NAME.doc, True, "policy_name_must_be_provided", "security"), *_POLICY_REST),
    (*_READ_ONLY, "depends-on", "warnings"),
)
POLICY_PATCH: Final = Object(
    "PolicyPatch",
    (Field(_NAME.name, _NAME.shape, _NAME.doc), *_POLICY_REST),
    (*_READ_ONLY, "warnings"),
)

SIMULATION: Final = Object(
    "Simulation",
    (
        Field("query", Text(LONGEST_RULE, 1), "an atom or a rule", True, "incomplete_simulate_args", "error(x)"),
        Field(
            "sequence",
            Text(LONGEST_SEQUENCE),
            "changes of rows and rules, and actions, in order",
            True,
            "incomplete_simulate_args",
            "q+(1)",
        ),
        Field("action_policy", Text(255, 1), "the policy that says what actions do", True, "incomplete_simulate_args"),
    ),
)

_CONFIG = Field("config", MapOf(Anything()), "the driver's options; see GET /v1/system/drivers/<driver>")
_SOURCE_REST = (
    _CONFIG,
    Field("description", Text(65_535), "what the source is"),
    Field("enabled", Boolean(), "whether the source is read"),
)
SOURCE: Final = Object(
    "DataSource",
    (_NAME, Field("driver", Text(255, 1), "the driver's id; see GET /v1/system/drivers", True), *_SOURCE_REST),
    (*_READ_ONLY, "warnings"),
)
SOURCE_PATCH: Final = Object(
    "DataSourcePatch",
    (Field("name", _NAME.shape, _NAME.doc), Field("driver", Text(255, 1), "cannot be changed"), *_SOURCE_REST),
    (*_READ_ONLY, "warnings"),
)

_ROW = Anything()
ROWS: Final = ListOf(_ROW, 10_000_000)
ROWS_PATCH: Final = Object(
    "RowsPatch",
    (
        Field("upsert", ListOf(_ROW, 10_000_000), "rows to add, or to put in the place of those with the same key"),
        Field("delete", ListOf(_ROW, 10_000_000), "rows or keys to take away"),
    ),
)

_ARGS: Final = Object(
    "ExecutionArgs",
    (
        Field("positional", ListOf(Anything(), 1000), "the arguments in order"),
        Field("named", MapOf(Anything()), "must be empty: arguments are given in order"),
    ),
)
EXECUTION: Final = Object(
    "Execution",
    (
        Field("name", Text(512, 1), "the action; of a policy as service:action", True, "execute_error", "log:write"),
        Field("args", _ARGS, "the arguments", False, "execute_action_args_syntax"),
    ),
)
RESOLUTION: Final = Object(
    "Resolution", (Field("as", Text(10, 1, ("done", "failed", "retry")), "what became of it", True),)
)
ACTIONS_QUERY: Final = (
    Parameter("state", Text(200), "only those in this state, or in one of several, with commas between them", None),
    Parameter("policy", Text(255), "only those that rules of this policy wanted, by its name", None),
    Parameter("rule", Text(255), "only those that this rule wanted, by its id", None),
    Parameter("service", Text(255), "only those of this data source or service", None),
    Parameter("name", Text(255), "only those of this action", None),
    Parameter("open", Boolean(), "only those whose row still holds, or (false) does not", None),
    Parameter("limit", Whole(1, 1000), "the most to answer at once", 100),
    Parameter("after", Text(100), "what `next` of the page before said", None),
)

NOTHING: Final = Object("Nothing", ())
RULE_OR_RULES: Final = OneOrMany(RULE, RULES)

TRACE: Final = Parameter("trace", Boolean(), "explain how each row came to be", False)
DELTA: Final = Parameter("delta", Boolean(), "answer only what the sequence changes", False)
ACTION: Final = Parameter("action", Text(64), "what to do", None)
QUERY: Final = Parameter("q", Text(LONGEST_RULE, 1), "an atom such as `error(x)` or a whole rule", None)
MAX_STALENESS: Final = Parameter(
    "max_staleness",
    Number(0, 1e9),
    "refuse to answer from data that are older than this many seconds; polls that find nothing new make data young "
    "again, and are told once a second",
    None,
)
MOST_ROWS: Final = Parameter(
    "limit",
    Whole(1, 10**9),
    "answer at most so many rows, the first ones; if there are more, the answer has `truncated`: true",
    None,
)
SINCE: Final = Parameter("since", Whole(0, 2**63 - 1), "tell the revisions after this one, not the last ones", None)
LIMIT: Final = Parameter("limit", Whole(1, 1000), "how many revisions to tell at most", 100)
