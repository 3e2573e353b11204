"""The configuration of a hub: one TOML file, every key described, secrets by file reference only."""

from dataclasses import dataclass
from pathlib import Path

from perunika.messages import Fees
from perunika.policies import HubPolicy
from perunika_host import config_kinds as kinds
from perunika_host.config import section, sections, setting
from perunika_host.mqtt_settings import MqttSettings

EXAMPLE_ADDRESS = "0x" + "11" * 20


@dataclass(frozen=True)
class ChainSection:
    """Which chain and contract."""

    rpc_url: str = setting(
        kinds.url("http", "https"), "http://127.0.0.1:8545", "JSON-RPC of an Ethereum node that you trust."
    )
    contract: bytes = setting(kinds.address(), comment="The Perunika contract on that chain.", example=EXAMPLE_ADDRESS)
    chain_id: int = setting(
        kinds.integer(1, 2**53), comment="The chain's number; guards against a wrong node.", example=31337
    )
    confirmations: int = setting(kinds.integer(0, 1000), 2, "Blocks on top of a transaction before it counts as money.")
    poll: float = setting(
        kinds.duration("50ms", "1m"), "1s", "How often to ask for new blocks; about the chain's block time."
    )
    start_block: int | None = setting(
        kinds.integer(0, 2**53), None, "First block to read at the very first start; default: the newest confirmed.", 0
    )


@dataclass(frozen=True)
class KeysSection:
    """Three keys, two of them in this process."""

    hub_keystore: Path = setting(
        kinds.path(), "keys/hub.json", "The hub's key (bob of every channel), an Ethereum keystore v3."
    )
    hub_password_file: Path = setting(kinds.path(), "keys/hub.password", "The file with its password, mode 0600.")
    vault_owner: bytes = setting(
        kinds.address(),
        comment="The account whose vault funds channels and receives payouts. It has granted the hub's key with "
        "setOperator; its own key is better kept elsewhere.",
        example=EXAMPLE_ADDRESS,
    )
    gas_keystore: Path = setting(kinds.path(), "keys/gas.json", "The account that pays gas for closing channels.")
    gas_password_file: Path = setting(kinds.path(), "keys/gas.password", "The file with its password, mode 0600.")


@dataclass(frozen=True)
class StoreSection:
    """Where the state is kept."""

    path: Path = setting(kinds.path(), "hub.sqlite3", "The database. It holds money: put it on a disk that flushes.")
    second_path: Path | None = setting(
        kinds.path(),
        None,
        "A second database on another disk that gets every change first (R15).",
        "/mnt/second/hub.sqlite3",
    )


@dataclass(frozen=True)
class MqttSection:
    """The broker where members reach the hub."""

    host: str = setting(kinds.host(), "127.0.0.1", "Its name, as in its certificate.")
    port: int = setting(kinds.integer(1, 65535), 8883, "Its TLS port for members and hub.")
    ca_file: Path | None = setting(
        kinds.path(), None, "PEM file with the CA of its certificate; without it, no TLS.", "ca.pem"
    )
    user: str | None = setting(kinds.text(), None, "User name at the broker.", "hub")
    password_file: Path | None = setting(
        kinds.path(), None, "The file with its password, mode 0600.", "keys/mqtt.password"
    )
    client_id: str = setting(
        kinds.text(), "perunika-hub", "Must stay the same: the broker keeps waiting messages under it."
    )


@dataclass(frozen=True)
class HttpSection:
    """The JSON interface for owners, members to be, and dashboards."""

    bind: str = setting(kinds.host(), "127.0.0.1", "Address to listen on. Put a TLS proxy in front before opening it.")
    port: int = setting(
        kinds.integer(0, 65535), 8420, "Port to listen on; 0 takes a free one, the ready line names it."
    )
    admin_token_file: Path = setting(
        kinds.path(), "keys/admin.token", "The file with the token of admin calls, mode 0600."
    )
    quotes_per_minute: int = setting(
        kinds.integer(1, 100_000),
        60,
        "Quotes that one address may ask for; each locks liquidity for `limits.open_within`.",
    )


@dataclass(frozen=True)
class FeesSection:
    """What a virtual channel costs: base + ppm of the capacity + ppm_per_day of capacity and time, rounded up."""

    base: int = setting(kinds.amount(), "1 gwei", "Per virtual channel.")
    ppm: int = setting(kinds.integer(0, 10**6), 500, "Millionths of the capacity.")
    ppm_per_day: int = setting(kinds.integer(0, 10**6), 100, "Millionths of the capacity per day of validity.")
    min_capacity: int = setting(kinds.amount(), "1000 wei", "Smallest capacity of a virtual channel.")
    max_capacity: int = setting(kinds.amount(), "1 ETH", "Largest capacity of a virtual channel.")
    valid_for: int = setting(kinds.whole_duration("1m", "400d"), "1d", "How long a price list holds at least.")


