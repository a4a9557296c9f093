"""`npc-lab log`: list, read and save the talks in the file of a store, and the cards of its experiments.

The file is opened for reading and never changed. Private thoughts are shown and saved only if they are asked
for (`--thoughts`).
"""

from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from npc_lab.cli.screen import INDENT, SEAT_STYLES, Screen
from npc_lab.errors import NPCLabError, did_you_mean
from npc_lab.export import export, export_all
from npc_lab.npc import NEUTRAL_OPENING
from npc_lab.store.schema import number_in, open_to_read, reading, rows_of, seat_in
from npc_lab.transcript import Message, Transcript, told_apart

# All talks, numbered in the order in which they began: two NPCs in an arena, or a user with an NPC. In an
# arena each NPC is also a user of the other; these are no talks of their own.
_TALKS = """
WITH seats (user_id) AS (
    SELECT npc1_user_id FROM conversations UNION SELECT npc2_user_id FROM conversations
), chats AS (
    SELECT npc_id, user_id, min(at) AS first FROM said WHERE user_id NOT IN seats
    GROUP BY npc_id, user_id
), talks (began, conversation_id, one, two) AS (
    SELECT at, id, npc1_id, npc2_id FROM conversations
    UNION ALL SELECT first, NULL, user_id, npc_id FROM chats
)
SELECT row_number() OVER (ORDER BY julianday(began), conversation_id, one, two) AS number, * FROM talks
"""


@dataclass(frozen=True)
class Talk:
    """A talk in a list.

    one, two: the ids of two NPCs, or of a user and an NPC. turns: how many lines the NPCs of an arena said,
    or how many answers the user got. last: when the last one arrived.
    """

    number: int
    conversation_id: str | None
    one: str
    two: str
    names: tuple[str, str]
    turns: int
    last: datetime

    @property
    def title(self) -> str:
        """Who talks with whom."""
        return " and ".join(self.names)


@dataclass(frozen=True)
class Look:
    """A card of an experiment, as it was shown. talks: how many there were. at: when they were looked at."""

    name: str
    talks: int
    at: datetime
    card: str


