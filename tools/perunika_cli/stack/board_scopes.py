"""Renames the global names and the parameters of a module, by Python's own rules of scope."""

import ast
from collections.abc import Callable, Iterator, Mapping

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def top_level_names(tree: ast.Module) -> Iterator[str]:
    """Yield the names that a module binds itself at its top level, imports left out."""
    for statement in tree.body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield statement.name
        else:
            yield from _stored(statement)


def _stored(node: ast.AST) -> Iterator[str]:
    """Yield the names bound in ``node``, those of nested scopes left out."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.ExceptHandler) and node.name:
        yield node.name
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield child.name
        elif not isinstance(child, (ast.Lambda, *_COMPREHENSIONS)):
            yield from _stored(child)


def _imported(node: ast.AST) -> Iterator[str]:
    for child in ast.walk(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            for alias in child.names:
                yield (alias.asname or alias.name).split(".")[0]


def parameters(node: Function) -> list[ast.arg]:
    """Return all parameters of a function."""
    found = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return found + [extra for extra in (node.args.vararg, node.args.kwarg) if extra is not None]


class ModuleName(ast.Name):
    """An alias of a linked module: ``places`` says what its attributes are now."""

    def __init__(self, places: dict[str, ast.expr]) -> None:
        super().__init__("?")
        self.places = places


class Renamer(ast.NodeTransformer):
    """Replaces global names by ``names`` and parameters that nobody calls by keyword by short ones.

    ``keywords``: every name used as a keyword argument anywhere. ``in_place`` rewrites imports inside functions.
    """

    def __init__(
        self,
        names: Mapping[str, ast.expr],
        keywords: set[str],
        in_place: Callable[[ast.ImportFrom], list[ast.stmt]],
    ) -> None:
        self._names = names
        self._keywords = keywords
        self._in_place = in_place
        self._scopes: list[dict[str, str]] = []  # local name -> what it is called now

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """A local name, or a global one."""
        for scope in reversed(self._scopes):
            if node.id in scope:
                return ast.Name(scope[node.id], node.ctx)
        replacement = self._names.get(node.id)
        if isinstance(replacement, ast.Attribute):
            return ast.Attribute(replacement.value, replacement.attr, node.ctx)
        return node if replacement is None else ast.Name(_identifier(replacement, node.id), node.ctx)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """An attribute of a linked module is a name of ours."""
        if isinstance(node.value, ast.Name) and not any(node.value.id in scope for scope in self._scopes):
            module = self._names.get(node.value.id)
            if isinstance(module, ModuleName):
                return module.places[node.attr]
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """A function or method."""
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        """The same for a coroutine."""
        return self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        if not self._scopes:
            replacement = self._names.get(node.name)
            node.name = node.name if replacement is None else _identifier(replacement, node.name)
        node.returns = None
        node.decorator_list = [self.visit(each) for each in node.decorator_list]
        self._enter(node, {name: name for name in (*_bound(node), *_imported(node))})
        kept = [s for s in node.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
        node.body = [made for statement in kept for made in self.flat(statement)] or [ast.Pass()]
        self._scopes.pop()
        return node

    def flat(self, statement: ast.stmt) -> list[ast.stmt]:
        """Return what ``statement`` becomes: one statement or several."""
        made = self.visit(statement)
        return made if isinstance(made, list) else [made]

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        """A function without a name."""
        self._enter(node, {})
        node.body = self.visit(node.body)
        self._scopes.pop()
        return node

    def _enter(self, node: Function, scope: dict[str, str]) -> None:
        node.args.defaults = [self.visit(each) for each in node.args.defaults]
        node.args.kw_defaults = [None if each is None else self.visit(each) for each in node.args.kw_defaults]
        first = sum(len(outer) for outer in self._scopes)  # a nested function may use what is around it
        for number, parameter in enumerate(parameters(node), first):
            parameter.annotation = None
            kept = parameter.arg in self._keywords or parameter.arg in ("self", "cls")
            short = parameter.arg if kept else f"p{number}_"
            scope[parameter.arg] = short
            parameter.arg = short
        self._scopes.append(scope)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """A class: what it binds is seen by its own statements, not by its methods."""
        node.bases = [self.visit(each) for each in node.bases]
        node.decorator_list = [self.visit(each) for each in node.decorator_list if not _is_typing(each)]
        body: list[ast.stmt] = []
        bound = {name for statement in node.body for name in _stored(statement)}
        hidden = {name: self._names[name] for name in bound if name in self._names}
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign):
                if statement.value is None:
                    continue
                statement = ast.Assign([statement.target], statement.value)
            if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
                body.append(self._method(statement))
            elif not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
                body += self._class_statement(statement, hidden)
        node.body = body or [ast.Pass()]
        return node

    def _method(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.stmt:
        self._scopes.append({})  # its name is the class's, not a global
        made = self._function(node)
        self._scopes.pop()
        return made  # type: ignore[return-value]

    def _class_statement(self, statement: ast.stmt, hidden: Mapping[str, ast.expr]) -> list[ast.stmt]:
        self._scopes.append({name: name for name in hidden if name in set(_stored(statement))})
        made = self.flat(statement)
        self._scopes.pop()
        return made

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        """An annotated assignment loses its annotation."""
        if node.value is None:
            return ast.Pass()
        made: ast.AST = self.visit(ast.Assign([node.target], node.value))
        return made

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> ast.AST:
        targets = {n.id for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)}
        self._scopes.append({name: name for name in targets})
        made = self.generic_visit(node)
        self._scopes.pop()
        return made

    def visit_ListComp(self, node: ast.ListComp) -> ast.AST:
        """A scope of its own, as all comprehensions."""
        return self._comprehension(node)

    def visit_SetComp(self, node: ast.SetComp) -> ast.AST:
        """The same."""
        return self._comprehension(node)

    def visit_DictComp(self, node: ast.DictComp) -> ast.AST:
        """The same."""
        return self._comprehension(node)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> ast.AST:
        """The same."""
        return self._comprehension(node)

    def visit_Global(self, node: ast.Global) -> ast.AST:
        """A declaration of globals."""
        names = [self._names.get(name) for name in node.names]
        node.names = [n if r is None else _identifier(r, n) for n, r in zip(node.names, names, strict=True)]
        return node

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        """The name of an error is a local one, except at the top level."""
        if node.name and not self._scopes and node.name in self._names:
            node.name = _identifier(self._names[node.name], node.name)
        return self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | list[ast.stmt]:
        """An import that stays."""
        return self._in_place(node)


def _bound(node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    found = {name for statement in node.body for name in _stored(statement)}
    found |= {s.name for s in node.body if isinstance(s, (ast.FunctionDef, ast.AsyncFunctionDef))}
    outer = {name for s in ast.walk(node) if isinstance(s, (ast.Global, ast.Nonlocal)) for name in s.names}
    return found - outer


def _identifier(replacement: ast.expr, name: str) -> str:
    if isinstance(replacement, ModuleName) or not isinstance(replacement, ast.Name):
        raise ValueError(f"{name} is a module and is used as a value")
    return replacement.id


def _is_typing(decorator: ast.expr) -> bool:
    return "dataclass_transform" in ast.unparse(decorator)
