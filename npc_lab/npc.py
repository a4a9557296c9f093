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

import hashlib
from collections.abc import MutableMapping
from typing import Any

from npc_lab.character import NPCConfig
from npc_lab.errors import NPCLabError, ReplyError
from npc_lab.memory import MEMORIES, ChatMessage, History, exchanges
from npc_lab.one_at_a_time import OneAtATime
from npc_lab.reply import Reply, ReplyStream
from npc_lab.scratchpad import split_thoughts
from npc_lab.store.record import NoRecord, NPCRecord
from npc_lab.text import well_formed
from npc_lab.wire.usage import Usage, usage_of


class SimpleChatNPC:
    """One character on one model, with a history for each user it talks with.

    client: an `openai.OpenAI` client, or one that works like it. model: the model's name there.
    `client`, `model` and `config` may be changed between turns. `chat_histories[user_id]` is what
    it remembers of that user; any text serves as a user id. `seeds[user_id]` is the seed of the talk with
    this user, if it has one: the same talk with the same seed comes again, if the endpoint takes seeds.
    record: writes its turns into a store.
    """

    def __init__(self, client: Any, model: str, config: NPCConfig, *, record: NPCRecord | None = None):
        self.client = client
        self.model = model
        self.config = config
        self._record = record or NoRecord()
        self.seeds: dict[str, int] = {}
        self._costs: dict[str, list[tuple[Any, int, int]]] = {}  # of each reply, as it is told
        self.chat_histories: MutableMapping[str, History] = self._record.histories()
        self._one_at_a_time = OneAtATime()

    def __repr__(self) -> str:
        return f"SimpleChatNPC({self.config.name or 'no name'!r}, model={self.model!r})"

    def get_system_message(self) -> ChatMessage:
        """Return the message that makes the model this character."""
        return {"role": "system", "content": well_formed(self.config.system_message())}

    def preview(self, user_message: str, user_id: str) -> list[ChatMessage]:
        """Return exactly the messages that would be sent now, without sending them.

        Raise `ReplyError` if the message is empty or no text.
        """
        if not isinstance(user_message, str) or not user_message.strip():
            what = "The message is empty, or is not text."
            raise ReplyError("bad_request", "Write at least one word.", what=what)
        history = self.remembered(user_id)
        new_message = {"role": "user", "content": well_formed(user_message)}
        return [self.get_system_message(), *self._examples(), *self._as_sent(history), new_message]

    def remembered(self, user_id: str) -> list[ChatMessage]:
        """Return what of the talk with this user is still remembered, as the model wrote it."""
        return self._recall(self.chat_histories.get(user_id, History()))

    def usage(self, user_id: str | None = None) -> Usage:
        """Return what its replies to this user have cost since it was made; without a user, all of them."""
        costs = self._costs.copy() if user_id is None else {user_id: self._costs.get(user_id, [])}
        return sum((usage_of(*cost) for of_user in costs.values() for cost in of_user.copy()), Usage())

    def chat(self, user_message: str, user_id: str) -> str:
        """Say something, wait for the answer and return it without its private thoughts.

        Raise `ReplyError` if there is none; then nothing of this turn is remembered.
        """
        return "".join(self._answer(user_message, user_id, whole=True))

    def stream(self, user_message: str, user_id: str) -> ReplyStream:
        """Say something and return the visible pieces of the answer, to be iterated as they arrive.

        Errors are raised while iterating. A stream that is not read to its end leaves no trace.
        """
        return self._answer(user_message, user_id, whole=False)

    def take_back(self, user_id: str) -> list[ChatMessage]:
        """Remove the last exchange and return it: the user's message and the answer.

        To ask again, take back and stream; if that fails, `give_back` what was taken. Raise `NPCLabError`
        if there is no exchange.
        """
        with self._one_at_a_time.held(user_id):
            history = self._history(user_id)
            if exchange := history.take_back():
                self.chat_histories[user_id] = history
                self._record.take_back(user_id, exchange)
        if not exchange:
            raise NPCLabError(f"There is no exchange with {user_id!r} to take back. Say something first.")
        return exchange

    def give_back(self, user_id: str, exchange: list[ChatMessage]) -> None:
        """Remember again what `take_back` removed."""
        with self._one_at_a_time.held(user_id):
            forgot = self._add(user_id, exchange)
            if exchange:
                self._record.give_back(user_id, exchange, self._reply_in(exchange), forgot)

    def _answer(self, user_message: str, user_id: str, whole: bool) -> ReplyStream:
        def request() -> dict[str, Any]:
            return self._request(self.preview(user_message, user_id), user_id, whole)

        def remember(reply: Reply) -> list[ChatMessage]:
            answer = {"role": "assistant", "content": reply.raw}
            if reply.reasoning:
                answer["reasoning_content"] = reply.reasoning
            exchange = [{"role": "user", "content": well_formed(user_message)}, answer]
            forgot = self._add(user_id, exchange)
            self._record.add_turn(user_id, exchange, reply, forgot, self.config, self.client)
            return exchange

        def note(error: ReplyError) -> None:
            self._record.add_error(user_id, user_message, error, self.client)

        return ReplyStream(
            client=self.client,
            request=request,
            remember=remember,
            note=note,
            count=lambda *cost: self._costs.setdefault(user_id, []).append(cost),
            lock=lambda stream: self._one_at_a_time.acquire(user_id, stream),
            has_scratchpad=self.config.has_scratchpad,
            whole=whole,
        )

    def _request(self, messages: list[ChatMessage], user_id: str, whole: bool) -> dict[str, Any]:
        """Return the call's arguments. What the sheet leaves to the endpoint is not named."""
        request: dict[str, Any] = {"model": self.model, "messages": messages}
        if self.config.temperature is not None:
            request["temperature"] = self.config.temperature
        if self.config.max_reply_tokens is not None:
            request["max_tokens"] = self.config.max_reply_tokens
        request |= self.config.request_options
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
            self._record.begin_anew(user_id)
        forgot = history.add(exchange, self._recall)
        self.chat_histories[user_id] = history
        return forgot

    def _reply_in(self, exchange: list[ChatMessage]) -> Reply:
        """Return what is known of a reply that only the memory has kept."""
        raw, reasoning = exchange[-1]["content"], exchange[-1].get("reasoning_content", "")
        text, thought = split_thoughts(raw, self.config.has_scratchpad)
        return Reply(text, "\n".join(filter(None, (reasoning, thought))), raw, reasoning)

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
        visible, _ = split_thoughts(content, self.config.has_scratchpad)
        return visible or content


def _seed_of_exchange(seed: int, number: int) -> int:
    """Return the seed of one exchange of a talk, from 0 to 2**31 - 1: a seed of its own for each."""
    return int.from_bytes(hashlib.sha256(f"{seed} {number}".encode()).digest()[:4]) >> 1
