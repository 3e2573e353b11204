"""Links a board's modules into a few: what a linker does for C, because MicroPython pays RAM for modules and names.

On a board every module costs a quarter of a kilobyte, every imported name an entry in a table, every distinct name a
place in the table of all names. Linked, the modules of one role are one module, imports between them are gone, and
private names and parameters are short. What the code does stays the same; docstrings and annotations go.
"""

import ast
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from perunika_cli.stack.board_scopes import ModuleName, Renamer
from perunika_cli.stack.board_sources import Module, closure, drop_unused
from perunika_cli.stack.board_texts import Texts, known_words, strip


class Bundle:
    """Modules that become one, under the name of ``root``; ``unique`` maps (module, name) to the name it gets."""

    def __init__(self, root: str, members: Sequence[Module]) -> None:
        self.root = root
        self.members = members
        self.unique: dict[tuple[str, str], str] = {}
        taken: set[str] = set()
        classes = {n.name for m in members for n in m.tree.body if isinstance(n, ast.ClassDef)}
        for member in members:
            for name in member.defined:
                self.unique[member.name, name] = self._choose(name, taken, classes, alone=len(members) == 1)

    def _choose(self, name: str, taken: set[str], classes: set[str], alone: bool) -> str:
        chosen = name
        if name[0] == "_" and name[:2] != "__" and name not in classes:
            chosen = f"_{len(taken)}"
        elif not alone:
            number = 2
            while chosen in taken:
                if name in classes:
                    raise ValueError(f"two classes called {name} in {self.root}")
                chosen, number = f"{name}_{number}", number + 1
        taken.add(chosen)
        return chosen


