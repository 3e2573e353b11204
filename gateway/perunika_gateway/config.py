"""What a gateway's TOML file may say; ``perunika gateway init`` writes it out with comments."""

from dataclasses import dataclass
from pathlib import Path

from perunika_host import config_kinds as kinds
from perunika_host.config import ConfigError, Problem, load, section, sections, setting

MAX_DEVICES = 500


@dataclass(frozen=True)
class ChainConfig:
    """The node and the contract."""

    rpc: str = setting(kinds.url("http", "https"), "http://127.0.0.1:8545", "Ethereum node (JSON-RPC).")
    contract: bytes = setting(kinds.address(), comment="The Perunika contract.", example="0x" + "c0de" * 10)
    chain_id: int = setting(kinds.integer(1, 2**53), comment="Chain id; a node of another chain is refused.", example=1)
    confirmations: int = setting(kinds.integer(0, 1000), 2, "Blocks on top of a block before it counts.")
    refresh_s: float = setting(kinds.duration("200ms", "10m"), "5s", "How often the channel's figures are renewed.")


@dataclass(frozen=True)
class MemberConfig:
    """The gateway's own key and basic channel."""

    keystore: Path = setting(kinds.path(), comment="Keystore v3 of the member key.", example="keys/member.json")
    password_file: Path = setting(kinds.path(), comment="Its password (mode 600).", example="keys/member.password")
    channel: Path = setting(
        kinds.path(), comment="Basic channel, as `perunika channel open` writes it.", example="channel.json"
    )


@dataclass(frozen=True)
class StoreConfig:
    """Where registers are kept, in two places."""

    path: Path = setting(kinds.path(), "gateway.sqlite", "Database.")
    second_path: Path | None = setting(
        kinds.path(), None, "Second database, best on another disk: every commit goes to both.", "backup/gateway.sqlite"
    )


@dataclass(frozen=True)
class SiteConfig:
    """The broker of the site's devices; without ``host`` this gateway serves no devices."""

    host: str | None = setting(kinds.host(), None, "Broker of the devices. Leave out: no devices here.", "127.0.0.1")
    port: int = setting(kinds.integer(1, 65535), 8883, "Its port.")
    ca_file: Path | None = setting(kinds.path(), None, "CA certificate (PEM); without it no TLS.", "tls/ca.pem")
    user: str | None = setting(kinds.text(), None, "User at the broker.", "gateway")
    password_file: Path | None = setting(kinds.path(), None, "Its password (mode 600).", "keys/site.password")
    name: str = setting(kinds.text(), "site", "Site name in topics: perunika/1/<name>/<device>/…")
    answer_strangers: bool = setting(
        kinds.boolean(), True, "Tell devices that are not configured so; false where several gateways share a site."
    )


@dataclass(frozen=True)
class HubConfig:
    """The hub and its broker."""

    address: bytes = setting(kinds.address(), comment="The hub's key; no other is accepted.", example="0x" + "ab" * 20)
    host: str = setting(kinds.host(), comment="The hub's broker.", example="127.0.0.1")
    port: int = setting(kinds.integer(1, 65535), 8883, "Its port.")
    ca_file: Path | None = setting(kinds.path(), None, "CA certificate (PEM); without it no TLS.", "tls/ca.pem")
    user: str | None = setting(kinds.text(), None, "User at the hub's broker.", "member")
    password_file: Path | None = setting(kinds.path(), None, "Its password (mode 600).", "keys/hub.password")
    url: str | None = setting(
        kinds.url("http", "https"), None, "The hub's HTTP API; its key and fees are compared at start.",
        "http://127.0.0.1:8420",
    )  # fmt: skip


@dataclass(frozen=True)
class LimitsConfig:
    """What this member accepts; a hub that asks more is refused."""

    fee_base_wei: int = setting(kinds.amount(), "10 gwei", "Highest fixed fee for opening a virtual channel.")
    fee_ppm: int = setting(kinds.integer(0, 10**6), 5000, "Highest fee in millionths of the capacity.")
    fee_ppm_per_day: int = setting(kinds.integer(0, 10**6), 1000, "Highest fee in millionths of the capacity and day.")
    max_fee_wei: int = setting(kinds.amount(), "0.001 ETH", "Highest fee of one opening, for allowances of devices.")
    min_capacity_wei: int = setting(kinds.amount(), "1 wei", "Smallest virtual channel we fund.")
    max_capacity_wei: int = setting(kinds.amount(), "1 ETH", "Largest virtual channel we fund.")
    min_window_s: int = setting(kinds.whole_duration("1s"), "1m", "Shortest dispute window we accept.")
    max_window_s: int = setting(kinds.whole_duration("1s"), "7d", "Longest dispute window we accept.")
    max_validity_s: int = setting(kinds.whole_duration("1m", "400d"), "30d", "Longest life of a virtual channel.")


