"""A gate and a client know every message even when nothing else was imported in their process."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "wanted"),
    [("nodes.gate.intake", "client -> center"), ("mesh.client.session", "center -> client")],
)
def test_the_catalogue_is_filled_by_the_module_itself(module, wanted):
    code = f"""
import {module}
from mesh.protocol.catalogue import CATALOGUE
assert [d for d in CATALOGUE.values() if f"{{d.source}} -> {{d.target}}" == {wanted!r}]
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
