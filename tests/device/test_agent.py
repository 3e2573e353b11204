"""The board's agent on real MicroPython with a 160 KB heap, against a real mosquitto and the other real parties.

Each test starts its own boards; hub, shop and owner run beside it (``tests/support/cast.py``).
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from perunika.messages import Message
from perunika.records import CLOSED, HUB, Funding, scan
from perunika.structs import ZERO_32, ChainView, Reading
from perunika_cli.stack.micropython import BOARD_HEAP_BYTES, board_process
from tests.support.board import ROOT
from tests.support.cast import DOMAIN, PRICE_WEI, SITE, Cast, key
from tests.support.site import Board, Running, Site, hexed, wipe

UNIT_MS = 250


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path / "site", UNIT_MS) as found:
        yield found


def pay_the_shop(site: Site) -> None:
    """Let the board on the owner's allowance pay the shop's meter."""
    site.payer.settings["payer"]["payee"] = hexed(key("meter").address)
    site.payer.write()


def wait_paid(board: Running, amount: int) -> None:
    board.expect("acknowledged", where=lambda event: event["amount"] >= amount)


def signatures_never_conflict(cast: Cast, device: str) -> None:
    """One signature for each channel and amount, and amounts that only grow."""
    by_amount: dict[tuple[object, int], bytes] = {}
    highest: dict[object, int] = {}
    for voucher in cast.vouchers(device):
        place = (voucher["id"], voucher["amount"])
        assert by_amount.setdefault(place, voucher["signature"]) == voucher["signature"]
        assert voucher["amount"] >= highest.get(voucher["id"], 0)
        highest[voucher["id"]] = voucher["amount"]


def collected(cast: Cast) -> list[Funding]:
    """Return the hub's channels when it has collected all of them."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = scan(cast.hub.shell.view(), Funding, b"f" + bytes((HUB,)))
        if found and all(funding.phase == "collected" for funding in found):
            return found
        time.sleep(0.05)
    raise AssertionError([funding.phase for funding in found])


# Paying


def test_a_board_with_its_own_channel_pays_every_second_and_is_acknowledged(tmp_path: Path) -> None:
    with Site(tmp_path / "site", unit_ms=1000) as site, site.member.start("--seconds", "4") as board:
        closed = board.expect("closed")
        assert board.end() == 0, board.report()
        vouchers = [event for event in board.events if event["event"] == "voucher"]
        assert [event["amount"] for event in vouchers] == [PRICE_WEI * n for n in range(1, len(vouchers) + 1)]
        assert len(vouchers) in (3, 4)
        gaps = [late["t"] - early["t"] for early, late in zip(vouchers, vouchers[1:], strict=False)]
        assert all(700 < gap < 1300 for gap in gaps), gaps
        answers = [event for event in board.events if event["event"] == "acknowledged"]
        assert [event["amount"] for event in answers] == [event["amount"] for event in vouchers]
        assert closed["amount"] == vouchers[-1]["amount"] == collected(site.cast)[0].forward.amount
        end = board.events[-1]
        assert end["paid_wei"] == end["acked_wei"] == closed["amount"]
        assert 100_000 < end["heap_peak_bytes"] < BOARD_HEAP_BYTES


def test_the_same_board_runs_on_cpython(tmp_path: Path) -> None:
    with Site(tmp_path / "site", UNIT_MS, runtime="cpython") as site, site.member.start("--seconds", "1") as board:
        assert board.expect("closed")["amount"] >= 3 * PRICE_WEI
        assert board.end() == 0, board.report()


def test_a_budget_ends_the_payments_to_the_wei(site: Site) -> None:
    site.member.settings["payer"]["budget_wei"] = 1050
    site.member.write()
    with site.member.start() as board:
        board.expect("exhausted")
        assert board.expect("closed")["amount"] == 1050
        assert board.end() == 0, board.report()
    assert collected(site.cast)[0].forward.amount == 1050
    with site.member.start() as again:  # a restart does not stretch the budget (R17)
        assert again.expect("failed")["problem"] == "exhausted"
        again.end()
    assert max(voucher["amount"] for voucher in site.cast.vouchers(site.ids["member"])) == 1050


