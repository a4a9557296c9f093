"""Lesson 05: the learner's own `ChatArena`, behaviour by behaviour.

Any honest way of writing it passes. What counts is what a caller can see: who speaks, who hears what,
what is recorded, what is measured. What our own class does beyond the one that this course grew from is a
stretch step.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from datetime import datetime
from itertools import pairwise
from time import sleep  # by name: a learner may replace what stands in `time`
from typing import Any

from npc_lab.lessons.checking.exercise import CantCheck, Exercise, Wrong
from npc_lab.lessons.checking.learners_code import apart, error_line, names_in, quote, show, why_none
from npc_lab.lessons.checking.plain import plain
from npc_lab.lessons.exercises.arena_trial import (
    ArenaTrial,
    contents_of,
    difference,
    expect_messages,
    expect_same,
    labels_in,
    lines_of,
    numbers_in,
    printed_by,
)
from npc_lab.lessons.exercises.made_up import how_changed
from npc_lab.lessons.exercises.practice_factory import Actor, Call, Mumbler
from npc_lab.text import shorten
from npc_lab.transcript import DEFAULT_OPENING

KEYS = ("npc1_id", "npc2_id", "npc1_user_id", "npc2_user_id", "messages", "current_turn", "metrics")
ROUNDING = 0.06  # a number may differ by this much because it was rounded
# Seconds that replies take: means with another sum or another divisor are far from the right ones.
PAUSES = (0.2, 0.02, 0.1, 0.04)
AFTERWARDS = 0.1  # seconds after the last reply, which must not count
CLOCK = 0.009  # seconds: two digits, and the time between our look at the clock and the learner's
_MEETINGS = 8  # talks of one pair: if chance decides who begins, one of them nearly always shows it
METRICS = ("turn_count", "avg_response_length", "avg_response_time")

exercise = Exercise(
    "arena",
    lesson="05",
    declares="ChatArena",
    kind="the class itself, without parentheses",
    trial=ArenaTrial,
    accepts=lambda thing: callable(thing) and not hasattr(type(thing), "run_turn"),
)
exercises: tuple[Exercise, ...] = (exercise,)

# ---- register -------------------------------------------------------------------------------------

register = exercise.part("register", uses=["register_npc_in_arena"])


@register.step("A registered NPC is a user of the factory")
def registers(trial: ArenaTrial) -> str:
    actor = trial.factory.actor()
    user_id = trial.register(actor)
    known = list(trial.factory.user_ids.values())
    if user_id not in known:
        expected = f"the id of a user of the factory: one of {show(known)}"
        advice, fault = "Return what self.npc_factory.register_user(...) gives.", ""
        if user_id is None:
            advice = why_none(getattr(trial.learners_object, "register_npc_in_arena", None))
            fault = "register_npc_in_arena gives None."
        elif user_id == actor.npc_id:
            fault = "It gives the NPC's own id, and not a user's."
        raise Wrong(trial.called, expected, show(user_id), advice, fault=fault)
    return "The NPC can now be talked with, as a user of its own."


@register.step("Registering an NPC again gives the same user", needs=["registers"], only_with=["registers"])
def registers_once(trial: ArenaTrial) -> str:
    actor = trial.factory.actor()
    first, again = (trial.register(actor) for _ in range(2))
    if first != again:
        advice = "Keep each NPC's user id in a dict, and look there before you register."
        raise Wrong(
            f"{trial.called}, twice", f"{show(first)}, twice", f"{show(first)}, then {show(again)}", advice
        )
    return "Each NPC is registered once."


@register.step("Two NPCs are two users", needs=["registers"])
def registers_each(trial: ArenaTrial) -> str:
    first, second = trial.factory.actor(), trial.factory.actor()
    users = [trial.register(actor) for actor in (first, second)]
    if users[0] == users[1]:
        advice = "Register a new user for each NPC id."
        raise Wrong(f"{trial.called}, after {first.name}", "another user id", show(users[1]), advice)
    return "Each NPC has a user of its own."


@register.step("An unknown NPC is not registered")
def refuses_unknown_npc(trial: ArenaTrial) -> str:
    unknown = f"npc-{trial.factory.word()}"
    users = dict(trial.factory.user_ids)
    trial.must_raise("NPCNotFoundInArenaError", lambda: trial.register(Actor("nobody", unknown)))
    if trial.factory.user_ids != users:
        advice = "Look whether the NPC exists before you register a user."
        raise Wrong(trial.called, "no new user", show(list(trial.factory.user_ids)), advice)
    return "A mistyped id is noticed at once."


# ---- start ----------------------------------------------------------------------------------------

start = exercise.part("start", uses=[*register.uses, "start_conversation"])


@start.step("start_conversation gives the id of a new conversation")
def starts(trial: ArenaTrial) -> str:
    talk, *_ = trial.talk()
    if talk is None or isinstance(talk, Mapping | list | set | bool):
        advice = "Return the id under which you store it."
        if talk is None:
            advice = why_none(getattr(trial.learners_object, "start_conversation", None))
        fault = f"start_conversation gives {show(talk, 60)}, and no id."
        raise Wrong(
            trial.called, "an id, which is then a key of arena.conversations", show(talk), advice, fault=fault
        )
    return "A talk begins, and has an id."


@start.step("The conversation answers its seven keys", needs=["starts"])
def answers_keys(trial: ArenaTrial) -> str:
    talk, first, second = trial.talk()
    trial.called = "arena.conversations[talk]"
    try:
        conversation = trial.arena.conversations[talk]
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        expected, advice = "the conversation", "Store it: self.conversations[the id] = ..."
        fault = "The id that start_conversation gives is no key of arena.conversations."
        raise Wrong(trial.called, expected, error_line(error), advice, fault=fault) from None
    for key in KEYS:
        trial.called = f'arena.conversations[talk]["{key}"]'
        try:
            conversation[key]
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            advice = f"Keep a dict for each conversation, with the keys {', '.join(KEYS)}."
            fault = f'It has no key "{key}".'
            if not isinstance(error, KeyError):
                fault = f'It does not answer ["{key}"]: it is no dict, but a {type(conversation).__name__}.'
            raise Wrong(trial.called, "a value", error_line(error), advice, fault=fault) from None
    for key, actor in (("npc1_id", first), ("npc2_id", second)):
        trial.called = f'arena.conversations[talk]["{key}"]'
        if (got := plain(conversation[key])) != actor.npc_id:
            expected, given = f"{show(actor.npc_id)}, {actor.name}'s id", trial.factory.name_of(got)
            advice = "Store the ids in the order in which they were given."
            fault = f'Under "{key}" stands {given}, and not {actor.name}, who was given there.'
            raise Wrong(trial.called, expected, f"{show(got)} ({given})", advice, fault=fault)
    return "Whoever holds the id can look the talk up."


@start.step("Each seat has a user of the factory", needs=["registers"])
def seats_have_users(trial: ArenaTrial) -> str:
    talk, *_ = trial.talk()
    for key in ("npc1_user_id", "npc2_user_id"):
        user_id = plain(trial.key(talk, key))
        known = list(trial.factory.user_ids.values())  # after that look: it may have made the user
        if user_id not in known:
            advice, fault = (
                "Store what register_npc_in_arena gives.",
                f'Under "{key}" stands {show(user_id, 60)}.',
            )
            raise Wrong(trial.called, f"one of {show(known)}", show(user_id), advice, fault=fault)
    return "Each seat speaks as a user."


@start.step(
    "The keys npc1_user_id and npc2_user_id are not mixed up",
    needs=["seats_have_users"],
    only_with=["seats_have_users"],
)
def users_not_mixed_up(trial: ArenaTrial) -> str:
    talk, first, second = trial.talk()
    for key in ("npc1_user_id", "npc2_user_id"):
        trial.key(talk, key)
    if key := trial.mixed_up_key(talk, (first, second)):
        own, other = (first, second) if key == "npc1_user_id" else (second, first)
        called, got = f'arena.conversations[talk]["{key}"]', show(trial.seats_user(talk, key), 80)
        fault = f'Under "{key}" stands the user of the other NPC.'
        advice = "npc1_user_id is NPC 1 as a user, npc2_user_id is NPC 2."
        expected, got = f"the user that {own.name} is", f"{got}, the user that {other.name} is"
        raise Wrong(called, expected, got, advice, fault=fault)
    return "Each seat's user is its own NPC's."


@start.step("NPC 1 speaks first: at the start, current_turn is its id", needs=["starts"])
def names_the_first(trial: ArenaTrial) -> str:
    first, second = trial.actors()
    for _ in range(_MEETINGS):
        talk = trial.start(first, second, trial.factory.line())
        if (got := plain(trial.key(talk, "current_turn"))) != first.npc_id:
            advice = "In start_conversation, store npc1_id as current_turn."
            expected = f"{show(first.npc_id)}, {first.name}'s id"
            fault = f"current_turn is {_called(trial, got)}."
            raise Wrong(trial.called, expected, show(got), advice, fault=fault)
    return "The one who was named first begins."


def _called(trial: ArenaTrial, npc_id: Any) -> str:
    """Return an id in words: "the id of Edwin", or the value itself."""
    name = trial.factory.name_of(npc_id)
    return name if name == show(npc_id, 80) else f"the id of {name}"


@start.step("The opening line is recorded, and “system” said it", needs=["starts"])
def records_opening(trial: ArenaTrial) -> str:
    first, second = trial.actors()
    opening = trial.factory.line()
    talk = trial.start(first, second, opening)
    called = trial.called
    messages = trial.messages(talk)
    if messages is None:
        raise CantCheck("It waits for: The conversation answers its seven keys")
    expect_messages(messages, called)
    expect_same(
        called, [("system", opening)], lines_of(messages), "Record Message('system', initial_prompt, ...)."
    )
    return "The opening line begins the transcript."


@start.step("Without an opening line, it is “Hello! Who are you?”", needs=["starts"])
def default_opening(trial: ArenaTrial) -> str:
    advice = f"Give the argument its default: initial_prompt={DEFAULT_OPENING!r}."
    pair = trial.actors()
    try:
        talk = trial.start(*pair)
    except TypeError as error:
        if "initial_prompt" not in str(error) and "argument" not in str(error):
            raise
        fault = f"{shorten(error_line(error), 120)}."
        raise Wrong(trial.called, "a talk", error_line(error), advice, fault=fault) from None
    called, contents = trial.called, contents_of(trial.record(talk))
    if not contents:
        raise CantCheck("It waits for: The opening line is recorded, and “system” said it")
    if contents[0] != DEFAULT_OPENING:
        fault = f"It is {quote(contents[0], 40)}."
        raise Wrong(called, quote(DEFAULT_OPENING), quote(contents[0]), advice, fault=fault)
    return "Nobody need think of an opening."


@start.step("An empty opening line records nothing", needs=["starts"], only_with=["starts"])
def empty_opening(trial: ArenaTrial) -> str:
    first, second = trial.actors()
    talk = trial.start(first, second, "")
    called = trial.called
    lines = lines_of(trial.record(talk))
    if recorded := [content for sender, content in lines if sender not in (first.npc_id, second.npc_id)]:
        advice = "Record the opening only if there is one: `if initial_prompt:`."
        raise Wrong(called, "no message", f"{len(recorded)} message: {quote(recorded[0])}", advice)
    return "An empty line is nobody's line."


@start.step("Two talks of one pair are two conversations", needs=["starts"])
def separate_conversations(trial: ArenaTrial) -> str:
    first, second = trial.actors()
    openings = [trial.factory.line(), trial.factory.line()]
    talks = [trial.start(first, second, opening) for opening in openings]
    if plain(talks[0]) == plain(talks[1]):
        advice, fault = "Make an id that is new each time: str(uuid.uuid4()).", "Both have the same id."
        raise Wrong(
            f"{trial.called}, twice", "two different ids", f"twice {show(talks[0])}", advice, fault=fault
        )
    called = "start_conversation(...), twice for the same pair"
    known = len(trial.conversations())
    if known < 2:
        advice = "Store each conversation under its own id, and keep the earlier ones."
        fault = "After the second start, the first conversation is gone."
        raise Wrong(called, "2 conversations", f"{known} in arena.conversations", advice, fault=fault)
    for talk, other in zip(talks, reversed(openings), strict=True):
        if other in contents_of(trial.record(talk)):
            advice = "Make a new list of messages in each call of start_conversation."
            fault = "Both talks have one list of messages."
            got = f"the opening of the other talk in it, {quote(other, 60)}"
            raise Wrong(called, "a list of messages for each", got, advice, fault=fault)
    return "A new talk leaves the earlier ones alone."


@start.step("Two arenas share nothing", needs=["starts"], only_with=["starts"])
def separate_arenas(trial: ArenaTrial) -> str:
    trial.talk()
    other = ArenaTrial(trial.learners_object)
    if known := other.conversations():
        advice = "Make self.conversations = {} in __init__, not in the class."
        called = "ChatArena(factory), a second one"
        raise Wrong(called, "no conversations yet", show(known), advice)
    return "Each arena begins empty."


@start.step("An unknown NPC gets no seat", needs=["starts"])
def refuses_unknown_seats(trial: ArenaTrial) -> str:
    known, _ = trial.actors()
    unknown = Actor("nobody", f"npc-{trial.factory.word()}")
    for pair in ((unknown, known), (known, unknown)):

        def seat(pair: tuple[Actor, Actor] = pair) -> Any:
            return trial.start(*pair)

        trial.must_raise("NPCNotFoundInArenaError", seat)
        called = trial.called
        with suppress(CantCheck):
            if made := trial.conversations():
                advice = "Check both ids before you make the conversation."
                raise Wrong(called, "no conversation", show(made), advice)
    return "Nobody who does not exist gets a seat."


# ---- turn -----------------------------------------------------------------------------------------

turn = exercise.part("turn", uses=[*start.uses, "run_turn"])


@turn.step("run_turn gives True, and the line that was said", needs=["starts"])
def speaks(trial: ArenaTrial) -> str:
    talk, *_ = trial.talk()
    try:
        (line,) = trial.lines(talk, 1)
    except Exception:
        _wait_for_users(trial, talk)
        raise
    trial.called = "arena.run_turn(talk)"
    said = [call.said for call in trial.factory.trace]
    if len(said) != 1:
        advice = "Call chat_with_npc once in each turn."
        fault = f"It calls chat_with_npc {len(said)} times." if said else "It never calls chat_with_npc."
        raise Wrong(trial.called, "one call of chat_with_npc", f"{len(said)} calls", advice, fault=fault)
    if line != said[0]:
        advice = "Return what chat_with_npc gives, unchanged."
        expected, got = apart(said[0], line)
        raise Wrong(trial.called, f"(True, {expected})", f"(True, {got})", advice)
    return "A turn brings a line."


def _wait_for_users(trial: ArenaTrial, talk: Any) -> None:
    """Raise `CantCheck` if the conversation's users are none: another step tells of that."""
    for key in ("npc1_user_id", "npc2_user_id"):
        try:
            trial.key(talk, key)
        except CantCheck:
            continue
        if trial.seats_user(talk, key) is None:
            raise CantCheck("It waits for: Each seat has a user of the factory")


