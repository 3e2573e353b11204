"""Figures of the protocol core on CPython: opening, checking a voucher, signatures of a payment."""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.messages import encode_typed_data

from perunika import crypto
from perunika.messages import decode
from perunika.records import PAYEE, Stream, scan
from perunika.store import Overlay
from perunika_host.party_shell import SplitStore, calm_collector
from perunika_host.sqlite_store import SqliteStore
from tests.support.network import DOMAIN, World

OPENINGS = 200
VOUCHERS = 2000


def percentile(values: list[float], share: float) -> float:
    """Return the value below which ``share`` of ``values`` lie."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def flush_ms(directory: Path) -> float:
    """Return the median time of a 4 KiB write with fsync: what one durable step costs at least."""
    times = []
    with open(directory / "flush", "wb") as file:
        for _ in range(50):
            start = time.perf_counter()
            file.write(os.urandom(4096))
            file.flush()
            os.fsync(file.fileno())
            times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


@contextmanager
def durable_world(directory: Path) -> Iterator[World]:
    """The whole cast in this process, each party on its own SQLite file with synchronous FULL."""
    world = World()
    with ExitStack() as stack:
        for node in world.nodes:
            kept = node.store
            store = SplitStore(stack.enter_context(SqliteStore(directory / f"{node.name}.db")))
            store.commit(dict(kept.scan(b"")))
            node.store = store
        yield world


def virtual_open() -> dict[str, Any]:
    """Time from the payer's wish to its right to pay: every message, signature and durable store in between."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name, durable_world(Path(name)) as world:
        flush = flush_ms(Path(name))
        times = []
        for number in range(OPENINGS + 10):
            start = time.perf_counter()
            world.device1.request(world.a["payer1"], "buy", payee=world.a["meter"], capacity=1000, validity_s=3600)
            world.settle()
            times.append((time.perf_counter() - start) * 1000)
            if len(world.device1.seen("paying")) != number + 1:
                raise RuntimeError("an opening did not succeed")
    return {
        "value": round(statistics.median(times[10:]), 2), "p95": round(percentile(times[10:], 0.95), 2),
        "flush_ms": round(flush, 3),
    }  # fmt: skip


def _vouchers(world: World) -> list[bytes]:
    """Return encoded vouchers of rising amounts, as they arrive on the link."""
    from perunika.evidence import sign_voucher
    from perunika.messages import Message, encode

    stream = scan(world.shop.store, Stream, b"s" + bytes((PAYEE,)))[0]
    virtual_id = stream.params.digest(DOMAIN)
    signed = [sign_voucher(DOMAIN, world.keys["payer1"], virtual_id, amount) for amount in range(1, VOUCHERS + 1)]
    return [
        encode(Message("Voucher", {"id": stream.ready.handle, "amount": e.amount, "signature": e.signature}))
        for e in signed
    ]


def voucher_check() -> dict[str, Any]:
    """Time for a payee to decode a voucher, check it and write the new state into its step.

    Storing and answering come after that and are part of the payment figure. The collector is set as in our programs.
    """
    world = World()
    world.device1.request(world.a["payer1"], "buy", payee=world.a["meter"], capacity=10_000, validity_s=3600)
    world.settle()
    calm_collector()
    ours = []
    for raw in _vouchers(world):
        view = Overlay(world.shop.store)
        start = time.perf_counter()
        world.shop.party.receive(view, raw, world.now_ms, bytes(32))
        ours.append((time.perf_counter() - start) * 1000)
        view.commit()
    if scan(world.shop.store, Stream, b"s" + bytes((PAYEE,)))[0].paid() != VOUCHERS:
        raise RuntimeError("vouchers were refused")
    return {
        "value": round(percentile(ours, 0.99), 3), "p50": round(percentile(ours, 0.5), 3),
        "peers": {"eth-account, typed data recovered, same run": _eth_account()},
    }  # fmt: skip


def _eth_account() -> float:
    """Return the p99 of what a web service usually does: typed data built and its signer recovered with eth-account."""
    account = Account.create()
    typed = {
        "domain": {"name": "Perunika", "version": "1", "chainId": 1, "verifyingContract": "0x" + "11" * 20},
        "primaryType": "Voucher",
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"}, {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"}, {"name": "verifyingContract", "type": "address"},
            ],
            "Voucher": [{"name": "channelId", "type": "bytes32"}, {"name": "cumulativeAmount", "type": "uint128"}],
        },
        "message": {"channelId": b"\x01" * 32, "cumulativeAmount": 5},
    }  # fmt: skip
    signature = account.sign_message(encode_typed_data(full_message=typed)).signature
    times = []
    for _ in range(300):
        start = time.perf_counter()
        Account.recover_message(encode_typed_data(full_message=typed), signature=signature)
        times.append((time.perf_counter() - start) * 1000)
    return round(percentile(times, 0.99), 3)


@contextmanager
def counted_signatures() -> Iterator[Callable[[], int]]:
    """Count every signature that any party makes while the block runs."""
    original = crypto.PrivateKey.sign
    made = [0]

    def counting(self: Any, digest: bytes) -> bytes:
        made[0] += 1
        return original(self, digest)

    crypto.PrivateKey.sign = counting  # type: ignore[method-assign]
    try:
        yield lambda: made[0]
    finally:
        crypto.PrivateKey.sign = original  # type: ignore[method-assign]


def signatures_per_payment() -> dict[str, Any]:
    """Count signatures and messages of ten payments between payer and payee."""
    world = World()
    world.device1.request(world.a["payer1"], "buy", payee=world.a["meter"], capacity=10_000, validity_s=3600)
    world.settle()
    virtual_id = scan(world.shop.store, Stream, b"s" + bytes((PAYEE,)))[0].params.digest(DOMAIN)
    world.log.clear()
    with counted_signatures() as made:
        for _ in range(10):
            world.shop.request(world.a["meter"], "serve", virtual=virtual_id)
            world.run(1)
        signatures = made()
    payments = len(world.device1.seen("voucher"))
    if payments != 10:
        raise RuntimeError(f"{payments} payments instead of 10")
    names = [name for _, _, name in world.log]
    return {"value": signatures / payments, "vouchers": names.count("Voucher"), "acknowledgements": names.count("Ack")}


__all__ = ["decode", "signatures_per_payment", "virtual_open", "voucher_check"]
