"""Shortens private names of a module: MicroPython keeps every distinct name in RAM, also of code that runs from flash.

Only names that a module defines at its top level and that begin with one underscore change: nobody else may use them,
so each module can count them from ``_0`` and all modules share the same few names. Lines stay where they are.
"""

import ast
import io
import tokenize
from collections.abc import Iterator

_SKIPPED = (tokenize.NL, tokenize.COMMENT, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)


def shorten(source: str) -> str:
    """Return ``source`` with its private top-level names replaced."""
    private = sorted({name for name in _top_level(ast.parse(source)) if name[0] == "_" and name[:2] != "__"})
    short = {name: f"_{number}" for number, name in enumerate(private)}
    lines = source.splitlines(keepends=True)
    for row, start, end, name in reversed(list(_uses(source, short))):
        line = lines[row - 1]
        lines[row - 1] = line[:start] + short[name] + line[end:]
    return "".join(lines)


def _top_level(tree: ast.Module) -> Iterator[str]:
    for statement in tree.body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield statement.name
        elif isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.For)):
            for node in ast.walk(statement):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    yield node.id


def _uses(source: str, names: dict[str, str]) -> Iterator[tuple[int, int, int, str]]:
    """Yield (row, start, end, name) of every use of ``names``; what follows a dot is an attribute of something else."""
    before = ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME and token.string in names and before != ".":
            yield token.start[0], token.start[1], token.end[1], token.string
        if token.type not in _SKIPPED:
            before = token.string