@turn.step("NPC 1 speaks first", needs=["speaks"])
def begins(trial: ArenaTrial) -> str:
    first, second = trial.actors()
    for _ in range(_MEETINGS):
        opening = trial.factory.line()
        talk = trial.start(first, second, opening)
        trial.factory.trace.clear()
        trial.turns(talk, 1)
        if (speaker := trial.factory.trace[0].actor) is not first:
            raise Wrong(
                "arena.run_turn(talk), turn 1",
                f"{first.name} (NPC 1) speaks",
                f"{speaker.name} (NPC 2) spoke",
                "Ask the NPC whose id is in current_turn; at the start that is npc1_id.",
                trial.drawing([first], [opening]),
                fault=f"{speaker.name}, who is NPC 2, begins.",
            )
    return "NPC 1 begins."


@turn.step("The first speaker hears the opening line", needs=["speaks"])
def hears_opening(trial: ArenaTrial) -> str:
    first, second = trial.actors()
    opening = f" {trial.factory.text_of(600)}\n "
    talk = trial.start(first, second, opening)
    trial.turns(talk, 1)
    call = trial.factory.trace[0]
    if call.heard != opening:
        advice = "Hand the last recorded line on as it is, here the opening."
        called = f"arena.run_turn(talk), turn 1, after the opening {quote(opening, 60)}"
        expected, got = apart(opening, call.heard)
        name, fault = call.actor.name, how_changed(opening, call.heard, "the line")
        raise Wrong(called, f"{name} hears {expected}", f"{name} heard {got}", advice, fault=fault)
    return "The first line answers the opening."


