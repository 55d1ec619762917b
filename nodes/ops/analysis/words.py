"""Numbers and places as people read them."""

import math

from nodes.ops.analysis.forms import CLUSTER, Unit

_SIZES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def quantity(value: float, unit: Unit) -> str:
    """A value with its unit: 212 ms, 1.4 GB, 35 %, 12 a second."""
    if math.isnan(value):
        return "unknown"
    match unit:
        case "s":
            return _duration(value)
        case "bytes":
            return _size(value)
        case "bytes_per_s":
            return f"{_size(value)} a second"
        case "ratio":
            return f"{_plain(100 * value)} %"
        case "per_s":
            return f"{_plain(value)} a second"
        case "":
            return _plain(value)


def where(place: str) -> str:
    """A place or a subject: zone one, machine a, the cluster, scene.1."""
    kind, _, name = place.partition(":")
    if place == CLUSTER:
        return "the cluster"
    return {"zone": f"zone {name}", "host": f"machine {name}"}.get(kind, place)


def _duration(value: float) -> str:
    if abs(value) < 1.0:
        return f"{_plain(1000 * value)} ms"
    return f"{_plain(value)} s" if abs(value) < 600 else f"{value / 60:.0f} min"


def _size(value: float) -> str:
    for size, name in _SIZES:
        if abs(value) >= size:
            return f"{_plain(value / size)} {name}"
    return f"{value:.0f} bytes"


def _plain(value: float) -> str:
    """Three digits at least are right, and none is there for nothing."""
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}" if abs(value) >= 10 else f"{value:.2g}"
