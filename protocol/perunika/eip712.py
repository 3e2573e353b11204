"""EIP-712 digests, written field by field (EIP-712 §"Definition of hashStruct"; onchain.md "Signed structs")."""

from perunika.crypto import keccak256
from perunika.value import REMEMBERS, Value, share

_WORD = 1 << 256


def word(kind, value):
    """Return the 32-byte word that EIP-712 hashes for an already range-checked ``value`` of ABI type ``kind``."""
    if kind == "bytes32":
        return value
    if kind == "address":
        return b"\x00" * 12 + value
    if kind == "bytes":
        return keccak256(value)
    if value < 0:
        value += _WORD
    return value.to_bytes(32, "big")


class Domain:
    """The EIP-712 domain {"Perunika", "1", chainId, contract}; its separator is computed once."""

    def __init__(self, chain_id, contract):
        self.chain_id = chain_id
        self.contract = contract
        kind = keccak256(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
        self.separator = keccak256(
            kind + keccak256(b"Perunika") + keccak256(b"1") + word("uint256", chain_id) + word("address", contract)
        )


_type_hashes = {}

# Fields whose Python name or bound differs from what the ABI says: posting enforces smaller bounds (onchain.md).
_NAMES = {"from": "source"}
_BOUNDS = {"version": "uint40", "retired": "retired"}


class Struct(Value):
    """A value that is signed: ``ABI`` is its EIP-712 member list, such as ``bytes32 id,address agent``.

    The fields have the members' names in snake case and the bounds that posting enforces. Its name is the class's.
    """

    __slots__ = ()
    ABI = ""

    @classmethod
    def _read_fields(cls, text):
        return tuple([_field(item) for item in cls.ABI.split(",")]) if cls.ABI else ()

    @classmethod
    def type_text(cls):
        """Return the EIP-712 type text, for instance ``Voucher(bytes32 channelId,uint128 cumulativeAmount)``."""
        return cls.__name__ + "(" + cls.ABI + ")"

    @classmethod
    def type_hash(cls):
        """Return keccak256 of the type text, remembered: a board pays milliseconds for it."""
        known = _type_hashes.get(cls.__name__)
        if known is None:
            known = _type_hashes[cls.__name__] = keccak256(cls.type_text().encode())
        return known

    def digest(self, domain):
        """Return the 32 bytes to sign in ``domain``; for BasicParams and VirtualParams this is also the id."""
        if not REMEMBERS:
            return self._digest(domain)
        known = self.__dict__.get("_digested")
        if known is None or known[0] is not domain:
            known = self.__dict__["_digested"] = (domain, self._digest(domain))
        return known[1]

    def _digest(self, domain):
        row = self.row()
        body = [self.type_hash()]
        kinds = self.ABI.split(",")
        for i in range(len(kinds)):
            body.append(word(kinds[i].split(" ")[0], row[i]))
        return keccak256(b"\x19\x01" + domain.separator + keccak256(b"".join(body)))


def _field(item):
    """Return (name, kind) of an ABI member: posting enforces smaller bounds than the ABI type says (onchain.md)."""
    kind, name = item.split(" ")
    bound = _BOUNDS.get(name) or ("amount" if kind == "uint128" else kind)
    return share(_NAMES.get(name) or _snake(name)), share(bound)


def _snake(name):
    return "".join([("_" + c.lower()) if "A" <= c <= "Z" else c for c in name])
