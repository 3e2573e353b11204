"""The TCP meter, with the unit clock running for an open gate (``serve_while_open``)."""

import socket
import time

import pytest

from tests.gateway.cast import PRICE_WEI, UNIT_S


@pytest.fixture(scope="module")
def gate(cast):
    cast.start_gateway(
        "shop", "meter.kind=tcp", f"meter.upstream={cast.upstream.tcp_url}", "meter.serve_while_open=true"
    )
    device = cast.payer1()
    virtual, headers = cast.buy_gate(device)
    return cast, device, virtual, headers["Perunika-Channel"], headers["Perunika-Token"]


class Client:
    """A connection to the meter that has said its first line."""

    def __init__(self, cast, first_line):
        self.socket = socket.create_connection(("127.0.0.1", cast.ports["shop"][1]), timeout=10)
        self.socket.sendall(first_line)
        self.file = self.socket.makefile("rb")

    def line(self):
        return self.file.readline()

    def bytes_in(self, seconds):
        self.socket.settimeout(0.1)
        deadline_s, count = time.monotonic() + seconds, 0
        while time.monotonic() < deadline_s:
            try:
                received = self.socket.recv(65536)
            except TimeoutError:
                continue
            if not received:
                return count
            count += len(received)
        return count

    def close(self):
        self.file.close()
        self.socket.close()


def test_the_first_line_opens_the_way_to_the_service(gate):
    cast, _, _, handle, token = gate
    client = Client(cast, f"PERUNIKA {handle} {token}\nhello\n".encode())
    assert client.line() == b"PERUNIKA ok\n"
    assert client.line() == b"you said hello\n"
    assert client.bytes_in(3 * UNIT_S) > 5_000
    client.close()


def test_strangers_that_say_nothing_keep_no_paying_client_out(gate):
    cast, _, _, handle, token = gate
    strangers = [Client(cast, b"PERUNIKA ") for _ in range(20)]
    client = Client(cast, f"PERUNIKA {handle} {token}\nhello\n".encode())
    assert client.line() == b"PERUNIKA ok\n"
    for each in [client, *strangers]:
        each.close()


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("PERUNIKA {handle} " + "0" * 64, b"access.denied"),
        ("PERUNIKA 00000000 {token}", b"access.denied"),
        ("PERUNIKA zz {token}", b"access.denied"),
        ("GET / HTTP/1.1", b"meter.greeting"),
        ("x" * 40_000, b"meter.greeting"),
    ],
)
def test_anything_else_is_refused_with_a_reason_and_no_byte_of_the_service(gate, line, code):
    cast, _, _, handle, token = gate
    client = Client(cast, line.format(handle=handle, token=token).encode() + b"\n")
    answer = client.line()
    assert answer.startswith(b"PERUNIKA refused " + code)
    try:
        assert client.line() == b""
    except ConnectionResetError:
        pass  # ended before it had read all that we sent
    client.close()


def test_an_open_gate_is_paid_without_a_client_too(gate):
    cast, device, virtual, *_ = gate
    before = cast.gateway_stream("shop", virtual)
    time.sleep(5 * UNIT_S)
    after = cast.gateway_stream("shop", virtual)
    assert after["served"] >= before["served"] + 3
    assert int(after["paid_wei"]) >= int(before["paid_wei"]) + 3 * PRICE_WEI
    assert int(after["exposure_wei"]) <= PRICE_WEI


def test_closing_at_the_gateway_ends_the_connection_and_pays_what_was_due(gate):
    cast, device, virtual, handle, token = gate
    client = Client(cast, f"PERUNIKA {handle} {token}\nhello\n".encode())
    assert client.line() == b"PERUNIKA ok\n"
    status, shown = cast.api("shop", f"/v1/streams/0x{virtual.hex()}/close", {}, "test-admin-token")
    assert status == 200 and shown["phase"] in ("stopped", "paid")
    cast.until(lambda: client.bytes_in(0.2) == 0, 5, "bytes flow through a closed channel")
    cast.until(lambda: cast.gateway_stream("shop", virtual)["phase"] == "paid", what="not collected")
    cast.until(lambda: cast.hub.seen("collected"), what="the hub has not collected")
    assert cast.api("shop", "/v1/books")[1]["earned_wei"] == cast.gateway_stream("shop", virtual)["paid_wei"]
    client.close()
