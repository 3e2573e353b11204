"""Taking money out of a basic channel: withdraw while it stays open, or close it (Paper §4.2.7). Both sides alike."""

from perunika.basic import live_nanos, other_side, send_voucher
from perunika.context import Submit, request_id
from perunika.crypto import verify
from perunika.errors import LocalError, PeerError
from perunika.ledger import checkpoint_net, closing, free_cash, load_basic, require_usable
from perunika.messages import Message
from perunika.records import ALICE, BOB, basic_key
from perunika.structs import Close, Withdraw

VALID_S = 3600  # how long a signed close or withdrawal may wait for its transaction


def agreed_net(ctx, basic):
    """Return all that went from Alice to Bob in the channel's life, in wei.

    Raises ``PeerError("channel.live")`` while a nanocontract is not terminated: its outcome is open.
    """
    net = basic.ab - basic.ba + checkpoint_net(basic)
    for nano in live_nanos(ctx, basic.params.digest(ctx.domain)):
        final = nano.final()
        if final is None:
            raise PeerError("channel.live", "nanocontract %d is still open" % nano.nid, "close it first")
        net += final.blocked_alice
    return net


def _sign_close(ctx, me, basic, close):
    signature = me.key.sign(close.digest(ctx.domain))
    if basic.side == ALICE:
        return basic.replace(close=close, close_alice=signature)
    return basic.replace(close=close, close_bob=signature)


def request_close(ctx, me, channel_id):
    """Sign a ``Close`` of the channel and offer it (again); from here on nothing else is signed in it (R6).

    Our best voucher goes first: both sides must count the same.
    """
    basic = load_basic(ctx, channel_id)
    send_voucher(ctx, me, basic)
    if not closing(ctx, basic):
        require_usable(ctx, basic)
        net = agreed_net(ctx, basic)
        basic = _sign_close(
            ctx, me, basic.replace(close_alice=None, close_bob=None), Close(channel_id, net, ctx.now + VALID_S)
        )
        ctx.save(basic_key(channel_id), basic)
    body = {"close": basic.close, "signature": basic.close_alice if basic.side == ALICE else basic.close_bob}
    if body["signature"] is not None:
        ctx.send(other_side(basic), Message("CloseOffer", body, request_id("Close", channel_id), None, me.address))


def on_close_offer(ctx, me, message):
    """Countersign a close whose net is ours, or better for us; the hub then brings it on chain.

    When both sides have offered one, the hub's counts: only one can be executed, and neither is worse for us.
    """
    close = message["close"]
    basic = load_basic(ctx, close.channel_id)
    if close != basic.close:
        if not closing(ctx, basic):
            require_usable(ctx, basic)
        elif basic.side == BOB:
            request_close(ctx, me, close.channel_id)
            return
        _check_close(ctx, basic, close)
        basic = _sign_close(ctx, me, basic.replace(close_alice=None, close_bob=None), close)
    basic = _take_close(ctx, basic, message["signature"])
    mine = basic.close_alice if basic.side == ALICE else basic.close_bob
    if mine is None:
        raise PeerError("close.signature", "our own close is not signed yet")
    me.reply(ctx, message, "CloseSigned", {"channel": close.channel_id, "signature": mine})
    _submit(ctx, basic)


def _check_close(ctx, basic, close):
    net = agreed_net(ctx, basic)
    if (close.net > net) if basic.side == ALICE else (close.net < net):
        raise PeerError("close.net", "net is %d wei, should be %d" % (close.net, net), "exchange vouchers again")
    if not ctx.now < close.valid_until <= ctx.now + 2 * VALID_S:
        raise PeerError("close.time", "valid until %d is not in the next %d s" % (close.valid_until, 2 * VALID_S))


def _take_close(ctx, basic, signature):
    """Verify and keep the other side's signature on the pending close; returns the saved record."""
    if not verify(basic.close.digest(ctx.domain), signature, other_side(basic)):
        raise PeerError("close.signature", "the close is not signed by the other side")
    basic = basic.replace(close_bob=signature) if basic.side == ALICE else basic.replace(close_alice=signature)
    ctx.save(basic_key(basic.close.channel_id), basic)
    return basic


def on_close_signed(ctx, me, message):
    """The other side has countersigned our close."""
    basic = load_basic(ctx, message["channel"])
    if basic.close is None:
        raise PeerError("close.unknown", "no close of this channel was offered")
    _submit(ctx, _take_close(ctx, basic, message["signature"]))


