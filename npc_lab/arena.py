"""The chat arena: two characters talk with each other, turn by turn.

Each NPC sees the other as an ordinary user. A turn hands the partner's last line to the NPC whose
turn it is, under a user id that stands for the partner in this one conversation, and records what
comes back. So an NPC that talks in two conversations, or with itself, has a memory for each.

    talk = arena.start_conversation(knight, merchant, "Good evening!")
    arena.run_turn(talk)    (True, "Good evening. Who are you?")      the knight answers the opening line,
    arena.run_turn(talk)    (True, "Hans, a merchant from Lübeck.")   and the merchant the knight

Of its factory the arena needs only `register_user`, `chat_with_npc`, `get_npc_chat_history` and
`npcs`: any factory that has these four will do. If it has a store, the talks are kept there, too.
"""

import functools
import threading
import time
import uuid
from collections.abc import Callable, Container, Iterable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from datetime import datetime
from typing import Any

from npc_lab.character import NPCConfig
from npc_lab.errors import (
    ChatArenaError,
    ConversationNotFoundError,
    NPCNotFoundInArenaError,
    ReplyError,
    in_words,
    no_text,
)
from npc_lab.one_at_a_time import OneAtATime, hear_ctrl_c, interruptible, uninterrupted, until_kept
from npc_lab.stops import INTERRUPTED, StopCondition, StopWhen, check_count, turns_done, turns_of
from npc_lab.store import store_of
from npc_lab.store.record import LazyDict, NotedDict
from npc_lab.transcript import (
    DEFAULT_OPENING,
    DIRECTOR,
    SYSTEM,
    Conversation,
    Message,
    Transcript,
    cue,
    last_seat,
    next_seat,
    seat_of,
    seats_of,
    seconds_spoken,
    since_last_spoken,
    spoken_in,
    told_apart,
)
from npc_lab.wire.usage import Usage


