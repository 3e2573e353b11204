"""Sells what a sensor measures: one signed reading for every payment, to anybody who pays the price.

MICROPYPATH=.frozen:protocol:device micropython examples/seller.py sensor-1/device.json 60
"""

import asyncio
import sys

from perunika.errors import PerunikaError
from perunika_device.seller import Seller
from perunika_device.sensors import temperature


def sensor():
    """Return a whole number; ``seller.exponent`` in device.json says what it counts (here hundredths of a degree)."""
    return temperature()


async def main(path, seconds):
    seller = Seller(path, sensor)
    done = await seller.run(seconds)
    print("sold", done["sold"], "readings for", done["earned_wei"], "wei")


try:
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
except PerunikaError as error:
    print("cannot sell:", error)
    sys.exit(1)
