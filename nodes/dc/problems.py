"""What a check of a database finds: sentences, so many at most, and how many rows were damaged."""

PROBLEMS_MAX = 100  # shown; more are only counted


class Problems:
    """See the module. `texts` is empty when all is well."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.more = 0
        self.damaged = 0

    def add(self, text: str) -> None:
        """One more thing that is not as it should be."""
        if len(self.texts) < PROBLEMS_MAX:
            self.texts.append(text)
        else:
            self.more += 1

    def add_damaged(self, text: str) -> None:
        """A row that cannot be read."""
        self.damaged += 1
        self.add(text)
