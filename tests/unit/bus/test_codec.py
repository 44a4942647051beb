"""Batches come out of the codec as they went in, whatever they hold; anything else is refused in one way."""

from __future__ import annotations

import random
import zlib
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from congressd.bus import codec
from congressd.bus.codec import Assembler, encode_batch, encode_heartbeats
from congressd.bus.digest import Digest
from congressd.bus.streams import Heartbeat
from congressd.bus.wire import DecodeError, pack, unpack
from congressd.model.tables import Batch
from congressd.model.values import FALSE, TRUE
from tests.unit.bus.batches import VALUES, batches, snapshot


def exactly(batch: object) -> str:
    """A text that tells 1 from 1.0 and 0.0 from -0.0, as equality does not."""
    return repr(batch)


def decode(parts: list[bytes], assembler: Assembler | None = None) -> object:
    assembler = assembler or Assembler()
    results = [assembler.add(part) for part in parts]
    assert results[:-1] == [None] * (len(parts) - 1)
    return results[-1]


@given(batches(), st.integers(60, 2000))
def test_every_batch_comes_back_as_it_was(batch: Batch, limit: int) -> None:
    parts = list(encode_batch(batch, limit))
    assert all(len(part) <= limit for part in parts)
    assert exactly(decode(parts)) == exactly(batch)


@given(batches(), batches(), st.randoms())
def test_parts_of_two_batches_may_come_mixed_repeated_and_in_any_order(
    one: Batch, two: Batch, shuffler: random.Random
) -> None:
    parts = [*encode_batch(one, 100), *encode_batch(two, 100)]
    parts += shuffler.sample(parts, len(parts) // 3)
    shuffler.shuffle(parts)
    assembler = Assembler()
    results = [result for part in parts if (result := assembler.add(part)) is not None]
    assert set(map(exactly, results)) == {exactly(one), exactly(two)}


def test_repeated_values_are_one_object_after_decoding() -> None:
    rows = [(f"id-{number}", "host-" + str(number % 3), number % 2) for number in range(100)]
    batch = decode(list(encode_batch(snapshot("nova", 1, 1, {"servers": rows}))))
    assert isinstance(batch, Batch)
    assert len({id(row[1]) for row in batch.tables["servers"].added}) == 3


def test_heartbeats_come_back_as_they_were() -> None:
    beats = (
        Heartbeat("nova", 7, 3, {"servers": Digest(2, 2**128 - 1), "ports": Digest(0, 0)}),
        Heartbeat("neutron", 7, 0, {}, 1234567890.125, 2.5),
    )
    assert decode(list(encode_heartbeats(beats))) == beats


def test_what_a_later_release_adds_is_passed_over() -> None:
    batch, beat = snapshot("nova", 7, 3, {"servers": [("a", 1)]}), Heartbeat("nova", 7, 3, {}, 1.5)
    (with_batch,) = encode_batch(batch)
    (with_beat,) = encode_heartbeats((beat,))
    assert Assembler().add(_part(b"b", [*_content(with_batch), {"added": 1}])) == batch
    assert Assembler().add(_part(b"h", [[*_content(with_beat)[0], {"added": 1}]])) == (beat,)


def test_what_an_earlier_release_did_not_tell_yet_is_not_wanted() -> None:
    (part,) = encode_heartbeats((Heartbeat("nova", 7, 3, {}, 1.5, 2.5),))
    assert Assembler().add(_part(b"h", [_content(part)[0][:5]])) == (Heartbeat("nova", 7, 3, {}, 1.5),)


def _content(part: bytes) -> list[Any]:
    content: list[Any] = unpack(zlib.decompress(part[codec._HEADER.size :]))
    return content


def _part(kind: bytes, content: object) -> bytes:
    whole = zlib.compress(pack(content))
    return codec._HEADER.pack(b"cgb1", kind, bytes(16), 0, 1, len(whole), zlib.crc32(whole)) + whole


def test_python_booleans_and_ragged_rows_are_refused_when_encoding() -> None:
    with pytest.raises(TypeError, match="bool"):
        list(encode_batch(snapshot("nova", 1, 1, {"servers": [(True,)]})))
    with pytest.raises(ValueError, match="zip"):
        list(encode_batch(snapshot("nova", 1, 1, {"servers": [("a",), ("b", "c")]})))


@given(batches(), st.data())
def test_garbled_parts_are_refused_or_not_taken_for_another_batch(batch: Batch, data: st.DataObject) -> None:
    part = bytearray(next(encode_batch(batch)))
    for _ in range(data.draw(st.integers(1, 3))):
        part[data.draw(st.integers(0, len(part) - 1))] = data.draw(st.integers(0, 255))
    try:
        result = Assembler().add(bytes(part[: data.draw(st.integers(0, len(part)))]))
    except DecodeError:
        return
    assert result is None or exactly(result) == exactly(batch)


@settings(max_examples=300)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=9),
        lambda inner: st.lists(inner, max_size=9) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    )
)
def test_well_formed_messages_with_the_wrong_content_are_refused(content: object) -> None:
    whole = zlib.compress(msgpack.packb(content, use_bin_type=True, default=str) if _fits(content) else b"")
    for kind in (b"b", b"h"):
        header = codec._HEADER.pack(b"cgb1", kind, bytes(16), 0, 1, len(whole), zlib.crc32(whole))
        try:
            result = Assembler().add(header + whole)
        except DecodeError:
            continue
        assert (kind, result) == (b"h", ())  # an empty list is an empty list of heartbeats


def _fits(content: object) -> bool:
    if isinstance(content, list):
        return all(map(_fits, content))
    if isinstance(content, dict):
        return all(map(_fits, content.values()))
    return not isinstance(content, int) or -(2**63) <= content < 2**64


def test_what_stays_incomplete_is_forgotten() -> None:
    assembler = Assembler()
    for number in range(100):
        first, *_ = encode_batch(snapshot("nova", 1, number, {"t": [(f"value {number}",)]}), 50)
        assembler.add(first)
    assert assembler.forgotten == 36


@given(
    st.recursive(
        VALUES,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.lists(inner, max_size=4).map(tuple)
            | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        ),
    )
)
def test_control_values_come_back_as_they_were(item: object) -> None:
    assert exactly(unpack(pack(item))) == exactly(item)


@given(st.binary())
def test_no_bytes_crash_the_control_plane(data: bytes) -> None:
    try:
        unpack(data)
    except DecodeError:
        pass


def test_only_values_travel() -> None:
    assert unpack(pack([TRUE, FALSE])) == [TRUE, FALSE]
    with pytest.raises(TypeError, match="set cannot travel"):
        pack({"rows": {1}})
