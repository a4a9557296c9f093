"""A chat box's talk with an NPC, without its widgets: ask, stop, ask again, choose among the takes.

`ask` and `choose` wait, for the model or for another box that is talking with the same NPC as the same user.
They are called in a worker thread, raise nothing, and leave their `error` behind.
"""

from __future__ import annotations

from npc_lab.errors import NPCLabError, NPCNotFoundError
from npc_lab.factory import NPCFactory
from npc_lab.memory import ChatMessage, exchanges
from npc_lab.npc import SimpleChatNPC
from npc_lab.reply import ReplyStream
from npc_lab.transcript import Transcript
from npc_lab.widgets.takes import Take, Turn, as_transcript


class Talk:
    """The turns of one user with one NPC, as a box shows them.

    stream: the reply under way, or the last one. error: why it failed, or None. last_prompt: what was sent
    for it, and last_forgotten: what the NPC had forgotten by then.
    """

    def __init__(self, factory: NPCFactory, npc_id: str, user: str):
        self._factory = factory
        self._npc_id = npc_id
        self.name = self._npc().config.called() or "the NPC"
        self.user = user
        self._user_id = factory.user_ids.get(user) or factory.register_user(user)
        self.turns: list[Turn] = []
        self.stream: ReplyStream | None = None
        self.error: Exception | None = None
        self.was_stopped = False
        self.last_prompt: list[ChatMessage] = []
        self.last_forgotten: list[ChatMessage] = []

    @property
    def title(self) -> str:
        """Who talks with whom."""
        return f"{self.user} and {self.name}"

    @property
    def transcript(self) -> Transcript:
        """The talk as it is shown."""
        return as_transcript(self.turns, self.user, self._npc_id, self.name)

    @property
    def has_scratchpad(self) -> bool:
        """Whether the NPC thinks in private."""
        return self._npc().config.has_scratchpad

    def next_prompt(self, message: str) -> tuple[list[ChatMessage], list[ChatMessage]]:
        """What would be sent with this message now, and what is forgotten."""
        npc = self._npc()
        return npc.preview(message, self._user_id), self._forgotten(npc)

    def catch_up(self) -> None:
        """Take over what was said elsewhere: in another box, in a cell. Raises `NPCNotFoundError`."""
        npc = self._npc()
        memory = exchanges([*self._forgotten(npc), *npc.chat_histories.get(self._user_id, [])])
        shown = [turn for turn in self.turns if turn.exchange]
        common = 0
        while common < min(len(memory), len(shown)) and memory[common] == shown[common].exchange:
            common += 1
        if common < len(shown):  # taken back elsewhere
            del self.turns[self.turns.index(shown[common]) :]
        for exchange in memory[common:]:
            self.turns.append(Turn([Take.remembered(exchange, npc.config.has_scratchpad)], chosen=0))

    def new_turn(self, question: str) -> Turn:
        """The learner says something."""
        if self.turns:
            self.turns[-1].settle()
        self.turns.append(Turn([Take(question)]))
        return self._began(self.turns[-1])

    def new_take(self, question: str) -> Turn:
        """Another take of the last turn."""
        turn = self.turns[-1]
        turn.takes = [take for take in turn.takes if take.reply.text]
        turn.takes.append(Take(question))
        turn.shown = len(turn.takes) - 1
        return self._began(turn)

    def ask(self, turn: Turn) -> None:
        """Get the answer of the turn's newest take. If there is none, all is remembered as it was before."""
        take, taken = turn.takes[-1], list[ChatMessage]()
        try:
            taken = self._take_back(turn)
            self.last_forgotten = self._forgotten(self._npc())
            self.stream = self._factory.stream_with_npc(self._npc_id, self._user_id, take.question)
            if self.was_stopped:  # before there was a stream that could be closed
                self.stream.close()
            for _ in self.stream:
                pass
        except Exception as error:
            self.error = error
        finally:
            self._settle_up(turn, take, taken)

    def choose(self, turn: Turn, take: Take) -> None:
        """Let the NPC remember another take of the last turn."""
        try:
            self._take_back(turn)
            self._npc().give_back(self._user_id, take.exchange)
            turn.choose(take)
        except Exception as error:
            self.error = error

    def stop(self) -> None:
        """End the reply that is under way. What there is of it is shown, marked, and not remembered."""
        self.was_stopped = True
        if self.stream is not None:
            self.stream.close()

    def _began(self, turn: Turn) -> Turn:
        self.stream = self.error = None
        self.was_stopped = False
        return turn

    def _settle_up(self, turn: Turn, take: Take, taken: list[ChatMessage]) -> None:
        """The take counts, or what it was to replace is remembered again."""
        if self.stream is not None:
            take.reply, take.exchange, self.last_prompt = (
                self.stream.reply,
                self.stream.exchange,
                self.stream.sent,
            )
        if take.exchange:
            turn.choose(take)
            return
        take.mark = "broken off, not remembered" if self.error else "stopped, not remembered"
        if taken:
            self._npc().give_back(self._user_id, taken)

    def _take_back(self, turn: Turn) -> list[ChatMessage]:
        """Take the turn's exchange out of the NPC's memory, if it is there."""
        if not turn.exchange:
            return []
        npc = self._npc()
        taken = npc.take_back(self._user_id)
        if taken != turn.exchange:
            npc.give_back(self._user_id, taken)
            raise NPCLabError("The talk went on elsewhere meanwhile. Nothing was changed; try again.")
        return taken

    def _forgotten(self, npc: SimpleChatNPC) -> list[ChatMessage]:
        return list(getattr(npc.chat_histories.get(self._user_id), "forgotten", []))

    def _npc(self) -> SimpleChatNPC:
        if self._npc_id not in self._factory.npcs:
            raise NPCNotFoundError(self._npc_id, self._factory.npcs)
        return self._factory.npcs[self._npc_id]
