"""House rules that a reviewer would otherwise count by hand."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = [
    path.relative_to(ROOT)
    for folder in ("chalicelib", "ops", "tests", "benchmarks")
    for path in sorted((ROOT / folder).rglob("*.py"))
] + [Path("app.py")]
TESTS = [path for path in PYTHON if path.parts[0] == "tests"]
SHIPPED = [path for path in PYTHON if path.parts[0] in ("app.py", "chalicelib", "ops")]
OUR_OWN = ("app", "chalicelib", "ops")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, FUNCTIONS):
            yield node


def test_a_tests_name_has_at_most_60_characters() -> None:
    names = [function.name for path in TESTS for function in functions(path)]
    assert len(names) > 1000
    assert [name for name in names if name.startswith("test_") and len(name) > 60] == []


def test_the_app_reads_on_two_screens() -> None:
    assert len((ROOT / "app.py").read_text(encoding="utf-8").splitlines()) <= 120


@pytest.mark.parametrize("path", PYTHON, ids=str)
def test_a_modules_first_line_has_at_most_80_characters(path: Path) -> None:
    module = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    if not module.body:  # an __init__.py that only makes a package
        return
    docstring = ast.get_docstring(module)
    assert docstring, path
    first_line = docstring.splitlines()[0]
    assert len(first_line) <= 80, first_line


@pytest.mark.parametrize("path", [path for path in PYTHON if path not in TESTS], ids=str)
def test_a_variable_says_what_it_holds(path: Path) -> None:
    tree = ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8")))
    names = [getattr(node, "id", getattr(node, "arg", "")) for node in tree]
    assert {"one", "found", "told", "what"}.isdisjoint(names)


@pytest.mark.parametrize("path", [path for path in PYTHON if path not in TESTS], ids=str)
def test_a_functions_docstring_starts_with_a_verb(path: Path) -> None:
    docstrings = [
        ast.get_docstring(function) or ""
        for function in functions(path)
        if not any("property" in ast.dump(decorator) for decorator in function.decorator_list)
    ]
    not_verbs = {"What", "Who", "Whether", "How", "The", "A", "An", "Where", "Which", "All"}
    assert [text for text in docstrings if text and text.split()[0] in not_verbs] == []


@pytest.mark.parametrize("path", SHIPPED, ids=str)
def test_a_description_names_a_thing_rather_than_asks(path: Path) -> None:
    """This holds for modules, classes and constants; functions start with a verb."""
    questions = ("What ", "Who ", "Whom ", "Whose ", "How ", "Why ", "Where ", "When ", "Whether ")
    blocks = [
        node.body
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8")))
        if isinstance(node, (ast.Module, ast.ClassDef, *FUNCTIONS))
    ]
    texts = [
        statement.value.value.lstrip()
        for block in blocks
        for statement in block
        if isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    ]
    assert [text for text in texts if text.startswith(questions)] == []


@pytest.mark.parametrize("path", SHIPPED, ids=str)
def test_a_function_in_a_function_has_at_most_five_lines(path: Path) -> None:
    long = [
        inner.name
        for function in functions(path)
        for inner in ast.walk(function)
        if isinstance(inner, FUNCTIONS) and inner is not function
        if (inner.end_lineno or 0) - inner.body[0].lineno >= 5
    ]
    assert long == []


@pytest.mark.parametrize("path", SHIPPED, ids=str)
def test_a_function_takes_at_most_two_callables(path: Path) -> None:
    """If it needs more, an object is missing."""
    greedy = [
        function.name
        for function in functions(path)
        if sum(
            argument.annotation is not None and "Callable" in ast.unparse(argument.annotation)
            for argument in (*function.args.args, *function.args.kwonlyargs)
        )
        > 2
    ]
    assert greedy == []


def test_values_are_named_tuples() -> None:
    frozen = {
        node.name
        for path in PYTHON
        if path.parts[0] == "chalicelib"
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and "frozen" in ast.dump(ast.List(node.decorator_list))
    }
    # Settings hides its key from a repr, and both keep what they have worked out.
    assert frozen == {"Settings", "Pages"}


@pytest.mark.parametrize("path", SHIPPED, ids=str)
def test_no_import_of_our_own_needs_an_alias(path: Path) -> None:
    """Else the module's or the function's name is wrong, or a variable has taken it."""
    aliases = []
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            module = getattr(node, "module", None) or ""
            names = [(f"{module}.{name.name}".lstrip("."), name.asname) for name in node.names]
            aliases += [name for name, alias in names if alias and name.startswith(OUR_OWN)]
    assert aliases == []