def test_a_price_above_the_limit_is_refused_before_anything_is_signed(site: Site) -> None:
    site.member.settings["payer"]["max_unit_price_wei"] = PRICE_WEI - 1
    site.member.write()
    with site.member.start() as board:
        assert board.expect("refused")["code"] == "terms.price"
        board.end()
    assert site.cast.vouchers(site.ids["member"]) == []


def test_stop_and_start_hold_the_money_and_the_time_between_is_never_charged(site: Site) -> None:
    with site.member.start() as board:
        wait_paid(board, 3 * PRICE_WEI)
        board.say("stop")
        board.expect("held")
        held = site.cast.streams()[0].paid()
        time.sleep(1.5)
        unpaid = site.cast.streams()[0]
        assert unpaid.paid() <= held + PRICE_WEI  # one voucher may have been on its way
        assert unpaid.served * PRICE_WEI <= unpaid.paid() + PRICE_WEI  # the meter stopped too
        board.say("start")
        first = board.expect("voucher")
        assert first["amount"] <= unpaid.paid() + 2 * PRICE_WEI
        board.say("close")
        board.expect("closed")
        assert board.end() == 0, board.report()
    assert "stop or start" in json.dumps(run_command(site, "dance"))


def run_command(site: Site, word: str) -> dict[str, object]:
    with site.member.start() as board:
        board.expect("connected")
        board.say(word)
        refused = board.expect("refused", where=lambda event: event["code"] == "command")
        board.say("close")
        board.end()
    return refused


# Surviving


def test_kill_9_and_a_restart_continue_the_amount(site: Site) -> None:
    with site.member.start() as board:
        wait_paid(board, 5 * PRICE_WEI)
        board.kill()
    paid = site.cast.streams()[0].paid()
    with site.member.start("--seconds", "1") as board:
        assert board.expect("voucher")["amount"] > paid
        assert board.expect("closed")["amount"] > paid + PRICE_WEI
        assert board.end() == 0, board.report()
    assert len(site.cast.streams()) == 1
    signatures_never_conflict(site.cast, site.ids["member"])


def test_amnesia_the_amount_goes_on_and_no_signature_conflicts(site: Site) -> None:
    pay_the_shop(site)
    with site.payer.start() as board:
        wait_paid(board, 5 * PRICE_WEI)
        board.kill()
    wipe(site.payer)
    paid = site.cast.streams()[0].paid()
    with site.payer.start("--seconds", "1") as board:
        assert board.expect("remembered")["amount"] == paid
        assert board.expect("voucher")["amount"] > paid
        board.expect("closed")
        assert board.end() == 0, board.report()
    assert len(site.cast.streams()) == 1
    signatures_never_conflict(site.cast, site.ids["payer"])


def test_a_lost_store_is_restored_from_the_second_place(site: Site) -> None:
    site.member.settings["store"]["second"] = "second"
    site.member.write()
    with site.member.start() as board:
        wait_paid(board, 3 * PRICE_WEI)
        board.kill()
    wipe(site.member)
    with site.member.start("--seconds", "1") as board:
        assert board.expect("start")["restored"] is True
        board.expect("closed")
        assert board.end() == 0, board.report()
    assert len(site.cast.streams()) == 1
    signatures_never_conflict(site.cast, site.ids["member"])


def test_a_member_that_lost_all_its_memory_signs_nothing_more(site: Site) -> None:
    with site.member.start("--seconds", "1") as board:
        board.expect("closed")
        board.end()
    wipe(site.member)
    before = len(site.cast.received)
    with site.member.start() as board:
        board.expect("frozen")
        time.sleep(1)
        board.say("close")
        board.end()
    names = {message.name for _, message in site.cast.received[before:]}
    assert names <= {"Resume", "ChainViewRequest"}


