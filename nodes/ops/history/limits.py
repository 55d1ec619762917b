"""What the history takes at most. Data only; each limit with its unit, its reason and what happens above it."""

import msgspec

_MIB = 1024 * 1024


class Limits(msgspec.Struct, frozen=True):
    """Series above a limit are refused, counted and named; those that were there before stay. The limits of one node
    are far below those of all, so that one that tells nonsense does not push others out."""

    nodes: int = 200  # with hosts; a larger zone has more than one ops node could ask once a second
    series: int = 20_000  # of all nodes at a time: 160 KB for each row in memory, some dozens of which are open
    node_series: int = 2_000  # of one node at a time
    name_series: int = 1_000  # of one metric on one node at a time: a label that takes any value shows here
    identities: int = 40_000  # series in memory and on disk, those that are gone, too; about 600 bytes each
    node_identities: int = 5_000  # of these, of one node: labels that come and go end here
    names: int = 2_000  # metrics, in memory and on disk: each has pieces of its own in every block
    node_names: int = 500  # of these, brought by one node
    text: int = 400  # characters of a series' name and labels together: they are kept and shown
    disk_bytes: int = 2048 * _MIB  # of all files; the oldest are deleted
    memory_bytes: int = 64 * _MIB  # of blocks that no file has, for want of a folder or room; the oldest are dropped
