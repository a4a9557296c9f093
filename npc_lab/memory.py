"""Memory: what an NPC remembers of one user, and what of it goes into the next prompt.

A model remembers nothing. Everything it is to know must be sent again at every turn, and what is
sent grows with the talk. So an NPC forgets: always whole exchanges (a user's line and its answer),
oldest first, so that what is left begins with a `user` message.

    "blocks"    when more than `history_size` messages are remembered, forget the oldest until at
                most half of it stays. Between two such moments each prompt only adds to the one
                before, so the endpoint's prompt cache has most of it ready.
    "sliding"   forget the oldest exchange at every turn. Remembers a little more, and reads
                almost the whole prompt anew at every turn.
    "all"       forget nothing; `history_size` does not count.

With `history_size` 4 and the exchanges A, B and C, each of two messages:

    after     "blocks" remembers    "sliding" remembers
    A         A                     A
    B         A B                   A B
    C         C                     B C
"""

from collections.abc import Callable

ChatMessage = dict[str, str]  # {"role": "system" | "user" | "assistant", "content": ...}
Recall = Callable[[list[ChatMessage], int], list[ChatMessage]]


def exchange_of(
    question: str, answer: str, reasoning: str | None = None, said: str | None = None
) -> list[ChatMessage]:
    """Return an exchange as it is remembered.

    answer: as the model wrote it. reasoning: thoughts that came in a field of their own. said: what was
    visible of the answer, where the answer alone does not tell: the token limit cut it.
    """
    message = {"role": "assistant", "content": answer}
    if reasoning:
        message["reasoning_content"] = reasoning
    if said:
        message["said"] = said
    return [{"role": "user", "content": question}, message]


def exchanges(messages: list[ChatMessage]) -> list[list[ChatMessage]]:
    """Group the messages so that each group begins with a user's line. Drop what stands before the first."""
    groups: list[list[ChatMessage]] = []
    for message in messages:
        if message["role"] == "user":
            groups.append([message])
        elif groups:
            groups[-1].append(message)
    return groups


def newest(messages: list[ChatMessage], limit: int) -> list[ChatMessage]:
    """Return the newest whole exchanges, together at most `limit` messages."""
    first = len(messages)
    for place in reversed(range(max(len(messages) - limit, 0), len(messages))):
        if messages[place]["role"] == "user":
            first = place
    return messages[first:]


def recall_in_blocks(messages: list[ChatMessage], history_size: int) -> list[ChatMessage]:
    """Return all that fits, or once it no longer fits the newest half, but at least one exchange."""
    fitting = newest(messages, history_size)
    if len(fitting) == len(messages):
        return fitting
    return newest(messages, history_size // 2) or fitting


def recall_all(messages: list[ChatMessage], history_size: int) -> list[ChatMessage]:
    """Return everything, whatever `history_size` is."""
    return newest(messages, len(messages))


MEMORIES: dict[str, Recall] = {"blocks": recall_in_blocks, "sliding": newest, "all": recall_all}


class Call(list[ChatMessage]):
    """One call of a class that overrides `chat`: what the model remembered of it, and what was said.

    The messages are whole exchanges: as many as its own `super().chat` made, none too. question and answer:
    what was said to the character, and what it said. after: how many exchanges were remembered before.
    """

    def __init__(self, messages: list[ChatMessage], question: str, answer: str, after: int):
        super().__init__(messages)
        self.question = question
        self.answer = answer
        self.after = after

    def __bool__(self) -> bool:
        return True  # it took place, also where the model remembers nothing of it

    def __eq__(self, other: object) -> bool:
        said = (self.question, self.answer)
        return super().__eq__(other) and said == (
            getattr(other, "question", said[0]),
            getattr(other, "answer", said[1]),
        )

    __hash__ = None


def turns(messages: list[ChatMessage], calls: list[Call]) -> list[list[ChatMessage]]:
    """Return the turns of a talk, oldest first: calls, and between them the exchanges that belong to none.

    A call of which the exchanges are gone, because a learner has cleared the memory, is left out.
    """
    remembered = exchanges(messages)
    found: list[list[ChatMessage]] = []
    place = 0
    for call in calls:
        end = call.after + len(exchanges(call))
        if end <= len(remembered):
            found += remembered[place : call.after]
            found.append(call)
            place = end
    return found + remembered[place:]


class History(list[ChatMessage]):
    """What an NPC remembers of one user: messages as they are sent, oldest first.

    `forgotten` holds what it remembers no longer: never sent; the chat box can show it.
    """

    def __init__(self, messages: list[ChatMessage] | None = None):
        super().__init__(messages or [])
        self.forgotten: list[ChatMessage] = []
        self._forgotten_at_turn: list[int] = []  # for each exchange: how many messages it pushed out

    @classmethod
    def restored(cls, messages: list[ChatMessage], forgotten_at_turn: list[int]) -> "History":
        """Return a history that was stored. forgotten_at_turn: how many messages each exchange pushed out."""
        forgotten = min(sum(forgotten_at_turn), len(messages))
        history = cls(messages[forgotten:])
        history.forgotten = messages[:forgotten]
        history._forgotten_at_turn = forgotten_at_turn
        return history

    def add(
        self, exchange: list[ChatMessage], recall: Callable[[list[ChatMessage]], list[ChatMessage]]
    ) -> int:
        """Remember an exchange and forget what no longer fits. Return how many messages that was."""
        everything = [*self, *exchange]
        remembered = recall(everything)
        pushed_out = len(everything) - len(remembered)
        self.forgotten += everything[:pushed_out]
        self._forgotten_at_turn.append(pushed_out)
        self[:] = remembered
        return pushed_out

    def clear(self) -> None:
        """Forget everything for good: nothing can be taken back after that."""
        super().clear()
        self.forgotten.clear()
        self._forgotten_at_turn.clear()

    def take_back(self) -> list[ChatMessage]:
        """Remove and return the last exchange; what it had pushed out is remembered again. [] if none."""
        pushed_out = self._forgotten_at_turn.pop() if self._forgotten_at_turn else 0
        if pushed_out:
            self[:0] = self.forgotten[-pushed_out:]
            del self.forgotten[-pushed_out:]
        last = exchanges(self)[-1:]
        if not last:
            return []
        del self[-len(last[0]) :]
        return last[0]
