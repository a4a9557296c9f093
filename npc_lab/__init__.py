"""npc_lab: make characters that live in a language model, talk with them, let them talk, and measure it.

Reading order of the core:

    character.py        who it is: the character sheet
    memory.py           what of the past goes into the next prompt
    scratchpad.py       private thoughts, and how they are parted from speech
    npc.py              a character on a model, with a memory of each user
    reply.py            one reply, as a stream of pieces and as a transaction
    one_at_a_time.py    who waits for whom, and what a Ctrl-C must not part
    wire                what is sent to an endpoint, and what comes back
    door.py             what a class of your own says, heard everywhere
    factory.py          makes NPCs, knows users
    transcript.py       the record of a talk between two
    stops.py            when a talk ends early
    arena.py            two characters talk
    store               one file that keeps every NPC, user, turn and talk
    keys.py             a client's key, cut out of what is shown and kept
    text.py             text as it may be sent, stored and printed
    errors.py           everything that can go wrong, in one tree

Where replies come from stands beside it, in endpoints: the providers, the fake, the embedded model.
Nothing here imports a widget, a notebook, a model engine, or `openai` before one is used.
"""

from npc_lab.arena import ChatArena
from npc_lab.character import NPCConfig
from npc_lab.endpoints.connect import Connection, connect
from npc_lab.endpoints.fake import FakeClient, FakeReply, fake_error
from npc_lab.errors import (
    CardError,
    CharacterError,
    ChatArenaError,
    ConnectError,
    ConversationNotFoundError,
    ExperimentError,
    MissingKeyError,
    NPCFactoryError,
    NPCLabError,
    NPCNotFoundError,
    NPCNotFoundInArenaError,
    ReplyError,
    UserNotFoundError,
)
from npc_lab.factory import NPCFactory
from npc_lab.memory import History
from npc_lab.npc import SimpleChatNPC
from npc_lab.reply import Reply, ReplyStream
from npc_lab.stops import StopCondition, StopOnRepetition, StopOnText, StopWhen
from npc_lab.transcript import Conversation, Message, Transcript
from npc_lab.wire.usage import Usage

__all__ = [
    "CardError",
    "CharacterError",
    "ChatArena",
    "ChatArenaError",
    "ConnectError",
    "Connection",
    "Conversation",
    "ConversationNotFoundError",
    "ExperimentError",
    "FakeClient",
    "FakeReply",
    "History",
    "Message",
    "MissingKeyError",
    "NPCConfig",
    "NPCFactory",
    "NPCFactoryError",
    "NPCLabError",
    "NPCNotFoundError",
    "NPCNotFoundInArenaError",
    "Reply",
    "ReplyError",
    "ReplyStream",
    "SimpleChatNPC",
    "StopCondition",
    "StopOnRepetition",
    "StopOnText",
    "StopWhen",
    "Transcript",
    "Usage",
    "UserNotFoundError",
    "connect",
    "fake_error",
]
