"""Fill in the generated parts of docs/spec.md: rules, messages, errors, state diagrams.

Run: python -m tests.protocol.make_spec   (a test checks that the committed file is up to date)

A part stands between ``<!-- made: name -->`` and ``<!-- end -->``; everything else is written by hand.
"""

import ast
import re
from pathlib import Path

from perunika.messages import TABLE
from perunika.phases import ROLE_NAMES, TRANSITIONS, WAITING
from tests.protocol.mutants import MUTANTS

ROOT = Path(__file__).resolve().parents[2]
SPEC = ROOT / "docs" / "spec.md"
CORE = ROOT / "protocol" / "perunika"
PART = re.compile(r"(<!-- made: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
FAULTS = {"LocalError": "ours", "PeerError": "peer", "ChainError": "chain"}

# What a signer keeps because no contract can enforce it.
RULES = {
    "R1": "One content per (channel, number, version) and per checkpoint version, ever; durable before it is sent;"
    " repetitions are the same bytes.",
    "R2": "A nanocontract whose blocked amounts add up to 0 is over: no later version.",
    "R3": "Retire only what both have terminated, with exactly its net; each checkpoint retires a superset of every"
    " one signed before, answered or not.",
    "R4": "Numbers only grow: even from the member, odd from the hub, never used twice, none that a checkpoint covers.",
    "R5": "Free cash counts every signature of either side that may still take effect; neither may fall below 0.",
    "R6": "After a signed close nothing else in that channel until it has expired, and a day more.",
    "R7": "Opening: payer's member signs first, then the payee's member, the hub last and both legs at once; it"
    " cancels only what it has not signed.",
    "R8": "The first voucher follows the payee's signed `Ready`; the payee serves only on a complete leg that it"
    " checked itself.",
    "R9": "Closing one-way: the hub's signature on the payee's leg is the payment; no voucher, no signature.",
    "R10": "Closing two-way: the hub signs both legs with the same net after both members have.",
    "R11": "Pay early only from a channel that is open and while the chain does not resolve the virtual channel.",
    "R12": "Keep all that a dispute needs on record: co-signed legs, best vouchers, the checkpoint.",
    "R13": "Accept nothing without a view of the chain younger than half of min(challenge duration, window).",
    "R14": "At the end of validity stop signing and accepting vouchers.",
    "R15": "Without memory sign nothing co-signed; a payer may take its own vouchers from the payee it asked.",
    "R16": "Ticks: one root per signature, at most 1024, the whole chain within the capacity, the best counts and not"
    " the sum.",
    "R17": "Budgets are absolute, cumulative amounts; no restart stretches them.",
    "R18": "Who signed `Finish` accepts and pays nothing more in that channel.",
    "R19": "What was paid early and not collected is counted and bounded, for the hub and per member.",
    "R20": "Member, payer, payee and vault owner have keys of their own.",
}

# Message -> (from -> to, what is signed by whom, or why nothing has to be).
MESSAGES = {
    "Error": ("anybody", "unsigned: it only informs, no state follows from it"),
    "QuoteRequest": ("member -> hub", "unsigned: it asks; a quote binds the hub only until it expires"),
    "Quote": ("hub -> member", "`Open` by the hub"),
    "TermsRequest": ("payer -> payee", "unsigned: it asks"),
    "Terms": ("payee -> payer", "`Terms` by the payee"),
    "AllowanceRequest": ("payer -> its member", "`VirtualParams` by the payer"),
    "OpenVirtual": ("payer's member -> hub", "`Nanocontract` version 1 by the member"),
    "OfferLeg": ("hub -> payee's member", "`Proposal` by the hub"),
    "LegSigned": ("member -> hub", "`Nanocontract` by the member"),
    "VirtualOpened": ("hub -> members -> ends", "`Nanocontract` version 1 by both"),
    "NotOk": (
        "hub -> payer's member; payee's member -> hub; member -> payer",
        "`Nanocontract` version 2 by the hub; to the hub and to a payer a hint, refusing what nobody signed",
    ),
    "CancelLeg": ("hub -> payee's member", "`Nanocontract` version 2 by the hub"),
    "ReadyRequest": ("payer -> payee", "unsigned: it asks"),
    "Ready": ("payee -> payer", "`Ready` by the payee"),
    "Voucher": ("payer -> payee; member <-> hub", "`Voucher` by who pays"),
    "TickChain": ("payer -> payee", "`TickChain` by the payer"),
    "Tick": ("payer -> payee", "the hash that nobody else knows"),
    "Ack": ("payee -> payer", "unsigned: it names no more than was paid, and service only as far as limits allow"),
    "WantVoucher": ("payee -> payer", "unsigned: it asks"),
    "CloseRequest": ("payer -> payee", "`Finish` by the payer"),
    "CloseLeg": (
        "payee -> its member -> hub",
        "`Finish` by the payee; `Nanocontract` version 2 by the member; vouchers",
    ),
    "LegClosed": ("hub -> members -> ends", "`Nanocontract` version 2 by the hub; a payer takes it as a hint"),
    "Collect": ("hub -> payer's member", "`Nanocontract` version 2 or `Proposal` by the hub; the payer's voucher"),
    "Collected": ("payer's member -> hub", "`Nanocontract` version 2 by the member"),
    "CheckpointOffer": ("hub -> member", "`Checkpoint` by the hub"),
    "CheckpointSigned": ("member -> hub", "`Checkpoint` by the member"),
    "WithdrawOffer": ("member <-> hub", "`Withdraw` by the sender"),
    "WithdrawSigned": ("member <-> hub", "`Withdraw` by the sender"),
    "CloseOffer": ("member <-> hub", "`Close` by the sender"),
    "CloseSigned": ("member <-> hub", "`Close` by the sender"),
    "Resume": ("payer -> payee; member -> hub; payee -> its member", "unsigned: it asks for what is repeated anyway"),
    "Resumed": ("payee -> payer", "`Terms` and `Ready` by the payee, the voucher by the payer itself"),
    "ChainViewRequest": ("device -> viewer", "unsigned: it asks, its nonce comes back"),
    "ChainView": ("viewer -> device", "`ChainView` by the viewer"),
    "Reading": ("seller -> buyer", "`Reading` by the seller's device"),
    "Protect": ("anybody -> watchtower", "unsigned: what it carries is signed"),
    "Receipt": ("watchtower -> anybody", "`Receipt` by the watchtower"),
    "Start": ("party -> agent", "`Start` by the party"),
    "Finish": ("payee -> payer", "`Finish` by the payee"),
}

# What to do about errors whose text alone does not say it, by the word before the dot.
ADVICE = {
    "allowance": "ask the owner for a (larger) allowance",
    "budget": "raise the payer's budget or buy less",
    "cbor": "the sender's encoder is not deterministic CBOR: update it",
    "chain": "look at the node or the gateway's connection to it",
    "channel": "look at the channel's state with `perunika channel`",
    "checkpoint": "the two sides differ: ask the hub's operator",
    "close": "repeat the close; vouchers may have been under way",
    "collect": "show the refund too, or settle on the chain",
    "fee": "agree on fees again: ask for a new quote",
    "hub": "try again later",
    "leg": "the two sides differ: ask again; if it stays, settle on the chain",
    "message": "the sender's software or address is wrong",
    "party": "give each role a key of its own",
    "pay": "wait until the channel is paying, or open another",
    "payee": "tell the gateway to serve this payee key",
    "phase": "nothing: a repeated or late message",
    "quote": "ask for what the hub offers: see its limits",
    "ready": "the payee must send its own `Ready`",
    "refund": "refund no more than was paid, before the close",
    "request": "the caller asked this party for what it does not do",
    "resume": "ask the payee that you paid",
    "terms": "choose another payee or raise the limits",
    "tick": "the payer must send a new chain",
    "unpaid": "serve nothing until the payment has come",
    "expired": "open a new channel",
    "value": "a value is out of range or of the wrong size: correct it",
    "view": "get a fresh view from the gateway",
    "virtual": "open another virtual channel, or mind its limits",
    "voucher": "the payer must send a voucher of its own, within the capacity",
    "withdraw": "wait for the other withdrawal, or ask for less",
    "fee.range": "a capacity cannot be negative",
}


def rules() -> str:
    lines = ["| rule | what a signer keeps | code | test that fails without it |", "| --- | --- | --- | --- |"]
    for rule, text in RULES.items():
        rows = [mutant for mutant in MUTANTS if mutant[0] == rule]
        modules = ", ".join(sorted({f"`{mutant[1]}`" for mutant in rows}))
        tests = "<br>".join(sorted({"`" + mutant[4].split("::")[1].split("[")[0] + "`" for mutant in rows}))
        lines.append(f"| {rule} | {text} | {modules} | {tests} |")
    return "\n".join(lines) + "\n"


def messages() -> str:
    lines = ["| type | message | from -> to | signed |", "| --- | --- | --- | --- |"]
    for number, text in enumerate(TABLE):
        name = text.split(" ")[0]
        way, signed = MESSAGES[name]
        lines.append(f"| {number} | `{name}` | {way} | {signed} |")
    return "\n".join(lines) + "\n"


def raised() -> dict[str, tuple[set[str], str, str]]:
    """Return code -> (faults, text, hint) of every error that the core constructs with a literal code."""
    found: dict[str, tuple[set[str], str, str]] = {}
    for path in sorted(CORE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FAULTS):
                continue
            texts = [literal(argument) for argument in node.args]
            if not texts or texts[0] is None:
                continue
            faults, text, hint = found.get(texts[0], (set(), "", ""))
            text = text or (texts[1] if len(texts) > 1 and texts[1] else "")
            hint = hint or (texts[2] if len(texts) > 2 and texts[2] else "")
            found[texts[0]] = (faults | {FAULTS[node.func.id]}, text, hint)
    return found


def literal(node: ast.expr) -> str | None:
    """Return the text of a literal, of ``"..." % ...`` or of the literals in a sum; ``None`` without any."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.BinOp):
        left, right = literal(node.left), literal(node.right) if isinstance(node.op, ast.Add) else ""
        return (left or "...") + (right if right is not None else "...")
    return None


def errors() -> str:
    lines = ["| code | whose fault | what it says | what to do |", "| --- | --- | --- | --- |"]
    for code, (faults, text, hint) in sorted(raised().items()):
        advice = hint or ADVICE.get(code) or ADVICE[code.split(".")[0]]
        said = re.sub(r"%[ds]", "…", text).replace("|", "\\|")
        lines.append(f"| `{code}` | {', '.join(sorted(faults))} | {said or '…'} | {advice} |")
    return "\n".join(lines) + "\n"


def states() -> str:
    parts = []
    for role, name in enumerate(ROLE_NAMES):
        lines = [
            f"**{name}** (repeats its last message in: {', '.join(WAITING[role])})",
            "",
            "```mermaid",
            "stateDiagram-v2",
        ]
        phases = TRANSITIONS[role]
        lines.append(f"    [*] --> {next(iter(phases))}")
        targets = set()
        for phase, following in phases.items():
            lines += [f"    {phase} --> {target}: {event}" for event, target in following.items()]
            targets |= set(following.values())
        lines += [f"    {target} --> [*]" for target in sorted(targets - set(phases))]
        parts.append("\n".join([*lines, "```"]))
    return "\n\n".join(parts) + "\n"


MAKERS = {"rules": rules, "messages": messages, "errors": errors, "states": states}


def make_text(text: str) -> str:
    """Return ``text`` with every generated part made anew."""
    return PART.sub(lambda match: match[1] + MAKERS[match[2]]() + match[3], text)


if __name__ == "__main__":
    SPEC.write_text(make_text(SPEC.read_text()))
