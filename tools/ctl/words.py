"""What a supervisor tells people: one sentence for each thing that happened. Pure."""

from mesh.topology import NodeSpec, Topology
from tools.ctl.output import span
from tools.ctl.supervision import Instruction, Word


def sentence(said: Instruction, topology: Topology, host: str = "") -> str:
    """For stderr and for the supervisor's log. With `host` this is the supervisor of one of several machines."""
    who, word = said.process, said.word
    if word is Word.READY:
        return f"{who} is Ready after {span(said.value)}"
    if word is Word.ALL_READY:
        all_ = f"all of {host}" if host else "all"
        return f"{all_} Ready after {span(said.value)}; players connect to {', '.join(client_addresses(topology))}"
    if word is Word.ENDED:
        return f"{who} starts again {f'in {span(said.value)}' if said.value else 'at once'}; it {said.text}"
    if word is Word.GIVEN_UP:
        return f"{who} is not started again; it {said.text}{_remedy(said, topology)}"
    if word is Word.LEFT:
        return f"{who} was drained and is not started again until `mesh restart {who}`; it {said.text}"
    if word is Word.STAYS:
        return f"{who} goes on as it was; the process that was to take over from it {said.text}"
    if word is Word.JOINING:
        return f"{who} joins the cluster, as somebody asked"
    if word is Word.RESTARTING:
        return f"{who} is restarted, as somebody asked"
    if word is Word.START_FAILED:
        return "the start has failed, everything is being stopped"
    if word is Word.STOPPING:
        return "stopping: gates first, the database last"
    if word is Word.KILLED:
        return f"{who} did not stop in time and was killed"
    assert word is Word.STOPPED, word
    return f"{who} has stopped"


def _remedy(said: Instruction, topology: Topology) -> str:
    """For one that keeps a database and did not come up: perhaps that is damaged."""
    if not said.database:
        return ""
    which = f"-c {topology.runtime}"
    return (
        f"\n    its database is {said.database}; `mesh down {which}`, then `mesh db verify {which}` tells whether "
        f"it is whole and `mesh db restore BACKUP --force {which}` puts a backup in its place; when what is said above "
        f"is mended, `mesh restart {said.process} {which}`"
    )


def client_addresses(topology: Topology) -> list[str]:
    """Where players connect: what `public` says, or where the gates listen."""
    settings = topology.settings.get("gate", {})
    if settings.get("public"):
        return [str(settings["public"])]
    scheme = "wss" if settings.get("certificate") else "ws"
    return [
        f"{scheme}://{client_host(topology, gate)}:{client_port(topology, gate.number)}"
        for gate in topology.of_role("gate")
    ]


def client_host(topology: Topology, gate: NodeSpec) -> str:
    """Where a gate listens for players."""
    return str(topology.settings.get("gate", {}).get("host") or gate.host)


def client_port(topology: Topology, number: int) -> int:
    """gate.1 has the base port, gate.2 the next."""
    return topology.base_port + number - 1
