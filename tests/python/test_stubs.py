"""The stubs say what is there: each public name of a stub exists, each of a class has it as well."""
import ast
import importlib
import pathlib

import farflung.execnet as execnet
import pytest

FOLDER = pathlib.Path(execnet.__file__).parent


@pytest.mark.parametrize("stub", sorted(path.stem for path in FOLDER.glob("*.pyi")))
def test_names_of_a_stub_exist(stub):
    name = "farflung.execnet" if stub == "__init__" else "farflung.execnet." + stub
    module = importlib.import_module(name)
    tree = ast.parse((FOLDER / (stub + ".pyi")).read_text())
    defined = 0
    for node in tree.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name[0] != "_":
            defined += 1
            there = getattr(module, node.name)
            for inner in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(inner, ast.FunctionDef) and inner.name != "__getattr__":
                    assert hasattr(there, inner.name), (node.name, inner.name)
    assert defined or stub == "__init__"


def test_every_public_name_is_in_the_stub():
    text = (FOLDER / "__init__.pyi").read_text()
    for name in execnet.__all__:
        assert name in text and hasattr(execnet, name)


def test_it_is_marked_as_typed():
    assert (FOLDER.parent / "py.typed").exists()
