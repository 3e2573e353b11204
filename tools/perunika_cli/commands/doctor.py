"""`perunika doctor`: looks at everything, and says how to repair what is wrong."""

import argparse
from pathlib import Path

from rich.markup import escape

from perunika_cli import checks
from perunika_cli.arguments import SET
from perunika_cli.check_services import gateway, hub
from perunika_cli.checks import Finding
from perunika_cli.command import FAILED, OK, Command, Example, option
from perunika_cli.output import Output, table
from perunika_gateway.config import GatewayConfig
from perunika_host.config import settings_of
from perunika_hub.config import HubConfig

LOOKS = {"hub": hub, "gateway": gateway}
CONFIGS: dict[str, type] = {"hub": HubConfig, "gateway": GatewayConfig}
MARKS = {"ok": "ok", "note": "note", "bad": "BAD"}


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Look, tell, and return FAILED when something keeps a service from working."""
    findings = checks.machine()
    services = [name for name in LOOKS if getattr(arguments, name) is not None or _is_here(name)]
    for name in services:
        values = _meant_for(name, services, arguments.set)
        given: Path | None = getattr(arguments, name)
        findings += LOOKS[name](argparse.Namespace(config=given, set=values, url=None, token_file=None))
    wrong = [finding for finding in findings if finding.verdict == "bad"]
    plain = {"ok": not wrong, "findings": [finding.as_json() for finding in findings]}
    output.answer(plain, table(("", "what", "found"), [_row(finding) for finding in findings]), *_repairs(findings))
    return FAILED if wrong else OK


def _meant_for(name: str, services: list[str], values: list[str]) -> list[str]:
    """Return the KEY=VALUE of ``values`` without those that only the other service's configuration knows."""
    others = {key for other in services if other != name for key in settings_of(CONFIGS[other])}
    foreign = others - set(settings_of(CONFIGS[name]))
    return [value for value in values if value.partition("=")[0].strip() not in foreign]


def _is_here(name: str) -> bool:
    return Path(f"{name}.toml").exists() or (Path(name) / f"{name}.toml").exists()


def _row(finding: Finding) -> tuple[str, str, str]:
    return MARKS[finding.verdict], finding.name, escape(finding.text)


def _repairs(findings: list[Finding]) -> list[str]:
    lines = [f"  {finding.name}: {escape(finding.fix)}" for finding in findings if finding.fix]
    return ["\nTo do:", *lines] if lines else ["\nNothing to do."]


COMMAND = Command(
    "doctor",
    "check this machine and its configuration, and say how to repair it",
    """Looks at the programs on this machine and, where there is a hub.toml or gateway.toml, at everything it names:
keys and secrets, node, contract, clock, gas money, brokers with TLS and access rules, disk, the running process. Each
thing that is wrong comes with what to do; the exit status is 1 if something keeps a service from working.""",
    run,
    (
        option("--hub", type=Path, metavar="FILE", help="hub.toml (default: ./hub.toml or ./hub/hub.toml, if there)"),
        option("--gateway", type=Path, metavar="FILE", help="gateway.toml (default: likewise)"),
        SET,
    ),
    (
        Example("perunika doctor", "this machine, and the services configured here"),
        Example("perunika doctor --json", "for programs"),
    ),
)