def test_the_broker_is_killed_and_comes_back_and_nothing_is_lost_or_paid_twice(site: Site) -> None:
    with site.member.start() as board:
        wait_paid(board, 3 * PRICE_WEI)
        site.broker.kill()
        time.sleep(1)
        site.broker.start()
        paid = site.cast.streams()[0].paid()
        wait_paid(board, paid + 3 * PRICE_WEI)
        board.say("close")
        closed = board.expect("closed")
        assert board.end() == 0, board.report()
    stream = site.cast.streams()[0]
    assert closed["amount"] == stream.paid() == collected(site.cast)[0].forward.amount
    assert stream.paid() <= (stream.served + 2) * PRICE_WEI
    signatures_never_conflict(site.cast, site.ids["member"])


# Selling


def test_a_seller_sells_readings_that_the_buyer_verifies(site: Site) -> None:
    with site.seller.start() as seller, site.payer.start("--seconds", "2") as buyer:
        closed = buyer.expect("closed")
        assert buyer.end() == 0, buyer.report()
        seller.say("close")
        assert seller.end() == 0
        sold = [event for event in seller.events if event["event"] == "sold"]
        bought = [event for event in buyer.events if event["event"] == "reading"]
        assert len(bought) >= 5
        assert [e["sequence"] for e in bought] == [e["sequence"] for e in sold]
        assert [e["value"] for e in bought] == [e["value"] for e in sold]
        assert closed["amount"] == 50 * len(sold) == seller.events[-1]["earned_wei"]
        assert buyer.events[-1]["readings"] == len(bought)
    assert collected(site.cast)[0].forward.amount == closed["amount"]
    assert site.cast.shop.seen("evidence refused") == []


def test_a_forged_reading_is_refused_and_selling_goes_on(site: Site) -> None:
    with site.seller.start(), site.payer.start() as buyer:
        buyer.expect("reading")
        device = site.payer.addresses["payer"]
        forged = Reading(site.seller.addresses["payee"], 1 << 60, 1, ZERO_32, 9999, -2)
        body = {"reading": forged, "signature": key("thief").sign(forged.digest(DOMAIN))}
        site.cast.send(site.ids["payer"], Message("Reading", body, None, device, site.seller.addresses["payee"]))
        assert buyer.expect("refused message")["code"] == "reading.signature"
        assert buyer.expect("reading")["value"] != 9999
        buyer.say("close")
        buyer.expect("closed")


# Trust


def test_the_sealed_key_survives_and_a_wrong_pin_is_refused(tmp_path: Path) -> None:
    board = Board(tmp_path / "board")
    again = json.loads(board.run("--addresses").stdout)
    assert {role: bytes.fromhex(text[2:]) for role, text in again.items()} == board.addresses
    assert len(set(board.addresses.values())) == 3
    seed = (board.directory / "keys" / "seed.sealed").read_bytes()
    board.settings["keys"]["pin"] = "654321"
    board.write()
    refused = board.run("--addresses")
    assert refused.returncode == 1
    assert json.loads(refused.stdout)["code"] == "sealed"
    assert (board.directory / "keys" / "seed.sealed").read_bytes() == seed


def test_without_a_pin_a_simulated_board_has_an_id_of_its_own(tmp_path: Path) -> None:
    first, second = Board(tmp_path / "a"), Board(tmp_path / "b")
    for board in (first, second):
        board.settings["keys"] = {"directory": "unattended"}
        board.write()
    texts = [board.run("--addresses").stdout for board in (first, second, first)]
    assert texts[0] == texts[2] != texts[1]


@pytest.mark.parametrize(("figure", "value"), [("base", 999_999), ("total", 2_999_999), ("status", CLOSED)])
def test_a_channel_that_is_not_as_agreed_is_never_used(site: Site, figure: str, value: int) -> None:
    site.cast.figures[figure] = value
    with site.member.start() as board:
        assert board.expect("chain")["problem"]
        time.sleep(0.5)
        board.say("close")
        board.end()
    assert {message.name for _, message in site.cast.received} <= {"Resume", "ChainViewRequest"}


