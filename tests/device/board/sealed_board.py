"""Opens what the host has sealed, seals again and creates seeds; prints a JSON object. MicroPython and CPython."""

import json
import sys

from perunika.errors import LocalError
from perunika_device import platform
from perunika_device.pbkdf2 import pbkdf2_sha256
from perunika_device.sealed import DEFAULT_ITERATIONS, load_or_create_seed, open_sealed, seal

setup = json.loads(sys.stdin.readline())


def unhex(text):
    return bytes.fromhex(text)


def code_of(blob, passphrase, salt):
    try:
        open_sealed(blob, passphrase, salt)
        return "opened"
    except LocalError as error:
        return error.code


blob, salt, passphrase = unhex(setup["blob"]), unhex(setup["salt"]), setup["passphrase"].encode()
secret = open_sealed(blob, passphrase, salt)
start_ms = platform.ticks_ms()
derived = pbkdf2_sha256(passphrase, salt, DEFAULT_ITERATIONS)
took_ms = platform.elapsed_ms(start_ms)
seed, created = load_or_create_seed(setup["directory"], passphrase)
again, created_again = load_or_create_seed(setup["directory"], passphrase)
print(
    json.dumps(
        {
            "secret": secret.hex(),
            "wrong": code_of(blob, b"0000", salt),
            "sealed": seal(secret, passphrase, salt, 1000).hex(),
            "derived": derived.hex(),
            "kdf_ms": took_ms,
            "seed": seed.hex(),
            "same": seed == again,
            "created": [created, created_again],
        }
    )
)