def _submit(ctx, basic):
    if basic.side == BOB:
        fields = {
            "params": basic.params, "close": basic.close, "alice": basic.close_alice, "bob": basic.close_bob,
        }  # fmt: skip
        ctx.effects.append(Submit("close", fields))
    ctx.notify("close signed", channel=basic.close.channel_id, net=basic.close.net)


def request_withdraw(ctx, me, channel_id, to_alice, to_bob):
    """Offer to pay out ``to_alice`` and ``to_bob`` wei of free cash; raises ``LocalError`` if it is not there."""
    basic = load_basic(ctx, channel_id)
    require_usable(ctx, basic)
    for withdraw in basic.withdraws:
        if (withdraw.to_alice, withdraw.to_bob) != (to_alice, to_bob):
            raise LocalError("withdraw.pending", "another withdrawal is signed", "wait until it is executed or expires")
        break  # the same again: repeat the offer, it may have been lost
    else:
        withdraw = Withdraw(channel_id, basic.withdraw_nonce, to_alice, to_bob, ctx.now + VALID_S)
        _reserve(ctx, basic, withdraw)
    body = {"withdraw": withdraw, "signature": me.key.sign(withdraw.digest(ctx.domain))}
    ctx.send(other_side(basic), Message("WithdrawOffer", body, request_id("Withdraw", channel_id), None, me.address))


def _reserve(ctx, basic, withdraw):
    """Count ``withdraw`` against both sides' free cash (R5); returns the saved record."""
    basic = basic.replace(withdraws=basic.withdraws + (withdraw,))
    free = free_cash(basic)
    if free[0] < 0 or free[1] < 0:
        raise PeerError("withdraw.funds", "the withdrawal exceeds free cash by %d wei" % -min(free))
    ctx.save(basic_key(withdraw.channel_id), basic)
    return basic


def on_withdraw_offer(ctx, me, message):
    """Countersign a withdrawal that leaves both sides' free cash non-negative; who has both signatures submits."""
    withdraw = message["withdraw"]
    basic = load_basic(ctx, withdraw.channel_id)
    require_usable(ctx, basic)
    if not verify(withdraw.digest(ctx.domain), message["signature"], other_side(basic)):
        raise PeerError("withdraw.signature", "not signed by the other side")
    if withdraw not in basic.withdraws:
        # Two offers may cross: the member signs the hub's too. One nonce lets only one be executed, R5 counts both.
        crossing = len(basic.withdraws) > (1 if basic.side == ALICE else 0)
        if crossing or withdraw.nonce != basic.withdraw_nonce:
            raise PeerError("withdraw.nonce", "another withdrawal is pending or the nonce is old")
        if not ctx.now < withdraw.valid_until <= ctx.now + 2 * VALID_S:
            raise PeerError("withdraw.time", "valid until %d is not near" % withdraw.valid_until)
        basic = _reserve(ctx, basic, withdraw)
    mine = me.key.sign(withdraw.digest(ctx.domain))
    me.reply(
        ctx, message, "WithdrawSigned", {"channel": withdraw.channel_id, "nonce": withdraw.nonce, "signature": mine}
    )
    _submit_withdraw(ctx, basic, withdraw, mine, message["signature"])


def on_withdraw_signed(ctx, me, message):
    """The other side agrees to our withdrawal."""
    basic = load_basic(ctx, message["channel"])
    for withdraw in basic.withdraws:
        if withdraw.nonce == message["nonce"]:
            if not verify(withdraw.digest(ctx.domain), message["signature"], other_side(basic)):
                raise PeerError("withdraw.signature", "not signed by the other side")
            mine = me.key.sign(withdraw.digest(ctx.domain))
            _submit_withdraw(ctx, basic, withdraw, mine, message["signature"])
            return
    raise PeerError("withdraw.unknown", "no such withdrawal was offered")


def _submit_withdraw(ctx, basic, withdraw, mine, theirs):
    if basic.side == BOB:
        fields = {"params": basic.params, "withdraw": withdraw, "alice": theirs, "bob": mine}
        ctx.effects.append(Submit("withdraw", fields))
    ctx.notify("withdraw signed", channel=withdraw.channel_id, to_alice=withdraw.to_alice, to_bob=withdraw.to_bob)
