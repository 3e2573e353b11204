"""Finding the record of a virtual channel at its ends, by 32-byte id or by the 4-byte handle of its link."""

from perunika.errors import PeerError
from perunika.records import PAYER, Stream, stream_key


def handle_key(handle):
    return b"h" + handle.to_bytes(4, "big")


def find_stream(ctx, role, route):
    """Return (virtual id, stream) for a handle or a 32-byte id; raises ``PeerError("virtual.unknown")``."""
    if type(route) is int:
        known = ctx.view.get(handle_key(route))
        if known is None or known[0] != role:
            raise PeerError("virtual.unknown", "no channel with handle %d here" % route)
        route = known[1:]
    stream = ctx.load(Stream, stream_key(role, route))
    if stream is None:
        raise PeerError("virtual.unknown", "no virtual channel " + route.hex()[:8])
    return route, stream


def load_stream(ctx, virtual_id):
    """Return the payer's ``Stream``; raises ``PeerError("virtual.unknown")``."""
    return find_stream(ctx, PAYER, virtual_id)[1]
