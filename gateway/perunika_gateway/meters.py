"""Makes the configured meter; a meter of another kind (WiFi) is one more line here."""

from perunika_gateway.config import GatewayConfig
from perunika_gateway.http_meter import HttpMeter
from perunika_gateway.identity import Identity
from perunika_gateway.meter import Meter, Tariff
from perunika_gateway.sales import Sales
from perunika_gateway.tcp_meter import TcpMeter


def make_meter(config: GatewayConfig, identity: Identity, sales: Sales) -> Meter | None:
    """Return the meter of the configuration, or None when nothing is sold here."""
    meter = config.meter
    if meter.kind is None or meter.upstream is None or identity.payee is None:
        return None
    made = HttpMeter if meter.kind == "http" else TcpMeter
    return made(sales, _tariff(config, identity, identity.payee.address), meter.bind, meter.port, meter.upstream)


def _tariff(config: GatewayConfig, identity: Identity, payee: bytes) -> Tariff:
    meter = config.meter
    facts = {
        "price_wei": str(meter.unit_price_wei),
        "unit_ms": str(round(meter.unit_s * 1000)),
        "min_capacity_wei": str(meter.min_capacity_wei),
        "payee": "0x" + payee.hex(),
        "payee_channel": "0x" + identity.channel_id.hex(),
        "hub": "0x" + config.hub.address.hex(),
        "chain_id": str(config.chain.chain_id),
        "contract": "0x" + config.chain.contract.hex(),
    }
    return Tariff(facts, meter.grace_s, meter.max_clients)