class Log:
    """The talks in a store's file. Raise `NPCLabError` if it is no such file or cannot be read."""

    def __init__(self, path: Path):
        self._path = path.expanduser()
        self._connection = open_to_read(self._path)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def talks(self, limit: int = -1) -> list[Talk]:
        """Return the newest talks, newest first; all of them without a limit."""
        return [self._talk(*row) for row in self._read(f"{_TALKS} ORDER BY number DESC LIMIT ?", limit)]

    def talk(self, number: int) -> Talk:
        """Return the talk with this number. Raise `NPCLabError` if there is none."""
        rows = self._read(f"SELECT * FROM ({_TALKS}) WHERE number = ?", number)
        if not rows:
            raise NPCLabError(f"There is no talk {number}. To list them: npc-lab log {self._path}")
        return self._talk(*rows[0])

    def transcript(self, talk: Talk, with_thoughts: bool = False) -> Transcript:
        """Return the talk as it is remembered; if asked for, with each speaker's thought before the line."""
        messages = self._arena_lines(talk) if talk.conversation_id else self._chat_lines(talk)
        names = told_apart(dict(enumerate(talk.names, start=1)))
        transcript = Transcript(names=names, stop_reason=self._stop_reason(talk))
        for message, thought in messages:
            if thought and with_thoughts:
                thinker = f"{transcript.speaker(message)} (thinks)"
                transcript.append(Message(thinker, thought, message.timestamp))
            transcript.append(message)
        return transcript

    def asides(self, talk: Talk) -> list[str]:
        """Return what is not in the transcript: answers that were taken back, and errors."""
        pairs = [(talk.two, talk.one)]
        if talk.conversation_id:
            pairs = self._read(
                "SELECT npc1_id, npc2_user_id FROM conversations WHERE id = ?"
                " UNION ALL SELECT npc2_id, npc1_user_id FROM conversations WHERE id = ?",
                *(talk.conversation_id, talk.conversation_id),
            )
        asides = []
        for npc_id, user_id in pairs:
            asides += self._read(
                "SELECT at, 'taken back: ' || answer FROM said"
                " WHERE npc_id = ? AND user_id = ? AND remembered IS NULL"
                " UNION ALL SELECT at, 'no answer (' || kind || '): ' || message FROM errors"
                " WHERE npc_id = ? AND user_id = ?",
                *(npc_id, user_id, npc_id, user_id),
            )
        with reading(self._path):
            return [f"{when(moment(at))}  {words}" for at, words in sorted(asides)]

    def looks(self, name: str | None = None) -> list[Look]:
        """Return the looks at an experiment, oldest first; without a name, the last look at each."""
        if not self._read("SELECT 1 FROM sqlite_schema WHERE name = 'looks'"):  # a file of schema 1
            return []
        rows = self._read(
            "SELECT name, talks, looks.at, card FROM looks JOIN experiments USING (design)"
            " ORDER BY julianday(looks.at)"
        )
        with reading(self._path):
            looks = [Look(each, int(talks), moment(at), str(card)) for each, talks, at, card in rows]
        if name is None:
            return list({look.name: look for look in looks}.values())
        return [look for look in looks if look.name == name]

    def _talk(self, number: int, began: str, conversation_id: str | None, one: str, two: str) -> Talk:
        names = (self._name(one) if conversation_id else one, self._name(two))
        if conversation_id:
            query = "SELECT count(seat), max(id) FROM messages WHERE conversation_id = ?"
            ((turns, last_id),) = self._read(query, conversation_id)
            rows = self._read("SELECT at FROM messages WHERE id = ?", last_id)
        else:
            query = "SELECT count(remembered), max(at) FROM said WHERE npc_id = ? AND user_id = ?"
            ((turns, last_at),) = self._read(query, two, one)
            rows = [(last_at,)]
        with reading(self._path):
            last = moment(rows[0][0] if rows else began)
        return Talk(number, conversation_id, one, two, names, turns, last)

    def _name(self, npc_id: str) -> str:
        rows = self._read("SELECT name FROM npcs WHERE id = ?", npc_id)
        return (rows[0][0] if rows else "") or npc_id

    def _arena_lines(self, talk: Talk) -> list[tuple[Message, str | None]]:
        rows = self._read(
            "SELECT sender, content, messages.at, seat, messages.seconds, coalesce(turns.thought, ("
            " SELECT group_concat(thought, char(10)) FROM turns WHERE id IN (SELECT turns_of_calls.turn_id"
            " FROM turns_of_calls JOIN lines_of_calls USING (call_id) WHERE message_id = messages.id)))"
            " FROM messages LEFT JOIN turns ON turns.id = messages.turn_id WHERE conversation_id = ?"
            " ORDER BY messages.id",
            talk.conversation_id,
        )
        with reading(self._path):
            return [
                (Message(sender, content, moment(at), seat_in(seat), number_in(seconds)), thought)
                for sender, content, at, seat, seconds, thought in rows
            ]

    def _chat_lines(self, talk: Talk) -> list[tuple[Message, str | None]]:
        rows = self._read(
            "SELECT question, answer, at, seconds, thought FROM said"
            " WHERE npc_id = ? AND user_id = ? AND remembered IS NOT NULL ORDER BY remembered, id",
            *(talk.two, talk.one),
        )
        lines: list[tuple[Message, str | None]] = []
        with reading(self._path):
            for question, answer, at, seconds, thought in rows:
                time = moment(at)
                if question != NEUTRAL_OPENING:  # before a greeting nobody has spoken
                    lines.append((Message(talk.one, question, time, seat=1), None))
                lines.append((Message(talk.two, answer, time, seat=2, seconds=number_in(seconds)), thought))
        return lines

    def _stop_reason(self, talk: Talk) -> str:
        rows = self._read("SELECT stop_reason FROM conversations WHERE id = ?", talk.conversation_id)
        return str(rows[0][0]) if rows else ""

    def _read(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        with reading(self._path):
            return rows_of(self._connection, query, parameters)


def show_talks(screen: Screen, path: Path, limit: int) -> None:
    """List the newest talks."""
    with closing(Log(path)) as log:
        talks, looks = log.talks(limit), log.looks()
    if not talks:
        screen.say("There is no talk in it yet.")
        return
    rows = [(str(talk.number), talk.title, str(talk.turns), when(talk.last)) for talk in talks]
    screen.table(("talk", "who", "turns", "last"), rows)
    if older := talks[-1].number - 1:
        screen.say(f"{older} older: --limit {talks[0].number} shows all.", "dim")
    if looks:
        screen.say()
        seen = [(look.name, str(look.talks), when(look.at)) for look in looks]
        screen.table(("experiment", "talks", "last looked at"), seen)
        screen.say("--experiment NAME shows its card.", "dim")


def show_card(screen: Screen, path: Path, name: str) -> None:
    """Print the card of an experiment, as it was looked at last."""
    with closing(Log(path)) as log:
        looks, known = log.looks(name), [look.name for look in log.looks()]
    if not looks:
        there_are = f"There are: {', '.join(known)}." if known else "There is none in this file."
        raise NPCLabError(f"There is no experiment {name!r:.80}. {did_you_mean(name, known, there_are)}")
    screen.say(f"Looked at {when(looks[-1].at)}, with {looks[-1].talks} talks.", "dim")
    for line in looks[-1].card.splitlines():
        screen.say(line.lstrip(), indent=line[: len(line) - len(line.lstrip())])


def show_talk(screen: Screen, path: Path, number: int, with_thoughts: bool) -> None:
    """Print one talk."""
    with closing(Log(path)) as log:
        talk = log.talk(number)
        transcript, asides = log.transcript(talk, with_thoughts), log.asides(talk)
    screen.say(talk.title, "bold")
    for message in transcript:
        screen.say()
        screen.say(transcript.speaker(message), SEAT_STYLES[message.seat - 1] if message.seat else "dim")
        screen.say(message.content, indent=INDENT)
    screen.say()
    for aside in filter(None, [transcript.ending(), *asides]):
        screen.say(aside, "dim")


def save_talks(screen: Screen, path: Path, number: int | None, file: Path, with_thoughts: bool) -> None:
    """Write one talk, or all of them, the oldest first, to a file."""
    with closing(Log(path)) as log:
        if number is not None:
            talk = log.talk(number)
            saved = export(log.transcript(talk, with_thoughts), file, title=talk.title)
        else:
            talks = log.talks()[::-1]
            titled = [(f"{talk.number}. {talk.title}", log.transcript(talk, with_thoughts)) for talk in talks]
            saved = export_all(titled, file, title=path.name)
    screen.say(f"Saved: {saved}")


def moment(at: str) -> datetime:
    """Return the moment that a store wrote, in this machine's time zone."""
    return datetime.fromisoformat(at).astimezone()


def when(at: datetime) -> str:
    """Return a moment as text, such as "2026-03-01 18:30"."""
    return at.strftime("%Y-%m-%d %H:%M")
