"""zstd: part of Python from 3.14 on, the same module as a package before. Nothing else imports either."""

import sys

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def compress(data: bytes, level: int) -> bytes:
    """One zstd frame."""
    return zstd.compress(data, level)


def decompress(data: bytes, size: int) -> bytes:
    """The content of one zstd frame; ValueError unless that is exactly `size` bytes, of which no more are made."""
    reader = zstd.ZstdDecompressor()
    try:
        content = reader.decompress(data, max_length=size + 1)
    except (zstd.ZstdError, EOFError) as error:
        raise ValueError(f"not a zstd frame: {error}") from None
    if len(content) != size or not reader.eof or reader.unused_data:
        raise ValueError(f"a zstd frame of {size} bytes was announced")
    return bytes(content)