@turn.step("The two speak in turn", needs=["speaks"])
def alternates(trial: ArenaTrial) -> str:
    talk, first, second = trial.talk()
    trial.turns(talk, 5)
    speakers = [call.actor for call in trial.factory.trace]
    begins = speakers[0]
    other = second if begins is first else first
    expected = [begins, other, begins, other, begins]
    if speakers != expected:
        raise Wrong(
            "arena.run_turn(talk), 5 times",
            ", ".join(actor.name for actor in expected),
            ", ".join(actor.name for actor in speakers),
            "After each line, make the other NPC the next one: change current_turn.",
            trial.drawing(expected, None),
            fault=f"{next(one for one, two in pairwise(speakers) if one is two).name} speaks twice in a row.",
        )
    return "They take turns."


@turn.step("The characters stay as they are", needs=["speaks"])
def leaves_characters(trial: ArenaTrial) -> str:
    trial.think()
    cast = trial.factory.actor(), trial.factory.actor()
    npcs, stranger = trial.factory.npcs, trial.factory.register_user("somebody else")
    for actor in cast:
        trial.factory.chat_with_npc(actor.npc_id, stranger, trial.factory.line())
    before = {npc_id: deepcopy(npc.config) for npc_id, npc in npcs.items()}
    told = [trial.factory.get_npc_chat_history(actor.npc_id, stranger) for actor in cast]
    trial.factory.trace.clear()
    for actor in cast:
        trial.join(actor)
    trial.turns(trial.start(*cast, trial.factory.line()), 3)
    called = "arena.run_turn(talk), 3 times"
    if before != {npc_id: npc.config for npc_id, npc in npcs.items()}:
        advice, fault = "Only read from factory.npcs.", "A character sheet is changed."
        raise Wrong(called, "factory.npcs is as before", "it was changed", advice, fault=fault)
    advice = "Leave the NPC's chat_histories alone."
    for actor, remembered in zip(cast, told, strict=True):
        now: list[Any] = npcs[actor.npc_id].chat_histories.get(stranger, [])
        if plain(now) != remembered:
            expected = f"{actor.name} remembers its talk with somebody else"
            fault = f"{actor.name} forgets what it has talked about with other people."
            raise Wrong(called, expected, f"it remembers {len(now)} messages of it", advice, fault=fault)
        histories = [
            each for user_id, each in npcs[actor.npc_id].chat_histories.items() if user_id != stranger
        ]
        said = sum(call.actor is actor for call in trial.factory.trace)
        if (count := sum(map(len, histories))) != 2 * said:
            expected = f"{actor.name} remembers what it said, and what it answered to: {2 * said} messages"
            fault = f"{actor.name} does not remember this talk as it was."
            raise Wrong(called, expected, f"it remembers {count}", advice, fault=fault)
    return "The arena changes nobody."


