"""Pays a gate per second: the barrier of a car park stays open while the money flows.

    MICROPYPATH=.frozen:protocol:device micropython examples/payer.py pump-1/device.json 10

``device.json`` is what `perunika device init` writes; docs/guide-device.md explains every line of it.
On a board the modules are in flash and the path is not needed.
"""

import asyncio
import sys

from perunika.errors import PerunikaError
from perunika_device.payer import Payer


async def main(path, seconds):
    payer = Payer(path)
    done = await payer.run(seconds)
    print("paid", done.get("paid_wei", 0), "wei for", done.get("served", 0), "seconds;", done["phase"])
    return 0 if done["phase"] == "closed" else 1


try:
    status = asyncio.run(main(sys.argv[1], float(sys.argv[2])))
except PerunikaError as error:
    print("cannot pay:", error)  # says whose fault it is and what to do
    status = 1
sys.exit(status)
