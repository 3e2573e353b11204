"""Moves sentences out of a board's RAM: MicroPython keeps an object for every long text, also of code in flash.

Texts for people and codes of errors inside functions become pieces of one constant that stays in flash; a text is
made when somebody is told it. There are hundreds, nearly all of them in errors that never happen. Names of fields and
messages stay what they are: they have no punctuation.
"""

import ast

_LONG = 11  # shorter ones are names for MicroPython, kept once
_MARKS = set(" .-%:")
_ALL = "_texts"
_PIECE = "_text"
_HEAD = f"def {_PIECE}(start, end):\n    return str({_ALL}[start:end], 'utf-8')\n"


class Texts(ast.NodeTransformer):
    """Collects the texts of one module; ``head()`` gives the statements that the module then begins with."""

    def __init__(self) -> None:
        self._all = b""
        self._depth = 0

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Texts in a function are needed only when it runs; defaults are made once."""
        return self._inside(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        """The same for a coroutine."""
        return self._inside(node)

    def _inside(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        self._depth += 1
        node.body = [self.visit(statement) for statement in node.body]
        self._depth -= 1
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        """The pieces of an f-string are none of ours."""
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        """A sentence becomes a piece of the one constant."""
        if (
            not self._depth
            or not isinstance(node.value, str)
            or len(node.value) < _LONG
            or not _MARKS & set(node.value)
        ):
            return node
        raw = node.value.encode()
        start = self._all.find(raw)
        if start < 0:
            start = len(self._all)
            self._all += raw
        bounds: list[ast.expr] = [ast.Constant(start), ast.Constant(start + len(raw))]
        return ast.Call(ast.Name(_PIECE, ast.Load()), bounds, [])

    def head(self) -> list[ast.stmt]:
        """Return the constant and the function; nothing when there are no texts."""
        if not self._all:
            return []
        return [ast.Assign([ast.Name(_ALL, ast.Store())], ast.Constant(self._all)), *ast.parse(_HEAD).body]