@turn.step("Private thoughts are in no line", needs=["speaks"])
def keeps_thoughts_private(trial: ArenaTrial) -> str:
    trial.think()
    talk, *_ = trial.talk()
    lines = trial.turns(talk, 3)
    given_out = [
        ("arena.run_turn(talk)", lines),
        ("the messages of the conversation", contents_of(trial.messages(talk) or [])),
        ("what the partner hears", [call.heard for call in trial.factory.trace]),
    ]
    private = [call.thought for call in trial.factory.trace]
    for what, texts in given_out:
        for text in texts:
            if "#SCRATCHPAD" in str(text) or any(thought in str(text) for thought in private):
                advice = "Use what chat_with_npc gives; the private history is not for others."
                fault = f"Thoughts are in {what}."
                raise Wrong(what, "only what was said aloud", quote(text), advice, fault=fault)
    return "Nobody can read what the other one thinks."


@turn.step("Each hears the partner's last line, word for word", needs=["speaks"])
def hears_partner(trial: ArenaTrial) -> str:
    trial.mumble()
    talk, *_ = trial.talk()
    trial.factory.planned = [trial.factory.text_of(length) for length in (900, 30)]
    trial.turns(talk, 5)
    trace = trial.factory.trace
    expected = [trace[0].heard, *(Mumbler.between_blanks(call.said) for call in trace[:-1])]
    for number, (call, wanted) in enumerate(zip(trace, expected, strict=True), start=1):
        if call.heard != wanted:
            ours, theirs = apart(wanted, call.heard)
            raise Wrong(
                f"arena.run_turn(talk), turn {number}",
                f"{call.actor.name} hears {ours}",
                f"{call.actor.name} heard {theirs}",
                "Hand on the content of the last recorded line, and change nothing in it.",
                trial.drawing([each.actor for each in trace], expected),
                fault=how_changed(wanted, call.heard, "the line") or _another_line(trace, number - 1),
            )
    return "Each answers what the other one said."


def _another_line(trace: list[Call], place: int) -> str:
    """Return which other line was heard in place of the partner's last one, as a sentence, or ""."""
    heard, speaker = trace[place].heard.strip(), trace[place].actor
    if place and heard == trace[0].heard.strip():
        return f"In turn {place + 1} {speaker.name} hears the opening line once more."
    said_by = next((call.actor for call in trace[:place] if call.said == heard), None)
    if said_by is speaker:
        return f"In turn {place + 1} {speaker.name} hears an own line."
    return f"In turn {place + 1} {speaker.name} hears an older line." if said_by else ""


@turn.step("Each is spoken to as its partner's user", needs=["speaks"])
def speaks_as_partner(trial: ArenaTrial) -> str:
    talk, first, second = trial.talk()
    trial.turns(talk, 4)
    swapped = bool(trial.mixed_up_key(talk, (first, second)))
    for actor, partner in ((first, second), (second, first)):
        asked_as = [call.user_id for call in trial.factory.trace if call.actor is actor]
        called = f"arena.run_turn(talk), when {actor.name} replies"
        if len(set(asked_as)) > 1:
            advice = "Keep one user id for each partner, from the first turn to the last."
            fault = f"{actor.name} is spoken to as another user each time, and so remembers nothing."
            raise Wrong(called, "the same user each time", show(asked_as), advice, fault=fault)
        key = _partners_key(trial, talk, actor, partner)
        wanted, whose = (
            trial.seats_user(talk, key),
            trial.whose(asked_as[0], (first, second)) if asked_as else None,
        )
        if not asked_as or asked_as[0] == wanted or (whose is partner and (swapped or wanted is None)):
            continue
        if wanted is None and whose is not actor:
            continue  # nothing tells whose user it is
        advice = f"When {actor.name} replies, the user_id is the one of {partner.name}'s seat."
        fault = (
            f"{actor.name} is spoken to as the user that {actor.name} itself is." if whose is actor else ""
        )
        expected = f"user_id={show(wanted or trial.users[partner.npc_id], 60)}, {partner.name} as a user"
        raise Wrong(called, expected, f"user_id={show(asked_as[0], 60)}", advice, fault=fault)
    return "Each remembers its partner, under the partner's user id."


def _partners_key(trial: ArenaTrial, talk: Any, actor: Actor, partner: Actor) -> str:
    """Return the key of the partner's user; where the arena has put the NPCs, if that can be read."""
    with suppress(CantCheck):
        seat = [plain(trial.key(talk, key)) for key in ("npc1_id", "npc2_id")].index
        with suppress(ValueError):
            return f"npc{seat(partner.npc_id) + 1}_user_id"
    return "npc2_user_id" if actor is trial.factory.trace[0].actor else "npc1_user_id"


@turn.step("Each line is recorded once, under the id of its speaker", needs=["speaks"])
def records(trial: ArenaTrial) -> str:
    first, second = trial.actors()
    opening = trial.factory.line()
    talk = trial.start(first, second, opening)
    trial.turns(talk, 4)
    called = "arena.run_turn(talk), 4 times"
    messages = trial.messages(talk)
    if messages is None:
        raise CantCheck("It waits for: The conversation answers its seven keys")
    expect_messages(messages, called)
    lines = lines_of(messages)
    if lines and (lines[0][0] == "system" or lines[0][1] == opening):  # of which another step tells
        del lines[0]
    spoken: list[tuple[Any, Any]] = [(call.actor.npc_id, call.said) for call in trial.factory.trace]
    advice = "After each reply, append one Message(npc_id, line, datetime.now())."
    expect_same(called, spoken, lines, advice)
    return "The transcript holds every line."


