"""Who is in the zone, as one node knows it from the center: a copy that notices when it has missed something."""

from collections.abc import Iterable

from mesh.protocol.control import Member

STANDBY = "standby"  # the fact of a node that only follows another one: whom
EPOCH = "epoch"  # the fact of one that writes where there can be two: in which epoch


class Membership:
    """Members by name, and the place in the center's publication stream that they stand for."""

    def __init__(self) -> None:
        self.members: dict[str, Member] = {}
        self._roles: dict[str, list[Member]] = {}  # made when they are asked for, forgotten with every change
        self._charged: dict[str, list[Member]] = {}  # the same
        self.epoch = 0
        self.sequence = 0

    def of_role(self, role: str) -> list[Member]:
        """By name."""
        found = self._roles.get(role)
        if found is None:
            found = sorted((m for m in self.members.values() if m.role == role), key=lambda m: m.name)
            self._roles[role] = found
        return list(found)

    def in_charge(self, role: str) -> list[Member]:
        """Of these, who may be asked for something: not a standby, and where several say an epoch, those of the
        highest. By name; not to be changed."""
        found = self._charged.get(role)
        if found is None:
            active = [m for m in self.of_role(role) if STANDBY not in m.facts]
            newest = max(map(_epoch, active), default=0)
            found = self._charged[role] = [m for m in active if _epoch(m) == newest]
        return found

    def replace(self, members: Iterable[Member], *, whole: bool = True) -> tuple[list[Member], list[Member]]:
        """Take a list. Returns (new or changed, gone).

        The list of a center that has just started is not the whole: it holds only who has come back to it so far. Then
        nobody is gone yet, and links that work stay.
        """
        before = self.members
        self._forget()
        self.members = {**({} if whole else before), **{m.name: m for m in members}}
        changed = [m for m in self.members.values() if before.get(m.name) != m]
        gone = [m for name, m in before.items() if name not in self.members]
        return changed, gone

    def stand(self, epoch: int, sequence: int) -> None:
        """Everything up to here was heard."""
        self.epoch, self.sequence = epoch, sequence

    def follows(self, epoch: int, sequence: int) -> bool | None:
        """May the publication (epoch, sequence) be applied? True: it is the next one; None: it is old, drop it;
        False: something is missing, ask for a snapshot."""
        if epoch < self.epoch or (epoch == self.epoch and sequence <= self.sequence):
            return None
        return epoch == self.epoch and sequence == self.sequence + 1

    def apply(self, member: Member) -> Member | None:
        """One member changed. Returns what was known before."""
        before = self.members.get(member.name)
        self._forget()
        if member.state == "Shutdown":
            if before is not None and before.incarnation == member.incarnation:
                del self.members[member.name]
        else:
            self.members[member.name] = member
        return before

    def _forget(self) -> None:
        self._roles.clear()
        self._charged.clear()


def _epoch(member: Member) -> int:
    said = member.facts.get(EPOCH, "")
    return int(said) if said.isdecimal() else 0
