"""Why the contract refused, in words, and what to do about it."""

from collections.abc import Mapping

from perunika.errors import ChainError
from perunika_host.chain_abi import perunika_abi
from perunika_host.rpc import RpcError

HINTS = {
    "WrongStatus": "look at the channel's status first; it may be closed, in dispute or not open yet",
    "Expired": "the offer or signature is too old: ask for a new one",
    "TooEarly": "wait until that time and send it again",
    "DurationOutOfRange": "choose a challenge duration or window that this deployment allows",
    "BadParties": "member and hub must be two keys, every address set, no owner the contract itself",
    "BadSignature": "wrong key, wrong content, or another chain or contract than the one it was signed for",
    "NotOperator": "the vault's owner must call setOperator for this hub key first",
    "NotAParty": "send it from a party or an owner of the channel",
    "WrongValue": "send exactly the deposit along",
    "VaultTooLow": "deposit into the vault of this owner first",
    "WrongNonce": "ask the other side for a withdrawal with the next number",
    "Overdrawn": "withdraw less than the channel holds",
    "WrongDeposit": "this token takes a fee or is broken; do not use it",
    "TransferFailed": "check balance and allowance of the payer, and that the receiver takes coin",
    "NoCode": "the asset's address holds no contract on this chain",
    "WrongCheckpoint": "settle with the checkpoint that was posted",
    "GasTooLow": "send it again with more gas",
    "BadWindows": "the shortest window must be at least 1 second and not above the longest",
}


class RevertError(ChainError):
    """The contract refused a call, everything is as it was: ``name`` of the custom error and its ``fields``."""

    def __init__(self, call: str, name: str, fields: Mapping[str, object]) -> None:
        self.name = name
        self.fields = dict(fields)
        shown = ", ".join(f"{key} {_shown(value)}" for key, value in fields.items())
        text = f"the contract refuses {call}: {name}" + (f" ({shown})" if shown else "")
        super().__init__("chain.reverted", text, HINTS.get(name, ""))


def _shown(value: object) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)


def revert_error(call: str, revert: bytes) -> RevertError:
    """Return the RevertError for what a call returned when it failed."""
    return RevertError(call, *perunika_abi().decode_error(revert))


def explained(call: str, error: RpcError) -> ChainError:
    """Return a better error for a node's refusal: the contract's reason, or the known ones of nodes."""
    if error.revert is not None:
        return revert_error(call, error.revert)
    if "insufficient funds" in error.message.lower():
        hint = "send coin for gas and deposit to the account that sends this"
        return ChainError("chain.funds", f"{call}: {error.message}", hint)
    if "revert" in error.message.lower():
        return RevertError(call, "unknown", {"text": error.message})
    return error
