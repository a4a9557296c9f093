"""Lesson 05: the learner's own `ChatArena`, behaviour by behaviour.

Any honest way of writing it passes. What counts is what a caller can see: who speaks, who hears what,
what is recorded, what is measured. What our own class does beyond the one that this course grew from is a
stretch step.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from datetime import datetime
from itertools import pairwise
from time import sleep  # by name: a learner may replace what stands in `time`
from typing import Any

from npc_lab.lessons.checking.exercise import Exercise, Wrong
from npc_lab.lessons.checking.learners_code import error_line, quote, show
from npc_lab.lessons.exercises.arena_trial import (
    ArenaTrial,
    difference,
    expect_same,
    id_of,
    labels_in,
    lines_of,
    numbers_in,
    printed_by,
)
from npc_lab.lessons.exercises.practice_factory import Actor
from npc_lab.transcript import DEFAULT_OPENING

KEYS = ("npc1_id", "npc2_id", "npc1_user_id", "npc2_user_id", "messages", "current_turn", "metrics")
ROUNDING = 0.06  # a number may differ by this much because it was rounded
# Seconds that replies take. Neither one of them nor their median is near their mean.
PAUSES = (0.01, 0.12, 0.07, 0.01)
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
        advice = "Return what self.npc_factory.register_user(...) gives."
        raise Wrong(
            trial.called, f"the id of a user of the factory: one of {show(known)}", show(user_id), advice
        )
    return "The NPC can now be talked with, as a user of its own."


@register.step("Registering an NPC again gives the same user", needs=["registers"])
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


@register.step("An unknown NPC is not registered", needs=["registers"])
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


@start.step("start_conversation gives the id of a new conversation", needs=["registers"])
def starts(trial: ArenaTrial) -> str:
    talk, *_ = trial.talk()
    conversations = trial.conversations()
    if talk is None or isinstance(talk, list | dict | set) or talk not in conversations:
        advice = (
            "Did you forget a `return`?" if talk is None else "Store it: self.conversations[the id] = ..."
        )
        raise Wrong(trial.called, "an id, which is then a key of arena.conversations", show(talk), advice)
    return "A talk begins, and has an id."


@start.step("The conversation answers its seven keys", needs=["starts"])
def answers_keys(trial: ArenaTrial) -> str:
    talk, first, second = trial.talk()
    conversation = trial.conversations()[talk]
    for key in KEYS:
        trial.called = f'arena.conversations[talk]["{key}"]'
        try:
            conversation[key]
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            advice = f"Keep a dict for each conversation, with the keys {', '.join(KEYS)}."
            raise Wrong(trial.called, "a value", error_line(error), advice) from None
    for key, actor in (("npc1_id", first), ("npc2_id", second)):
        trial.called = f'arena.conversations[talk]["{key}"]'
        if conversation[key] != actor.npc_id:
            expected = f"{show(actor.npc_id)}, {actor.name}'s id"
            advice = "Store the ids in the order in which they were given."
            raise Wrong(trial.called, expected, show(conversation[key]), advice)
    return "Whoever holds the id can look the talk up."


@start.step("Each seat has a user of the factory", needs=["answers_keys"])
def seats_have_users(trial: ArenaTrial) -> str:
    talk, *_ = trial.talk()
    conversation, known = trial.conversations()[talk], list(trial.factory.user_ids.values())
    users = [conversation["npc1_user_id"], conversation["npc2_user_id"]]
    for key, user_id in zip(("npc1_user_id", "npc2_user_id"), users, strict=True):
        if user_id not in known:
            advice = "Store what register_npc_in_arena gives."
            raise Wrong(f'arena.conversations[talk]["{key}"]', f"one of {show(known)}", show(user_id), advice)
    return "Each seat speaks as a user."


@start.step("The opening line is recorded, and “system” said it", needs=["answers_keys"])
def records_opening(trial: ArenaTrial) -> str:
    first, second = trial.actors()
    opening = trial.factory.line()
    talk = trial.start(first, second, opening)
    called = trial.called
    trial.expect_messages(
        talk, [("system", opening)], called, "Record Message('system', initial_prompt, ...)."
    )
    return "The opening line begins the transcript."


@start.step("Without an opening line, it is “Hello! Who are you?”", needs=["records_opening"])
def default_opening(trial: ArenaTrial) -> str:
    talk = trial.start(*trial.actors())
    called = trial.called
    advice = f"Give the argument its default: initial_prompt={DEFAULT_OPENING!r}."
    trial.expect_messages(talk, [("system", DEFAULT_OPENING)], called, advice)
    return "Nobody need think of an opening."


@start.step("An empty opening line records nothing", needs=["records_opening"])
def empty_opening(trial: ArenaTrial) -> str:
    talk = trial.start(*trial.actors(), "")
    called = trial.called
    trial.expect_messages(talk, [], called, "Record the opening only if there is one: `if initial_prompt:`.")
    return "An empty line is nobody's line."


@start.step("Two talks of one pair are two conversations", needs=["records_opening"])
def separate_conversations(trial: ArenaTrial) -> str:
    first, second = trial.actors()
    openings = [trial.factory.line(), trial.factory.line()]
    talks = [trial.start(first, second, opening) for opening in openings]
    if talks[0] == talks[1]:
        advice = "Make an id that is new each time: str(uuid.uuid4())."
        raise Wrong(f"{trial.called}, twice", "two different ids", f"twice {show(talks[0])}", advice)
    for talk, opening in zip(talks, openings, strict=True):
        called = "start_conversation(...), twice for the same pair"
        advice = "Make a new list of messages in each call of start_conversation."
        trial.expect_messages(talk, [("system", opening)], called, advice)
    return "A new talk leaves the earlier ones alone."


@start.step("Two arenas share nothing", needs=["records_opening"])
def separate_arenas(trial: ArenaTrial) -> str:
    trial.talk()
    other = ArenaTrial(trial.learners_object)
    if len(other.conversations()):
        advice = "Make self.conversations = {} in __init__, not in the class."
        raise Wrong(
            "ChatArena(factory), a second one",
            "no conversations yet",
            show(list(other.conversations())),
            advice,
        )
    return "Each arena begins empty."


@start.step("An unknown NPC gets no seat", needs=["starts"])
def refuses_unknown_seats(trial: ArenaTrial) -> str:
    known, _ = trial.actors()
    unknown = Actor("nobody", f"npc-{trial.factory.word()}")
    for pair in ((unknown, known), (known, unknown)):

        def seat(pair: tuple[Actor, Actor] = pair) -> Any:
            return trial.start(*pair)

        trial.must_raise("NPCNotFoundInArenaError", seat)
        if len(trial.conversations()):
            advice = "Check both ids before you make the conversation."
            raise Wrong(trial.called, "no conversation", show(list(trial.conversations())), advice)
    return "Nobody who does not exist gets a seat."


# ---- turn -----------------------------------------------------------------------------------------

turn = exercise.part("turn", uses=[*start.uses, "run_turn"])


@turn.step("run_turn gives True, and the line that was said", needs=["starts"])
def speaks(trial: ArenaTrial) -> str:
    talk, *_ = trial.talk()
    (line,) = trial.turns(talk, 1)
    trial.called = "arena.run_turn(talk)"
    said = [call.said for call in trial.factory.trace]
    if len(said) != 1:
        advice = "Call chat_with_npc once in each turn."
        raise Wrong(trial.called, "one call of chat_with_npc", f"{len(said)} calls", advice)
    if line != said[0]:
        advice = "Return what chat_with_npc gives, unchanged."
        raise Wrong(trial.called, f"(True, {quote(said[0])})", f"(True, {quote(line)})", advice)
    return "A turn brings a line."


@turn.step("NPC 1 speaks first", needs=["speaks"])
def begins(trial: ArenaTrial) -> str:
    first, second = trial.actors()
    for _ in range(_MEETINGS):
        talk = trial.start(first, second, trial.factory.line())
        trial.factory.trace.clear()
        trial.turns(talk, 1)
        if trial.factory.trace[0].actor is not first:
            advice = "Ask the NPC whose id is in current_turn; at the start that is npc1_id."
            raise Wrong(
                "arena.run_turn(talk), turn 1",
                f"{first.name} (NPC 1) speaks",
                f"{trial.factory.trace[0].actor.name} (NPC 2) spoke",
                advice,
                trial.drawing([first], [trial.record(talk)[0].content]),
            )
    return "NPC 1 begins."


@turn.step("The first speaker hears the opening line", needs=["begins", "records_opening"])
def hears_opening(trial: ArenaTrial) -> str:
    first, second = trial.actors()
    opening = trial.factory.text_of(600)
    talk = trial.start(first, second, opening)
    trial.turns(talk, 1)
    heard = trial.factory.trace[0].heard
    if heard != opening:
        advice = "Hand the last recorded line on as it is, here the opening."
        called = f"arena.run_turn(talk), turn 1, after the opening {quote(opening, 60)}"
        raise Wrong(
            called, f"{first.name} hears {quote(opening)}", f"{first.name} heard {quote(heard)}", advice
        )
    return "The first line answers the opening."


@turn.step("The two speak in turn", needs=["begins"])
def alternates(trial: ArenaTrial) -> str:
    talk, first, second = trial.talk()
    trial.turns(talk, 5)
    expected = [first, second, first, second, first]
    speakers = [call.actor for call in trial.factory.trace]
    if speakers != expected:
        raise Wrong(
            "arena.run_turn(talk), 5 times",
            ", ".join(actor.name for actor in expected),
            ", ".join(actor.name for actor in speakers),
            "After each line, make the other NPC the next one: change current_turn.",
            trial.drawing(expected, None),
        )
    return "They take turns."


@turn.step("Each hears the partner's last line, word for word", needs=["hears_opening", "alternates"])
def hears_partner(trial: ArenaTrial) -> str:
    talk, first, second = trial.talk()
    trial.factory.planned = [trial.factory.text_of(length) for length in (900, 30)]
    trial.turns(talk, 5)
    trace = trial.factory.trace
    expected = [trace[0].heard, *(call.said for call in trace[:-1])]
    for number, (call, wanted) in enumerate(zip(trace, expected, strict=True), start=1):
        if call.heard != wanted:
            speakers = [first, second, first, second, first]
            raise Wrong(
                f"arena.run_turn(talk), turn {number}",
                f"{call.actor.name} hears {quote(wanted)}",
                f"{call.actor.name} heard {quote(call.heard)}",
                "Hand on the content of the last recorded line, and change nothing in it.",
                trial.drawing(speakers, expected),
            )
    return "Each answers what the other one said."


@turn.step("The characters stay as they are", needs=["alternates"])
def leaves_characters(trial: ArenaTrial) -> str:
    trial.think()
    cast = trial.factory.actor(), trial.factory.actor()
    npcs = trial.factory.npcs
    before = {npc_id: deepcopy(npc.config) for npc_id, npc in npcs.items()}
    for actor in cast:
        trial.register(actor)
    trial.turns(trial.start(*cast, trial.factory.line()), 3)
    called = "arena.run_turn(talk), 3 times"
    if before != {npc_id: npc.config for npc_id, npc in npcs.items()}:
        raise Wrong(called, "factory.npcs is as before", "it was changed", "Only read from factory.npcs.")
    remembered = sum(len(history) for history in npcs[cast[0].npc_id].chat_histories.values())
    if remembered != 4:
        expected = f"{cast[0].name} remembers its two lines, and what it answered to"
        got = f"it remembers {remembered} messages, not 4"
        raise Wrong(called, expected, got, "Leave the NPC's chat_histories alone.")
    return "The arena changes nobody."


@turn.step(
    "Each is spoken to as its partner's user",
    needs=["hears_partner", "seats_have_users", "leaves_characters"],
)
def speaks_as_partner(trial: ArenaTrial) -> str:
    talk, first, second = trial.talk()
    trial.turns(talk, 4)
    conversation = trial.conversations()[talk]
    for actor, key in ((first, "npc2_user_id"), (second, "npc1_user_id")):
        trial.called = f'factory.get_npc_chat_history({id_of(actor)}, conversation["{key}"])'
        history = trial.factory.get_npc_chat_history(actor.npc_id, conversation[key])
        said = [message["content"] for message in history if message["role"] == "assistant"]
        expected = [call.said for call in trial.factory.trace if call.actor is actor]
        if said != expected:
            partner = second if actor is first else first
            advice = f"When {actor.name} replies, the user_id is the one of {partner.name}'s seat."
            raise Wrong(trial.called, f"the {len(expected)} lines that {actor.name} said", show(said), advice)
    users = [conversation["npc1_user_id"], conversation["npc2_user_id"]]
    if users == [trial.register(actor) for actor in (second, first)]:
        called = 'arena.conversations[talk]["npc1_user_id"]'
        wanted, got = f"the user that {first.name} is", f"the user that {second.name} is"
        raise Wrong(called, wanted, got, "npc1_user_id is NPC 1 as a user, npc2_user_id is NPC 2.")
    return "Each remembers its partner, under the partner's user id."


@turn.step("Each line is recorded once, under the id of its speaker", needs=["alternates", "records_opening"])
def records(trial: ArenaTrial) -> str:
    first, second = trial.actors()
    opening = trial.factory.line()
    talk = trial.start(first, second, opening)
    trial.turns(talk, 4)
    spoken = [(call.actor.npc_id, call.said) for call in trial.factory.trace]
    advice = "After each reply, append one Message(npc_id, line, datetime.now())."
    trial.expect_messages(talk, [("system", opening), *spoken], "arena.run_turn(talk), 4 times", advice)
    return "The transcript holds every line."


@turn.step("current_turn names the next speaker", needs=["alternates", "answers_keys"])
def names_next(trial: ArenaTrial) -> str:
    talk, first, second = trial.talk()
    trial.expect_next(talk, first, "In start_conversation, store npc1_id as current_turn.")
    for following in (second, first, second):
        trial.turns(talk, 1)
        trial.expect_next(talk, following, "After each line, set current_turn to the other NPC's id.")
    return "Whoever looks can see who is next."


@turn.step("Private thoughts are in no line", needs=["records"])
def keeps_thoughts_private(trial: ArenaTrial) -> str:
    trial.think()
    talk, *_ = trial.talk()
    lines = trial.turns(talk, 3)
    given_out = [
        ("arena.run_turn(talk)", lines),
        ("the messages of the conversation", [message.content for message in trial.record(talk)]),
        ("what the partner hears", [call.heard for call in trial.factory.trace]),
    ]
    private = [call.thought for call in trial.factory.trace]
    for what, texts in given_out:
        for text in texts:
            if "#SCRATCHPAD" in str(text) or any(thought in str(text) for thought in private):
                advice = "Use what chat_with_npc gives; the private history is not for others."
                raise Wrong(what, "only what was said aloud", quote(text), advice)
    return "Nobody can read what the other one thinks."


@turn.step("Each line has the time at which it was said", needs=["records"])
def has_times(trial: ArenaTrial) -> str:
    talk, *_ = trial.talk()
    trial.factory.seconds = 0.02
    trial.turns(talk, 2)
    times = [message.timestamp for message in trial.record(talk)]
    for each in times:
        if not isinstance(each, datetime):
            raise Wrong("message.timestamp", "a datetime", show(each), "Use datetime.now().")
    if len(set(times)) < len(times):
        advice = "Call datetime.now() when the line is recorded: a default in a class is made only once."
        raise Wrong("message.timestamp of each line", "a later time for each", "the same time twice", advice)
    return "The transcript knows when each line was said."


@turn.step("A failed reply gives False, and the reason", needs=["alternates"])
def tells_failure(trial: ArenaTrial) -> str:
    talk, *_ = trial.talk()
    trial.turns(talk, trial.factory.random.randint(1, 3))
    succeeded, reason = trial.failing_turn(talk)
    if succeeded is not False or not isinstance(reason, str) or not reason.strip():
        advice = "Put chat_with_npc into a try, and `except ReplyError as error: return False, str(error)`."
        raise Wrong(trial.called, "(False, the reason)", show((succeeded, reason)), advice)
    return "A failure is told, not thrown."


@turn.step("A failed reply leaves no line", needs=["tells_failure", "records"])
def records_no_failure(trial: ArenaTrial) -> str:
    talk, *_ = trial.talk()
    trial.turns(talk, trial.factory.random.randint(1, 3))
    before = lines_of(trial.record(talk))
    trial.failing_turn(talk)
    called = trial.called
    if (after := lines_of(trial.record(talk))) != before:
        advice = "Record a line only after the reply has come."
        raise Wrong(called, f"{len(before)} messages, as before", difference(before, after), advice)
    return "An error is never a line of dialogue."


@turn.step(
    "After a failure the same one is next, and hears the same", needs=["tells_failure", "hears_partner"]
)
def tries_again(trial: ArenaTrial) -> str:
    talk, _first, _second = trial.talk()
    turns = trial.factory.random.randint(1, 3)
    trial.turns(talk, turns)
    trial.failing_turn(talk)
    failed = trial.factory.trace[-1]
    (succeeded, words), called = trial.turn(talk), "arena.run_turn(talk), after a turn that failed"
    if succeeded is not True:
        advice = "A failure must not end the talk: the next call of run_turn tries again."
        raise Wrong(called, "(True, the line)", show((succeeded, words)), advice)
    again = trial.factory.trace[-1]
    if (again.actor, again.heard) != (failed.actor, failed.heard):
        expected = f"{failed.actor.name} hears {quote(failed.heard, 60)}"
        got = f"{again.actor.name} heard {quote(again.heard, 60)}"
        raise Wrong(called, expected, got, "Change current_turn only after a reply has come.")
    trial.turns(talk, 2)
    speakers = [call.actor for call in trial.factory.trace[-3:]]
    if speakers[0] is speakers[1] or speakers[0] is not speakers[2]:
        got = ", ".join(actor.name for actor in speakers)
        advice = "Let the talk forget the failure once a reply has come."
        raise Wrong(f"{called}, and two more turns", "the two in turn", got, advice)
    return "A later try goes on as if nothing had happened."


@turn.step("Two talks side by side keep their own turns", needs=["hears_partner", "records"])
def talks_side_by_side(trial: ArenaTrial) -> str:
    (left, *left_pair), (right, *right_pair) = trial.talk(), trial.talk()
    for talk in (left, right, right, left, right, left):
        trial.turns(talk, 1)
    for talk, (first, second) in ((left, left_pair), (right, right_pair)):
        speakers = [trial.factory.name_of(message.sender) for message in trial.record(talk)[1:]]
        expected = [first.name, second.name, first.name]
        heard = [call for call in trial.factory.trace if call.actor in (first, second)]
        answers = [call.said for call in heard[:-1]] == [call.heard for call in heard[1:]]
        if speakers != expected or not answers:
            advice = "Keep whose turn it is, and the messages, in the conversation and nowhere else."
            called = "arena.run_turn(...) of two talks, by turns"
            raise Wrong(called, f"{', '.join(expected)} in one of them", ", ".join(speakers), advice)
    return "Many talks can run in one arena."


@turn.step("Each conversation has a memory of its own", needs=["hears_partner"], required=False)
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


@turn.step("An NPC can talk with itself, with two memories", needs=["hears_partner"], required=False)
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


@turn.step(
    "After an empty opening the first speaker is greeted", needs=["speaks", "empty_opening"], required=False
)
def greets(trial: ArenaTrial) -> str:
    talk = trial.start(*trial.actors(), "")
    trial.turns(talk, 1)
    if trial.factory.trace[0].heard != DEFAULT_OPENING:
        advice = f"Where nothing is recorded yet, say {DEFAULT_OPENING!r}."
        raise Wrong(
            "run_turn after an empty opening",
            quote(DEFAULT_OPENING),
            quote(trial.factory.trace[0].heard),
            advice,
        )
    return "Nobody begins with silence."


# ---- read -----------------------------------------------------------------------------------------

read = exercise.part("read", uses=[*turn.uses, "get_conversation_history"])


@read.step("The history holds every line in order, the opening first", needs=["records"])
def reads_history(trial: ArenaTrial) -> str:
    talk, *_ = trial.talk()
    trial.turns(talk, 12)
    recorded = lines_of(trial.record(talk))
    history = trial.history(talk)
    expect_same(trial.called, recorded, history, "Return the messages of the conversation, all of them.")
    called = f"{trial.called}, twice"
    expect_same(called, recorded, trial.history(talk), "Reading must not change the conversation.")
    return "The talk can be read back."


@read.step("Each talk has its own history", needs=["reads_history", "talks_side_by_side"])
def reads_the_right_talk(trial: ArenaTrial) -> str:
    talks = [trial.talk()[0] for _ in range(3)]
    for talk in talks:
        trial.turns(talk, 2)
    for talk in talks:
        advice = "Return the messages of self.conversations[conversation_id], and no others."
        recorded = lines_of(trial.record(talk))
        history = trial.history(talk)
        expect_same(f"{trial.called}, with three talks in the arena", recorded, history, advice)
    return "Among many talks, each can be read back."


@read.step("No history of an unknown conversation", needs=["reads_history"])
def history_refuses_unknown(trial: ArenaTrial) -> str:
    trial.refuses_unknown_talk("get_conversation_history")
    return "A mistyped id is noticed at once."


# ---- run ------------------------------------------------------------------------------------------

run = exercise.part("run", uses=[*turn.uses, "run_conversation"])


@run.step("run_conversation adds exactly max_turns lines", needs=["records"])
def runs(trial: ArenaTrial) -> str:
    count = trial.factory.random.randint(11, 14)
    talk, *_ = trial.talk()
    trial.run(talk, count)
    called = trial.called
    added = len(trial.record(talk)) - 1
    if added != count:
        advice = "Call run_turn once for each of range(max_turns); the opening is nobody's turn."
        raise Wrong(called, f"{count} new lines", f"{added} new lines", advice)
    return "The talk has the length that was asked for."


@run.step("It runs the talk that it was asked for", needs=["runs", "talks_side_by_side"])
def runs_the_right_talk(trial: ArenaTrial) -> str:
    talks = [trial.talk()[0] for _ in range(3)]
    trial.run(talks[1], 2)
    called = f"{trial.called}, with two other talks in the arena"
    added = [len(trial.record(talk)) - 1 for talk in talks]
    if added != [0, 2, 0]:
        advice = "Run the conversation whose id was given, and no other."
        got = f"{added[1]} in it, {added[0] + added[2]} in the others"
        raise Wrong(called, "2 new lines in it, none in the others", got, advice)
    return "The other talks wait."


@run.step("With max_turns=0 nobody speaks", needs=["runs"])
def runs_none(trial: ArenaTrial) -> str:
    talk, *_ = trial.talk()
    trial.run(talk, 0)
    called = trial.called
    if added := len(trial.record(talk)) - 1:
        raise Wrong(called, "no new line", f"{added} new lines", "0 is a number too: use range(max_turns).")
    return "Nothing is asked for, nothing is said."


@run.step("Without max_turns, ten lines are said", needs=["runs"])
def runs_ten(trial: ArenaTrial) -> str:
    talk, *_ = trial.talk()
    trial.run(talk)
    called = trial.called
    if (added := len(trial.record(talk)) - 1) != 10:
        raise Wrong(
            called, "10 new lines", f"{added} new lines", "Give the argument its default: max_turns=10."
        )
    return "Nobody need count."


@run.step("A second run goes on where the first one stood", needs=["runs", "hears_partner"])
def goes_on(trial: ArenaTrial) -> str:
    talk, first, second = trial.talk()
    trial.run(talk, 3)
    trial.run(talk, 2)
    called = "run_conversation(talk, 3), then run_conversation(talk, 2)"
    lines = trial.record(talk)[1:]
    if len(lines) != 5:
        raise Wrong(called, "5 lines", f"{len(lines)} lines", "Add max_turns lines to those that are there.")
    expected = [first, second, first, second, first]
    if [message.sender for message in lines] != [actor.npc_id for actor in expected]:
        got = ", ".join(trial.factory.name_of(message.sender) for message in lines)
        advice = "Begin with whoever is next, not with NPC 1."
        wanted = ", ".join(actor.name for actor in expected)
        raise Wrong(called, wanted, got, advice, trial.drawing(expected, None))
    return "A talk can be continued."


@run.step("run_conversation gives the whole talk", needs=["runs"])
def gives_talk(trial: ArenaTrial) -> str:
    talk, *_ = trial.talk()
    trial.run(talk, 1)
    given = trial.listed(trial.run(talk, 2))
    advice = "Return all messages of the conversation, with those of earlier runs."
    expect_same(f"{trial.called}, after one line", lines_of(trial.record(talk)), given, advice)
    return "The talk comes back as a list."


@run.step("A run ends at the first reply that fails", needs=["gives_talk", "tells_failure"])
def ends_at_failure(trial: ArenaTrial) -> str:
    talk, _first, _second = trial.talk()
    trial.run(talk, 2)
    trial.factory.fails = True
    asked = len(trial.factory.trace)
    given = trial.run(talk, 3)
    called = "run_conversation(talk, 3), while no reply comes"
    tries = len(trial.factory.trace) - asked
    if tries != 1 or len(trial.record(talk)) != 3:
        advice = "Leave the loop as soon as run_turn gives False."
        raise Wrong(
            called,
            "one try, and no new line",
            f"{tries} tries, {len(trial.record(talk)) - 3} new lines",
            advice,
        )
    advice = "Return the whole talk, also when a turn has failed."
    expect_same(called, lines_of(trial.record(talk)), trial.listed(given), advice)
    trial.factory.fails = False
    trial.run(talk, 2)
    if (added := len(trial.record(talk)) - 3) != 2:
        advice = "A failure must not end the talk: a later run goes on."
        raise Wrong(
            "run_conversation(talk, 2), after a run that failed", "2 new lines", f"{added} new lines", advice
        )
    return "A failure ends the run, not the talk."


@run.step("With verbose=True each line is printed, with turn number and speaker", needs=["runs"])
def prints(trial: ArenaTrial) -> str:
    trial.think()
    talk, _first, _second = trial.talk()
    printed = printed_by(lambda: trial.run(talk, 5, verbose=True))
    called = trial.called
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
    if printed.strip():
        raise Wrong(trial.called, "nothing is printed", quote(printed), "Print only `if verbose:`.")
    return "It prints only when asked."


@run.step("No run of an unknown conversation", needs=["runs"])
def run_refuses_unknown(trial: ArenaTrial) -> str:
    trial.refuses_unknown_talk("run_conversation", any_error=True)
    return "A mistyped id is noticed at once."


# ---- measure --------------------------------------------------------------------------------------

measure = exercise.part("measure", uses=[*turn.uses, "evaluate_conversation"])


@measure.step("evaluate_conversation gives three numbers", needs=["records"])
def gives_metrics(trial: ArenaTrial) -> str:
    talk, *_ = trial.talk()
    trial.turns(talk, 2)
    before = lines_of(trial.record(talk))
    for key in METRICS:
        trial.number(talk, key)
    called = "arena.evaluate_conversation(talk)"
    expect_same(called, before, trial.record(talk), "Only read the messages: measuring changes no talk.")
    return "The talk can be measured."


@measure.step("turn_count counts the lines of the two, without the opening", needs=["gives_metrics"])
def counts_turns(trial: ArenaTrial) -> str:
    talk, *_ = trial.talk()
    advice = "Count the messages whose sender is not 'system', anew at each call."
    for count in (trial.factory.random.randint(2, 5), 1):
        trial.turns(talk, count)
        trial.expect_number(talk, "turn_count", len(trial.factory.trace), 0, advice)
    return "The talk has a length."


@measure.step("avg_response_length is the mean number of characters of a line", needs=["gives_metrics"])
def measures_length(trial: ArenaTrial) -> str:
    trial.think()
    first, second = trial.actors()
    talk = trial.start(first, second, " ".join(trial.factory.line() for _ in range(8)))
    short, long = trial.factory.random.randint(11, 19), trial.factory.random.randint(70, 90)
    lengths = [short, long, short + 3, long + 5 - (2 * (short + long) + 8) % 4 + 2]
    trial.factory.planned = [trial.factory.text_of(length) for length in lengths]
    trial.turns(talk, 4)
    mean = sum(lengths) / 4
    advice = "Divide the sum of len(message.content) by the number of lines, without the opening."
    trial.expect_number(talk, "avg_response_length", mean, ROUNDING, advice)
    return "The lines have a mean length."


@measure.step(
    "Each talk is measured for itself", needs=["counts_turns", "measures_length", "talks_side_by_side"]
)
def measures_the_right_talk(trial: ArenaTrial) -> str:
    talks = {trial.talk()[0]: turns for turns in (3, 1, 2)}
    advice = "Measure the conversation whose id was given, and no other."
    for number, (talk, turns) in enumerate(talks.items(), start=1):
        trial.factory.planned = [trial.factory.text_of(20 * number)] * turns
        trial.turns(talk, turns)
    for number, (talk, turns) in enumerate(talks.items(), start=1):
        trial.expect_number(talk, "turn_count", turns, 0, advice)
        trial.expect_number(talk, "avg_response_length", 20 * number, ROUNDING, advice)
    return "The other talks do not count."


@measure.step("avg_response_time is the mean time of a reply, in seconds", needs=["gives_metrics"])
def measures_time(trial: ArenaTrial) -> str:
    talk, *_ = trial.talk()
    trial.factory.pauses = list(PAUSES)
    started = datetime.now()
    trial.turns(talk, len(PAUSES))
    all_seconds = (datetime.now() - started).total_seconds()
    sleep(2 * sum(PAUSES))  # time after the last reply must not count
    got = trial.number(talk, "avg_response_time")
    # A mean over the gaps between lines passes, too: there is one gap less than there are lines.
    if not 0.6 * sum(PAUSES) / len(PAUSES) <= got <= 1.2 * all_seconds / (len(PAUSES) - 1):
        expected = f"about {all_seconds / len(PAUSES):.3f} seconds"
        advice = "Divide the seconds of all replies by the number of replies."
        raise Wrong(trial.called, expected, f"{got:.3f}", advice)
    return "The replies have a mean time."


@measure.step("A talk without lines gives zeros", needs=["starts"])
def measures_nothing(trial: ArenaTrial) -> str:
    for opening in (trial.factory.line(), ""):
        talk = trial.start(*trial.actors(), opening)
        for key in METRICS:
            advice = "Where no line was spoken, do not divide: the mean is 0."
            trial.expect_number(talk, key, 0, 0, advice)
    return "An empty talk is no error."


@measure.step("No metrics of an unknown conversation", needs=["gives_metrics"])
def measure_refuses_unknown(trial: ArenaTrial) -> str:
    trial.refuses_unknown_talk("evaluate_conversation")
    return "A mistyped id is noticed at once."


@measure.step("The metrics are kept with the conversation", needs=["gives_metrics"], required=False)
def keeps_metrics(trial: ArenaTrial) -> str:
    talk, *_ = trial.talk()
    trial.turns(talk, 2)
    metrics = trial.evaluate(talk)
    kept = trial.conversations()[talk]["metrics"]
    for key in METRICS:
        if (
            not isinstance(kept, Mapping)
            or key not in kept
            or abs(float(kept[key]) - float(metrics[key])) > ROUNDING
        ):
            called = 'arena.conversations[talk]["metrics"], after evaluate_conversation(talk)'
            advice = 'Store them: conversation["metrics"] = metrics.'
            raise Wrong(called, show(dict(metrics)), show(kept), advice)
    return "What was measured can be looked up."
