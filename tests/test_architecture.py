"""The layering that docs and README promise, checked against what the files import."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 400
ROLES = ("gate", "login", "center", "scene", "dc", "log", "ops")


# A folder or file, and the only parts of this project that it may import besides itself.
LAYERS = {
    "mesh/errors.py": set(),
    "mesh/clock.py": set(),
    "mesh/front.py": set(),
    "mesh/protocol": {"mesh.errors"},
    "mesh/core": {"mesh.errors", "mesh.protocol"},
    "mesh/transport": {"mesh.clock", "mesh.errors", "mesh.core", "mesh.protocol"},
    "mesh/topology": {"mesh.errors"},
    "mesh": {"mesh"},
    "nodes/__main__.py": {"mesh", "nodes"},
    "nodes/process.py": {"mesh", "nodes"},
    "nodes/simulation": {"mesh", "nodes"},
    **{f"nodes/{role}": {"mesh"} for role in ROLES},
    "nodes": {"mesh"},
    "tools": {"mesh"},
    "topology": set(),
}

# A module, and the only places that may import it.
ONLY_IN = {
    "zmq": ("mesh/transport", "tools/bench/references"),
    "lmdb": ("nodes/dc/store.py",),
    "time": ("mesh/clock.py", "tools/bench/references"),
    "uvloop": ("nodes/process.py", "tools/bench", "tools/bots", "tools/demo"),
    "picows": ("mesh/client/wire.py", "tools/bench/references"),
    "threading": ("mesh/seat.py",),
    "mesh.protocol.client": ("mesh/protocol", "mesh/client", "nodes/gate", "tools"),
    "mesh.protocol.social": (
        "mesh/protocol",
        "mesh/client",
        "nodes/center",
        "nodes/gate",
        "nodes/simulation",
        "tools",
    ),
    "mesh.protocol.play": ("mesh/protocol", "mesh/client", "nodes/scene", "nodes/dc", "nodes/simulation", "tools"),
    "mesh.protocol.cluster": ("mesh/protocol", "nodes", "tools"),
    "mesh.protocol.records": ("mesh/protocol", "nodes", "tools"),
}

FILES = sorted(p for top in ("mesh", "nodes", "tools", "topology") for p in (ROOT / top).rglob("*.py"))
each_file = pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())


def imports(path: Path) -> set[str]:
    """Every module named by an import statement, wherever in the file it stands."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    plain = {alias.name for n in nodes if isinstance(n, ast.Import) for alias in n.names}
    froms = [n for n in nodes if isinstance(n, ast.ImportFrom)]
    return plain | {f"{n.module}.{alias.name}" for n in froms for alias in n.names}


def within(name: str, part: str) -> bool:
    return name == part or name.startswith((part + "/", part + "."))


def may_import(path: str, module: str) -> bool:
    for guarded, homes in ONLY_IN.items():
        if within(module, guarded):
            return any(within(path, home) for home in homes)
    if module.split(".")[0] not in ("mesh", "nodes", "tools", "topology"):
        return True
    layer = max((part for part in LAYERS if within(path, part)), key=len)
    own = layer.removesuffix(".py").replace("/", ".")
    return any(within(module, part) for part in LAYERS[layer] | {own})


@each_file
def test_imports_follow_the_layers(path: Path) -> None:
    here = path.relative_to(ROOT).as_posix()
    assert [module for module in imports(path) if not may_import(here, module)] == []


@each_file
def test_a_function_fits_on_a_screen(path: Path) -> None:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    found = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, functions)]
    assert [n.name for n in found if (n.end_lineno or 0) - n.lineno >= FUNCTION_LINES_MAX] == []


@each_file
def test_a_file_is_read_in_one_go_and_says_what_it_is(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= FILE_LINES_MAX
    if text.strip():
        assert ast.get_docstring(ast.parse(text)), "every file begins with what it is"


def test_every_role_has_the_same_shape() -> None:
    folders = {p.name for p in (ROOT / "nodes").iterdir() if p.is_dir() and not p.name.startswith("__")}
    assert folders == {*ROLES, "simulation"}
    for role in ROLES:
        assert {"__init__.py", "node.py", "settings.py"} <= {p.name for p in (ROOT / "nodes" / role).glob("*.py")}