@dataclass(frozen=True)
class MeterConfig:
    """What this gateway sells by the second; without ``kind`` it sells nothing."""

    kind: str | None = setting(kinds.choice("http", "tcp"), None, "http or tcp. Leave out: no meter here.", "http")
    keystore: Path | None = setting(kinds.path(), None, "Keystore v3 of the payee key.", "keys/meter.json")
    password_file: Path | None = setting(kinds.path(), None, "Its password (mode 600).", "keys/meter.password")
    bind: str = setting(kinds.host(), "127.0.0.1", "Address that clients connect to.")
    port: int = setting(kinds.integer(0, 65535), 8080, "Port that clients connect to; 0 takes a free one.")
    upstream: str | None = setting(
        kinds.url("http", "https", "tcp"), None, "The service that is sold.", "http://127.0.0.1:3000"
    )
    unit_price_wei: int = setting(kinds.amount(), "1 gwei", "Price of one unit.")
    unit_s: float = setting(kinds.duration("50ms", "1h"), "1s", "Length of one unit.")
    exposure_wei: int | None = setting(
        kinds.amount(), None, "How much is served ahead of payment; default: one unit.", "1 gwei"
    )
    min_capacity_wei: int = setting(kinds.amount(), "1 wei", "Smallest channel that is worth serving.")
    window_s: int = setting(kinds.whole_duration("1s"), "1h", "Dispute window of the channels we sell through.")
    max_validity_s: int = setting(kinds.whole_duration("1m", "400d"), "1d", "Longest life of such a channel.")
    idle_s: int = setting(kinds.whole_duration("1s"), "10m", "A channel without payment is closed after this.")
    grace_s: float = setting(kinds.duration("0s", "1h"), "10s", "How long an unpaid connection is kept, without bytes.")
    serve_while_open: bool = setting(
        kinds.boolean(), False, "Units run while a channel is open, also without a connected client (an open gate)."
    )
    max_clients: int = setting(kinds.integer(1, 10000), 64, "Connections at a time.")


@dataclass(frozen=True)
class HttpConfig:
    """The gateway's own API."""

    bind: str = setting(kinds.host(), "127.0.0.1", "Address of the API.")
    port: int = setting(kinds.integer(0, 65535), 8701, "Port of the API; 0 takes a free one.")
    admin_token_file: Path | None = setting(
        kinds.path(), None, "Token for calls that change something (mode 600); without it they are refused.",
        "keys/admin.token",
    )  # fmt: skip


@dataclass(frozen=True)
class DeviceConfig:
    """A device of this site, or a payer that spends from our channel."""

    name: str = setting(kinds.text(), comment="Name for people.", example="pump-1")
    kind: str = setting(kinds.choice("payer", "seller"), comment="Does it pay or sell?", example="payer")
    address: bytes = setting(
        kinds.address(), comment="Its payer or payee key; also its name in topics.", example="0x" + "d1" * 20
    )
    member: bytes | None = setting(
        kinds.address(), None, "Its member key, if it has a channel of its own.", "0x" + "d2" * 20
    )
    allowance_wei: int | None = setting(
        kinds.amount(), None, "What it may lock of our channel, in all.", "0.01 ETH"
    )  # fmt: skip


@dataclass(frozen=True)
class GatewayConfig:
    """Everything about one gateway."""

    chain: ChainConfig = section(ChainConfig, "The chain.")
    member: MemberConfig = section(MemberConfig, "Our key and our basic channel with the hub.")
    store: StoreConfig = section(StoreConfig, "What must survive, in two places.")
    site: SiteConfig = section(SiteConfig, "The broker of the devices.")
    hub: HubConfig = section(HubConfig, "The hub and its broker.")
    limits: LimitsConfig = section(LimitsConfig, "What we accept from hub and payers.")
    meter: MeterConfig = section(MeterConfig, "What we sell by the second.")
    http: HttpConfig = section(HttpConfig, "Our API.")
    device: tuple[DeviceConfig, ...] = sections(DeviceConfig, "Devices of this site, and payers with an allowance.")


def read_config(path: Path, overrides: dict[str, str] | None = None) -> GatewayConfig:
    """Return the checked configuration. Raises ConfigError that names every wrong or missing key."""
    config = load(GatewayConfig, path, overrides)
    problems = _together(config)
    if problems:
        raise ConfigError(str(path), problems)
    return config


def _together(config: GatewayConfig) -> list[Problem]:
    """Return what is wrong about values that are fine one by one."""
    problems = []
    meter = config.meter
    for name in ("keystore", "password_file", "upstream") if meter.kind else ():
        if getattr(meter, name) is None:
            problems.append(Problem(f"meter.{name}", None, "is missing, a meter needs it", "or leave out meter.kind"))
    if meter.kind and meter.upstream and meter.upstream.startswith("tcp:") != (meter.kind == "tcp"):
        problems.append(
            Problem("meter.upstream", None, f"does not fit a meter of kind {meter.kind}", "tcp:// or http://")
        )
    if any(c in config.site.name for c in '/+#$ "') or config.site.name == "hub":
        problems.append(Problem("site.name", None, 'must be one topic level, not "hub"', 'for example name = "home"'))
    return problems + _devices(config)


def _devices(config: GatewayConfig) -> list[Problem]:
    problems = []
    seen: dict[bytes, str] = {}
    for index, device in enumerate(config.device):
        for name in ("address", "member"):
            address = getattr(device, name)
            if address is not None and address in seen:
                problems.append(Problem(f"device[{index}].{name}", None, f"is also {seen[address]}", "each key once"))
            elif address is not None:
                seen[address] = f"device[{index}].{name}"
    if len(config.device) > MAX_DEVICES:
        problems.append(Problem("device", None, f"more than {MAX_DEVICES} devices", "split the site"))
    return problems
