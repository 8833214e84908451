"""Imports between the packages point down, and what has to be light loads nothing heavy."""

import ast

import pytest
from processes import REPOSITORY, run_new_python

PACKAGE = REPOSITORY / "hf_brnn"
# What a package may import, from the top to the bottom; each may import itself.
BELOW = {
    "commands": {"apps", "inference", "training", "onnx", "hub", "evaluation", "data", "model"},
    "apps": {"inference", "hub", "evaluation", "data", "model"},
    "inference": {"hub", "evaluation", "data", "model"},
    "training": {"hub", "evaluation", "data", "model"},
    "onnx": {"hub", "data"},
    "hub": {"evaluation", "data", "model"},
    "evaluation": {"data", "model"},
    "data": set(),
    "model": set(),
}
# The old name of the classifier, which model cards on the Hub tell people to import.
ALLOWED = {("hf_brnn.onnx", "hf_brnn.inference.onnx_classifier")}
LIGHT = [
    "hf_brnn",
    "hf_brnn.data",
    "hf_brnn.hub.layout",
    "hf_brnn.hub.push",
    "hf_brnn.inference.explain",
    "hf_brnn.inference.onnx_classifier",
    "hf_brnn.inference.score_files",
]
HEAVY = ["torch", "transformers", "datasets", "evaluate", "pandas", "sklearn"]


def name_of(path):
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py")) if PACKAGE / "pretrained" not in path.parents}


def is_typing_only(node):
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def imports_of(name, at_load_only):
    """The modules of the package that a module imports: all, or those that are loaded with it."""
    found = set()
    package = name if MODULES[name].name == "__init__.py" else name.rpartition(".")[0]

    def visit(node):
        if is_typing_only(node):
            return
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and at_load_only:
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")
            parent = ".".join(base[: len(base) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, (parent, node.module)))
            submodules = {f"{module}.{alias.name}" for alias in node.names} & MODULES.keys()
            found.update(submodules or {module})
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(MODULES[name].read_text(encoding="utf-8")))
    return found & MODULES.keys() - {name}


def package_of(name):
    parts = name.split(".")
    return parts[1] if len(parts) > 2 or (MODULES[name].name == "__init__.py" and len(parts) == 2) else ""


def test_every_package_has_its_place():
    assert {package_of(name) for name in MODULES} == {"", *BELOW}


@pytest.mark.parametrize("package", BELOW)
def test_a_package_imports_only_packages_below_it(package):
    wrong = [
        f"{name} imports {imported}"
        for name in MODULES
        if package_of(name) == package
        for imported in imports_of(name, at_load_only=False)
        if package_of(imported) not in BELOW[package] | {package}
        and (name, imported) not in ALLOWED
        and imported != "hf_brnn.about"
    ]
    assert wrong == []


def test_modules_import_each_other_in_no_circle():
    graph = {name: imports_of(name, at_load_only=True) for name in MODULES}
    while graph:
        leaves = {name for name, imported in graph.items() if not imported & graph.keys()}
        assert leaves, f"these import each other in a circle: {', '.join(sorted(graph))}"
        graph = {name: imported for name, imported in graph.items() if name not in leaves}


def test_the_light_modules_load_nothing_heavy():
    """In a new process, where loading one of those is an error."""
    light = [name for name in MODULES if name in LIGHT or name.startswith("hf_brnn.data.")]
    code = f"""
import importlib, sys
for name in {HEAVY!r}:
    sys.modules[name] = None
for name in {light!r}:
    importlib.import_module(name)
"""
    assert set(LIGHT) <= MODULES.keys()
    run_new_python("-c", code)


def test_a_graph_scores_with_torch_and_transformers_blocked(tmp_path):
    code = f"""
import sys
for name in {HEAVY!r}:
    sys.modules[name] = None
from hf_brnn import PRETRAINED_FOLDER
from hf_brnn.inference.onnx_classifier import OnnxClassifier
classifier = OnnxClassifier(PRETRAINED_FOLDER)
probabilities = classifier(["so happy, love it", "worst day ever"])
print([classifier.label_names[index] for index in probabilities.argmax(axis=1)])
"""
    assert run_new_python("-c", code, cwd=tmp_path).stdout.strip() == "['POSITIVE', 'NEGATIVE']"
