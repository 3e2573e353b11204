"""Make eip712.json: digests of every signed struct, computed with eth-account, which shares no code with Perunika.

Run: python tests/vectors/make_eip712.py   (rewrites tests/vectors/eip712.json; a test checks it is up to date)
"""

import hashlib
import json
from pathlib import Path

from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils import keccak

CHAIN_ID = 31337
CONTRACT = "0x" + "c0de" * 10

TYPES = {
    "BasicParams": "address alice,address bob,address aliceOwner,address bobOwner,address asset,"
    "uint32 challengeDuration,uint40 openBefore,bytes32 salt",
    "VirtualParams": "bytes32 payerChannel,bytes32 payeeChannel,address payer,address payee,uint128 payerCapacity,"
    "uint128 payeeCapacity,uint64 validity,uint32 window,bytes32 salt",
    "Voucher": "bytes32 channelId,uint128 cumulativeAmount",
    "TickChain": "bytes32 channelId,uint128 base,uint128 unit,uint32 length,bytes32 root",
    "Nanocontract": "bytes32 channelId,uint64 nid,uint64 version,int128 blockedAlice,int128 blockedBob,address app,"
    "bytes32 state,uint32 runTime",
    "Checkpoint": "bytes32 channelId,uint64 version,int128 net,uint64 floor,bytes retired",
    "Open": "bytes32 channelId,uint128 memberDeposit,uint128 hubDeposit,uint64 validUntil",
    "Withdraw": "bytes32 channelId,uint32 nonce,uint128 toAlice,uint128 toBob,uint64 validUntil",
    "Close": "bytes32 channelId,int128 net,uint64 validUntil",
    "Start": "bytes32 id,address agent,uint64 validUntil",
    "Finish": "bytes32 virtualId",
    "Action": "bytes32 channelId,uint64 nid,uint32 step,bytes32 stateHash,bytes32 inputHash",
    "Fund": "bytes32 channelId,address from,uint128 amount,uint64 validUntil",
    "Terms": "bytes32 payeeChannel,address payee,bytes32 payeeNonce,uint128 unitPrice,uint32 unitMillis,"
    "uint128 minCapacity,uint32 window,uint64 maxValidity,uint64 validUntil",
    "Ready": "bytes32 virtualId,uint32 handle,uint128 exposure",
    "ChainView": "bytes32 channelId,bytes32 virtualId,uint8 status,int128 base,uint128 total,uint128 hubFree,"
    "uint64 block,uint64 time,bytes32 nonce",
    "Reading": "address device,uint64 sequence,uint64 time,bytes32 kind,int256 value,int8 exponent",
    "Receipt": "bytes32 channelId,bytes32 registerHash,uint64 until",
    "Proposal": "bytes32 channelId,uint64 nid,uint64 version,bytes32 virtualId,int128 net",
}
POSTED_MAX = (1 << 96) - 1  # amounts are bounded by this when posted


def fields_of(name):
    return [tuple(reversed(item.split(" "))) for item in TYPES[name].split(",")]


def sample(name, variant):
    """Return fields for one case: 0 small, 1 mixed from a hash, 2 all maxima, 3 all minima."""
    values = {}
    for field, kind in fields_of(name):
        seed = hashlib.sha256(f"{name}.{field}.{variant}".encode()).digest()
        values[field] = sample_value(kind, field, seed, variant)
    return values


def sample_value(kind, field, seed, variant):
    if kind == "address":
        return "0x" + (seed[:20] if variant < 2 else (b"\xff" if variant == 2 else b"\x00") * 20).hex()
    if kind == "bytes32":
        return "0x" + (seed if variant < 2 else (b"\xff" if variant == 2 else b"\x00") * 32).hex()
    if kind == "bytes":
        return "0x" + [b"\x01", seed + seed, b"\xff" * 1024, b""][variant].hex()
    signed = kind.startswith("int")
    bits = int(kind[3:] if signed else kind[4:])
    top = (1 << (bits - 1)) - 1 if signed else (1 << bits) - 1
    if not signed and bits == 128:
        top = POSTED_MAX
    if field == "version":
        top = (1 << 40) - 1
    low = -top - 1 if signed else 0
    mixed = low + int.from_bytes(seed, "big") % (top - low + 1)
    return [5, mixed, top, low][variant]


def digest_of(name, fields):
    typed = {
        "domain": {"name": "Perunika", "version": "1", "chainId": CHAIN_ID, "verifyingContract": CONTRACT},
        "primaryType": name,
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            name: [{"name": field, "type": kind} for field, kind in fields_of(name)],
        },
        "message": fields,
    }
    return encode_typed_data(full_message=typed)


def make():
    cases = []
    secret = hashlib.sha256(b"perunika vector key").digest()
    for name in TYPES:
        for variant in range(4):
            fields = sample(name, variant)
            message = digest_of(name, fields)
            signed = Account.sign_message(message, secret)
            digest = keccak(b"\x19" + message.version + message.header + message.body)
            cases.append(
                {
                    "type": name,
                    "fields": {k: v if isinstance(v, str) else str(v) for k, v in fields.items()},
                    "digest": "0x" + digest.hex(),
                    "signature": "0x" + bytes(signed.signature).hex(),
                }
            )
    return {
        "domain": {"chainId": str(CHAIN_ID), "contract": CONTRACT},
        "types": {name: f"{name}({TYPES[name]})" for name in TYPES},
        "secret": "0x" + secret.hex(),
        "signer": Account.from_key(secret).address,
        "cases": cases,
    }


def text():
    return json.dumps(make(), indent=1) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("eip712.json").write_text(text())