@turn.step("current_turn names the next speaker", needs=["speaks"])
def names_next(trial: ArenaTrial) -> str:
    talk, *_ = trial.talk()
    trial.turns(talk, 1)
    for _ in range(3):
        named = plain(trial.key(talk, "current_turn"))
        called = trial.called
        trial.turns(talk, 1)
        speaker = trial.factory.trace[-1].actor
        if named != speaker.npc_id:
            advice = "After each line, set current_turn to the other NPC's id."
            expected, got = (
                f"{show(speaker.npc_id)}: {speaker.name} speaks next",
                trial.factory.name_of(named),
            )
            fault = f"It is {_called(trial, named)}, and {speaker.name} speaks."
            raise Wrong(called, expected, f"{show(named)} ({got})", advice, fault=fault)
    return "Whoever looks can see who is next."


@turn.step("Each line has the time at which it was said", needs=["speaks"])
def has_times(trial: ArenaTrial) -> str:
    talk, *_ = trial.talk()
    trial.factory.seconds = 0.02
    trial.turns(talk, 2)
    times = [message.timestamp for message in trial.record(talk)]
    for each in times:
        if not isinstance(each, datetime):
            fault = f"The timestamp is {show(each, 40)}, and no datetime."
            raise Wrong("message.timestamp", "a datetime", show(each), "Use datetime.now().", fault=fault)
    if len({datetime.timestamp(each) for each in times}) < len(times):
        advice = "Call datetime.now() when the line is recorded: a default in a class is made only once."
        fault = "All lines have the same time."
        raise Wrong(
            "message.timestamp of each line", "a later time for each", "the same twice", advice, fault=fault
        )
    return "The transcript knows when each line was said."


@turn.step("A failed reply gives False, and the reason", needs=["speaks"])
def tells_failure(trial: ArenaTrial) -> str:
    talk, *_ = trial.talk()
    trial.turns(talk, trial.factory.random.randint(1, 3))
    succeeded, reason = trial.failing_turn(talk)
    if succeeded is not False or not isinstance(reason, str) or not reason.strip():
        advice = "Put chat_with_npc into a try, and `except ReplyError as error: return False, str(error)`."
        fault = "It gives True, though no reply came." if succeeded is True else ""
        fault = "The reason is missing." if succeeded is False else fault
        raise Wrong(trial.called, "(False, the reason)", show((succeeded, reason)), advice, fault=fault)
    return "A failure is told, not thrown."


@turn.step("A failed reply leaves no line", needs=["speaks"])
def records_no_failure(trial: ArenaTrial) -> str:
    talk, *_ = trial.talk()
    trial.turns(talk, trial.factory.random.randint(1, 3))
    before = lines_of(trial.record(talk))
    trial.failed_turn(talk)
    called = trial.called
    if (after := lines_of(trial.messages(talk) or [])) != before:
        advice = "Record a line only after the reply has come."
        _, got, fault = difference(before, after)
        raise Wrong(called, f"{len(before)} messages, as before", got, advice, fault=fault)
    return "An error is never a line of dialogue."


@turn.step("After a failure the same one is next, and hears the same", needs=["speaks"])
def tries_again(trial: ArenaTrial) -> str:
    talk, _first, _second = trial.talk()
    turns = trial.factory.random.randint(1, 3)
    trial.turns(talk, turns)
    trial.failed_turn(talk)
    if len(trial.factory.trace) == turns:
        raise CantCheck("It waits for: A failed reply gives False, and the reason")
    failed = trial.factory.trace[-1]
    (succeeded, words), called = trial.turn(talk), "arena.run_turn(talk), after a turn that failed"
    if succeeded is not True:
        advice = "A failure must not end the talk: the next call of run_turn tries again."
        fault = "After a failure, no turn succeeds any more."
        raise Wrong(called, "(True, the line)", show((succeeded, words)), advice, fault=fault)
    again = trial.factory.trace[-1]
    if (again.actor, again.heard) != (failed.actor, failed.heard):
        expected, got = apart(failed.heard, again.heard, 60)
        fault = (
            "" if again.actor is failed.actor else "The turn goes to the other one, though nothing was said."
        )
        advice = "Change current_turn only after a reply has come."
        expected, got = f"{failed.actor.name} hears {expected}", f"{again.actor.name} heard {got}"
        raise Wrong(called, expected, got, advice, fault=fault)
    trial.turns(talk, 2)
    speakers = [call.actor for call in trial.factory.trace[-3:]]
    before = [call.actor for call in trial.factory.trace[:turns]]
    alternated = all(one is not other for one, other in pairwise(before))
    if alternated and (speakers[0] is speakers[1] or speakers[0] is not speakers[2]):
        got = ", ".join(actor.name for actor in speakers)
        advice = "Let the talk forget the failure once a reply has come."
        raise Wrong(f"{called}, and two more turns", "the two in turn", got, advice)
    return "A later try goes on as if nothing had happened."


@turn.step("Two talks side by side keep their own turns", needs=["alternates"])
def talks_side_by_side(trial: ArenaTrial) -> str:
    (left, *left_pair), (right, *right_pair) = trial.talk(), trial.talk()
    for talk in (left, right, right, left, right, left):
        trial.turns(talk, 1)
    called = "arena.run_turn(...) of two talks, by turns"
    for talk, pair, others in ((left, left_pair, right_pair), (right, right_pair, left_pair)):
        calls = [call for call in trial.factory.trace if call.actor in pair]
        speakers = [call.actor for call in calls]
        advice = "Keep whose turn it is, and the messages, in the conversation and nowhere else."
        if len(speakers) != 3 or any(one is other for one, other in pairwise(speakers)):
            expected, names = "each of a talk's two in turn", [actor.name for actor in speakers]
            got = ", ".join(names) or "nobody of this talk"
            fault = "Whose turn it is gets mixed up between the talks."
            raise Wrong(called, expected, got, advice, fault=fault)
        foreign = [call.said for call in trial.factory.trace if call.actor in others]
        what = [("heard", call.heard) for call in calls]
        what += [("recorded", text) for text in contents_of(trial.messages(talk) or [])]
        for how, text in what:
            if any(line in str(text) for line in foreign):
                fault = f"A line of one talk is {how} in the other."
                raise Wrong(called, "only lines of the same talk", quote(text, 80), advice, fault=fault)
    return "Many talks can run in one arena."


