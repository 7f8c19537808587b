"""Mutants: a module with one small change.

None are made of what no test should hold: docstrings and other text, lines for the log, what an
error says, annotations, decorators, and the arguments in SAME_RESULT.
"""

import ast
from dataclasses import dataclass

# Arguments that change the time or the look of a result, not its values.
SAME_RESULT = {"stacklevel", "n_jobs", "num_threads", "verbose", "verbosity", "indent"}
# Functions whose arguments are text for a person.
SPOKEN = {"log", "self.log", "print", "warnings.warn"}

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
ARITHMETIC: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.Mult,),
    ast.Pow: (ast.Mult,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
    ast.LShift: (ast.RShift,),
    ast.RShift: (ast.LShift,),
}


@dataclass(frozen=True)
class Mutant:
    """One change of one file: the text from ``start`` to ``end`` (offsets in its UTF-8 bytes)."""

    file: str
    line: int
    operator: str
    start: int
    end: int
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.operator}: {self.before}  ->  {self.after}"

    def apply(self, source: bytes) -> bytes:
        """The file with the change."""
        assert source[self.start : self.end].decode() == self.before
        return source[: self.start] + self.after.encode() + source[self.end :]


class Mutator(ast.NodeVisitor):
    """All mutants of one file."""

    def __init__(self, file: str, source: bytes) -> None:
        self.file = file
        self.source = source
        lines = source.splitlines(keepends=True)
        self.starts = [0]
        for line in lines:
            self.starts.append(self.starts[-1] + len(line))
        self.found: list[Mutant] = []
        self.visit(ast.parse(source))

    def add(self, operator: str, node: ast.AST, after: str) -> None:
        start = self.starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
        end = self.starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]
        before = self.source[start:end].decode()
        self.found.append(
            Mutant(self.file, node.lineno, operator, start, end, before, after)  # type: ignore[attr-defined]
        )

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for default in [*node.args.defaults, *filter(None, node.args.kw_defaults)]:
            self.visit(default)
        for statement in node.body:
            self.visit(statement)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for statement in node.body:
            self.visit(statement)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Text for a person."""

    def visit_Raise(self, node: ast.Raise) -> None:
        """What an error says."""

    def visit_Import(self, node: ast.Import) -> None:
        """Nothing to change."""

    visit_ImportFrom = visit_Import  # type: ignore[assignment]

    def visit_Call(self, node: ast.Call) -> None:
        name = ast.unparse(node.func)
        if name in SPOKEN or name.endswith(("Error", "Warning", "Problem")):
            return
        self.visit(node.func)
        for argument in node.args:
            self.visit(argument)
        for keyword in node.keywords:
            if keyword.arg not in SAME_RESULT:
                self.visit(keyword.value)

    def visit_If(self, node: ast.If) -> None:
        if "TYPE_CHECKING" in ast.unparse(node.test):
            return
        self.condition(node.test)
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.condition(node.test)
        self.generic_visit(node)

    def condition(self, test: ast.expr) -> None:
        # A lone comparison has its own mutants.
        if not isinstance(test, ast.Compare | ast.UnaryOp | ast.Constant):
            self.add("condition", test, f"(not ({ast.unparse(test)}))")

    def visit_Compare(self, node: ast.Compare) -> None:
        for place, operator in enumerate(node.ops):
            for other in COMPARISONS[type(operator)]:
                ops = [*node.ops[:place], other(), *node.ops[place + 1 :]]
                changed = ast.Compare(node.left, ops, node.comparators)
                self.add("comparison", node, f"({ast.unparse(changed)})")
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if not (is_text(node.left) or is_text(node.right) or is_type(node)):
            for other in ARITHMETIC.get(type(node.op), ()):
                changed = ast.BinOp(node.left, other(), node.right)
                self.add("arithmetic", node, f"({ast.unparse(changed)})")
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if not is_text(node.value):
            for other in ARITHMETIC.get(type(node.op), ()):
                changed = ast.AugAssign(node.target, other(), node.value)
                self.add("arithmetic", node, ast.unparse(changed))
        self.visit(node.value)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        self.add("boolean", node, f"({ast.unparse(ast.BoolOp(other, node.values))})")
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not | ast.Invert | ast.USub):
            kind = "arithmetic" if isinstance(node.op, ast.USub) else "boolean"
            self.add(kind, node, f"({ast.unparse(node.operand)})")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, bool):
            self.add("boolean", node, str(not value))
        elif isinstance(value, int):
            self.add("constant", node, str(value + 1))
        elif isinstance(value, float):
            self.add("constant", node, "1.0" if value == 0 else repr(value * 2))

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is None:
            return
        if not (isinstance(node.value, ast.Constant) and node.value.value is None):
            self.add("return", node, "return None")
        self.visit(node.value)

    def visit_Slice(self, node: ast.Slice) -> None:
        for bound in (node.lower, node.upper):
            # A bound that is a number has its own mutant.
            if bound is not None and not isinstance(bound, ast.Constant):
                self.add("index", bound, f"({ast.unparse(bound)}) + 1")
        self.generic_visit(node)


def is_text(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp):
        return is_text(node.left) or is_text(node.right)
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
    )


def is_type(node: ast.BinOp) -> bool:
    """Whether this is a union of types, such as ``Path | None``."""
    if not isinstance(node.op, ast.BitOr):
        return False
    name = ast.unparse(node.right).partition("[")[0].rpartition(".")[2]
    return name in {"None", "int", "float", "str", "bool", "bytes", "list", "dict", "tuple"} or (
        name[:1].isupper() and not name.isupper()
    )


def mutants_of(file: str, source: bytes) -> list[Mutant]:
    """All mutants of one file, in the order of their places."""
    return sorted(
        set(Mutator(file, source).found),
        key=lambda mutant: (mutant.start, mutant.end, mutant.after),
    )


def parses(source: bytes) -> bool:
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True
