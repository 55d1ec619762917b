"""What a topology may say about the ops node under [settings.ops]. Data only."""

from typing import Annotated

import msgspec


class OpsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Times as the names say."""

    every_s: Annotated[float, msgspec.Meta(ge=1.0, le=60.0)] = 1.0  # between two rounds of questions
