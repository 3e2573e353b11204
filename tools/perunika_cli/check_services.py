"""Doctor's look at a hub's and a gateway's configuration, and at everything it names."""

import argparse
import asyncio
from pathlib import Path

from perunika.errors import PerunikaError
from perunika_cli import check_chain, checks
from perunika_cli.api import Api
from perunika_cli.channel_file import read_channel_file
from perunika_cli.check_broker import broker
from perunika_cli.checks import Finding, bad, ok
from perunika_cli.hub_views import is_healthy
from perunika_cli.services import gateway_api, gateway_config, hub_api, hub_config
from perunika_gateway.config import GatewayConfig, SiteConfig
from perunika_gateway.config import HubConfig as HubOfGateway
from perunika_gateway.topics import ROOT, hub_topic
from perunika_host.chain import STATUS_OPEN, Chain
from perunika_host.config import ConfigError, Problem
from perunika_host.config_examples import example_addresses
from perunika_host.keystore import keystore_address
from perunika_host.mqtt_settings import MqttSettings
from perunika_hub.config import HubConfig, mqtt_settings

FOREIGN_SITE = "perunika-doctor"


def wrong_config(prefix: str, error: PerunikaError) -> list[Finding]:
    """Return every problem of a configuration as a finding of its own."""
    if not isinstance(error, ConfigError):
        return [bad(f"{prefix} config", error)]
    return [_problem(prefix, problem) for problem in error.problems]


def _problem(prefix: str, problem: Problem) -> Finding:
    fix = problem.hint or "see the file's comments"
    return Finding(f"{prefix} config", "bad", f"{problem.key}: {problem.text}", fix)


def _filled_in(prefix: str, path: Path, config: HubConfig | GatewayConfig) -> list[Finding]:
    """Name the addresses that are still examples; the rest can be looked at all the same."""
    left = [_problem(prefix, problem) for problem in example_addresses(config)]
    return left or [ok(f"{prefix} config", str(path))]


def hub(arguments: argparse.Namespace) -> list[Finding]:
    """Look at hub.toml and all that it needs."""
    try:
        path, config = hub_config(arguments)
    except PerunikaError as error:
        return wrong_config("hub", error)
    keys = config.keys
    findings = [
        *_filled_in("hub", path, config),
        checks.key("hub key", keys.hub_keystore, keys.hub_password_file),
        checks.key("hub gas key", keys.gas_keystore, keys.gas_password_file),
        *checks.secret("hub admin token", config.http.admin_token_file, "token"),
        checks.disk("hub store", config.store.path),
    ]
    findings += checks.guarded("hub chain", lambda: asyncio.run(_hub_chain(config)))
    own = f"{ROOT}/hub/{FOREIGN_SITE}/doctor"
    findings += checks.guarded(
        "hub broker",
        lambda: asyncio.run(broker("hub broker", mqtt_settings(config.mqtt), own, f"{ROOT}/{FOREIGN_SITE}/doctor")),
    )
    return findings + checks.guarded("hub process", lambda: [running("hub process", hub_api(arguments))])


async def _hub_chain(config: HubConfig) -> list[Finding]:
    place = config.chain
    findings, chain = await check_chain.connect(
        place.rpc_url, place.contract, place.chain_id, place.confirmations, "hub"
    )
    if chain is None:
        return findings
    async with chain:
        findings.append(await check_chain.clock(chain, "hub"))
        findings.append(await check_chain.gas(chain, keystore_address(config.keys.gas_keystore), "hub"))
        hub_key = keystore_address(config.keys.hub_keystore)
        return findings + await check_chain.vault(chain, config.keys.vault_owner, hub_key, "hub")


def gateway(arguments: argparse.Namespace) -> list[Finding]:
    """Look at gateway.toml and all that it needs."""
    try:
        path, config = gateway_config(arguments)
    except PerunikaError as error:
        return wrong_config("gateway", error)
    findings = [
        *_filled_in("gateway", path, config),
        checks.key("gateway member key", config.member.keystore, config.member.password_file),
        *checks.secret("gateway admin token", config.http.admin_token_file, "token"),
        checks.disk("gateway store", config.store.path),
    ]
    if config.meter.keystore is not None and config.meter.password_file is not None:
        findings.append(checks.key("gateway meter key", config.meter.keystore, config.meter.password_file))
    if config.store.second_path is not None:
        findings.append(checks.disk("gateway second store", config.store.second_path))
    findings += checks.guarded("gateway chain", lambda: asyncio.run(_gateway_chain(config)))
    findings += checks.guarded("gateway brokers", lambda: asyncio.run(_gateway_brokers(config)))
    return findings + checks.guarded("gateway process", lambda: [running("gateway process", gateway_api(arguments))])


async def _gateway_chain(config: GatewayConfig) -> list[Finding]:
    place = config.chain
    findings, chain = await check_chain.connect(
        place.rpc, place.contract, place.chain_id, place.confirmations, "gateway"
    )
    if chain is None:
        return findings
    async with chain:
        return [*findings, await check_chain.clock(chain, "gateway"), await _channel(config, chain)]


async def _channel(config: GatewayConfig, chain: Chain) -> Finding:
    """Look whether our basic channel is open on the chain."""
    try:
        channel_id = read_channel_file(config.member.channel).channel_id
    except PerunikaError as error:
        return Finding("gateway channel", "bad", error.text, "`perunika channel open`")
    view = await chain.chain_view(channel_id)
    if view.status == STATUS_OPEN:
        return ok("gateway channel", f"0x{channel_id.hex()} is open")
    text = f"0x{channel_id.hex()} is not open in a confirmed block"
    return Finding("gateway channel", "bad", text, "wait for confirmations, or see `perunika channel show`")


async def _gateway_brokers(config: GatewayConfig) -> list[Finding]:
    member = keystore_address(config.member.keystore)
    foreign = f"{ROOT}/{FOREIGN_SITE}/doctor"
    hub_link = _settings(config.hub.host, config.hub)
    findings = await broker("gateway hub broker", hub_link, hub_topic(member, "doctor"), foreign)
    if config.site.host is not None:
        site_link = _settings(config.site.host, config.site)
        own = f"{ROOT}/{config.site.name}/{member.hex()}/doctor"
        findings += await broker("gateway site broker", site_link, own, foreign)
    return findings


def _settings(host: str, place: SiteConfig | HubOfGateway) -> MqttSettings:
    return MqttSettings(
        host, place.port, "doctor", ca_file=place.ca_file, user=place.user, password_file=place.password_file
    )


def running(name: str, api: Api) -> Finding:
    """Look whether the process runs and is well; one that does not run is no fault."""
    try:
        health = api.health()
    except PerunikaError as error:
        return Finding(name, "note", error.text, f"`perunika {name.split()[0]} run` starts it")
    if is_healthy(health):
        return ok(name, f"runs at {api.url}")
    return Finding(name, "bad", f"runs at {api.url}, but is not well: {health}", "see its log")