class Linker:
    """All bundles of a board. ``roots``: which modules may be imported by themselves, the most basic ones first.

    ``kept``: modules of which programs use names that nothing else mentions. Raises ``ValueError`` when two classes of
    one name would meet: a class's name is part of what is signed, so it never changes.
    """

    def __init__(self, sources: Mapping[str, str], roots: Sequence[str], kept: Iterable[str] = ()) -> None:
        self.modules = {name: Module(name, source, sources) for name, source in sources.items()}
        drop_unused(self.modules, kept)
        self.home: dict[str, Bundle] = {}
        claims = self._claims(roots)
        groups: dict[str, list[str]] = {}
        for root in roots:
            groups[root] = [n for n in self._members(root) if claims[n] == root]
        for name in self.modules:
            if claims.get(name) not in groups or name not in groups[claims[name]]:
                groups[name] = [name]
        self.bundles = [Bundle(root, [self.modules[n] for n in names]) for root, names in groups.items()]
        for bundle in self.bundles:
            for member in bundle.members:
                self.home[member.name] = bundle
        self.keywords = {
            node.arg
            for module in self.modules.values()
            for node in ast.walk(module.tree)
            if isinstance(node, ast.keyword) and node.arg
        }

    def _members(self, root: str) -> list[str]:
        found = closure(root, self.modules)
        for extra in EXTRA.get(root, ()):
            found += [name for name in closure(extra, self.modules) if name not in found]
        return found

    def _claims(self, roots: Sequence[str]) -> dict[str, str]:
        """Say to which root each module belongs: the first basic one that needs it; of the last ones only its own."""
        claims: dict[str, str] = {}
        for root in roots:
            for name in self._members(root):
                if self.modules[name].alone:
                    claims[name] = name
                elif name not in claims:
                    claims[name] = root
                elif claims[name] in ROLES and root in ROLES and name not in roots:
                    claims[name] = name  # two roles need it: it stands alone
        return claims

    def link(self) -> dict[str, str]:
        """Return the linked sources by module name.

        A module that went into another one still has a file of its own, that only says where its names are: it costs
        no memory unless a user's program imports it.
        """
        linked = {bundle.root: self._source(bundle) for bundle in self.bundles}
        for bundle in self.bundles:
            for member in bundle.members:
                if member.name != bundle.root:
                    linked[member.name] = _signpost(bundle, member)
        return linked

    def _source(self, bundle: Bundle) -> str:
        body: list[ast.stmt] = []
        outside: dict[str, str] = {}
        for member in bundle.members:
            names = self._names(bundle, member, outside)
            renamer = Renamer(names, self.keywords, partial(self._in_place, member=member))
            for statement in member.tree.body:
                if not self._goes(statement, member):
                    body += renamer.flat(statement)
        imports = [_import(root, local) for root, local in outside.items()]
        texts = Texts()
        body = [texts.visit(statement) for statement in strip(body)]
        tree = ast.fix_missing_locations(ast.Module([*known_words(body), *imports, *texts.head(), *body], []))
        return ast.unparse(tree) + "\n"

    def _goes(self, statement: ast.stmt, member: Module) -> bool:
        targets = member.targets(statement)
        return bool(targets) and all(self._linked(target) for target in targets.values())

    def _linked(self, target: tuple[str, str | None]) -> bool:
        module, name = target
        return name is not None or not self.modules[module].alone

    def _names(self, bundle: Bundle, member: Module, outside: dict[str, str]) -> dict[str, ast.expr]:
        """Return what each global name of ``member`` becomes; adds to ``outside`` what other bundles must give."""
        names: dict[str, ast.expr] = {n: ast.Name(bundle.unique[member.name, n]) for n in member.defined}
        for local, (module, name) in member.imports.items():
            if name is not None:
                names[local] = self._place(bundle, module, name, outside)
            elif not self.modules[module].alone:
                names[local] = ModuleName(
                    {n: self._place(bundle, module, n, outside) for n in _attributes(member.tree, local)}
                )
        return names

    def _place(self, bundle: Bundle, module: str, name: str, outside: dict[str, str]) -> ast.expr:
        """Return where ``bundle`` finds ``name`` of ``module``; what only passes through is followed.

        What is in another bundle is used as its attribute: a name of our own would cost an entry in a table.
        """
        found = self.modules[module].imports.get(name)
        if found is not None and found[1] is not None and not self.modules[module].alone:
            return self._place(bundle, found[0], found[1], outside)
        home = self.home[module]
        unique = home.unique.get((module, name), name)
        if home is bundle:
            return ast.Name(unique)
        if bundle.members[0].alone:  # may be half loaded itself: it takes names, as its conditional imports do
            outside[f"{home.root} {unique}"] = unique
            return ast.Name(unique)
        return ast.Attribute(ast.Name(outside.setdefault(home.root, f"_b{len(outside)}")), unique)

    def _in_place(self, node: ast.ImportFrom, member: Module) -> list[ast.stmt]:
        """Rewrite an import inside a function or a condition: its module may have another name now."""
        targets = member.targets(node)
        if not targets or any(name is None for _, name in targets.values()):
            return [node]
        made: list[ast.stmt] = []
        for local, (module, name) in targets.items():
            home = self.home[module]
            unique = home.unique.get((module, str(name)), str(name))
            made.append(ast.ImportFrom(home.root, [ast.alias(unique, local if local != unique else None)], 0))
        return made


def _signpost(bundle: Bundle, member: Module) -> str:
    public = [name for name in member.defined if name[0] != "_"]
    names = [ast.alias(bundle.unique[member.name, name], name) for name in public]
    if not names:
        return ""
    return ast.unparse(ast.ImportFrom(bundle.root, names, 0)) + "\n"


def _import(root: str, local: str) -> ast.stmt:
    module, _, name = root.partition(" ")
    return ast.ImportFrom(module, [ast.alias(name)], 0) if name else ast.Import([ast.alias(module, local)])


def _attributes(tree: ast.AST, alias: str) -> set[str]:
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == alias
    }


# Small modules that several roles need.
EXTRA = {
    "perunika_device.agent": (
        "perunika.endpoint",
        "perunika.streams",
        "perunika_device.chain_feed",
        "perunika_device.event_log",
        "perunika_device.marker",
        "perunika_device.role",
    )
}
# What other programs import by name.
PROGRAMS = ("perunika_device.main", "perunika_device.payer", "perunika_device.seller", "perunika_device.sensors")
ROLES = ("perunika_device.paying", "perunika_device.selling", "perunika_device.own_channel")
ROOTS = (
    "perunika.crypto.pure",
    "perunika_device.platform_micropython",
    "perunika_device.agent",
    "perunika_device.config",
    "perunika_device.identity",
    *ROLES,
)


def link(sources: Mapping[str, str]) -> dict[str, str]:
    """Return the linked modules of a board, by name, from its sources by name."""
    return Linker(sources, ROOTS, PROGRAMS).link()
