"""A hub that lies to its members: what they sign may never cost them more than they agreed to."""

from perunika.ledger import digest_of
from perunika.messages import Message, encode
from perunika.records import PAYEE_MEMBER, Version
from tests.protocol.scenes import Scene, refusals


def cancel(scene, node, member, channel, nid, virtual):
    """Let the hub ask ``member`` to countersign version 2 = (0, 0) of ``nid``, under any virtual id."""
    nano = scene.nano(node, channel, nid)
    signature = scene.keys["hub"].sign(digest_of_refusal(scene, nano))
    body = {"virtual": virtual, "channel": scene.ids[channel], "nid": nid, "version": 2, "signature": signature}
    node.receive(encode(Message("CancelLeg", body, b"12345678", scene.a[member], scene.a["hub"])))
    scene.settle()
    return scene.nano(node, channel, nid)


class OfDomain:
    """What ``digest_of`` needs of a context."""

    def __init__(self, domain):
        self.domain = domain


def digest_of_refusal(scene, nano):
    return digest_of(OfDomain(scene.world.domain), nano, Version(2, 0, 0, None, None))


def test_an_open_leg_is_not_cancelled_under_the_name_of_another_channel():
    """Its member would give up everything that its payee was paid."""
    scene = Scene().open().pay(5)
    nid = scene.fund(PAYEE_MEMBER).nid_b
    for virtual in (bytes(32), scene.virtual):
        nano = cancel(scene, scene.shop, "shop", "shop", nid, virtual)
        assert nano.final() is None and nano.find(2) is None
        assert scene.fund(PAYEE_MEMBER).phase == "open"
    assert refusals(scene.shop, "phase") == 2
    scene.close()
    assert scene.phases() == ("closed", "paid", "collected", "paid", "collected")
    assert scene.nano(scene.shop, "shop", nid).final().blocked_bob == scene.payee().paid() > 0


def test_a_payers_leg_is_not_cancelled_as_a_payees():
    """Only a signed refusal of the opening ends a payer's leg, and only while it is asked for."""
    scene = Scene().open().pay(5)
    nano = cancel(scene, scene.device1, "device1", "device1", 2, bytes(32))
    assert nano.final() is None and nano.find(2) is None
    assert refusals(scene.device1, "leg.number") == 1
    scene.close()
    assert scene.phases() == ("closed", "paid", "collected", "paid", "collected")
