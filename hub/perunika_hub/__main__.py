"""``python -m perunika_hub --config hub.toml [--set chain.rpc_url=http://…]``."""

import argparse
import os
import sys

from perunika.errors import LocalError
from perunika_host.config import overrides_from_environment, parse_overrides
from perunika_hub.service import main


def _run() -> int:
    parser = argparse.ArgumentParser(prog="python -m perunika_hub", description="Run a Perunika hub.")
    parser.add_argument("--config", required=True, help="TOML file; `perunika hub init` writes a commented one")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override one setting")
    arguments = parser.parse_args()
    try:
        overrides = overrides_from_environment(os.environ, "PERUNIKA_HUB_") | parse_overrides(arguments.set)
    except LocalError as error:
        sys.stderr.write(f"perunika hub: {error}\n")
        return 2
    return main(arguments.config, overrides)


sys.exit(_run())
