"""Make docs/perunika.cddl from the table of messages, so that the description cannot drift from the code.

Run: python tests/vectors/make_cddl.py   (a test checks that the committed file is up to date)
"""

from pathlib import Path
from typing import Any

from perunika.messages import TABLE, fields_of

CDDL = Path(__file__).resolve().parents[2] / "docs" / "perunika.cddl"
HEAD = """\
; The messages of Perunika on every link (RFC 8610). Made by tests/vectors/make_cddl.py from the table of
; protocol/perunika/messages.py.
;
; Encoding is core deterministic (RFC 8949, 4.2.1): shortest heads, map keys in order, nothing after the item; at most
; 2048 bytes. A receiver ignores keys that it does not know; a sender writes none, so these maps are closed.
; Key 0 is the type. Keys 1 to 3 (request id, to, from) are left out on a device's own link, where the id of a virtual
; channel may be its 4-byte handle. Addresses have 20 bytes, ids and hashes 32, signatures 65 (r, s, v with low s).

perunika = message

header = (? 1: bytes8, ? 2: address, ? 3: address)
"""
RENAMED = {"text": "sentence", "bytes": "blob"}  # names that CDDL has already
BYTES = {"address": 20, "bytes32": 32, "bytes8": 8, "signature": 65}


def snake(name: str) -> str:
    return "".join(("-" if index and c.isupper() else "") + c.lower() for index, c in enumerate(name))


def plain_rule(kind: str) -> str:
    """Return the CDDL type of a plain kind; integers beyond 64 bits are bignums."""
    if kind in BYTES:
        return f"bytes .size {BYTES[kind]}"
    if kind in ("bytes", "retired"):
        return "bytes .size (0..1024)"
    if kind in ("text", "word"):
        return f"text .size (0..{200 if kind == 'text' else 40})"
    if kind == "route":
        return "uint32 / bytes32"
    bits = {"amount": 96, "signed": 128}.get(kind) or int(kind.lstrip("uint"))
    signed = kind.startswith("int") or kind == "signed"
    if bits <= 64:
        top = (1 << (bits - 1)) - 1 if signed else (1 << bits) - 1
        if signed:
            return f"0..{top} / nint .ge {-top - 1}"
        return "uint" if top == (1 << 64) - 1 else f"0..{top}"
    size = f"(9..{bits // 8})"
    return f"uint / #6.2(bytes .size {size})" + (f" / nint / #6.3(bytes .size {size})" if signed else "")


def reference(kind: Any, used: dict[str, str]) -> tuple[str, bool]:
    """Return (CDDL name of ``kind``, whether it may be missing) and note every rule that it needs."""
    if isinstance(kind, str):
        name = kind.rstrip("?")
        if name == "route":
            reference("uint32", used)
            reference("bytes32", used)
        rule = RENAMED.get(name, name)
        used.setdefault(rule, plain_rule(name))
        return rule, kind.endswith("?")
    if isinstance(kind, tuple):
        names = [reference(each, used)[0] for each in kind if not isinstance(each, str)]
        if len(names) == 1:
            return names[0], kind[-1] == "?"
        used.setdefault("evidence-struct", " / ".join(names))
        return "evidence-struct", kind[-1] == "?"
    members = [f"{name}: {reference(each, used)[0]}" for name, each in kind.fields()]
    rule = wrapped("[", members, "]")
    used.setdefault(struct_name(kind), rule)
    return struct_name(kind), False


def struct_name(cls: type) -> str:
    return snake(cls.__name__) + "-struct"


def wrapped(start: str, members: list[str], end: str) -> str:
    one = start + ", ".join(members) + end
    if len(one) <= 90:
        return one
    return start + "\n" + "".join(f"  {each},\n" for each in members) + end


def message_rule(number: int, used: dict[str, str]) -> tuple[str, str]:
    name, fields = fields_of(number)
    members = [f"0: {number}", "header"]
    for key, (field, kind) in enumerate(fields):
        kind_name, optional = reference(kind, used)
        members.append(f"{'? ' if optional else ''}{4 + key}: {kind_name} ; {field}")
    lines = "".join(f"  {each.replace(' ;', ', ;') if ';' in each else each + ','}\n" for each in members)
    return snake(name), "{\n" + lines + "}"


def make_text() -> str:
    used: dict[str, str] = {}
    reference("bytes8", used)
    reference("address", used)
    rules = [message_rule(number, used) for number in range(len(TABLE))]
    choice = "message = " + " /\n          ".join(name for name, _ in rules)
    parts = [HEAD, choice + "\n"]
    parts += [f"{name} = {rule}\n" for name, rule in rules]
    parts += ["; Signed structs and evidence, as arrays in the order in which they are hashed\n"]
    parts += [f"{name} = {rule}\n" for name, rule in used.items() if name.endswith("-struct")]
    parts += ["; Plain kinds\n", "".join(f"{n} = {r}\n" for n, r in used.items() if not n.endswith("-struct"))]
    return "\n".join(parts)


if __name__ == "__main__":
    CDDL.write_text(make_text())