@turn.step("Each conversation has a memory of its own", needs=["speaks"], required=False)
def own_memory(trial: ArenaTrial) -> str:
    first, second = trial.actors()
    earlier = trial.start(first, second, trial.factory.line())
    trial.turns(earlier, 3)
    later = trial.start(first, second, trial.factory.line())
    trial.turns(later, 2)
    for call in trial.factory.trace[3:]:
        if call.sent:
            advice = "Register two new users for each conversation, and use them as its user ids."
            got = f"{call.actor.name} still remembers {quote(call.sent[0]['content'], 60)}"
            raise Wrong("start_conversation, again for the same pair", "a talk without memories", got, advice)
    return "A new talk begins afresh."


@turn.step("An NPC can talk with itself, with two memories", needs=["alternates"], required=False)
def talks_with_itself(trial: ArenaTrial) -> str:
    actor, _ = trial.actors()
    talk = trial.start(actor, actor, trial.factory.line())
    trial.turns(talk, 4)
    trace = trial.factory.trace
    for number, call in enumerate(trace):
        own = [earlier.said for earlier in trace[number % 2 : number : 2]]
        remembered = [message["content"] for message in call.sent if message["role"] == "assistant"]
        if remembered != own:
            advice = "Give each seat a user id of its own, also where both seats have the same NPC."
            called = f"start_conversation({actor.name}, {actor.name}), turn {number + 1}"
            expected = f"the seat remembers {len(own)} lines of its own"
            raise Wrong(called, expected, f"it remembers {len(remembered)} lines", advice)
    return "A character can play chess against itself."


@turn.step("run_turn refuses an unknown conversation", needs=["speaks"], required=False)
def turn_refuses_unknown(trial: ArenaTrial) -> str:
    trial.refuses_unknown_talk("run_turn")
    return "A mistyped id is not taken for a silent partner."


@turn.step("After an empty opening the first speaker is greeted", needs=["speaks"], required=False)
def greets(trial: ArenaTrial) -> str:
    talk = trial.start(*trial.actors(), "")
    trial.turns(talk, 1)
    if (heard := trial.factory.trace[0].heard) != DEFAULT_OPENING:
        advice = f"Where nothing is recorded yet, say {DEFAULT_OPENING!r}."
        raise Wrong("run_turn after an empty opening", *apart(DEFAULT_OPENING, heard), advice)
    return "Nobody begins with silence."


# ---- read -----------------------------------------------------------------------------------------

read = exercise.part("read", uses=[*turn.uses, "get_conversation_history"])


@read.step("The history holds every line in order, the opening first", needs=["speaks"])
def reads_history(trial: ArenaTrial) -> str:
    talk, said = _talked(trial, 12)
    history = trial.history(talk)
    called = trial.called
    expect_messages(history, called)
    advice = "Return the messages of the conversation, all of them."
    expect_same(called, _recorded(trial, talk, said), lines_of(history), advice)
    again = lines_of(trial.history(talk))
    expect_same(f"{called}, twice", lines_of(history), again, "Reading must not change the conversation.")
    return "The talk can be read back."


def _talked(trial: ArenaTrial, turns: int) -> tuple[Any, list[tuple[Any, Any]]]:
    """Return a talk of so many turns, and what was said in it, the opening first."""
    first, second = trial.actors()
    opening, asked = trial.factory.line(), len(trial.factory.trace)
    talk = trial.start(first, second, opening)
    trial.turns(talk, turns)
    spoken = [(call.actor.npc_id, call.said) for call in trial.factory.trace[asked:]]
    return talk, [("system", opening), *spoken]


