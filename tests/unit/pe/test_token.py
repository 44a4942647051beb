"""The consistency token: text and order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from congressd.model.errors import CongressError
from congressd.pe.token import Position, Token, parse_token

NUMBERS = st.integers(0, 10**15)
NAMES = st.from_regex(r"[A-Za-z_.][A-Za-z0-9_.]{0,10}", fullmatch=True)
POSITIONS = st.builds(Position, NUMBERS, NUMBERS, NUMBERS)
TOKENS = st.builds(Token, NUMBERS, st.dictionaries(NAMES, POSITIONS, max_size=4))


@given(TOKENS)
def test_a_token_is_read_as_it_was_written(token: Token) -> None:
    assert parse_token(str(token)) == token


@given(TOKENS, TOKENS)
def test_a_merged_token_asks_for_what_both_ask_for(one: Token, other: Token) -> None:
    both = one.merged(other)
    for part in (one, other):
        assert not part.missing(both.revision, both.sources)


def test_a_later_epoch_covers_any_sequence_of_an_earlier_one_but_not_a_push() -> None:
    assert Position(2, 1).covers(Position(1, 99))
    assert not Position(2, 1, 3).covers(Position(1, 99, 4))


def test_what_a_node_lacks_is_named() -> None:
    token = Token(5, {"doc": Position(push=7), "nova": Position(1, 2)})
    assert token.missing(4, {"nova": Position(1, 2), "doc": Position(1, 9, 6)}) == ("policy", "doc")


def test_a_push_alone_can_be_asked_for() -> None:
    assert str(Token(3, {"doc": Position(push=7)})) == "policy=3,doc=/7"
    assert parse_token("doc=/7") == Token(0, {"doc": Position(push=7)})


@pytest.mark.parametrize(
    "text", ["x", "policy=a", "nova=1", "nova=1.", "policy=-1", "doc=/x", "é=1.1", "policy=1;doc=/7"]
)
def test_text_that_is_no_token_is_refused_with_the_part_that_is_wrong(text: str) -> None:
    with pytest.raises(CongressError, match="Congress-At-Least"):
        parse_token(text)


def test_an_endless_token_is_refused() -> None:
    with pytest.raises(CongressError, match="characters"):
        parse_token("a=1.1," * 100_000)
