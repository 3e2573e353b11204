"""The payer's role: what is paid and heard, and when the next payment is due (``purchase`` opens and closes)."""

from perunika.crypto import verify
from perunika.errors import PeerError
from perunika.payer import LAG_UNITS, Payer, capacity_left
from perunika.policies import PayerPolicy
from perunika.records import PAYER, Stream, load, stream_key
from perunika_device import platform
from perunika_device.chain_feed import ChainFeed
from perunika_device.marker import PAYER as USED
from perunika_device.marker import write_marker
from perunika_device.purchase import Purchase
from perunika_device.role import Role

_VIEW_PERIOD_MS = 300000
_MARGIN_MS = 3  # the clock of a due unit must have passed when the tick looks


class Paying(Role):
    """Pays ``config.payer.payee``. ``own`` is the board's ``OwnChannel`` or None when it lives on an allowance.

    ``phase`` is idle, opening, paying, refused or closed; ``problem`` a short word for what went wrong; ``virtual`` the
    id of the channel being paid.
    """

    def __init__(self, agent, key, own, on_reading):
        Role.__init__(self, agent)
        settings = self.settings = agent.config.payer
        self.own = own
        self._on_reading = on_reading
        self._channel = own.channel_id if own is not None else settings.channel
        policy = PayerPolicy(
            own.address if own is not None else settings.member, self._channel, agent.config.gateway,
            settings.max_unit_price_wei, settings.max_rate_wei, settings.budget_wei, settings.max_unacked_wei,
            settings.max_window_s,
        )  # fmt: skip
        self.endpoints = [Payer(key, policy)]
        self.address = key.address
        self.virtual = None
        self.phase = "idle"
        self.problem = None
        self.held = False
        self._feed = None
        self._readings = 0
        self._sequence = 0
        self._sent_amount = 0
        self._sent_ms = 0
        self._heard_ms = 0
        self._step_ms = 0
        self._next_pay_ms = 0

    def start(self):
        """Ask the gateway for the time; a member of our own asks anyway."""
        if self.own is None:
            self._feed = ChainFeed(self.agent, self.address, self._channel, _VIEW_PERIOD_MS)

    async def main(self, seconds):
        """Resume or buy, pay for ``seconds`` (None: until stopped or the budget is spent), close."""
        await Purchase(self).run(seconds)

    # What is heard

    def listen(self, message):
        """Take readings, which no party knows, and chain views that we asked for."""
        if message.to != self.address:
            return False
        if message.name == "Reading":
            self._take_reading(message)
            return True
        return self._feed is not None and self._feed.listen(message)

    def _take_reading(self, message):
        reading = message["reading"]
        payee = self.settings.payee
        if reading.device != payee or not verify(reading.digest(self.agent.config.domain), message["signature"], payee):
            raise PeerError("reading.signature", "the reading is not signed by the seller we pay")
        if reading.sequence <= self._sequence:
            return  # MQTT delivers at least once
        self._sequence = reading.sequence
        self._readings += 1
        self.agent.log.write("reading", sequence=reading.sequence, value=reading.value, exponent=reading.exponent)
        if self._on_reading is not None:
            self._on_reading(reading)

    def hear(self, kind, fields):
        """Follow what the party tells; every word is a method below."""
        handler = _HEARD.get(kind)
        if handler is not None:
            handler(self, fields)

    def _paying(self, fields):
        self.virtual = fields["virtual"]
        self._next_pay_ms = 0
        self._sent_amount = 0
        write_marker(self.agent.config.keys.directory, USED, b"1")
        self.enter("paying", **fields)

    def _voucher(self, fields):
        self._sent_amount = fields["amount"]
        self._sent_ms = self._heard_ms = platform.ticks_ms()
        self.agent.log.sample()
        self.agent.log.write("voucher", amount=fields["amount"], step_ms=platform.elapsed_ms(self._step_ms))

    def _acknowledged(self, fields):
        self._heard_ms = platform.ticks_ms()
        if self._sent_amount and fields["amount"] >= self._sent_amount:
            waited_ms = platform.elapsed_ms(self._sent_ms)
            self._sent_amount = 0
            self.agent.log.write("acknowledged", amount=fields["amount"], served=fields["served"], ms=waited_ms)

    def _remembered(self, fields):
        self.agent.log.write("remembered", **fields)

    def _exhausted(self, fields):
        self.problem = "exhausted"
        self.agent.log.write("exhausted", **fields)

    def _closed(self, fields):
        if fields["virtual"] == self.virtual:
            self.enter("closed", **fields)

    def _refused(self, fields):
        if "virtual" in fields:
            self.problem = fields["code"]
            self.enter("refused", **fields)

    def _bad_message(self, fields):
        if fields.get("about") == "Terms":
            self.problem = fields["code"]
            self.enter("refused", code=fields["code"], text=fields["text"])

    def enter(self, phase, **facts):
        """Log and remember that a new phase has begun."""
        self.phase = phase
        self.agent.log.write(phase, **facts)

    def silent_ms(self):
        """Return for how long our last payment has waited without any answer; 0 when none waits."""
        return platform.elapsed_ms(self._heard_ms) if self._sent_amount else 0

    def silence_noted(self):
        """Count the silence from now on again."""
        self._heard_ms = platform.ticks_ms()

    # When it is time

    def tick(self, now_ms):
        """Begin the measurement of a step; pay for readings, which no clock of the core counts."""
        self._step_ms = platform.ticks_ms()
        if self._feed is not None:
            self._feed.tick(now_ms)
        if self.phase == "paying" and not self.held:
            self._pay_reading(now_ms)

    def _pay_reading(self, now_ms):
        """Pay for the next reading: sold by the piece, so our own period decides, and never far beyond what came."""
        stream = self.stream()
        if stream is None or stream.phase != "paying" or stream.terms.unit_millis or now_ms < self._next_pay_ms:
            return
        every_ms = self.settings.every_ms
        self._next_pay_ms = max(self._next_pay_ms + every_ms, now_ms + every_ms // 2)
        price = stream.terms.unit_price
        if stream.acked == stream.paid() and stream.paid() < (stream.served + LAG_UNITS) * price:
            self.agent.shell.request(self.address, "pay", virtual_id=self.virtual, amount=price)

    def due_ms(self, now_ms):
        """Return the ms until the next unit begins: a voucher leaves when it is due, not up to a second later."""
        stream = self.stream() if self.phase == "paying" and not self.held else None
        if stream is None:
            return 250
        unit_ms = stream.terms.unit_millis
        if not unit_ms:
            return min(1000, max(1, self._next_pay_ms - now_ms + _MARGIN_MS))
        session = self.agent.store.get(b"~p" + self.virtual)
        if session is None:
            return 250
        passed_ms = now_ms - int.from_bytes(session[:8], "big")
        return min(1000, unit_ms - passed_ms % unit_ms + _MARGIN_MS)

    def hold(self, held):
        """Stop paying, or go on: from now, never for the time in between."""
        self.held = held
        if self.phase != "paying":
            return
        if held:
            self.agent.shell.write({b"~p" + self.virtual: None})
            self.agent.log.write("held")
        else:
            self.ask_memory()

    def finish(self):
        """Pay for nothing new any more."""
        self.held = True

    def exposure(self):
        """Return the wei that are paid and not yet served."""
        stream = self.stream()
        if stream is None or stream.terms is None:
            return 0
        return max(0, stream.paid() - stream.served * stream.terms.unit_price)

    def ask_memory(self):
        """Ask the payee what it was paid; if it serves a channel of ours, paying begins (anew) from there."""
        self.agent.shell.request(self.address, "resume", payee=self.settings.payee)

    def stream(self):
        """Return the record of the channel being paid, or None."""
        return None if self.virtual is None else load(self.agent.store, Stream, stream_key(PAYER, self.virtual))

    def state(self):
        """Return paid, rate, balance and exposure (prepaid and not yet served) in wei."""
        state = {"role": "payer", "phase": self.phase, "problem": self.problem, "readings": self._readings}
        stream = self.stream()
        if stream is not None and stream.terms is not None:
            price = stream.terms.unit_price
            state["virtual"] = "0x" + self.virtual.hex()
            state["paid_wei"] = stream.paid()
            state["acked_wei"] = stream.acked
            state["served"] = stream.served
            state["rate_wei_per_s"] = price * 1000 // (stream.terms.unit_millis or self.settings.every_ms)
            state["balance_wei"] = capacity_left(stream)
            state["exposure_wei"] = self.exposure()
        return state


_HEARD = {
    "paying": Paying._paying,
    "voucher": Paying._voucher,
    "acknowledged": Paying._acknowledged,
    "remembered": Paying._remembered,
    "exhausted": Paying._exhausted,
    "closed": Paying._closed,
    "refused": Paying._refused,
    "refused message": Paying._bad_message,
}