def test_a_chain_view_of_another_signer_is_refused(site: Site) -> None:
    site.cast.filter = lambda device, message: message.name != "ChainViewRequest"
    with site.member.start() as board:
        board.expect("connected")
        deadline = time.monotonic() + 10
        while not any(message.name == "ChainViewRequest" for _, message in site.cast.received):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        asked = next(message for _, message in site.cast.received if message.name == "ChainViewRequest")
        view = ChainView(asked["channel"], ZERO_32, 1, 10**9, 10**9, 0, 1, int(time.time()), asked["nonce"])
        body = {"view": view, "signature": key("thief").sign(view.digest(DOMAIN))}
        site.cast.send(site.ids["member"], Message("ChainView", body, asked.request_id, asked.sender, asked.to))
        assert board.expect("refused message")["code"] == "view.signature"
        board.say("close")
        board.end()
    assert not any(event["event"] == "chain" for event in board.events)


@pytest.mark.parametrize("raw", [b"", b"\xff" * 40, b"\xa1\x00\x18\x63", bytes(1400)])
def test_garbage_on_its_topic_is_refused_and_stops_nothing(site: Site, raw: bytes) -> None:
    with site.member.start() as board:
        wait_paid(board, PRICE_WEI)
        site.cast.call(site.cast.link.publish(f"perunika/1/{SITE}/{site.ids['member']}/down", raw))
        assert board.expect("refused message")["code"]
        wait_paid(board, 4 * PRICE_WEI)
        board.say("close")
        board.expect("closed")
        assert board.end() == 0, board.report()


# People


def test_state_and_availability_are_retained_for_people(site: Site) -> None:
    seen: dict[str, bytes] = {}
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="people")
    client.username_pw_set("gateway", "gateway-secret")
    client.tls_set(ca_certs=str(site.broker.ca_pem))
    client.on_message = lambda _client, _data, message: seen.__setitem__(message.topic, message.payload)
    root = f"perunika/1/{SITE}/{site.ids['member']}"
    with site.member.start() as board:
        wait_paid(board, 2 * PRICE_WEI)
        client.connect("127.0.0.1", site.broker.site_port)
        client.subscribe([(root + "/state", 1), (root + "/availability", 1)])
        client.loop_start()
        shown = {"paid_wei", "rate_wei_per_s", "balance_wei", "exposure_wei", "heap_peak_bytes"}
        wait_until(lambda: shown <= set(json.loads(seen.get(root + "/state", b"{}"))))
        assert seen[root + "/availability"] == b"online"
        board.kill()
        wait_until(lambda: seen[root + "/availability"] == b"offline")
    client.loop_stop()
    client.disconnect()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("words", [[], ["a.json", "b.json"], ["a.json", "--second", "3"], ["a.json", "--log", "xml"]])
def test_a_wrong_command_line_says_how_it_is_used(tmp_path: Path, words: list[str]) -> None:
    main = ROOT / "device" / "perunika_device" / "main.py"
    process = board_process("board", main, words, tmp_path / "log")
    done = subprocess.run(process.argv, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert "usage: main.py FILE" in done.stdout


# Examples


def test_the_examples_of_a_payer_and_a_seller_run(site: Site, tmp_path: Path) -> None:
    examples = ROOT / "examples"
    seller = board_process("seller", examples / "seller.py", [site.seller.path, "6"], tmp_path / "seller.log")
    payer = board_process("payer", examples / "payer.py", [site.payer.path, "2"], tmp_path / "payer.log")
    with seller, payer:
        seller.wait_for_line("connected", 20)
        assert payer.wait(30) == 0, payer.output()
        assert "wei for" in payer.output().splitlines()[-1]
        assert seller.wait(30) == 0, seller.output()
        assert seller.output().splitlines()[-1].startswith("sold ")