def _recorded(trial: ArenaTrial, talk: Any, said: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Return the conversation's messages; what was said, if they cannot be read."""
    try:
        return lines_of(list(trial.key(talk, "messages")))
    except (CantCheck, TypeError):
        return said


@read.step("Each talk has its own history", needs=["reads_history"])
def reads_the_right_talk(trial: ArenaTrial) -> str:
    advice = "Return the messages of self.conversations[conversation_id], and no others."
    talks = [_talked(trial, 2) for _ in range(3)]
    for talk, said in talks:
        history = lines_of(trial.history(talk))
        expect_same(
            f"{trial.called}, with three talks in the arena", _recorded(trial, talk, said), history, advice
        )
    return "Among many talks, each can be read back."


@read.step("No history of an unknown conversation", needs=["starts"])
def history_refuses_unknown(trial: ArenaTrial) -> str:
    trial.refuses_unknown_talk("get_conversation_history")
    return "A mistyped id is noticed at once."


# ---- run ------------------------------------------------------------------------------------------

run = exercise.part("run", uses=[*turn.uses, "run_conversation"])


@run.step("run_conversation adds exactly max_turns lines", needs=["speaks"])
def runs(trial: ArenaTrial) -> str:
    count = trial.factory.random.randint(11, 14)
    talk, *_ = trial.talk()
    trial.run(talk, count)
    if (added := len(trial.factory.trace)) != count:
        advice = "Call run_turn once for each of range(max_turns); the opening is nobody's turn."
        fault = f"It adds {added} lines, and not {count}."
        raise Wrong(trial.called, f"{count} new lines", f"{added} new lines", advice, fault=fault)
    return "The talk has the length that was asked for."


@run.step("It runs the talk that it was asked for", needs=["runs"])
def runs_the_right_talk(trial: ArenaTrial) -> str:
    talks = [trial.talk() for _ in range(3)]
    talk, *pair = talks[1]
    trial.run(talk, 2)
    inside = sum(call.actor in pair for call in trial.factory.trace)
    outside = len(trial.factory.trace) - inside
    if (inside, outside) != (2, 0):
        advice = "Run the conversation whose id was given, and no other."
        called = f"{trial.called}, with two other talks in the arena"
        got = f"{inside} in it, {outside} in the others"
        raise Wrong(called, "2 new lines in it, none in the others", got, advice)
    return "The other talks wait."


@run.step("With max_turns=0 nobody speaks", needs=["runs"])
def runs_none(trial: ArenaTrial) -> str:
    talk, *_ = trial.talk()
    trial.run(talk, 0)
    if added := len(trial.factory.trace):
        advice = "0 is a number too: use range(max_turns)."
        raise Wrong(trial.called, "no new line", f"{added} new lines", advice)
    trial.run(talk, 2)
    trial.expect_a_run()
    return "Nothing is asked for, nothing is said."


@run.step("Without max_turns, ten lines are said", needs=["runs"])
def runs_ten(trial: ArenaTrial) -> str:
    talk, *_ = trial.talk()
    trial.run(talk)
    if (added := len(trial.factory.trace)) != 10:
        advice = "Give the argument its default: max_turns=10."
        raise Wrong(trial.called, "10 new lines", f"{added} new lines", advice)
    return "Nobody need count."


@run.step("A second run goes on where the first one stood", needs=["runs", "alternates"])
def goes_on(trial: ArenaTrial) -> str:
    talk, first, second = trial.talk()
    trial.run(talk, 3)
    before = lines_of(trial.messages(talk) or [])
    trial.run(talk, 2)
    called = "run_conversation(talk, 3), then run_conversation(talk, 2)"
    speakers = [call.actor for call in trial.factory.trace]
    if len(speakers) != 5:
        advice = "Add max_turns lines to those that are there."
        raise Wrong(called, "5 lines", f"{len(speakers)} lines", advice)
    begins = speakers[0]
    other = second if begins is first else first
    expected = [begins, other, begins, other, begins]
    if speakers != expected:
        got, wanted = (", ".join(actor.name for actor in each) for each in (speakers, expected))
        advice = "Begin with whoever is next, not with NPC 1."
        raise Wrong(called, wanted, got, advice, trial.drawing(expected, None))
    after = lines_of(trial.messages(talk) or [])
    if after[: len(before)] != before:
        advice, fault = "Append to the messages, and take none away.", "The second run forgets the first one."
        raise Wrong(called, "the lines of both", f"{len(after)} messages", advice, fault=fault)
    return "A talk can be continued."


@run.step("run_conversation gives the whole talk", needs=["runs"])
def gives_talk(trial: ArenaTrial) -> str:
    first, second = trial.actors()
    opening = trial.factory.line()
    talk = trial.start(first, second, opening)
    trial.run(talk, 1)
    given = trial.listed(trial.run(talk, 2))
    trial.expect_a_run()
    called = f"{trial.called}, after one line"
    expect_messages(given, called)
    said = [("system", opening), *((call.actor.npc_id, call.said) for call in trial.factory.trace)]
    advice = "Return all messages of the conversation, with those of earlier runs."
    expect_same(called, _recorded(trial, talk, said), lines_of(given), advice)
    return "The talk comes back as a list."


@run.step("A run ends at the first reply that fails", needs=["runs", "tells_failure"])
def ends_at_failure(trial: ArenaTrial) -> str:
    talk, _first, _second = trial.talk()
    trial.run(talk, 2)
    before = lines_of(trial.messages(talk) or [])
    trial.factory.fails = True
    asked = len(trial.factory.trace)
    given = trial.run(talk, 3)
    called = "run_conversation(talk, 3), while no reply comes"
    tries, added = len(trial.factory.trace) - asked, len(trial.messages(talk) or []) - len(before)
    if tries != 1 or added:
        advice, got = "Leave the loop as soon as run_turn gives False.", f"{tries} tries, {added} new lines"
        fault = f"After a failure it goes on: {got}."
        raise Wrong(called, "one try, and no new line", got, advice, fault=fault)
    advice = "Return the whole talk, also when a turn has failed."
    expect_same(called, before, lines_of(trial.listed(given)), advice)
    trial.factory.fails = False
    asked = len(trial.factory.trace)
    trial.run(talk, 2)
    if (added := len(trial.factory.trace) - asked) != 2:
        called = "run_conversation(talk, 2), after a run that failed"
        advice = "A failure must not end the talk: a later run goes on."
        raise Wrong(called, "2 new lines", f"{added} new lines", advice)
    return "A failure ends the run, not the talk."


@run.step("With verbose=True each line is printed, with turn number and speaker", needs=["runs"])
def prints(trial: ArenaTrial) -> str:
    trial.think()
    talk, _first, _second = trial.talk()
    printed = printed_by(lambda: trial.run(talk, 5, verbose=True))
    called = trial.called
    if not printed.strip() and "display" in names_in(getattr(trial.arena, "run_conversation", None)):
        advice, fault = (
            "Write print(...) in the place of display(...).",
            "It uses display, and prints nothing.",
        )
        raise Wrong(called, "each line is printed", "nothing was printed", advice, fault=fault)
    labels = labels_in(printed, [call.said for call in trial.factory.trace], called)
    for number, (before, after) in enumerate(pairwise(labels), start=1):
        counted = {number, number - 1, (number + 1) // 2}
        if not numbers_in(before) & counted and not (number == 1 and numbers_in(after) & counted):
            advice = "Print the turn's number before each line."
            raise Wrong(called, f"the number {number} before line {number}", quote(before), advice)
    if not trial.names_speakers(labels[:-1]):
        advice = "Print the speaker's name or id before each line."
        expected = f"{trial.factory.trace[1].actor.name} named before line 2"
        raise Wrong(called, expected, quote(labels[1]) if labels[1] else "nothing before it", advice)
    thoughts = [call.thought for call in trial.factory.trace if call.thought in printed]
    if thoughts:
        advice = "Print what run_turn gives; the private history is not for others."
        raise Wrong(called, "only what was said aloud", quote(thoughts[0]), advice)
    return "One can watch the talk."


@run.step("Without verbose nothing is printed", needs=["runs"])
def stays_silent(trial: ArenaTrial) -> str:
    talk, *_ = trial.talk()
    printed = printed_by(lambda: trial.run(talk, 2))
    trial.expect_a_run()
    if printed.strip():
        raise Wrong(trial.called, "nothing is printed", quote(printed), "Print only `if verbose:`.")
    return "It prints only when asked."


@run.step("No run of an unknown conversation", needs=["starts"])
def run_refuses_unknown(trial: ArenaTrial) -> str:
    trial.refuses_unknown_talk("run_conversation", any_error=True)
    return "A mistyped id is noticed at once."


# ---- measure --------------------------------------------------------------------------------------

measure = exercise.part("measure", uses=[*turn.uses, "evaluate_conversation"])


@measure.step("evaluate_conversation gives three numbers", needs=["speaks"])
def gives_metrics(trial: ArenaTrial) -> str:
    talk, *_ = trial.talk()
    trial.turns(talk, 2)
    before = lines_of(trial.messages(talk) or [])
    for key in METRICS:
        trial.number(talk, key)
    called, after = "arena.evaluate_conversation(talk)", lines_of(trial.messages(talk) or [])
    expect_same(called, before, after, "Only read the messages: measuring changes no talk.")
    return "The talk can be measured."


@measure.step("turn_count counts the lines of the two, without the opening", needs=["speaks"])
def counts_turns(trial: ArenaTrial) -> str:
    talk, *_ = trial.talk()
    advice = "Count the messages whose sender is not 'system', anew at each call."
    for count in (trial.factory.random.randint(2, 6), trial.factory.random.randint(1, 5)):
        trial.turns(talk, count)
        trial.expect_number(talk, "turn_count", len(trial.factory.trace), 0, advice)
    other = ArenaTrial(trial.learners_object)
    silent = other.start(*other.actors(), "")
    succeeded, _ = other.turn(silent)
    if succeeded is True:  # it need not be: to greet after an empty opening is a stretch step
        other.expect_number(silent, "turn_count", 1, 0, "With an empty opening, the first message counts.")
    return "The talk has a length."


@measure.step("avg_response_length is the mean number of characters of a line", needs=["speaks"])
def measures_length(trial: ArenaTrial) -> str:
    trial.think()
    first, second = trial.actors()
    talk = trial.start(first, second, " ".join(trial.factory.line() for _ in range(8)))
    short, long = trial.factory.random.randint(11, 40), trial.factory.random.randint(70, 200)
    lengths = [short, long, short + 3, long + 15, short + 9]  # three lines of NPC 1, and two of NPC 2
    lengths[4] += (2 - sum(lengths)) % 5  # the mean has .4 behind the point
    trial.factory.planned = [trial.factory.text_of(length) for length in lengths]
    trial.turns(talk, 5)
    advice = "Divide the sum of len(message.content) by the number of lines, without the opening."
    trial.expect_number(talk, "avg_response_length", sum(lengths) / 5, ROUNDING, advice)
    return "The lines have a mean length."


@measure.step("Each talk is measured for itself", needs=["speaks"])
def measures_the_right_talk(trial: ArenaTrial) -> str:
    advice = "Measure the conversation whose id was given, and no other."
    talks: dict[Any, tuple[float, float]] = {}
    for number, turns in enumerate((3, 1, 2), start=1):
        talk, *_ = trial.talk()
        trial.factory.planned = [trial.factory.text_of(20 * number)] * turns
        trial.turns(talk, turns)
        talks[talk] = trial.found(talk, "turn_count"), trial.found(talk, "avg_response_length")
    for talk, before in talks.items():
        called = "arena.evaluate_conversation(talk), once more after two other talks"
        after = trial.found(talk, "turn_count"), trial.found(talk, "avg_response_length")
        if after != before:
            raise Wrong(called, "the same numbers as before", f"{after}, and not {before}", advice)
    if len(set(talks.values())) == 1:
        called = "arena.evaluate_conversation(talk) of three talks, with 3, 1 and 2 lines"
        raise Wrong(called, "three pairs of numbers", f"each time {show(after)}", advice)
    return "The other talks do not count."


@measure.step("avg_response_time is the mean time of a reply, in seconds", needs=["speaks"])
def measures_time(trial: ArenaTrial) -> str:
    seen = 0  # how often it was the time from line to line; once, on a busy machine, may be by chance
    for times in (1, 2, 1):  # longer pauses, if the machine was busy
        talk, *_ = trial.talk()
        trial.factory.trace.clear()
        trial.factory.pauses = [times * pause for pause in PAUSES]
        trial.turns(talk, len(PAUSES))
        sleep(AFTERWARDS)
        got, calls = trial.found(talk, "avg_response_time"), trial.factory.trace
        each = sum(call.ended - call.begun for call in calls) / len(calls)
        between = (calls[-1].ended - calls[0].ended) / (len(calls) - 1)
        seen += abs(got - between) <= CLOCK
        if abs(got - each) <= CLOCK or seen == 2:
            return "The replies have a mean time."
        if times == 2 and not seen:
            break
    expected = f"{each:.3f} seconds, or {between:.3f} from line to line"
    advice = "Divide the seconds of all replies by the number of replies."
    fault = f"It gives {got:.3f}, and not {each:.3f}."
    raise Wrong(trial.called, expected, f"{got:.3f}", advice, fault=fault)


@measure.step("A talk without lines gives zeros", needs=["starts"], only_with=["starts"])
def measures_nothing(trial: ArenaTrial) -> str:
    for opening in (trial.factory.line(), ""):
        talk = trial.start(*trial.actors(), opening)
        for key in METRICS:
            advice = "Where no line was spoken, do not divide: the mean is 0."
            got, expected = trial.number(talk, key), 0
            if got != expected:
                fault = f"{key} is {got:g}."
                raise Wrong(f"{trial.called} of a new talk", "0", f"{got:g}", advice, fault=fault)
    return "An empty talk is no error."


@measure.step("No metrics of an unknown conversation", needs=["starts"])
def measure_refuses_unknown(trial: ArenaTrial) -> str:
    trial.refuses_unknown_talk("evaluate_conversation")
    return "A mistyped id is noticed at once."


@measure.step("The metrics are kept with the conversation", needs=["gives_metrics"], required=False)
def keeps_metrics(trial: ArenaTrial) -> str:
    talk, *_ = trial.talk()
    trial.turns(talk, 2)
    metrics = trial.evaluate(talk)
    kept = plain(trial.key(talk, "metrics"))
    for key in METRICS:
        number = kept.get(key) if isinstance(kept, dict) else None
        if not isinstance(number, int | float) or abs(number - metrics[key]) > ROUNDING:
            called = 'arena.conversations[talk]["metrics"], after evaluate_conversation(talk)'
            advice = 'Store them: conversation["metrics"] = metrics.'
            raise Wrong(called, show(dict(metrics)), show(kept), advice)
    return "What was measured can be looked up."
