"""Which version of the code this is: what a node says of itself, so that a mesh of two versions can be seen.

A constant and not what the installation says: looking that up would make every start slower, and a folder of sources
has none. It is the one in pyproject.toml; a test compares them. What nodes of two versions may say to each other is
the catalogue's business (`mesh/protocol/catalogue.py`), never a comparison of versions.
"""

VERSION = "0.2.0"
