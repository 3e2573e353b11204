"""What the chain shows: taken over by members and hub, and signed for devices that have no chain (R13)."""

from perunika.basic import chain_state
from perunika.context import Look
from perunika.errors import PeerError
from perunika.ledger import free_cash, held, load_basic
from perunika.records import DISPUTE, Basic, Nano, basic_key
from perunika.structs import ZERO_32, ChainView


def on_chain(ctx, me, channel_id, status, base, total, withdraw_nonce, block, time_s):
    """A confirmed block shows these figures of one of our channels."""
    chain_state(ctx, load_basic(ctx, channel_id), status, base, total, withdraw_nonce, block, time_s)


def on_chain_view_request(ctx, me, message):
    """A device asks what the chain shows: have it looked up, the signed answer follows with ``looked``."""
    if message.sender is None or message.request_id is None:
        raise PeerError("message.missing", "a chain view request needs a sender and a request id")
    ctx.effects.append(
        Look(message["channel"], message["virtual"], message["nonce"], message.sender, message.request_id, me.address)
    )


def on_looked(ctx, me, look, status, base, total, block, time_s):
    """The chain was read at a confirmed block: sign the view, bound to the asking device's nonce."""
    if ctx.view.get(started_key(look.virtual)) is not None:
        status = DISPUTE  # the virtual channel is being resolved on chain: nobody may serve in it (R13)
    view = ChainView(
        look.channel, look.virtual, status, base, total, hub_cover(ctx, look.channel, look.virtual), block, time_s,
        look.nonce,
    )  # fmt: skip
    body = {"view": view, "signature": me.key.sign(view.digest(ctx.domain))}
    me.send(ctx, look.to, "ChainView", body, look.request_id)


def hub_cover(ctx, channel_id, virtual_id):
    """Return the hub's wei in our channel that cover ``virtual_id``: free cash and what its leg blocks of it."""
    basic = ctx.load(Basic, basic_key(channel_id))
    if basic is None:
        return 0
    cover = free_cash(basic)[1]
    if virtual_id != ZERO_32:
        for nano in ctx.scan(Nano, b"n" + channel_id):
            if nano.state == virtual_id:
                cover += held(nano)[1]
    return max(0, cover)


def started_key(virtual_id):
    return b"v" + virtual_id


def on_started(ctx, me, virtual_id):
    """The chain resolves this virtual channel: nothing is paid early or served in it any more (R11, R13)."""
    ctx.view.put(started_key(virtual_id), b"\x01")


CHAIN_REQUESTS = {"chain": on_chain, "looked": on_looked, "started": on_started}
