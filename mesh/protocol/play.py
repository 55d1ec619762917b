"""Client <-> scene, through a gate that does not open it: the game itself.

Up: frame kind CLIENT_PLAY. Down: pieces of class EVENT (numbered, kept until acknowledged), VIEW and CHAT.
Entities are named by a number that is unique on one scene while they exist.
"""

from typing import Annotated, Literal

import msgspec

from mesh.protocol.catalogue import Message, message
from mesh.protocol.types import U8, U16, U32, U63, Chat, Gold, Label, Name, Text

EntityKind = Literal["player", "npc", "corpse"]


class EntityState(msgspec.Struct, frozen=True, array_like=True):
    """Everything a client needs to show an entity."""

    id: U32
    kind: EntityKind
    name: str  # of a player: its character's; of a corpse: that of the npc that it was
    x: U16  # units of the map
    y: U16
    heading: U8  # 1/256 of a turn
    state: U8  # bit 0 running, bit 7 dead
    level: U16
    hp: U16
    hp_max: U16


class Item(msgspec.Struct, frozen=True, array_like=True):
    """One item; there is never a second one with the same id."""

    id: U63  # what an Offer names
    kind: Label


class Character(msgspec.Struct, frozen=True, array_like=True):
    """The player's own character, as only its player sees it."""

    entity: U32  # its id: in Hit, Died, Said and what others see
    name: str
    level: U16
    xp: U32  # in all
    hp: U16  # 0: dead, Respawned follows
    hp_max: U16
    attributes: dict[str, int]  # free to the game
    gold: Gold
    items: list[Item]


class Portal(msgspec.Struct, frozen=True, array_like=True):
    """Whoever walks into this circle goes to another map."""

    x: U16
    y: U16
    radius_m: float
    map: str  # where it leads


@message("scene -> client", step=7)
class Entered(Message, frozen=True, tag=400):
    """You are in the world, here; forget what was in view before. More `Appeared` follow when the view does not fit."""

    scene: str  # the name of the node
    map: str
    line: U16  # which copy of the map: only who is on the same one can meet
    size_m: float  # the side of the square map
    unit_m: float  # what one unit of x and y is
    tick_hz: float  # ticks a second
    aoi_m: float  # how far you see; what is seen is lost at 1.1 times that
    speed_mps: float  # how fast you may move
    x: U16
    y: U16
    you: Character
    view: list[EntityState]  # the others
    processed: U32  # the highest play sequence that was carried out: send again what is above it
    resumed: bool = False  # numbers go on where they were; else they start at 1
    portals: list[Portal] = []  # of this map
    anew: bool = False  # the scene was lost, with all that it knew of this session: see "When a scene is lost"
    once: bool = False  # after `anew`: say mails again that nobody answered, each is written or taken once


@message("scene -> client")
class Appeared(Message, frozen=True, tag=401):
    """These came into view."""

    entities: list[EntityState]


@message("scene -> client")
class Vanished(Message, frozen=True, tag=402):
    """These are out of view, or gone."""

    ids: list[U32]


@message("scene -> client")
class Corrected(Message, frozen=True, tag=403):
    """Your last move was not possible: you are here. Go on from there."""

    x: U16
    y: U16
    stamp: U16  # of the move that was refused


@message("scene -> client")
class TransferDenied(Message, frozen=True, tag=413):
    """The portal did not open: you stay. Step out of it and in again to try again."""

    map: str  # where it leads
    code: Label
    text: Text = ""


@message("client -> scene")
class Attack(Message, frozen=True, tag=404):
    """Hit that one: a player or an npc within reach. Answered by Hit or PlayDenied."""

    target: U32  # its id


@message("scene -> client")
class Hit(Message, frozen=True, tag=405):
    """One entity hit another: told to both and to everybody who sees the target."""

    attacker: U32
    target: U32
    damage: U16
    hp: U16  # what the target has left, 0: Died follows


@message("scene -> client")
class Died(Message, frozen=True, tag=406):
    """An entity died: told to both and to everybody who saw it. A player stays and comes back, an npc vanishes."""

    id: U32
    killer: U32


@message("scene -> client")
class Respawned(Message, frozen=True, tag=407):
    """A player is back, perhaps somewhere else: told to itself and to everybody who saw it."""

    id: U32
    x: U16
    y: U16
    hp: U16


@message("client -> scene")
class Loot(Message, frozen=True, tag=408):
    """Take what that corpse has. The killer alone, and its party when that shares its loot, may for the first 30 s.
    Answered by Looted or PlayDenied."""

    corpse: U32  # its id: not that of the npc


@message("scene -> client")
class Looted(Message, frozen=True, tag=409):
    """Yours, durably: it was on disk before this was sent."""

    corpse: U32
    gold: Gold  # what it had; in a party that shares: your part of it
    items: list[Item]  # the same: they are added to yours
    wallet: Gold  # all that you have now


@message("scene -> client")
class Advanced(Message, frozen=True, tag=410):
    """Experience was gained, perhaps a level. Told to its player alone."""

    xp: U32  # in all
    level: U16
    hp_max: U16


@message("client -> scene")
class Say(Message, frozen=True, tag=411):
    """Say something to everybody who sees you."""

    text: Chat


@message("scene -> client")
class Said(Message, frozen=True, tag=412):
    """Somebody near said something; the speaker is told, too."""

    speaker: U32  # its id
    name: str
    text: str


@message("scene -> client")
class LootShared(Message, frozen=True, tag=414):
    """A member of your party looted, and this is your share, durably."""

    by: str  # the member's name
    gold: Gold
    items: list[Item]
    wallet: Gold  # all that you have now


