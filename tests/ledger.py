"""What lives told of: so what their file must hold, and what each NPC must have been asked with."""

import random
import sqlite3
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from lives import HISTORY_SIZE, SEATS, Event, Life, fingerprint

from npc_lab.memory import ChatMessage, History, recall_in_blocks
from npc_lab.store import Store

recall = partial(recall_in_blocks, history_size=HISTORY_SIZE)


@dataclass
class Talk:
    """What a ledger knows of an arena's talk. messages: (sender, seat, content)."""

    seats: dict[str, str]
    messages: list[tuple[str, int | None, str]]

    def next_speaker(self) -> tuple[str, int, str]:
        """The NPC, its seat, and the user to whom it speaks."""
        spoken = [seat for _, seat, _ in self.messages if seat]
        if spoken and spoken[-1] == 1:
            return self.seats["npc2_id"], 2, self.seats["npc1_user_id"]
        return self.seats["npc1_id"], 1, self.seats["npc2_user_id"]

    def cue(self) -> str:
        """The partner's last line, or the opening; and what the director said since."""
        last = max(place for place, (sender, *_) in enumerate(self.messages) if sender != "director")
        return "\n\n".join(content for *_, content in self.messages[last:])


Key = tuple[str, str]  # an NPC and a user


@dataclass
class Ledger:
    """What was told. `check(file)` holds it against the file, and against what opens from it."""

    systems: dict[str, ChatMessage] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)  # an NPC's name -> its id
    users: set[str] = field(default_factory=set)
    talks: dict[str, Talk] = field(default_factory=dict)
    memories: dict[Key, History] = field(default_factory=dict)
    answers: dict[Key, list[str]] = field(default_factory=dict)  # all of them, also those taken back
    under_way: dict[Any, Event] = field(default_factory=dict)
    turns: int = 0
    untold: int = 0  # turns that were finished when the kill came, before they were told of

    def note(self, event: Event) -> None:
        getattr(self, f"_{event[0]}")(*event[1:])

    def _opening(self) -> None:
        pass

    _opened = _opening

    def _ended(self, problem: str, complaints: str) -> None:
        assert not problem, problem
        assert not complaints, complaints

    def _npc(self, npc_id: str, name: str, system: ChatMessage) -> None:
        assert self.names.setdefault(name, npc_id) == npc_id, "registered again, it is another NPC"
        assert self.systems.setdefault(npc_id, system) == system

    def _user(self, user_id: str) -> None:
        self.users.add(user_id)

    def _talk(self, talk_id: str, seats: dict[str, str], opening: str) -> None:
        assert talk_id not in self.talks
        self.talks[talk_id] = Talk(seats, [("system", None, opening)])
        self.users |= {seats["npc1_user_id"], seats["npc2_user_id"]}

    def _directing(self, talk_id: str, line: str) -> None:
        self.under_way[talk_id] = ("directing", line)

    def _directed(self, talk_id: str) -> None:
        _, line = self.under_way.pop(talk_id)
        self.talks[talk_id].messages.append(("director", None, line))

    def _turn(self, talk_id: str, sender: str, seat: int, line: str, exchange: list[ChatMessage]) -> None:
        talk = self.talks[talk_id]
        npc_id, next_seat, partner = talk.next_speaker()
        assert (sender, seat) == (npc_id, next_seat), "the wrong one spoke"
        assert exchange[0]["content"] == talk.cue(), "it was told something else than the partner's line"
        self._remember((npc_id, partner), line, exchange)
        talk.messages.append((sender, seat, line))

    def _asking(self, npc_id: str, user_id: str, question: str) -> None:
        self.under_way[npc_id, user_id] = ("asking", question)

    def _asked(self, npc_id: str, user_id: str, answer: str, exchange: list[ChatMessage]) -> None:
        _, question = self.under_way.pop((npc_id, user_id))
        assert exchange[0]["content"] == question
        self._remember((npc_id, user_id), answer, exchange)

    def _shared(self, npc_id: str, user_id: str, answer: str, exchange: list[ChatMessage]) -> None:
        self._remember((npc_id, user_id), answer, exchange)

    def _taking(self, npc_id: str, user_id: str) -> None:
        self.under_way[npc_id, user_id] = ("taking",)

    def _taken(self, npc_id: str, user_id: str, remembered: list[ChatMessage]) -> None:
        self.under_way.pop((npc_id, user_id))
        self.memories[npc_id, user_id].take_back()
        assert remembered == self.memories[npc_id, user_id], "it took back something else"

    def _giving(self, npc_id: str, user_id: str, exchange: list[ChatMessage]) -> None:
        self.under_way[npc_id, user_id] = ("giving", exchange)

    def _given(self, npc_id: str, user_id: str, remembered: list[ChatMessage]) -> None:
        _, exchange = self.under_way.pop((npc_id, user_id))
        self.memories[npc_id, user_id].add(exchange, recall)
        assert remembered == self.memories[npc_id, user_id], "it got back something else"

    def _remember(self, key: Key, answer: str, exchange: list[ChatMessage]) -> None:
        """An exchange that came to its end. Its answer says with what it was asked for."""
        memory = self.memories.setdefault(key, History())
        sent = [{"role": each["role"], "content": each["content"]} for each in [*memory, exchange[0]]]
        expected = fingerprint([self.systems[key[0]], *sent])
        assert answer.split()[1] == expected, f"{key} was asked with another memory"
        assert answer in exchange[1]["content"]
        memory.add(exchange, recall)
        self.answers.setdefault(key, []).append(answer)
        self.turns += 1

    # Against the file

    def check(self, file: Path) -> None:
        """The file is whole and holds what was told, once; and what was under way, whole or not at all."""
        if random.random() < 0.5:  # else SQLite itself finds what the killed one has left behind
            Store(file).close()
        with closing(sqlite3.connect(file)) as database:
            read = partial(read_rows, database)
            assert read("PRAGMA integrity_check") == [("ok",)]
            assert read("PRAGMA foreign_key_check") == []
            if read("SELECT name FROM sqlite_master"):  # it may have died while it made the tables
                self._find_new_things(read)
                self._check_talks(read)
                self._check_turns(read)
            else:
                assert not self.systems, "everything is lost"
        self._check_what_opens(file)
        self.under_way.clear()

    def _find_new_things(self, read: Any) -> None:
        """What was made and not told of yet."""
        npcs = {npc_id for (npc_id,) in read("SELECT id FROM npcs")}
        assert npcs >= self.systems.keys()
        assert {npc_id for (npc_id,) in read("SELECT npc_id FROM sheets")} == npcs, "an NPC without a sheet"
        users = {user_id for (user_id,) in read("SELECT id FROM users")}
        assert users >= self.users
        for talk_id, *seats in read(f"SELECT id, {', '.join(SEATS)} FROM conversations ORDER BY number"):
            if talk_id not in self.talks:
                lines = read("SELECT content FROM messages WHERE conversation_id = ? ORDER BY id", talk_id)
                assert len(lines) in (1, 2), "a talk without its opening"
                self._talk(talk_id, dict(zip(SEATS, seats, strict=True)), lines[0][0])
            assert {*seats[2:]} <= users

    def _check_talks(self, read: Any) -> None:
        """The lines of each talk, each with the turn that stands behind it."""
        assert len(read("SELECT id FROM conversations")) == len(self.talks)
        for talk_id, talk in self.talks.items():
            rows = read(
                "SELECT sender, seat, content, turn_id FROM messages WHERE conversation_id = ? ORDER BY id",
                talk_id,
            )
            known = len(talk.messages)
            assert [row[:3] for row in rows[:known]] == talk.messages, (
                f"{talk_id}: what was told is not there"
            )
            for sender, seat, content, turn_id in rows[known:]:
                if sender == "director":
                    assert self.under_way.pop(talk_id) == ("directing", content)
                    talk.messages.append((sender, seat, content))
                else:
                    assert len(rows) == known + 1, "more was finished than one turn"
                    self._turn(talk_id, sender, seat, content, _exchange(read, turn_id))
                    self.untold += 1
            spoken = [row for row in rows if row[1]]
            assert [seat for _, seat, *_ in spoken] == [1 + place % 2 for place in range(len(spoken))]
            assert None not in [turn_id for *_, turn_id in spoken]
            assert len({turn_id for *_, turn_id in spoken}) == len(spoken), "two lines of one turn"
        astray = read(
            "SELECT count(*) FROM messages JOIN turns ON turn_id = turns.id JOIN conversations"
            " ON conversation_id = conversations.id WHERE content != answer OR sender != npc_id"
            " OR user_id != CASE seat WHEN 1 THEN npc2_user_id ELSE npc1_user_id END"
        )
        assert astray == [(0,)], "a line that its NPC did not say, or to somebody else"

    def _check_turns(self, read: Any) -> None:
        """All that was ever answered to each user, in order; and what of it is remembered."""
        rows: dict[Key, list[Any]] = {}
        for npc_id, user_id, *row in read(
            "SELECT npc_id, user_id, answer, id, question FROM turns ORDER BY id"
        ):
            rows.setdefault((npc_id, user_id), []).append(row)
        for key, turns in rows.items():
            told, state = self.answers.get(key, []), self.under_way.get(key, ("",))
            if len(turns) == len(told) + 1:
                answer, turn_id, question = turns[-1]
                assert state == ("asking", question), f"{key}: one turn too many"
                self._asked(*key, answer, _exchange(read, turn_id))
                self.untold += 1
            assert [answer for answer, *_ in turns] == self.answers.get(key), f"{key}: other turns than told"
        assert rows.keys() == self.answers.keys(), "turns are lost"
        for key, memory in self.memories.items():
            remembered = read(
                "SELECT answer FROM turns WHERE npc_id = ? AND user_id = ? AND remembered IS NOT NULL"
                " ORDER BY remembered",
                *key,
            )
            state = self.under_way.pop(key, ("",))
            changed = deepcopy(memory)
            if state[0] == "taking":
                changed.take_back()
            elif state[0] == "giving":
                changed.add(state[1], recall)
            if len(remembered) == len(changed.forgotten + changed) // 2:
                self.memories[key] = memory = changed
            assert len(remembered) == len(memory.forgotten + memory) // 2
            said = [each["content"] for each in memory.forgotten + memory][1::2]
            assert all(answer in raw for (answer,), raw in zip(remembered, said, strict=True)), (
                f"{key}: {state}"
            )

    def _check_what_opens(self, file: Path) -> None:
        """A new factory and arena know all of it; and the talk goes on."""
        told = list[Event]()
        life = Life(file, told.append)
        assert life.factory.store
        with closing(life.factory.store):
            assert life.factory.npcs.keys() >= self.systems.keys()
            for npc_id in life.factory.npcs:
                self.systems.setdefault(npc_id, life.factory.npcs[npc_id].get_system_message())
            assert self.users <= life.factory.user_ids.keys()
            for (npc_id, user_id), memory in self.memories.items():
                assert life.factory.get_npc_chat_history(npc_id, user_id) == memory, "it remembers otherwise"
            assert life.arena.conversations.keys() == self.talks.keys()
            for talk_id, talk in self.talks.items():
                found = life.arena.conversations[talk_id]
                messages = [(each.sender, each.seat, each.content) for each in found["messages"]]
                assert messages == talk.messages
                assert found["current_turn"] == talk.next_speaker()[0], "another one speaks next"
                assert {name: found[name] for name in SEATS} == talk.seats  # type: ignore[literal-required]
            for talk_id in random.sample(list(self.talks), min(2, len(self.talks))):
                life.turn(talk_id)
            for npc_id, user_id in random.sample(list(self.memories), min(1, len(self.memories))):
                if not any(user_id in talk.seats.values() for talk in self.talks.values()):
                    life.take_back(npc_id, user_id)
                    life.say(npc_id, user_id)
            life.tell("ended", life.factory.store.problem, "")
        for event in told:
            self.note(event)


def read_rows(database: sqlite3.Connection, query: str, *parameters: Any) -> list[Any]:
    return database.execute(query, parameters).fetchall()


def _exchange(read: Any, turn_id: int) -> list[ChatMessage]:
    """A turn's two messages as the NPC remembers them."""
    query = "SELECT question, coalesce(raw, answer), reasoning FROM turns WHERE id = ?"
    ((question, raw, reasoning),) = read(query, turn_id)
    answer = {"role": "assistant", "content": raw}
    return [
        {"role": "user", "content": question},
        answer | ({"reasoning_content": reasoning} if reasoning else {}),
    ]
