"""``python -m perunika_gateway --config gateway.toml``"""

import sys

from perunika_gateway.service import run

sys.exit(run())
