"""A character that can be talked with: its sheet, a model, and a memory of each user.

A turn of talk is three steps: put the prompt together, ask the model, remember both lines. The
middle step may fail, so the last one comes only after it (npc_lab/reply.py).

    npc = SimpleChatNPC(client, model, NPCConfig("London, 1250.", "You are Sir Guy, a knight."))
    npc.chat("Who are you?", "rosamund")    returns "I am Sir Guy."
    npc.preview("Where to?", "rosamund")    returns what would be sent now:

        [{"role": "system", "content": "WORLD SETTING: London, 1250. ... You are Sir Guy, a knight."},
         {"role": "user", "content": "Who are you?"},
         {"role": "assistant", "content": "I am Sir Guy."},
         {"role": "user", "content": "Where to?"}]
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import MutableMapping
from copy import copy, deepcopy
from typing import Any

from npc_lab.character import NPCConfig
from npc_lab.door import CallStream, open_door, stopped
from npc_lab.errors import NPCLabError, ReplyError
from npc_lab.memory import MEMORIES, Call, ChatMessage, History, exchange_of, exchanges, turns
from npc_lab.one_at_a_time import OneAtATime, note_that_it_is_kept, uninterrupted
from npc_lab.reply import Reply, ReplyStream
from npc_lab.scratchpad import parts_of
from npc_lab.store.record import NoRecord, NPCRecord
from npc_lab.text import well_formed
from npc_lab.wire.abilities import ABILITIES
from npc_lab.wire.dialects import NO_FORM, known
from npc_lab.wire.form import is_form
from npc_lab.wire.usage import Usage, usage_of

# What a user is taken to have said before a character that speaks first (`NPCConfig.greeting`).
NEUTRAL_OPENING = "(They meet.)"


class SimpleChatNPC:
    """One character on one model, with a history for each user it talks with.

    client: an `openai.OpenAI` client, or one that works like it. model: the model's name there.
    `client`, `model` and `config` may be changed between turns. `chat_histories[user_id]` is what
    it remembers of that user; any text serves as a user id. `seeds[user_id]` is the seed of the talk with
    this user, if it has one: the same talk with the same seed comes again, if the endpoint takes seeds.

    To change what a character says, make a class of your own that overrides `chat`. What it returns is heard
    everywhere: by calls, arena, panels, log and store (npc_lab/door.py). A guard:

        class Guard(SimpleChatNPC):
            def chat(self, user_message, user_id):
                answer = super().chat(user_message, user_id)
                return answer if "swordfish" not in answer else "I will not say."

        factory.register_npc("A harbour.", "You keep a password.", npc_class=Guard)

    To change what is sent, override `get_system_message` or `preview`.
    """

    def __init__(self, client: Any, model: str, config: NPCConfig):
        # Not when the class is made: a learner may write its methods one by one, and put them in afterwards.
        open_door(type(self), SimpleChatNPC, "chat", "stream", _whose)
        self.client = client
        self.model = model
        self.config = config
        self._record: NPCRecord = NoRecord()
        self._calls: MutableMapping[str, list[Call]] = {}  # of a class that overrides `chat`
        self._one_call_at_a_time = OneAtATime()
        self._greeted: set[str] = set()  # users who saw the greeting
        self.here = threading.local()  # `here.call`: the call that this thread is in
        self.seeds: dict[str, int] = {}
        self._costs: dict[str, list[tuple[Any, int, int]]] = {}  # of each reply, as it is told
        self.chat_histories: MutableMapping[str, History] = {}
        self._one_at_a_time = OneAtATime()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.config.name or 'no name'!r}, model={self.model!r})"

    def get_system_message(self) -> ChatMessage:
        """Return the message that makes the model this character."""
        return {"role": "system", "content": well_formed(self.config.system_message())}

    def preview(self, user_message: str, user_id: str) -> list[ChatMessage]:
        """Return exactly the messages that would be sent now, without sending them.

        Raise `ReplyError` if the message is empty or no text.
        """
        check_message(user_message)
        history = self.remembered(user_id) or self._greeting(user_id)
        new_message = {"role": "user", "content": well_formed(user_message)}
        return [self.get_system_message(), *self._examples(), *self._as_sent(history), new_message]

    def has_form(self, user_id: str) -> bool:
        """Return whether the next reply will be held to its form (npc_lab/wire/form.py)."""
        is_refused = NO_FORM in known(self.client, self.model)
        return not is_refused and is_form(self._request([], user_id, whole=True).get("grammar"))

    def remembered(self, user_id: str) -> list[ChatMessage]:
        """Return what of the talk with this user is still remembered, as the model wrote it."""
        return self._recall(self.chat_histories.get(user_id, History()))

    def greet(self, user_id: str) -> None:
        """Note that this user has been shown the sheet's greeting.

        It is remembered as the first exchange of their talk, together with the first answer.
        """
        self._greeted.add(user_id)

    def turns(self, user_id: str) -> list[list[ChatMessage]]:
        """Return the talk with this user, turn by turn, also what is forgotten by now.

        A turn is an exchange: the user's message and the answer. Where a class overrides `chat` it is a
        `Call`, which holds beside the exchanges what was said to the character and what it said.
        """
        history = self._history(user_id)
        return turns([*history.forgotten, *history], self._calls.get(user_id, []))

    def usage(self, user_id: str | None = None) -> Usage:
        """Return what its replies to this user have cost since it was made; without a user, all of them."""
        costs = self._costs.copy() if user_id is None else {user_id: self._costs.get(user_id, [])}
        return sum((usage_of(*cost) for of_user in costs.values() for cost in of_user.copy()), Usage())

    @uninterrupted
    def chat(self, user_message: str, user_id: str) -> str:
        """Say something, wait for the answer and return it without its private thoughts.

        Raise `ReplyError` if there is none; then nothing of this turn is remembered.
        """
        stream = self._answer(user_message, user_id, whole=True)
        for _ in stream:
            pass
        if not stream.exchange:
            raise stopped()
        return stream.reply.text

    @uninterrupted
    def stream(self, user_message: str, user_id: str) -> ReplyStream:
        """Say something and return the visible pieces of the answer, to be iterated as they arrive.

        Errors are raised while iterating. A stream that is not read to its end leaves no trace.
        """
        return self._answer(user_message, user_id, whole=False)

    @uninterrupted
    def take_back(self, user_id: str) -> list[ChatMessage]:
        """Remove the last turn and return it: the user's message and the answer.

        If a class that overrides `chat` has spoken, that is a `Call`, with all that the model remembered of
        it. To ask again, take back and stream; if that fails, `give_back` what was taken. Raise `NPCLabError`
        if there is no turn.
        """
        with self._one_at_a_time.held(user_id):
            history, last = self._history(user_id), self._last_call(user_id)
            taken: list[ChatMessage]
            if last is not None:
                taken = self._calls[user_id].pop()
                for _ in exchanges(last):
                    history.take_back()
                self._record.take_back_call(user_id, last)
            elif taken := history.take_back():
                self._record.take_back(user_id, taken)
            if taken:
                self.chat_histories[user_id] = history
        if not taken:
            raise NPCLabError(f"There is no exchange with {user_id!r} to take back. Say something first.")
        return taken

    @uninterrupted
    def give_back(self, user_id: str, exchange: list[ChatMessage]) -> None:
        """Remember again what `take_back` removed."""
        with self._one_at_a_time.held(user_id):
            if isinstance(exchange, Call):
                exchange.after = self._number_of_next_exchange(user_id)
                forgot_each = [self._add(user_id, each) for each in exchanges(exchange)]
                self._calls_with(user_id).append(exchange)
                self._record.give_back_call(user_id, exchange, forgot_each)
                return
            forgot = self._add(user_id, exchange)
            if exchange:
                self._record.give_back(user_id, exchange, self._reply_in(exchange), forgot)

    def keep(self, record: NPCRecord) -> None:
        """Write all turns into a store from now on, and remember those that it holds."""
        remembered = record.histories()
        for user_id, history in self.chat_histories.items():
            remembered[user_id] = history
        self.chat_histories, self._calls, self._record = remembered, record.calls(), record

    @property
    def is_kept(self) -> bool:
        """Whether its turns are written into a store."""
        return not isinstance(self._record, NoRecord)

    def with_memory_of(self, user_id: str) -> SimpleChatNPC:
        """Return a copy that remembers the same of this user and nobody else, and is in no store."""
        other = copy(self)
        other.chat_histories = {user_id: deepcopy(self._history(user_id))}
        other._calls = {user_id: deepcopy(self._calls.get(user_id, []))}
        other._record, other._one_at_a_time, other._costs = NoRecord(), OneAtATime(), {}
        return other

    # For a call of a class that overrides `chat` (npc_lab/door.py)

    def begin_call(self, user_id: str, call: CallStream) -> bool:
        """Wait for other calls of this user. Return False if the call was closed meanwhile."""
        return self._one_call_at_a_time.acquire(user_id, call)

    def end_call(self, user_id: str, call: CallStream, answer: str) -> Call:
        """Remember the call."""
        exchanged = [exchange for whose, exchange, *_ in call.remembered if whose == user_id]
        if exchanged and is_greeting(exchanged[0]):  # it was said before the call
            del exchanged[0]
        after = self._number_of_next_exchange(user_id) - len(exchanged)
        ended = Call(
            [message for exchange in exchanged for message in exchange], call.question, answer, after
        )
        self._calls_with(user_id).append(ended)
        return ended

    def record_call(self, user_id: str, call: CallStream) -> None:
        """Write the call into the store."""
        self._record.add_call(user_id, self._calls[user_id][-1], call.seconds, call.remembered, self.client)
        note_that_it_is_kept()

    def undo_call(self, call: CallStream) -> None:
        """Forget what the model remembered during the call."""
        for reply in call.replies:
            reply.close()
        for user_id, *_ in reversed(call.remembered):
            with self._one_at_a_time.held(user_id):
                history = self._history(user_id)
                history.take_back()
                self.chat_histories[user_id] = history

    def _answer(self, user_message: str, user_id: str, whole: bool) -> ReplyStream:
        call: CallStream | None = getattr(self.here, "call", None)
        whole = whole and (call is None or call.whole)  # pieces can be stopped in between

        def request() -> dict[str, Any]:
            return self._request(self.preview(user_message, user_id), user_id, whole)

        def remember(reply: Reply) -> list[ChatMessage]:
            was_cut = reply.finish_reason == "length" and reply.raw != reply.text
            said = reply.text if was_cut else None
            exchange = exchange_of(well_formed(user_message), reply.raw, reply.reasoning, said)
            greeting = self._greeting(user_id)
            turns = [(greeting, self._reply_in(greeting))] if greeting else []
            for each, its_reply in [*turns, (exchange, reply)]:
                forgot = self._add(user_id, each)
                turn = (user_id, each, its_reply, forgot, self.config, self.client)
                if call is None:
                    self._record.add_turn(*turn)
                    note_that_it_is_kept()
                else:  # it is written with the call, if that ends well
                    call.remembered.append(turn)
            return exchange

        def note(error: ReplyError) -> None:
            self._record.add_error(user_id, user_message, error, self.client)

        stream = ReplyStream(
            client=self.client,
            request=request,
            remember=remember,
            note=note,
            count=lambda *cost: self._costs.setdefault(user_id, []).append(cost),
            acquire=lambda stream: self._one_at_a_time.acquire(user_id, stream),
            has_scratchpad=self.config.has_scratchpad,
            name=self.config.called(),
            whole=whole,
        )
        if call is not None:
            call.hear(stream)
        return stream

    def _request(self, messages: list[ChatMessage], user_id: str, whole: bool) -> dict[str, Any]:
        """Return the call's arguments. What the sheet leaves to the endpoint is not named."""
        request: dict[str, Any] = {"model": self.model, "messages": messages}
        if self.config.temperature is not None:
            request["temperature"] = self.config.temperature
        if self.config.max_reply_tokens is not None:
            request["max_tokens"] = self.config.max_reply_tokens
        request |= self.config.request_options
        if abilities := ABILITIES.get(str(getattr(self.client, "base_url", ""))):
            request = abilities.holding(request, self.config.has_scratchpad)
        if user_id in self.seeds:
            request["seed"] = _seed_of_exchange(self.seeds[user_id], self._number_of_next_exchange(user_id))
        if not whole:
            request |= {"stream": True, "stream_options": {"include_usage": True}}
        return request

    def _recall(self, messages: list[ChatMessage]) -> list[ChatMessage]:
        """Return those of these messages that the character still remembers."""
        return MEMORIES[self.config.memory](messages, self.config.history_size)

    def _examples(self) -> list[ChatMessage]:
        """Return the sheet's examples as messages, as if they had been said before."""
        return [
            {"role": role, "content": well_formed(words)}
            for example in self.config.examples
            for role, words in zip(("user", "assistant"), example, strict=True)
        ]

    def _greeting(self, user_id: str) -> list[ChatMessage]:
        """Return the greeting as an exchange, where a user who saw it has not answered yet, or []."""
        history = self._history(user_id)
        if user_id not in self._greeted or not self.config.greeting or history or history.forgotten:
            return []
        return exchange_of(NEUTRAL_OPENING, well_formed(self.config.greeting))

    def _number_of_next_exchange(self, user_id: str) -> int:
        history = self._history(user_id)
        return len(exchanges([*history.forgotten, *history]))

    def _history(self, user_id: str) -> History:
        """Return the user's history; an empty one, stored nowhere, if they never talked."""
        history = self.chat_histories.get(user_id, History())
        return history if isinstance(history, History) else History(history)

    def _add(self, user_id: str, exchange: list[ChatMessage]) -> int:
        """Remember an exchange. Return how many messages were forgotten to make room."""
        history = self._history(user_id)
        if not history and not history.forgotten:
            self._begin_anew(user_id)
        forgot = history.add(exchange, self._recall)
        self.chat_histories[user_id] = history
        return forgot

    def _begin_anew(self, user_id: str) -> None:
        """Nothing is remembered of this user, maybe because a learner has cleared it: so no calls either."""
        calls = self._calls_with(user_id)
        if not calls or any(call.after or len(call) for call in calls):
            calls.clear()
            self._record.begin_anew(user_id)

    def _calls_with(self, user_id: str) -> list[Call]:
        return self._calls.setdefault(user_id, [])

    def _last_call(self, user_id: str) -> Call | None:
        """Return the call that was the last turn with this user, if it was one."""
        if not (calls := self._calls.get(user_id)):
            return None
        is_last = calls[-1].after + len(exchanges(calls[-1])) == self._number_of_next_exchange(user_id)
        return calls[-1] if is_last else None

    def _reply_in(self, exchange: list[ChatMessage]) -> Reply:
        """Return what is known of a reply that only the memory has kept."""
        answer = exchange[-1]
        text, thought = parts_of(answer, self.config.has_scratchpad, self.config.called())
        return Reply(text, thought, answer["content"], answer.get("reasoning_content", ""))

    def _as_sent(self, history: list[ChatMessage]) -> list[ChatMessage]:
        """Return the history in the form in which the model sees it: role and content only."""
        answers = [place for place, message in enumerate(history) if message["role"] == "assistant"]
        with_thoughts = set({"all": answers, "last": answers[-1:], "none": []}[self.config.send_thoughts])
        return [
            {"role": message["role"], "content": self._content_as_sent(message, place in with_thoughts)}
            for place, message in enumerate(history)
        ]

    def _content_as_sent(self, message: ChatMessage, with_thoughts: bool) -> str:
        content = well_formed(message["content"])
        if with_thoughts or message["role"] != "assistant":
            return content
        visible, _ = parts_of(message, self.config.has_scratchpad, self.config.called())
        return well_formed(visible) or content


def check_message(user_message: str) -> None:
    """Raise `ReplyError` if this is no message that can be sent."""
    if not isinstance(user_message, str) or not user_message.strip():
        what = "The message is empty, or is not text."
        raise ReplyError("bad_request", "Write at least one word.", what=what)


def is_greeting(exchange: list[ChatMessage]) -> bool:
    """Whether this exchange is a character's greeting, which nobody asked for."""
    return bool(exchange) and exchange[0]["content"] == NEUTRAL_OPENING


def _seed_of_exchange(seed: int, number: int) -> int:
    """Return the seed of one exchange of a talk, from 0 to 2**31 - 1: a seed of its own for each."""
    return int.from_bytes(hashlib.sha256(f"{seed} {number}".encode()).digest()[:4]) >> 1


def _whose(npc: SimpleChatNPC, user_message: str, user_id: str, *_: Any, **__: Any) -> Any:
    """Return what the door wants to know of a call of `chat` or `stream`."""
    return npc, user_id, user_message
