"""Runs message and EIP-712 vectors on the board, one per line of a file, so that no heap has to hold them all.

``M hex content``: the message is read, its content hashed, and written again. ``B hex code``: the bytes are refused
with this code. ``E type content digest signature``: a struct packed as CBOR is read, hashed for signing and signed.
Prints each line that fails, then a count.
"""

import gc
import sys

from perunika import cbor, structs
from perunika.crypto import PrivateKey, recover, sha256
from perunika.eip712 import Domain
from perunika.errors import PeerError
from perunika.messages import decode, encode, fields_of, number_of
from perunika.value import Value


def raw(text):
    return bytes.fromhex(text)


def flat(item):
    """Return a text that is the same on every runtime for the same content."""
    if item is None:
        return "-"
    if isinstance(item, Value):
        return "(" + ",".join([flat(each) for each in item.row()]) + ")"
    return item.hex() if type(item) is bytes else str(item)


def content(message):
    _, fields = fields_of(number_of(message.name))
    parts = [message.name, flat(message.request_id), flat(message.to), flat(message.sender)]
    return sha256("|".join(parts + [flat(message[name]) for name, _ in fields]).encode()).hex()


def holds_message(fields):
    message = decode(raw(fields[0]))
    return content(message) == fields[1] and encode(message) == raw(fields[0])


def holds_refusal(fields):
    try:
        decode(raw(fields[0]) if fields[0] != "-" else b"")
    except PeerError as error:
        return error.code == fields[1]
    return fields[1] == "accepted"


def holds_struct(fields, domain, key):
    for cls in structs.ALL:
        if cls.__name__ == fields[0]:
            value = cls.unpack(cbor.decode(raw(fields[1])))
            digest = value.digest(domain)
            signature = key.sign(digest)
            if digest.hex() != fields[2] or recover(digest, signature) != key.address:
                return False
            return signature.hex() == fields[3]
    return False


def run(path):
    count = failed = 0
    domain = key = None
    with open(path) as lines:
        for line in lines:
            fields = line.strip().split(" ")
            kind = fields.pop(0)
            if kind == "D":
                domain, key = Domain(int(fields[0]), raw(fields[1])), PrivateKey(raw(fields[2]))
                continue
            count += 1
            if kind == "M":
                good = holds_message(fields)
            elif kind == "B":
                good = holds_refusal(fields)
            else:
                good = holds_struct(fields, domain, key)
            if not good:
                failed += 1
                print("FAILED", line[:200].strip())
            gc.collect()  # the longest lines need 2 KB in one piece
    print("lines", count, "failed", failed)


if __name__ == "__main__":
    run(sys.argv[1])
