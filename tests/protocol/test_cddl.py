"""docs/perunika.cddl describes what is sent: pycddl, which shares no code with us, accepts and refuses alike."""

import json
from pathlib import Path

import cbor2
import pycddl
import pytest

from perunika.errors import PeerError
from perunika.messages import decode, fields_of, number_of
from tests.vectors import make_cddl

ROOT = Path(__file__).resolve().parents[2]
CASES = json.loads((ROOT / "tests" / "vectors" / "messages.json").read_text())["cases"]


@pytest.fixture(scope="module")
def schema():
    return pycddl.Schema(make_cddl.CDDL.read_text())


def test_the_description_is_made_of_the_table():
    assert make_cddl.CDDL.read_text() == make_cddl.make_text()


def test_the_description_has_no_wildcards():
    rules = [line.split(";")[0] for line in make_cddl.CDDL.read_text().splitlines()]
    assert not [line for line in rules if "any" in line.split() or "*" in line]


def test_every_message_fits_the_description(schema):
    for case in CASES:
        schema.validate_cbor(bytes.fromhex(case["hex"]))


def mutations(items):
    """Yield a key and ``items`` with one thing wrong: a key left out, another type, a byte more, another number."""
    for key in items:
        yield key, {other: item for other, item in items.items() if other != key}
        yield key, {**items, key: 1.5}
        if isinstance(items[key], bytes):
            yield key, {**items, key: items[key] + b"x"}
            yield key, {**items, key: items[key].hex()}
        elif isinstance(items[key], list):
            yield key, {**items, key: items[key][:-1]}
            yield key, {**items, key: [*items[key], 0]}
        elif isinstance(items[key], int) and key:
            yield key, {**items, key: -1 - items[key]}


# Kinds whose bounds pycddl 0.6 does not look at: the sign of bignums, sizes behind a choice, text where bytes belong.
UNSEEN = {"amount", "amount?", "route", "bytes"}


def kind_of(case, key):
    fields = fields_of(number_of(case["name"]))[1]
    return fields[key - 4][1] if key >= 4 else "header"


def test_mutated_messages_are_refused_by_both(schema):
    tried = 0
    for case in CASES:
        whole = cbor2.loads(bytes.fromhex(case["hex"]))
        for key, items in mutations(whole) if case["variant"] == "mixed" else ():
            raw = cbor2.dumps(items, canonical=True)
            try:
                decode(raw)
            except PeerError:
                if kind_of(case, key) not in UNSEEN or not isinstance(items.get(key, 1.5), int | str | bytes):
                    with pytest.raises(pycddl.ValidationError):
                        schema.validate_cbor(raw)
                    tried += 1
            else:  # an optional field was left out: that is a message too
                schema.validate_cbor(raw)
    assert tried > 500


def test_what_cddl_tools_do_not_check_the_decoder_does():
    ready = {0: 12, 4: b"1" * 32}
    assert decode(cbor2.dumps({**ready, 23: 1}, canonical=True)).body == {"virtual": b"1" * 32}
    for raw in (cbor2.dumps(ready, canonical=True) + b"\x00", cbor2.dumps({**ready, 1: b"1" * 9}, canonical=True)):
        with pytest.raises(PeerError):
            decode(raw)
    voucher = {0: 14, 4: 1, 5: 1 << 96, 6: bytes(65)}
    with pytest.raises(PeerError, match=r"value\.range"):
        decode(cbor2.dumps(voucher, canonical=True))
