"""One section of a board's configuration: every key is asked for by name and checked when it is read.

A wrong key is named with its section and with a proposal; what was never asked for is a misspelling.
"""

from binascii import unhexlify

from perunika.errors import LocalError

_REQUIRED = object()


class Section:
    """Reads the JSON object ``items``; ``name`` is where it stands in the file, "" at the top.

    All readers raise ``LocalError("config")``. A reader with ``default`` returns it when the key is missing.
    """

    def __init__(self, name, items):
        if not isinstance(items, dict):
            raise LocalError("config", "%s must be an object" % (name or "the file"), "write { ... }")
        self._name = name
        self._items = items
        self._asked = []

    def has(self, key):
        """Return whether ``key`` is there; it counts as asked for."""
        self._asked.append(key)
        return key in self._items

    def text(self, key, default=_REQUIRED):
        """Return a text that is not empty."""
        value = self._get(key, default, "a text")
        if value is default:
            return value
        if not isinstance(value, str) or not value:
            raise self._wrong(key, "must be a text that is not empty")
        return value

    def number(self, key, low, high, default=_REQUIRED):
        """Return an integer within ``low``..``high``; decimal text is taken too, for amounts beyond 2^53."""
        value = self._get(key, default, "a whole number, for example %d" % low)
        if value is default:
            return value
        if isinstance(value, str):
            try:
                value = int(value)
            except ValueError:
                raise self._wrong(key, "is no whole number: " + value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._wrong(key, "must be a whole number")
        if not low <= value <= high:
            raise self._wrong(key, "is %d" % value, "choose %d to %d" % (low, high))
        return value

    def amount(self, key, default=_REQUIRED):
        """Return an amount in wei, below 2^96."""
        return self.number(key, 0, (1 << 96) - 1, default)

    def octets(self, key, size, default=_REQUIRED):
        """Return ``size`` bytes written as 0x-hex: 20 for an address, 32 for an id."""
        value = self._get(key, default, "0x and %d hex digits" % (2 * size))
        if value is default:
            return value
        if not isinstance(value, str) or len(value) != 2 + 2 * size or value[:2] != "0x":
            raise self._wrong(key, "must be 0x and %d hex digits" % (2 * size))
        try:
            return unhexlify(value[2:])
        except ValueError:
            raise self._wrong(key, "has digits that are not hex: " + value)

    def section(self, key):
        """Return the section ``key``."""
        return Section(self._path(key), self._get(key, _REQUIRED, "an object { ... }"))

    def done(self):
        """Refuse keys that nobody asked for: they are misspelt, and what they meant would be left out silently."""
        for key in self._items:
            if key not in self._asked:
                raise LocalError("config", "%s is not known" % self._path(key), "did you mean %s?" % self._nearest(key))

    def _get(self, key, default, proposal):
        self._asked.append(key)
        if key in self._items:
            return self._items[key]
        if default is _REQUIRED:
            raise LocalError("config", "%s is missing" % self._path(key), "add it: " + proposal)
        return default

    def _path(self, key):
        return self._name + "." + key if self._name else key

    def _wrong(self, key, text, hint="see the device guide"):
        return LocalError("config", "%s %s" % (self._path(key), text), hint)

    def _nearest(self, key):
        best = ""
        best_score = -1
        for known in self._asked:
            score = sum([1 for letter in key if letter in known]) - abs(len(key) - len(known))
            if score > best_score:
                best, best_score = known, score
        return best
