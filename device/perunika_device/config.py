"""The configuration of a board: one JSON file, every key checked when the board starts (docs/guide-device.md).

``load(path)`` returns plain ``Settings``. Relative paths count from the file's own directory. Amounts are wei,
as whole numbers or as decimal text.
"""

import json

from perunika.eip712 import Domain
from perunika.errors import LocalError
from perunika.messages import Fees
from perunika.policies import MemberPolicy, PayeePolicy
from perunika.structs import NATIVE, BasicParams
from perunika_device.config_section import Section
from perunika_device.settings import Settings

_DAY_S = 86400
_U32 = (1 << 32) - 1
_U64 = (1 << 64) - 1


def _broker(section, folder):
    """How to reach the broker: ``ca`` is a path to one DER certificate, None only for plain MQTT on loopback."""
    host = section.text("host")
    broker = Settings(
        host=host,
        port=section.number("port", 1, 65535, 8883),
        ca=_in(folder, section.text("ca", None)),
        name=section.text("name", host),
        user=section.text("user", None),
        password=section.text("password", None),
        keepalive_s=section.number("keepalive_s", 2, 3600, 20),
    )
    section.done()
    return broker


def _keys(top, folder):
    """Where the sealed seed lies and what opens it: ``pin`` as bytes, or None for the board's own unique id."""
    section = top.section("keys") if top.has("keys") else Section("keys", {})
    pin = section.text("pin", None)
    keys = Settings(directory=_in(folder, section.text("directory", "keys")), pin=None if pin is None else pin.encode())
    section.done()
    return keys


def _store(top, folder):
    """Where registers are kept; ``second`` is the second place of R15 or None."""
    section = top.section("store") if top.has("store") else Section("store", {})
    store = Settings(
        directory=_in(folder, section.text("directory", "state")), second=_in(folder, section.text("second", None))
    )
    section.done()
    return store


def _member(section, hub):
    """A basic channel of the board's own: what its owner has agreed with the hub, and the least it must hold."""
    member = Settings(
        terms=_read_terms(section),
        deposit_wei=section.amount("deposit_wei"),
        hub_deposit_wei=section.amount("hub_deposit_wei", 0),
        max_fee_wei=section.amount("max_fee_wei"),
    )
    fees = _read_fees(section.section("fees"))
    least_s = section.number("min_window_s", 1, _U32, 60)
    most_s = section.number("max_window_s", least_s, _U32, 7 * _DAY_S)
    member.policy = MemberPolicy(hub, fees, least_s, most_s, section.number("max_validity_s", 1, _U32, 30 * _DAY_S))
    section.done()
    return member


def _payer(section, own_member):
    """Whom to pay and how much at most. ``member`` and ``channel`` are None when the board's own member funds it."""
    budget_wei = section.amount("budget_wei")
    price_wei = section.amount("max_unit_price_wei")
    payer = Settings(
        payee=section.octets("payee", 20),
        member=None if own_member else section.octets("member", 20),
        channel=None if own_member else section.octets("channel", 32),
        budget_wei=budget_wei,
        capacity_wei=section.amount("capacity_wei", budget_wei),
        validity_s=section.number("validity_s", 60, 400 * _DAY_S, _DAY_S),
        max_unit_price_wei=price_wei,
        max_rate_wei=section.amount("max_rate_wei", price_wei),
        max_unacked_wei=section.amount("max_unacked_wei", 5 * price_wei),
        max_window_s=section.number("max_window_s", 1, _U32, 7 * _DAY_S),
        every_ms=section.number("every_ms", 50, 86400000, 1000),
    )
    section.done()
    if payer.capacity_wei > budget_wei:
        raise LocalError("config", "payer.capacity_wei is above payer.budget_wei", "leave it out to use the budget")
    return payer


def _seller(section, hub, viewer):
    """What the board sells, through whose basic channel; ``policy`` is its ``PayeePolicy``."""
    member = section.octets("member", 20)
    channel_section = section.section("channel")
    channel = BasicParams(member, hub, *_read_terms(channel_section))
    channel_section.done()
    price = section.amount("unit_price_wei")
    policy = PayeePolicy(
        channel,
        member,
        viewer,
        price,
        section.number("unit_ms", 0, _U32, 0),
        section.amount("min_capacity_wei", price),
        section.number("window_s", 1, _U32, 600),
        section.number("min_window_s", 1, _U32, 60),
        section.number("max_validity_s", 60, 400 * _DAY_S, _DAY_S),
        section.number("terms_s", 1, _DAY_S, 600),
        section.amount("exposure_wei", price),
        section.number("idle_s", 1, _DAY_S, 300),
    )
    seller = Settings(
        policy=policy, kind=section.text("kind", "reading"), exponent=section.number("exponent", -128, 127, 0)
    )
    section.done()
    return seller


def _read_terms(section):
    """Return the fields of ``BasicParams`` behind member and hub."""
    return (
        section.octets("owner", 20),
        section.octets("hub_owner", 20),
        section.octets("asset", 20, NATIVE),
        section.number("challenge_duration_s", 1, _U32),
        section.number("open_before", 1, (1 << 40) - 1),
        section.octets("salt", 32),
    )


def _in(folder, path):
    return path if path is None or path[0] == "/" or not folder else folder + "/" + path


def _read_fees(section):
    fees = Fees(
        section.amount("base_wei"), section.number("ppm", 0, _U32), section.number("ppm_per_day", 0, _U32),
        section.amount("min_capacity_wei"), section.amount("max_capacity_wei"), section.number("valid_until", 0, _U64),
    )  # fmt: skip
    section.done()
    return fees


def _read_json(path):
    try:
        with open(path) as file:
            items = json.load(file)
    except OSError as error:
        raise LocalError("config", "%s cannot be read: %r" % (path, error), "name the board's JSON file")
    except ValueError as error:
        raise LocalError("config", "%s is not JSON: %s" % (path, error), "look for a missing comma or quote")
    folder = path.rpartition("/")[0]
    return Section("", items), "/" if not folder and path[:1] == "/" else folder


def load_keys(path):
    """Return only the settings of the keys: before a board is provisioned there is nothing else in its file."""
    top, folder = _read_json(path)
    return _keys(top, folder)


def load(path):
    """Return the ``Settings`` in the file ``path``; raises ``LocalError("config")`` that names the key.

    ``member``, ``payer`` and ``seller`` are None unless the board has that role.
    """
    top, folder = _read_json(path)
    chain = top.section("chain")
    domain = Domain(chain.number("id", 1, _U64), chain.octets("contract", 20))
    chain.done()
    config = Settings(
        site=top.text("site"),
        broker=_broker(top.section("broker"), folder),
        domain=domain,
        hub=top.octets("hub", 20),
        gateway=top.octets("gateway", 20),
        keys=_keys(top, folder),
        store=_store(top, folder),
        provisioned_s=top.number("provisioned", 0, _U64, 0),
    )
    _read_roles(config, top)
    top.done()
    return config


def _read_roles(config, top):
    config.member = _member(top.section("member"), config.hub) if top.has("member") else None
    config.payer = _payer(top.section("payer"), config.member is not None) if top.has("payer") else None
    config.seller = _seller(top.section("seller"), config.hub, config.gateway) if top.has("seller") else None
    if config.payer is None and config.seller is None:
        raise LocalError("config", "the board has nothing to do", 'add a section "payer" or "seller"')
    if config.member is not None and config.payer is None:
        raise LocalError("config", "member without payer", 'add a section "payer", or remove "member"')
