"""A learner's arena in one step of a check: called as a notebook calls it, on a factory that takes notes."""

from __future__ import annotations

import inspect
import io
import re
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout, suppress
from typing import Any, cast

from npc_lab.lessons.checking.exercise import CantCheck, Trial, Wrong
from npc_lab.lessons.checking.learners_code import apart, error_line, is_called, quote, show
from npc_lab.lessons.checking.plain import plain
from npc_lab.lessons.exercises.practice_factory import Actor, Call, Mumbler, PracticeFactory
from npc_lab.text import printable, shorten

_IDS = re.compile(r"npc-[0-9a-f]{1,12}|[0-9a-f]{8}(-?[0-9a-f]{4,12})*")
# Turn numbers, and times of the day.
_NUMBERS = re.compile(r"\d+:\d+(:\d+)?(\.\d+)?|(?<![0-9a-fA-F])\d{1,3}(?![0-9a-fA-F])")
_MAY_YIELD = ("get_conversation_history", "run_conversation")
_COLUMN = 40  # characters: the most for one of a drawing's two columns


class ArenaTrial(Trial):
    """A learner's arena, on a factory of its own.

    users: what `register_npc_in_arena` gave, for each registered NPC.
    """

    def __init__(self, arena_class: Callable[[Any], Any]):
        super().__init__(arena_class)
        self.factory = PracticeFactory()
        self.users: dict[str, Any] = {}
        self.called = "ChatArena(factory)"
        try:
            self.arena = arena_class(self.factory)
        except TypeError as error:
            if error.__traceback__ and error.__traceback__.tb_next:
                raise  # it comes from a line inside __init__
            advice, words = "Let it take the factory: def __init__(self, npc_factory).", error_line(error)
            raise Wrong(
                self.called, "an arena", words, advice, fault=f"It takes no factory: {words}."
            ) from None
        self.refuse_what_runs_nothing(self.arena)

    def think(self) -> None:
        """Give scratchpads to all characters that are made from now on."""
        self.factory.thinks = True

    def mumble(self) -> None:
        """Let all characters that are made from now on speak between blanks."""
        self.factory.kind = Mumbler

    def call(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Call a method of the arena and return its value. A generator is run to its end if it may be one."""
        value = getattr(self.arena, method)(*arguments, **options)
        self.refuse_what_runs_nothing(value)
        if not inspect.isgenerator(value):
            return value
        if method in _MAY_YIELD:
            return list(value)
        advice = "Write `return` in place of `yield`."
        fault = f"{method} yields, so a call alone runs nothing."
        raise Wrong(self.called, "a value", "a generator", advice, fault=fault)

    def register(self, actor: Actor) -> Any:
        """Call `register_npc_in_arena` and return its value."""
        self.called = f"arena.register_npc_in_arena({id_of(actor)})"
        return plain(self.call("register_npc_in_arena", actor.npc_id))

    def actors(self) -> tuple[Actor, Actor]:
        """Return two new characters, registered in the arena."""
        actors = self.factory.actor(), self.factory.actor()
        for actor in actors:
            self.join(actor)
        return actors

    def join(self, actor: Actor) -> None:
        """Register a character, where the step is not about that."""
        with suppress(Exception):  # the steps of the part "register" tell of it
            self.users[actor.npc_id] = self.register(actor)

    def start(self, first: Actor, second: Actor, *opening: str) -> Any:
        """Start a talk and return its id."""
        words = "".join(f", {quote(each, 40)}" for each in opening)
        self.called = f"arena.start_conversation({id_of(first)}, {id_of(second)}{words})"
        return self.call("start_conversation", first.npc_id, second.npc_id, *opening)

    def talk(self) -> tuple[Any, Actor, Actor]:
        """Start a talk of two new characters with an opening line, and return its id and the two."""
        first, second = self.actors()
        return self.start(first, second, self.factory.line()), first, second

    def turn(self, talk: Any) -> tuple[Any, Any]:
        """Call `run_turn` and return its pair: whether it succeeded, and the line or the reason."""
        self.called = "arena.run_turn(talk)"
        result = self.call("run_turn", talk)
        if isinstance(result, str | bytes | Mapping) or not hasattr(result, "__len__") or len(result) != 2:
            advice = "Return two values: `return True, line`, or `return False, reason`."
            fault = f"run_turn gives {show(result, 60)}, and not two values."
            raise Wrong(self.called, "two values: True and the line", show(result), advice, fault=fault)
        succeeded, words = result
        return succeeded, plain(words)

    def turns(self, talk: Any, count: int) -> list[Any]:
        """Run so many turns and return their lines.

        Raise `Wrong` if one of them fails, and `CantCheck` if nobody was asked for a line.
        """
        asked = len(self.factory.trace)
        lines = self.lines(talk, count)
        if len(self.factory.trace) == asked:
            raise CantCheck("It waits for: run_turn gives True, and the line that was said")
        return lines

    def lines(self, talk: Any, count: int) -> list[Any]:
        """Run so many turns and return their lines, whoever has made them. Raise `Wrong` if one fails."""
        lines = []
        for number in range(1, count + 1):
            succeeded, words = self.turn(talk)
            self.called = f"arena.run_turn(talk), turn {number}"
            if succeeded is not True:
                advice = "Let the NPC reply with chat_with_npc, and return True with what it says."
                fault = f"run_turn gives False: {quote(words, 90)}."
                if succeeded is not False:
                    advice = "True comes first, then the line: `return True, line`."
                    fault = f"The first value that run_turn gives is {show(succeeded, 40)}, and not True."
                raise Wrong(self.called, "(True, the line)", show((succeeded, words)), advice, fault=fault)
            lines.append(words)
        return lines

    def expect_a_run(self) -> None:
        """Raise `CantCheck` if no run has brought a line: it proves nothing that such a run is silent."""
        if not self.factory.trace:
            raise CantCheck("It waits for: run_conversation adds exactly max_turns lines")

    def run(self, talk: Any, *count: int, **options: Any) -> Any:
        """Call `run_conversation` and return its value. A generator is run to its end."""
        shown = [f"max_turns={each}" for each in count] + [
            f"{name}={value}" for name, value in options.items()
        ]
        self.called = f"arena.run_conversation({', '.join(['talk', *shown])})"
        if count:
            options["max_turns"] = count[0]
        return self.call("run_conversation", talk, **options)

    def history(self, talk: Any) -> list[Any]:
        """Call `get_conversation_history` and return its value as a list."""
        self.called = "arena.get_conversation_history(talk)"
        return self.listed(self.call("get_conversation_history", talk))

    def evaluate(self, talk: Any) -> Mapping[str, Any]:
        """Call `evaluate_conversation` and return its mapping."""
        self.called = "arena.evaluate_conversation(talk)"
        metrics = self.call("evaluate_conversation", talk)
        if not isinstance(metrics, Mapping):
            fault = f"evaluate_conversation gives {show(metrics, 60)}, and no dict."
            advice = "Return a dict of the three metrics."
            raise Wrong(self.called, "a dictionary of numbers", show(metrics), advice, fault=fault)
        return cast(Mapping[str, Any], plain(metrics))

    def key(self, talk: Any, key: str) -> Any:
        """Return what the conversation answers to one of its keys. Raise `CantCheck` if it does not."""
        self.called = f'arena.conversations[talk]["{key}"]'
        try:
            return self.arena.conversations[talk][key]
        except Exception:  # whatever a learner's class raises for it
            raise CantCheck(f'It waits for the key "{key}" of the conversation.') from None

    def seats_user(self, talk: Any, key: str) -> str | None:
        """Return the user under this key; None if there is no such key, or no such user."""
        try:
            user_id = plain(self.key(talk, key))
        except CantCheck:
            return None
        return user_id if isinstance(user_id, str) and user_id in self.factory.user_ids else None

    def whose(self, user_id: str | None, pair: tuple[Actor, Actor]) -> Actor | None:
        """Return which of the two this user surely is: as registered, or with more behind that name."""
        registered = {actor.npc_id: self.users.get(actor.npc_id) for actor in pair}
        for fits in (str.__eq__, str.startswith):
            found = [
                actor
                for actor in pair
                if isinstance(own := registered[actor.npc_id], str) and user_id and fits(user_id, own)
            ]
            if len(found) == 1:
                return found[0]
        return None

    def mixed_up_key(self, talk: Any, pair: tuple[Actor, Actor]) -> str:
        """Return the key of a seat whose user is surely the other NPC's, or ""."""
        keys = ("npc1_user_id", "npc2_user_id")
        users = [self.seats_user(talk, key) for key in keys]
        if [self.whose(user, pair) for user in users] == [pair[1], pair[0]]:
            return keys[0]
        own = [self.users.get(actor.npc_id) for actor in pair]
        if own[0] == own[1]:
            return ""
        seats = zip(keys, users, own[::-1], strict=True)
        return next((key for key, user, other in seats if user and user == other), "")

    def record(self, talk: Any) -> list[Any]:
        """Return the conversation's messages: under their key, or else as its history.

        Raise `CantCheck` if they cannot be read, or are no messages.
        """
        messages = self.messages(talk)
        if messages is None or any(_lacks(each) for each in messages):
            raise CantCheck("It waits for: Each line is recorded once, under the id of its speaker")
        return messages

    def messages(self, talk: Any) -> list[Any] | None:
        """Return whatever the conversation has recorded, or None if no way leads to it."""
        with suppress(Exception):
            return list(self.key(talk, "messages"))
        with suppress(Exception):
            return self.history(talk)
        with suppress(Exception):
            return list(self.arena.conversations[talk].messages)
        return None

    def listed(self, messages: Any) -> list[Any]:
        """Return the messages that a method returned, as a list."""
        if isinstance(messages, str | bytes | Mapping) or not hasattr(messages, "__iter__"):
            advice = "Did you forget a `return`?" if messages is None else "Return the list of messages."
            fault = f"It gives {show(messages, 60)}, and no list."
            raise Wrong(self.called, "a list of messages", show(messages), advice, fault=fault)
        return list(messages)

    def conversations(self) -> Any:
        """Return the arena's conversations, by their ids. Raise `CantCheck` if there are none to look at."""
        self.called = "arena.conversations"
        try:
            return list(self.arena.conversations)
        except Exception:
            raise CantCheck("It waits for: The conversation answers its seven keys") from None

    def must_raise(self, name: str, call: Callable[[], Any], any_error: bool = False) -> None:
        """Raise `Wrong` unless the call raises an error with this name; the learner's own class will do."""
        try:
            value = call()
        except (Wrong, NotImplementedError):
            raise
        except Exception as error:
            if any_error or is_called(error, name):
                return
            advice, fault = f"Raise {name}(the id) instead.", f"It raises {type(error).__name__}."
            raise Wrong(self.called, f"{name} is raised", error_line(error), advice, fault=fault) from None
        advice = f"Look first whether the id is known, and `raise {name}(the id)`."
        fault = f"It raises nothing, and gives {show(value, 40)}."
        raise Wrong(self.called, f"{name} is raised", f"no error, but {show(value, 80)}", advice, fault=fault)

    def refuses_unknown_talk(self, method: str, any_error: bool = False) -> None:
        """Raise `Wrong` unless the method raises the error for an unknown conversation and makes nothing."""
        self.talk()
        before, users = self._known_talks(), dict(self.factory.user_ids)
        unknown = f"talk-{self.factory.word()}"
        called = self.called = f"arena.{method}({unknown!r})"
        self.must_raise("ConversationNotFoundError", lambda: self.call(method, unknown), any_error)
        if self.factory.user_ids != users:
            advice = "Look first whether the id is known, and make nothing before that."
            fault = "For an unknown id it registers a user."
            raise Wrong(called, "no new user", "a new one was registered", advice, fault=fault)
        if self._known_talks() != before:
            advice = "Looking a conversation up must not make one."
            fault = "For an unknown id it makes a conversation."
            raise Wrong(called, "no new conversation", "a new one was made", advice, fault=fault)

    def _known_talks(self) -> list[Any]:
        try:
            return [plain(each) for each in self.conversations()]
        except CantCheck:
            return []

    def failing_turn(self, talk: Any) -> tuple[Any, Any]:
        """Run a turn while the endpoint fails, and return its pair; after it, replies come again."""
        self.factory.fails = True
        try:
            result = self.turn(talk)
        except Wrong:
            raise
        except Exception as error:
            called = "arena.run_turn(talk), while no reply comes"
            advice = (
                "Put chat_with_npc into a try, and `except ReplyError as error: return False, str(error)`."
            )
            got, fault = f"the error itself: {error_line(error)}", "run_turn lets the error through."
            raise Wrong(called, "(False, the reason)", got, advice, fault=fault) from None
        finally:
            self.factory.fails = False
        self.called = "arena.run_turn(talk), while no reply comes"
        return result

    def failed_turn(self, talk: Any) -> None:
        """Run a turn while the endpoint fails, whatever it gives or raises."""
        with suppress(Exception):
            self.failing_turn(talk)
        self.called = "arena.run_turn(talk), while no reply comes"

    def number(self, talk: Any, key: str) -> float:
        """Return one of the metrics. Raise `Wrong` if it is no number."""
        metrics = self.evaluate(talk)
        self.called = f'arena.evaluate_conversation(talk)["{key}"]'
        if key not in metrics:
            advice, fault = f"Return a dict with the key {key!r}.", f"The key {key!r} is missing."
            raise Wrong(self.called, "a number", f"only the keys {show(list(metrics))}", advice, fault=fault)
        value = metrics[key]
        if not isinstance(value, int | float) or isinstance(value, bool):
            advice, fault = (
                "Return a number, 0 where there is nothing.",
                f"{key} is {show(value, 60)}, no number.",
            )
            raise Wrong(self.called, "a number", show(value), advice, fault=fault)
        return float(value)

    def found(self, talk: Any, key: str) -> float:
        """Return one of the metrics. Raise `CantCheck` if it is no number: another step tells of that."""
        try:
            return self.number(talk, key)
        except Wrong:
            raise CantCheck("It waits for: evaluate_conversation gives three numbers") from None

    def expect_number(self, talk: Any, key: str, expected: float, tolerance: float, advice: str) -> None:
        """Raise `Wrong` unless one of the metrics has this value."""
        got = self.found(talk, key)
        if not abs(got - expected) <= tolerance:
            fault = f"It gives {got:g}, and not {expected:g}."
            raise Wrong(self.called, f"{expected:g}", f"{got:g}", advice, fault=fault)

    def names_speakers(self, labels: list[str]) -> bool:
        """Return whether the labels before the lines say who speaks: by name or id, or by any two words."""
        first, second = self.factory.trace[0].actor, self.factory.trace[1].actor
        seats = {0: (first, 1), 1: (second, 2)}
        named = [_is_named(*seats[place % 2], label) for place, label in enumerate(labels)]
        others = [_is_named(*seats[1 - place % 2], label) for place, label in enumerate(labels)]
        if all(others[1:]) and not any(named):
            return not others[0]  # true: each name follows its line; false: the partner's stands before it
        return all(named) or any(_alternate(labels, without) for without in _WITHOUT_COUNT)

    def drawing(self, speakers: list[Actor], heard: list[str] | None) -> str:
        """Return two columns of text: who spoke (and heard what), and who should have."""
        trace: list[Call] = self.factory.trace
        left = [_drawn(call.actor.name, call.heard if heard else None) for call in trace]
        right = [_drawn(actor.name, heard[place] if heard else None) for place, actor in enumerate(speakers)]
        width = max(map(len, [*left, "your talk"])) + 2
        rows = [f"  turn  {'your talk':<{width}}expected"]
        for place in range(max(len(left), len(right))):
            mine = left[place] if place < len(left) else "nobody"
            wanted = right[place] if place < len(right) else "nobody"
            mark = " " if mine == wanted else "✗"
            rows.append(f"{mark} {place + 1:>3}   {mine:<{width}}{wanted}")
        return "\n".join(rows)


def id_of(actor: Actor) -> str:
    """Return a variable's name for the character's id, such as "edwin_id": messages read better with it."""
    return f"{actor.name.lower()}_id"


def lines_of(messages: list[Any]) -> list[tuple[Any, Any]]:
    """Return the sender and the content of each message."""
    return [
        (plain(getattr(each, "sender", None)), plain(getattr(each, "content", each))) for each in messages
    ]


def contents_of(messages: list[Any]) -> list[Any]:
    """Return the content of each message."""
    return [content for _, content in lines_of(messages)]


def _lacks(message: Any) -> str:
    """Return the name of a field that a message should have and has not, or ""."""
    fields = ("sender", "content", "timestamp")
    return next((name for name in fields if not hasattr(message, name)), "")


def expect_messages(messages: list[Any], called: str) -> None:
    """Raise `Wrong` unless each of them is a message."""
    for message in messages:
        if missing := _lacks(message):
            advice = "Record Message(sender, content, datetime.now())."
            got, fault = f"{show(message, 80)}: no .{missing}", f"A line is recorded as {show(message, 60)}."
            raise Wrong(called, "each one a Message", got, advice, fault=fault)


def expect_same(
    called: str, expected: list[tuple[Any, Any]], got: list[tuple[Any, Any]], advice: str
) -> None:
    """Raise `Wrong` unless the messages have these senders and contents."""
    if got != expected:
        wanted, given, fault = difference(expected, got)
        raise Wrong(called, wanted, given, advice, fault=fault)


def difference(expected: list[tuple[Any, Any]], got: list[tuple[Any, Any]]) -> tuple[str, str, str]:
    """Return what was expected, what came, and what is wrong, of the first difference."""
    foreign = [text for _, text in got if text in PracticeFactory.made]
    foreign = [text for text in foreign if text not in [text for _, text in expected]]
    if foreign:
        fault = "It holds lines of another talk: two talks have one list of messages."
        return _count_of(expected), f"also {quote(foreign[0], 60)}, of another talk", fault
    count = f"There are {len(got)} messages, and not {len(expected)}." if len(got) != len(expected) else ""
    for number, (wanted, given) in enumerate(zip(expected, got, strict=False), start=1):
        if wanted[1] != given[1]:
            ours, theirs = apart(wanted[1], given[1], 80)
            fault = count or f"Message {number} is another text."
            return f"message {number} reads {ours}", f"it reads {theirs}", fault
        if wanted[0] != given[0]:
            fault = f"Message {number} has the sender {show(given[0], 40)}."
            return f"message {number} has the sender {show(wanted[0], 60)}", show(given[0], 60), fault
    last = f", the last one {quote(got[-1][1], 80)}" if len(got) > len(expected) else ""
    return _count_of(expected), f"{len(got)} message{'s' if len(got) != 1 else ''}{last}", count


def printed_by(call: Callable[[], Any]) -> str:
    """Return what the call prints."""
    printed = io.StringIO()
    with redirect_stdout(printed), redirect_stderr(printed):
        call()
    return printed.getvalue()


def labels_in(printed: str, lines: list[str], called: str) -> list[str]:
    """Return what is printed before each line, and after the last one.

    It does not matter how the lines are wrapped, or whether a line is printed as its repr.
    """
    printed = printed.replace("\\n", "\n")
    places = [place for place, letter in enumerate(printed) if not letter.isspace()]
    letters = "".join(printed[place] for place in places)
    labels, done = [], 0
    for number, line in enumerate(lines, start=1):
        found = letters.find(_without_blanks(line), done)
        if found < 0:
            got = quote(printed) if printed.strip() else "nothing was printed"
            expected, advice = f"line {number}, {quote(line, 60)}, is printed", "Print each line in the loop."
            fault = f"Line {number} is not printed." if printed.strip() else "It prints nothing."
            raise Wrong(called, expected, got, advice, fault=fault)
        labels.append(_between(printed, places, done, found))
        done = found + len(_without_blanks(line))
    return [*labels, _between(printed, places, done, len(places))]


def _between(printed: str, places: list[int], start: int, end: int) -> str:
    """Return the text from one letter up to another, with single blanks. `places` leaves out all blanks."""
    return " ".join(printed[places[start] : places[end - 1] + 1].split()) if start < end else ""


def _count_of(lines: list[tuple[Any, Any]]) -> str:
    plural = "s" if len(lines) > 1 else ""
    return f"{len(lines)} message{plural}, as they were said" if lines else "no message"


def numbers_in(label: str) -> set[int]:
    """Return the numbers in a label, without those that are part of an id."""
    return {int(each) for each in re.findall(r"\d{1,6}", _IDS.sub("", label))}


def _is_named(actor: Actor, seat: int, label: str) -> bool:
    """Return whether a label holds the name, the NPC's id or its beginning, or the seat."""
    known = [actor.name, actor.npc_id[:8], f"npc{seat}", f"npc_{seat}"]
    return any(each.casefold() in _without_blanks(label).casefold() for each in known)


# Three ways to take the turn's number out of a label: it may come first or last, and the speaker may be a
# number, too.
_WITHOUT_COUNT: tuple[Callable[[str], str], ...] = (
    lambda label: _NUMBERS.sub("", label),
    lambda label: re.sub(r"\d+", "", label, count=1),
    lambda label: re.sub(r"\d+(?=\D*$)", "", label),
)


def _alternate(labels: list[str], without_count: Callable[[str], str]) -> bool:
    """Return whether two labels alternate. The first one is left out: the opening may be in it."""
    later = [without_count(label) for label in labels[1:]]
    return len(set(later[::2])) == len(set(later[1::2])) == 1 and later[0] != later[1]


def _without_blanks(text: str) -> str:
    return re.sub(r"\s+", "", text)


def _drawn(name: str, heard: str | None) -> str:
    return name if heard is None else f"{name} hears “{shorten(printable(heard), _COLUMN - len(name) - 11)}”"
