"""The catalogue of an earlier version, as its nodes have it: a copy of `mesh/protocol` that is never changed.

    old = catalogue("0.1.0")
    old.control.Describe          the class of that time, with its own table of all messages in old.catalogue.CATALOGUE

The copy lies in a folder with the name of the version, word for word. It is loaded under a name of its own beside the
present one, with its imports turned to itself. When a version is released its `mesh/protocol` is copied here, and what
is older than the one before it may go.
"""

import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace

HERE = Path(__file__).parent
PREVIOUS = "0.1.0"
PRESENT_NAME = "mesh.protocol"


class _Loader(importlib.abc.SourceLoader):
    """Of one file: its text, with the present package's name replaced by that of the copy."""

    def __init__(self, path: Path, package: str) -> None:
        self._path, self._package = path, package

    def get_filename(self, fullname: str) -> str:
        return str(self._path)

    def get_data(self, path: str) -> bytes:
        return Path(path).read_bytes().replace(PRESENT_NAME.encode(), self._package.encode())


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of one copy."""

    def __init__(self, version: str, package: str) -> None:
        self._folder, self._package = HERE / version / "protocol", package

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        name, _, module = fullname.partition(".")
        if name != self._package:
            return None
        loader = _Loader(self._folder / f"{module or '__init__'}.py", self._package)
        return importlib.machinery.ModuleSpec(fullname, loader, is_package=not module)


@cache
def catalogue(version: str) -> SimpleNamespace:
    """All modules of that version's `mesh/protocol`, by name."""
    package = f"frozen_{version.replace('.', '_')}"
    sys.meta_path.append(_Finder(version, package))
    names = sorted(path.stem for path in (HERE / version / "protocol").glob("*.py") if path.stem != "__init__")
    return SimpleNamespace(**{name: importlib.import_module(f"{package}.{name}") for name in names})
