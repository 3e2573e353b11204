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


_UNUSED_METHODS = ("__repr__", "__hash__", "__init_subclass__")


def strip(body: list[ast.stmt]) -> list[ast.stmt]:
    """Drop what a board never uses: docstrings, ``__all__``, second imports, ``__slots__``, methods for people."""
    seen: set[str] = set()
    kept: list[ast.stmt] = []
    for statement in body:
        text = ast.unparse(ast.fix_missing_locations(statement))
        if isinstance(statement, (ast.Import, ast.ImportFrom)) and text in seen:
            continue
        seen.add(text)
        if isinstance(statement, ast.ClassDef):
            statement.body = [each for each in statement.body if not _is_idle(each)] or [ast.Pass()]
        if not _is_text(statement) and not text.startswith("__all__"):
            kept.append(statement)
    return kept


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _is_idle(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Assign):
        return ast.unparse(statement.targets[0]) == "__slots__"
    return isinstance(statement, ast.FunctionDef) and statement.name in _UNUSED_METHODS


def known_words(body: list[ast.stmt]) -> list[ast.stmt]:
    """Return statements that make MicroPython know the words of ``body`` before it meets them.

    A text of more than ten characters becomes an object of its own, unless it is known as a name by then. The names
    of messages and fields are, at the latest when the first message is read.
    """
    words = sorted({
        node.value
        for statement in body
        for node in ast.walk(statement)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        and len(node.value) >= _LONG and node.value.isidentifier()
    })  # fmt: skip
    if not words:
        return []
    lines = "".join(f"    _.{word}\n" for word in words)
    return ast.parse(f"def _words(_):\n{lines}del _words\n").body
