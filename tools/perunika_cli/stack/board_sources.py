"""A board's modules as syntax trees: what each imports and defines, and what no board mentions."""

import ast
from collections.abc import Iterable, Mapping

from perunika_cli.stack.board_scopes import top_level_names

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
Imports = dict[str, tuple[str, str | None]]  # local name -> (module, its name; None for the module itself)


class Module:
    """One source file: its tree, what it imports from the others at its top level, and what it defines."""

    def __init__(self, name: str, source: str, known: Iterable[str]) -> None:
        self.name = name
        self.tree = ast.parse(source)
        self.known = set(known)
        self.imports: Imports = {}
        self.defined = list(dict.fromkeys(top_level_names(self.tree)))
        for statement in self.tree.body:
            self.imports |= self.targets(statement)
        # An import that depends on something stays where it is, and with it the module.
        self.alone = any(
            self.targets(node)
            for statement in self.tree.body
            if isinstance(statement, (ast.If, ast.Try))
            for node in ast.walk(statement)
        )

    def targets(self, node: ast.AST) -> Imports:
        """Return what an import statement takes from known modules; empty for everything else."""
        if not isinstance(node, ast.ImportFrom) or node.module is None:
            return {}
        found: Imports = {}
        for alias in node.names:
            local, inner = alias.asname or alias.name, f"{node.module}.{alias.name}"
            if inner in self.known:
                found[local] = (inner, None)
            elif node.module in self.known:
                found[local] = (node.module, alias.name)
        return found


def closure(root: str, modules: Mapping[str, Module]) -> list[str]:
    """Return ``root`` and all that it imports at its top level, each after what it needs itself."""
    done: dict[str, None] = {}

    def visit(name: str) -> None:
        if name in done or name not in modules:
            return
        for module, _ in modules[name].imports.values():
            visit(module)
        done[name] = None

    visit(root)
    return list(done)


def drop_unused(modules: Mapping[str, Module], kept: Iterable[str]) -> None:
    """Remove functions and classes that nothing on a board mentions (the hub's side of shared modules), and imports.

    ``kept``: modules whose names other programs use.
    """
    while _drop_once(modules, set(kept)):
        pass
    asked = {target for module in modules.values() for target in module.imports.values()}
    for module in modules.values():
        passed_on = {local for local in module.imports if (module.name, local) in asked}
        used = (
            passed_on
            | {node.id for node in ast.walk(module.tree) if isinstance(node, ast.Name)}
            | _exported(module.tree)
        )
        module.imports = {local: target for local, target in module.imports.items() if local in used}
        module.defined = list(dict.fromkeys(top_level_names(module.tree)))


def _drop_once(modules: Mapping[str, Module], kept: set[str]) -> bool:
    mentioned: dict[str, set[ast.stmt]] = {}
    for module in modules.values():
        for statement in module.tree.body:
            for word in _words(statement):
                mentioned.setdefault(word, set()).add(statement)
    dropped = False
    for module in modules.values():
        for statement in list(module.tree.body) if module.name not in kept else []:
            names = _defines(statement)
            if names and not any(mentioned.get(name, set()) - {statement} for name in names):
                module.tree.body.remove(statement)
                dropped = True
    return dropped


def _defines(statement: ast.stmt) -> set[str]:
    """Return the names of a function, a class or plain constants; empty for what may do more than define."""
    if isinstance(statement, _DEFINITIONS):
        return {statement.name}
    if isinstance(statement, ast.Assign) and not any(isinstance(node, ast.Call) for node in ast.walk(statement)):
        return {node.id for target in statement.targets for node in ast.walk(target) if isinstance(node, ast.Name)}
    return set()


def _words(statement: ast.stmt) -> set[str]:
    """Return every name that a statement mentions in any way but by importing it."""
    words: set[str] = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Name):
            words.add(node.id)
        elif isinstance(node, ast.Attribute):
            words.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            words.add(node.value)
            words.update(node.value.replace(",", " ").replace("?", " ").split(" "))  # kinds of fields are texts
    return words


def _exported(tree: ast.Module) -> set[str]:
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__":
            return _words(statement)
    return set()
