"""Public functions say what their parameters are."""

import ast
from collections.abc import Iterator
from pathlib import Path

import icemap

PACKAGE = Path(icemap.__file__).parent
MIN_PARAMETERS = 3
MIN_SHARE = 0.8
SECTION = "Parameters\n----------\n"
# Decorators of functions that nobody calls from Python: commands, and code for the compiler.
NOT_CALLED = (".command", "overload", "intrinsic")


def functions(body: list[ast.stmt], owner: str = "") -> Iterator[tuple[str, ast.FunctionDef]]:
    """Public functions, and methods of public classes, by their dotted names."""
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from functions(node.body, f"{node.name}.")
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield f"{owner}{node.name}", node


def parameters(name: str, node: ast.FunctionDef) -> list[str]:
    """Names of the parameters without ``self`` and the starred ones."""
    arguments = node.args
    named = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    is_method = "." in name and "staticmethod" not in map(ast.unparse, node.decorator_list)
    return named[1:] if is_method else named


def documented(node: ast.FunctionDef) -> set[str]:
    """Names in the Parameters section of a docstring."""
    _, _, section = (ast.get_docstring(node) or "").partition(SECTION)
    names: set[str] = set()
    lines = section.splitlines()
    for line, following in zip(lines, [*lines[1:], ""]):
        if following.startswith("---"):
            break
        if line and not line.startswith((" ", "*")):
            names |= {name.strip() for name in line.split(" : ")[0].split(",")}
    return names


def found() -> Iterator[tuple[str, set[str], set[str]]]:
    """Functions with three parameters or more: place, parameters and documented ones."""
    for file in sorted(PACKAGE.rglob("*.py")):
        for name, node in functions(ast.parse(file.read_text(encoding="utf-8")).body):
            decorators = " ".join(map(ast.unparse, node.decorator_list))
            names = parameters(name, node)
            if len(names) >= MIN_PARAMETERS and not any(one in decorators for one in NOT_CALLED):
                yield f"{file.relative_to(PACKAGE)} {name}", set(names), documented(node)


def test_most_public_functions_with_three_parameters_have_a_section_on_them():
    every = list(found())
    without = [place for place, _, said in every if not said]
    assert len(every) > 200
    assert 1 - len(without) / len(every) >= MIN_SHARE, without


def test_a_section_names_parameters_that_there_are():
    assert [(place, sorted(said - names)) for place, names, said in found() if said - names] == []


def test_a_section_is_read_as_it_is_written():
    code = '''
class Box:
    def fill(self, left, right, depth, unit="m"):
        """Fill it.

        Parameters
        ----------
        left, right : float
            Metres.
        depth : float

        Returns
        -------
        float
        """
'''
    ((name, node),) = functions(ast.parse(code).body)
    assert name == "Box.fill"
    assert parameters(name, node) == ["left", "right", "depth", "unit"]
    assert documented(node) == {"left", "right", "depth"}