class ChatArena:
    """Holds conversations between NPCs of one factory. `conversations` maps an id to a conversation.

    If the factory has a store, all of its conversations are here again, and go on where they stopped.
    """

    def __init__(self, npc_factory: Any):
        self.npc_factory = npc_factory
        self._store = store_of(npc_factory)
        self._openings = self._store.conversations()  # who talks in each, and its opening line
        self.conversations: MutableMapping[str, Conversation] = (
            LazyDict(self._openings, self._stored) if self._openings else {}
        )
        self._user_ids: dict[str, str] = {}  # NPC id -> its user id
        self._registering = threading.Lock()
        self._speaking = OneAtATime()  # one turn at a time in each conversation

    def __init_subclass__(cls, **options: Any) -> None:
        """Keep what a learner's own `evaluate_conversation` returns with the conversation."""
        super().__init_subclass__(**options)
        if measure := vars(cls).get("evaluate_conversation"):
            cls.evaluate_conversation = _kept(measure)  # type: ignore[method-assign]

    def register_npc_in_arena(self, npc_id: str) -> str:
        """Make the NPC a user of its own factory, so that it can talk with others. Return its user id.

        Called again, return the same id. Raise `NPCNotFoundInArenaError` if the factory has no such NPC.
        """
        self._check_npc(npc_id)
        with self._registering:
            if npc_id not in self._user_ids:
                self._user_ids[npc_id] = self.npc_factory.register_user(f"user_{npc_id}")
        return self._user_ids[npc_id]

    @uninterrupted
    def start_conversation(
        self, npc1_id: str, npc2_id: str, initial_prompt: str = DEFAULT_OPENING, *, seed: int | None = None
    ) -> str:
        """Seat two NPCs and return the conversation's id. NPC 1 will speak first, answering the opening.

        An empty opening is not recorded; NPC 1 is then greeted with the default. seed: a whole number, with
        which the same talk comes again if the endpoint takes seeds. Raise `NPCNotFoundInArenaError`.
        """
        for npc_id in (npc1_id, npc2_id):
            self._check_npc(npc_id)
        self._check_opening(initial_prompt)
        if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool)):
            raise ChatArenaError(f"A seed must be a whole number, not {seed!r:.60}.")
        conversation_id = f"talk-{uuid.uuid4().hex[:12]}"
        with self._store.together():
            user1_id, user2_id = self.register_npc_in_arena(npc1_id), self.register_npc_in_arena(npc2_id)
            conversation = Conversation(
                npc1_id=npc1_id,
                npc2_id=npc2_id,
                npc1_user_id=self.npc_factory.register_user(f"{user1_id} in {conversation_id}, seat 1"),
                npc2_user_id=self.npc_factory.register_user(f"{user2_id} in {conversation_id}, seat 2"),
                messages=[Message(SYSTEM, initial_prompt, _now())] if initial_prompt.strip() else [],
                current_turn=npc1_id,
                metrics=self._noted(conversation_id, {}),
                stop_reason="",
                ended="",
                seed=seed,
            )
            self._store.add_conversation(conversation_id, conversation)
        self._hand_out_seed(conversation)
        self._openings[conversation_id] = (npc1_id, npc2_id, initial_prompt)
        self.conversations[conversation_id] = conversation
        return conversation_id

    def latest_conversation(
        self, npc1_id: str, npc2_id: str, initial_prompt: str | None = None
    ) -> str | None:
        """Return the id of the last conversation that these two began, or None.

        initial_prompt: look only among those that began with this opening line.
        """
        for conversation_id, (first_id, second_id, opening) in reversed(self._openings.items()):
            is_theirs = (first_id, second_id) == (npc1_id, npc2_id) and conversation_id in self.conversations
            if is_theirs and initial_prompt in (None, opening):
                return conversation_id
        return None

    def run_turn(self, conversation_id: str) -> tuple[bool, str]:
        """Let the next NPC speak. Return (True, its line), or (False, the reason) if there was no reply.

        After a failure nothing is recorded and the same NPC is next, so a later call may succeed. Raise
        `ConversationNotFoundError` if there is no such conversation.
        """
        outcome = self._turn(conversation_id)
        return (True, outcome.content) if isinstance(outcome, Message) else (False, str(outcome))

    @uninterrupted
    def direct(self, conversation_id: str, line: str) -> None:
        """Drop in a line as the director. The next speaker hears it after the partner's line."""
        conversation = self._conversation(conversation_id)
        if not isinstance(line, str) or not line.strip():
            raise ChatArenaError("The director's line is empty, or is not text. Write at least one word.")
        with self._speaking.held(conversation_id):
            message = Message(DIRECTOR, line, _now())
            self._store.add_message(conversation_id, **vars(message))
            conversation["messages"].append(message)

    @uninterrupted
    def run_conversation(
        self,
        conversation_id: str,
        max_turns: int = 10,
        verbose: bool = False,
        *,
        stop: StopCondition | None = None,
        on_turn: Callable[[Message], object] | None = None,
    ) -> Transcript:
        """Let the NPCs speak `max_turns` more lines. Return the whole talk so far.

        It ends early if a turn fails or `stop` returns a reason; the conversation's `stop_reason` says why.
        on_turn: a callback, called with each new line. verbose: print each, with its turn and speaker.
        """
        conversation = self._conversation(conversation_id)
        check_count("max_turns", max_turns, least=0)
        if verbose:
            for message in since_last_spoken(conversation):
                self._print(conversation_id, message)
        ended, reason, done = "turns", turns_done(max_turns), 0
        try:
            for _ in range(max_turns):
                outcome = self._turn(conversation_id)
                if not isinstance(outcome, Message):
                    ended, reason = f"failed:{outcome.kind}", str(outcome)
                    break
                done += 1
                if verbose:
                    self._print(conversation_id, outcome)
                if on_turn:
                    interruptible(on_turn, outcome)
                if stop and (why := interruptible(stop, conversation["messages"])):
                    ended, reason = INTERRUPTED if why == INTERRUPTED else "stop", str(why)
                    break
        except Exception as error:
            ended, reason = f"failed:{type(error).__name__}", in_words(error)
            raise
        except BaseException:  # Ctrl-C, or the notebook's stop button
            ended, reason = INTERRUPTED, f"{INTERRUPTED}, {turns_done(done)}"
            raise
        finally:
            self._note_end(conversation_id, ended, reason)
        transcript = self.get_conversation_history(conversation_id)
        if verbose:
            print(transcript.ending())
        return transcript

    @uninterrupted
    def run_conversations(
        self,
        conversation_ids: Iterable[str],
        max_turns: int | Mapping[str, int] = 10,
        max_workers: int = 8,
        *,
        stop: StopCondition | None = None,
    ) -> dict[str, Transcript]:
        """Run many conversations side by side, in at most `max_workers` threads, with a progress bar.

        Return each one's transcript by its id. A conversation that fails ends there, with its
        `stop_reason`; the others go on. max_turns: for all of them, or a mapping from each id to its turns.
        """
        from tqdm import tqdm

        if isinstance(conversation_ids, str):
            conversation_ids = [conversation_ids]
        wanted = list(dict.fromkeys(conversation_ids))
        for conversation_id in wanted:
            self._conversation(conversation_id)
        turns = {each: turns_of(each, max_turns) for each in wanted}
        check_count("max_workers", max_workers, least=1)
        interrupted = threading.Event()
        stop_all = StopWhen(lambda _: interrupted.is_set(), INTERRUPTED)
        stop_each = stop_all | stop if stop else stop_all
        pool = ThreadPoolExecutor(max_workers)
        with tqdm(total=sum(turns.values()), unit="turn", desc="talks") as bar:
            running = {
                pool.submit(self._run_one, each, turns[each], stop_each, lambda _: bar.update())
                for each in wanted
            }
            try:
                while running:
                    hear_ctrl_c()
                    done, running = wait(running, timeout=0.1)
                    for talk in done:
                        talk.result()
                    silent = int(time.time() - bar.last_print_t)  # seconds
                    bar.set_postfix_str(f"no new line for {silent} s" if silent > 1 else "")
            finally:  # also on Ctrl-C: each talk ends after the turn it is in
                interrupted.set()
                pool.shutdown(wait=False, cancel_futures=True)
        return {each: self.get_conversation_history(each) for each in wanted}

    def get_conversation_history(self, conversation_id: str) -> Transcript:
        """Return all lines of the talk, as a copy. Private thoughts are not among them."""
        conversation = self._conversation(conversation_id)
        names = told_apart({seat: self._name(conversation, seat) for seat in (1, 2)})
        return Transcript(conversation["messages"], names, conversation["stop_reason"])

    def evaluate_conversation(self, conversation_id: str) -> dict[str, float]:
        """Measure the talk. Return the metrics, which are kept with the conversation.

        turn_count: lines spoken by the NPCs. avg_response_length: characters. avg_response_time:
        seconds per reply. Opening and director's lines count nowhere; an empty talk gives zeros.
        """
        conversation = self._conversation(conversation_id)
        spoken = spoken_in(conversation)
        turns = max(len(spoken), 1)
        metrics = {
            "turn_count": len(spoken),
            "avg_response_length": sum(len(message.content) for message in spoken) / turns,
            "avg_response_time": seconds_spoken(conversation) / turns,
        }
        with self._store.together():
            conversation["metrics"] |= metrics
        return metrics

    def usage(self, conversation_id: str) -> Usage:
        """Return what this talk's replies have cost. NPCs of a foreign factory need not count."""
        conversation = self._conversation(conversation_id)
        npcs = self.npc_factory.npcs
        seats = {(npcs[npc_id], partner) for npc_id, partner in seats_of(conversation).values()}
        return sum((npc.usage(partner) for npc, partner in seats if hasattr(npc, "usage")), Usage())

    @uninterrupted
    def _turn(self, conversation_id: str) -> Message | ReplyError:
        """Let the next NPC speak, and record its line. Return it, or why there is none."""
        conversation = self._conversation(conversation_id)
        # Memory and line are kept both, or neither.
        with self._speaking.held(conversation_id), self._store.together():
            seat = next_seat(conversation)
            outcome = self._speak(conversation, seat)
            if isinstance(outcome, Message):
                _, partner = seats_of(conversation)[seat]
                conversation["messages"].append(outcome)
                conversation["current_turn"] = conversation["npc1_id" if seat == 2 else "npc2_id"]
                self._store.add_message(conversation_id, **vars(outcome), heard_by=partner)
        return outcome

    def _speak(self, conversation: Conversation, seat: int) -> Message | ReplyError:
        """Ask the NPC in this seat for a line, not yet recorded. Return it, or why there is none."""
        npc_id, partner = seats_of(conversation)[seat]
        started = time.perf_counter()
        try:
            line = until_kept(self.npc_factory.chat_with_npc, npc_id, partner, cue(conversation))
        except ReplyError as error:
            return error
        if not isinstance(line, str):  # a factory of your own may forget to return it
            return no_text(f"{type(self.npc_factory).__name__}.chat_with_npc", line)
        return Message(npc_id, line, _now(), seat, time.perf_counter() - started)

    def _noted(self, conversation_id: str, metrics: dict[str, Any]) -> dict[str, Any]:
        """Return metrics of which the store keeps every change: numbers of one's own, too."""
        return NotedDict(metrics, lambda changed: self._store.note_metrics(conversation_id, changed))

    def _note_end(self, conversation_id: str, ended: str, reason: str) -> None:
        self.conversations[conversation_id]["stop_reason"] = reason
        self.conversations[conversation_id]["ended"] = ended
        self._store.note_end(conversation_id, ended, reason)

    def _hand_out_seed(self, conversation: Conversation) -> None:
        """Keep the talk's seed at each NPC for its partner. Say so if an NPC cannot take one."""
        if (seed := conversation["seed"]) is None:
            return
        for npc_id, partner in seats_of(conversation).values():
            npc = self.npc_factory.npcs.get(npc_id)
            if not hasattr(npc, "seeds"):
                print("This factory's NPCs take no seeds: the talk is played without, and cannot come again.")
                return
            npc.seeds[partner] = seed

    def _stored(self, conversation_id: str) -> Conversation:
        """Return a conversation as the store has it."""
        stored = self._store.conversation(conversation_id)
        stored["messages"] = [Message(**fields) for fields in stored["messages"]]
        stored["metrics"] = self._noted(conversation_id, stored["metrics"])
        conversation: Conversation = {**stored, "current_turn": ""}  # type: ignore[typeddict-item]
        conversation["current_turn"] = conversation["npc2_id" if last_seat(conversation) == 1 else "npc1_id"]
        self._hand_out_seed(conversation)
        return conversation

    def _check_opening(self, initial_prompt: str) -> None:
        if not isinstance(initial_prompt, str):
            raise ChatArenaError(f"The opening line must be text, not {initial_prompt!r:.60}.")
        if initial_prompt in self.npc_factory.npcs:
            raise ChatArenaError(
                f"The opening line is the id of an NPC, {initial_prompt!r:.60}. A talk is between two: write "
                "what the first of them hears."
            )

    def _check_npc(self, npc_id: str) -> None:
        if not _is_in(self.npc_factory.npcs, npc_id):
            raise NPCNotFoundInArenaError(npc_id, self.npc_factory.npcs)

    def _conversation(self, conversation_id: str) -> Conversation:
        if not _is_in(self.conversations, conversation_id):
            raise ConversationNotFoundError(conversation_id, self.conversations)
        return self.conversations[conversation_id]

    def _name(self, conversation: Conversation, seat: int) -> str:
        """Return what the character in this seat is called; a factory's NPCs need not have a name."""
        npc = self.npc_factory.npcs.get(conversation["npc1_id" if seat == 1 else "npc2_id"])
        config = getattr(npc, "config", None)
        return (config.called() if isinstance(config, NPCConfig) else "") or f"NPC {seat}"

    def _print(self, conversation_id: str, message: Message) -> None:
        conversation = self.conversations[conversation_id]
        turn_number = len(spoken_in(conversation)) if seat_of(message, conversation) else None
        print(self.get_conversation_history(conversation_id).line(message, turn_number), end="\n\n")

    def _run_one(
        self, conversation_id: str, max_turns: int, stop: StopCondition, on_turn: Callable[[Message], object]
    ) -> None:
        """Run one of many talks. Whatever goes wrong in it is its stop reason, and ends no other."""
        with suppress(Exception):
            self.run_conversation(conversation_id, max_turns, stop=stop, on_turn=on_turn)


def _kept(measure: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function; what it returns is written into the conversation's metrics, too."""

    @functools.wraps(measure)
    def evaluate_conversation(self: ChatArena, conversation_id: str, *more: Any, **options: Any) -> Any:
        metrics = measure(self, conversation_id, *more, **options)
        if isinstance(metrics, Mapping):
            self.conversations[conversation_id]["metrics"] |= metrics
        return metrics

    return evaluate_conversation


def _is_in(things: Container[object], key: object) -> bool:
    """Whether there is such a key. A list, for instance, cannot be one."""
    try:
        return key in things
    except TypeError:
        return False


def _now() -> datetime:
    return datetime.now().astimezone()