@dataclass(frozen=True)
class LimitsSection:
    """What the hub agrees to."""

    min_window: int = setting(
        kinds.whole_duration("1s", "400d"), "1h", "Shortest dispute window (challenge duration too)."
    )
    max_window: int = setting(kinds.whole_duration("1s", "400d"), "7d", "Longest dispute window.")
    challenge_duration: int = setting(
        kinds.whole_duration("1s", "400d"), "1d", "Challenge duration of quotes that name none."
    )
    max_validity: int = setting(kinds.whole_duration("1s", "400d"), "30d", "How far ahead a virtual channel may end.")
    offer_timeout: int = setting(
        kinds.whole_duration("1s", "1h"), "10s", "How long a payee's member may take to sign an opening."
    )
    max_uncollected: int = setting(
        kinds.integer(1, 10**9), 1000, "Virtual channels paid early and not yet collected: R19's bound for this chain."
    )
    early_floor: int = setting(
        kinds.amount(), "0 wei", "Below this a payee is paid only after the payer has signed (R11)."
    )
    max_hub_deposit: int = setting(kinds.amount(), "1 ETH", "Most that the hub puts into one channel.")
    open_within: int = setting(
        kinds.whole_duration("1m", "7d"), "1h", "How long a quote can be used; it locks liquidity."
    )
    checkpoint_every: int = setting(
        kinds.integer(1, 4000), 32, "Ended virtual channels in a channel before the hub folds them into a checkpoint."
    )


@dataclass(frozen=True)
class SettleSection:
    """How closed channels are brought on chain."""

    wait: float = setting(
        kinds.duration("0s", "7d"), "2s", "How long to gather closes before one transaction takes them all."
    )
    batch: int = setting(kinds.integer(1, 250), 100, "Most closes in one transaction.")
    receipt_timeout: float = setting(kinds.duration("1s", "1h"), "2m", "How long to wait for a transaction's block.")
    sweep: bool = setting(
        kinds.boolean(), False, "Whether to free the storage of closed channels later; it costs the hub gas."
    )


@dataclass(frozen=True)
class DeviceEntry:
    """A device behind a member, so that strangers can reach it through this hub."""

    address: bytes = setting(kinds.address(), comment="The device's payer or payee key.", example=EXAMPLE_ADDRESS)
    member: bytes = setting(
        kinds.address(), comment="The member whose gateway knows the device.", example=EXAMPLE_ADDRESS
    )


@dataclass(frozen=True)
class LogSection:
    """What is written to standard error."""

    level: str = setting(kinds.choice("debug", "info", "warning", "error"), "info", "Least important lines to write.")
    format: str = setting(kinds.choice("text", "json"), "text", "Lines for people, or one JSON object per line.")


@dataclass(frozen=True)
class HubConfig:
    """Everything ``python -m perunika_hub --config hub.toml`` reads."""

    chain: ChainSection = section(ChainSection, "The chain that settles.")
    keys: KeysSection = section(KeysSection, "Keys at rest are encrypted; passwords stand in files of their own.")
    store: StoreSection = section(StoreSection, "The hub's memory.")
    mqtt: MqttSection = section(MqttSection, "The broker between members and hub.")
    http: HttpSection = section(HttpSection, "The HTTP interface.")
    fees: FeesSection = section(FeesSection, "Prices of virtual channels.")
    limits: LimitsSection = section(LimitsSection, "Limits that no peer can argue away.")
    settle: SettleSection = section(SettleSection, "Closing channels on chain.")
    log: LogSection = section(LogSection, "Logs.")
    devices: tuple[DeviceEntry, ...] = sections(DeviceEntry, "Devices that members at other gateways may talk to.")


def price_list(config: FeesSection, now_s: int) -> Fees:
    """Return the fees as quoted now; they hold for ``valid_for`` to twice that."""
    until = (now_s // config.valid_for + 2) * config.valid_for
    return Fees(config.base, config.ppm, config.ppm_per_day, config.min_capacity, config.max_capacity, until)


def hub_policy(config: HubConfig, now_s: int) -> HubPolicy:
    """Return the core's limits as of ``now_s`` (Unix seconds)."""
    limits = config.limits
    return HubPolicy(
        price_list(config.fees, now_s),
        config.keys.vault_owner,
        limits.min_window,
        limits.max_window,
        limits.challenge_duration,
        limits.max_validity,
        limits.offer_timeout,
        limits.max_uncollected,
        limits.early_floor,
        limits.max_hub_deposit,
        limits.open_within,
        limits.checkpoint_every,
    )


def mqtt_settings(config: MqttSection) -> MqttSettings:
    """Return the link's settings."""
    return MqttSettings(
        config.host,
        config.port,
        config.client_id,
        ca_file=config.ca_file,
        user=config.user,
        password_file=config.password_file,
    )
