"""Lets the tests of this folder import ``support`` (real nodes and brokers that tests start)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
