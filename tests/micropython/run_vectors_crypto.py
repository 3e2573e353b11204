"""Runs crypto vectors on the board, one per line of a file, so that no heap has to hold them all.

A line is a letter and fields in hex: ``K length digest``, ``A key-length length mac``, ``D seed label secret``,
``S secret digest address signature``, ``E secret digest entropy signature``, ``R digest signature address``.
"-" stands for empty. Prints each line that fails, then a count of lines; with ``bench`` as the second
argument prints measurements instead.
"""

import gc
import sys
import time

from perunika import crypto
from perunika.errors import LocalError


def message(length):
    return bytes([(7 * i + length) & 255 for i in range(length)])


def raw(field):
    return b"" if field == "-" else bytes.fromhex(field)


def signs(key, digest, address, signature):
    return (
        key.address == address
        and key.sign(digest) == signature
        and crypto.recover(digest, signature) == address
        and crypto.verify(digest, signature, address)
        and crypto.verify(digest, signature, address)
        and not crypto.verify(digest, signature[:64] + bytes((55 - signature[64],)), address)
    )


def holds(kind, fields):
    if kind == "K":
        return crypto.keccak256(message(int(fields[0]))) == raw(fields[1])
    if kind == "A":
        return crypto.hmac_sha256(message(int(fields[0])), message(int(fields[1]))) == raw(fields[2])
    parts = [raw(field) for field in fields]
    if kind == "D":
        return crypto.derive_secret(parts[0], parts[1]) == parts[2]
    if kind == "S":
        return signs(crypto.PrivateKey(parts[0]), parts[1], parts[2], parts[3])
    if kind == "E":
        return crypto.PrivateKey(parts[0], parts[2]).sign(parts[1]) == parts[3]
    if kind == "R":
        return crypto.recover(parts[0], parts[1]) == (parts[2] or None)
    return False


def run(path):
    count = failed = 0
    with open(path) as lines:
        for line in lines:
            fields = line.split()
            count += 1
            if not holds(fields[0], fields[1:]):
                failed += 1
                print("FAILED", line.strip())
    for secret in (bytes(32), b"\xff" * 32, b"\x01" * 31):
        try:
            crypto.PrivateKey(secret)
            print("FAILED bad secret accepted")
            failed += 1
        except LocalError:
            pass
    print("lines", count, "failed", failed, "backend", crypto.BACKEND)


def measure(name, action, times):
    gc.collect()
    start = time.ticks_us()
    for _ in range(times):
        action()
    print(name, time.ticks_diff(time.ticks_us(), start) // times)


def bench():
    digest = crypto.sha256(b"tick")
    key = crypto.PrivateKey(b"\x01" * 32)
    signature = key.sign(digest)
    for _ in range(2):
        crypto.verify(digest, signature, key.address)
    measure("keccak_block_us", lambda: crypto.keccak256(digest), 50)
    measure("sign_us", lambda: key.sign(digest), 50)
    measure("recover_us", lambda: crypto.recover(digest, signature), 20)
    measure("verify_known_us", lambda: crypto.verify(digest, signature, key.address), 50)
    gc.collect()
    print("heap_live_bytes", gc.mem_alloc())


if len(sys.argv) > 2 and sys.argv[2] == "bench":
    bench()
else:
    run(sys.argv[1])