@message("client -> scene")
class Emote(Message, frozen=True, tag=415):
    """Wave, dance, bow: shown to everybody who sees you. Only looks good: left out first when there is much to do."""

    kind: Label  # free to the game


@message("scene -> client")
class Emoted(Message, frozen=True, tag=416):
    """Somebody in view did."""

    id: U32
    kind: Label


@message("client -> scene")
class InviteTrade(Message, frozen=True, tag=420):
    """Offer a trade to a player in view. Answered by TradeAsked."""

    to: U32  # its id


@message("scene -> client")
class TradeInvited(Message, frozen=True, tag=421):
    """A player in view wants to trade; AcceptTrade or CancelTrade."""

    trade: U32
    by: U32  # its id
    name: str


@message("client -> scene")
class AcceptTrade(Message, frozen=True, tag=422):
    """Open the trade. Both are told TradeState."""

    trade: U32


class Offer(msgspec.Struct, frozen=True, array_like=True):
    """What one side of a trade gives."""

    gold: Gold
    items: Annotated[list[U63], msgspec.Meta(max_length=32)]  # their ids


@message("client -> scene")
class OfferTrade(Message, frozen=True, tag=423):
    """This is all that I give: it replaces what I offered before. Takes back both sides' confirmation."""

    trade: U32
    offer: Offer


@message("scene -> client")
class TradeState(Message, frozen=True, tag=424):
    """How the trade stands; sent to both after every change. `version` is what a confirmation must name."""

    trade: U32
    version: U16
    other: str  # the name of the other one
    yours: Offer
    theirs: Offer
    you_confirmed: bool
    they_confirmed: bool


@message("client -> scene")
class ConfirmTrade(Message, frozen=True, tag=425):
    """I agree to what I was shown. When both have, it is carried out as one operation."""

    trade: U32
    version: U16


@message("client -> scene")
class CancelTrade(Message, frozen=True, tag=426):
    """I do not want to, or no longer. Too late once both have confirmed. Both are told TradeClosed."""

    trade: U32


@message("scene -> client")
class TradeDone(Message, frozen=True, tag=427):
    """Carried out, durably."""

    trade: U32
    wallet: Gold  # all that you have now
    items: list[Item]  # all that you have now


@message("scene -> client")
class TradeClosed(Message, frozen=True, tag=428):
    """Over, nothing changed hands; with `unavailable` that is not known, the next Entered tells."""

    trade: U32
    code: Label
    text: Text = ""


@message("scene -> client")
class TradeAsked(Message, frozen=True, tag=429):
    """Your invitation was passed on. CancelTrade takes it back; without an answer it ends after 30 s (TradeClosed)."""

    trade: U32
    to: U32  # its id
    name: str


@message("scene -> client")
class PlayDenied(Message, frozen=True, tag=430):
    """One play message was refused; play goes on."""

    sequence: U32  # of the message that was refused
    code: Label
    text: Text = ""


@message("scene -> client")
class Quality(Message, frozen=True, tag=431):
    """What is left out from now on; sent when it changes, and after `Entered` unless full. What is answered is not."""

    level: U8  # 0: everything as it should be
    name: Label  # of the level, as the policy calls it
    dilation: float  # game seconds in a second: walk and wait that much slower
    moves_hz: float  # say your position at most so many times a second
    updates_hz: float  # movement of the others comes so many times a second
    view_max: U16  # so many entities are shown at most


MAIL_ITEMS_MAX = 8
MailText = Annotated[str, msgspec.Meta(max_length=500)]


@message("client -> scene")
class WriteMail(Message, frozen=True, tag=440):
    """Send a mail to anybody, in the world or not. What is attached is taken from you at once, and waits in the mail;
    it comes back by itself after 30 days (`mail_lifetime_s` of the DC). Answered by MailWritten or PlayDenied."""

    to: Name
    text: MailText = ""
    gold: Gold = 0
    items: Annotated[list[U63], msgspec.Meta(max_length=MAIL_ITEMS_MAX)] = []  # their ids


@message("scene -> client")
class MailWritten(Message, frozen=True, tag=441):
    """It waits for its receiver, durably."""

    to: str
    wallet: Gold  # all that you have now
    items: list[Item]  # all that you have now
    sequence: U32 = 0  # of the message that it answers


@message("client -> scene", answers=("Mailbox",))
class ReadMails(Message, frozen=True, tag=442):
    """Which mails wait for me? A few at a time: ask for those above the last number when there are more."""

    above: U63 = 0


class Mail(msgspec.Struct, frozen=True, array_like=True):
    """A mail that waits until it is taken."""

    number: U63
    by: str
    text: str
    sent_s: U63  # wall clock
    gold: Gold = 0
    items: list[Item] = []
    returned: bool = False  # you had sent it, and `by` has not taken it


@message("scene -> client")
class Mailbox(Message, frozen=True, tag=443):
    """In the order of their numbers."""

    mails: list[Mail]
    more: bool = False


@message("client -> scene")
class TakeMail(Message, frozen=True, tag=444):
    """Take what is attached, and throw the mail away. Answered by MailTaken or PlayDenied."""

    mail: U63


@message("scene -> client")
class MailTaken(Message, frozen=True, tag=445):
    """What was attached is yours, durably, and the mail is gone."""

    mail: U63
    wallet: Gold  # all that you have now
    items: list[Item]  # all that you have now
    sequence: U32 = 0  # of the message that it answers
