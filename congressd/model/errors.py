"""The error codes, one literal table, and the exception that carries one.

Codes 1000 to 1022 are those of OpenStack Congress, so that existing clients keep their meaning; codes from 1100
on are congressd's own. Once given, a code never changes its meaning. Every code has a section in docs/errors.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """``number`` goes to the client as ``error_code``, ``status`` is the HTTP status, ``summary`` leads the message."""

    name: str
    number: int
    status: int
    summary: str


_TABLE = (
    ("bad_request", 400, 400, "The request cannot be understood"),
    ("unauthorized", 401, 401, "Authentication is needed"),
    ("forbidden", 403, 403, "This role may not do that"),
    ("not_found", 404, 404, "There is no such resource"),
    ("method_not_allowed", 405, 405, "Method not supported"),
    ("conflict", 409, 409, "The request conflicts with what exists"),
    ("too_large", 413, 413, "The request is too large"),
    ("unsupported_media_type", 415, 415, "Unsupported Content-Type"),
    ("internal", 500, 500, "Internal server error"),
    ("unavailable", 503, 503, "The service cannot answer now"),
    ("unknown", 1000, 400, "Unknown error"),
    ("add_item_id", 1001, 400, "Add item does not support user-chosen ID"),
    ("rule_syntax", 1002, 400, "Syntax error for rule"),
    ("multiple_rules", 1003, 400, "Received string representing more than 1 rule"),
    ("incomplete_simulate_args", 1004, 400, "Simulate requires parameters: query, sequence, action_policy"),
    ("simulate_without_policy", 1005, 400, "Simulate must be told which policy evaluate the query on"),
    ("simulate_error", 1007, 400, "Error in simulation"),
    ("rule_already_exists", 1008, 409, "Rule already exists"),
    ("schema_get_item_id", 1009, 400, "Get item for schema does not support user-chosen ID"),
    ("policy_name_must_be_provided", 1010, 400, "A name must be provided when creating a policy"),
    ("no_policy_update_owner", 1012, 400, "Cannot update owner_id of a policy"),
    ("no_policy_update_kind", 1013, 400, "Cannot update kind of a policy"),
    ("failed_to_create_policy", 1014, 400, "Failed to create policy"),
    ("policy_id_must_not_be_provided", 1015, 400, "An ID may not be provided when creating a policy"),
    ("execute_error", 1016, 400, "Error in execution of action"),
    ("service_action_syntax", 1017, 400, "Incorrect action syntax; requires: <service>:<action>"),
    ("execute_action_args_syntax", 1018, 400, "Incorrect argument syntax"),
    ("rule_not_permitted", 1019, 400, "Rules are not permitted on datasource policies"),
    ("policy_not_exist", 1020, 404, "Policy does not exist"),
    ("policy_rule_insertion_failure", 1021, 400, "Policy rule insertion failed"),
    (
        "policy_abbreviation_error",
        1022,
        400,
        "The policy abbreviation must be a string of at most 5 characters",
    ),
    ("query_syntax", 1100, 400, "Syntax error in the query"),
    ("push_rows", 1101, 400, "The pushed rows do not fit the table"),
    ("source_config", 1102, 400, "The configuration of the source is not valid"),
    ("name_taken", 1103, 409, "The name is taken"),
    ("name_invalid", 1104, 400, "The name is not valid"),
    ("revision_conflict", 1105, 409, "The policies changed meanwhile"),
    ("secrets_key", 1106, 503, "The key for secrets does not fit"),
    ("stale_epoch", 1107, 409, "Another node has taken over"),
    ("rule_options", 1108, 400, "The options of the rule are not valid"),
    ("rule_too_large", 1109, 400, "The rule would have too many rows"),
)

CODES: Final[dict[str, ErrorCode]] = {row[0]: ErrorCode(*row) for row in _TABLE}


class CongressError(Exception):
    """A failure that the caller can mend: a code of the table, a sentence with the value at fault, what is allowed.

    ``str(error)`` is ``<summary>::<detail>``, the form that Congress' clients know.
    """

    def __init__(self, name: str, detail: str, data: object = None) -> None:
        self.code = CODES[name]
        self.detail = detail
        self.data = data
        super().__init__(f"{self.code.summary}::{detail}")
