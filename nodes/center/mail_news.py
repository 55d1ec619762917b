"""Tells players who are in the world that a mail came. What it says is with the DC; a notice that is lost is no loss,
since clients look into their box when they like."""

from mesh.node import Caller, on
from mesh.protocol.records import MailCame
from mesh.protocol.social import MailArrived
from nodes.center.courier import Courier
from nodes.center.directory import Directory


class MailNews:
    """See the module."""

    def __init__(self, directory: Directory, courier: Courier) -> None:
        self._directory, self._courier = directory, courier

    @on(MailCame)
    def on_mail_came(self, said: MailCame, _caller: Caller) -> None:
        receiver = self._directory.of_name(said.to)
        if receiver is not None:
            self._courier.say(MailArrived(said.by), [receiver])
