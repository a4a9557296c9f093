# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 05 · The chat arena (solutions)
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/npc_lab/blob/v0.2.0/notebooks/05_chat_arena.ipynb)
#
# Two characters talk with each other, and you watch. You write the class that makes this happen.
#
# **You will be able to:**
#
# - carry words between two NPCs, and keep a talk whole when a reply fails;
# - run a talk, read it back, and measure it;
# - let an NPC that runs on your own functions walk into your own arena.
#
# **Time:** 100 minutes. **Difficulty:** ●●●●○. **You need:** lessons 01 to 03.

# %% [markdown]
# On Google Colab the next cell installs the kit, in about a minute. Elsewhere it does nothing.

# %%
import sys

if "google.colab" in sys.modules:
    # %pip install -q "npc-lab[local] @ git+https://github.com/OWNER/npc_lab@v0.2.0"
    pass

# %%
import time
import uuid
from dataclasses import asdict, replace
from datetime import datetime

from npc_lab import ChatArena as OurArena
from npc_lab import Message, NPCFactory, SimpleChatNPC, connect
from npc_lab.errors import ConversationNotFoundError, NPCNotFoundInArenaError, ReplyError
from npc_lab.lessons import check, hint, report, solution
from npc_lab.widgets import arena_controls

client, model = connect()

# %% [markdown]
# ## The cast
#
# Two people in London, long ago, who think before they speak. Their talk opens with a *scene*: where they are, and what is at
# stake.

# %%
LONDON = "London in the XIII century. Ships from the north, muddy streets, a new bridge over the Thames."
factory = NPCFactory(client, model)

knight = factory.register_npc(
    LONDON,
    "You are Sir Guy of Kent, a poor and honest knight. You speak in short, old-fashioned sentences.",
    has_scratchpad=True,
    name="Sir Guy",
    goal="Find out who stole your horse.",
    max_reply_tokens=80,
)

# %%
merchant = factory.register_npc(
    LONDON,
    "You are Hans, a Hanseatic merchant who trades in eel and cloth. You are polite and want to earn money.",
    has_scratchpad=True,
    name="Hans",
    goal="Sell the knight a horse.",
    secrets=["The horse in your stable is stolen."],
    max_reply_tokens=80,
)
SCENE = "It rains. A wet knight without a horse stops at the stall of Hans. Hans says: Good day! What do you seek?"

# %% [markdown]
# ## By hand, once
#
# An NPC talks with *users*. So each NPC must become a user too: the knight talks with the user "Hans",
# and the merchant talks with the user "Sir Guy".
#
# **Predict:** whose NPC id, and whose user id, stands in each of the two calls below?

# %%
guy_as_user = factory.register_user("Sir Guy")
hans_as_user = factory.register_user("Hans")

first = factory.chat_with_npc(knight, hans_as_user, SCENE)
print(f"{SCENE}\nSir Guy: {first}")

second = factory.chat_with_npc(merchant, guy_as_user, first)
print("Hans:", second)

# %% [markdown]
# **Look:** the knight's answer went to the merchant word for word. An arena does this again and again, and writes everything
# down. You write the class in six parts, each with its own check. Each part is a function that becomes a method of the class.
#
# <details><summary>You would rather write the whole class in one cell?</summary>
#
# Write it into the next one, and **delete six cells** below: each begins with `def` and ends with a line such as
# `ChatArena.run_turn = run_turn`, which would put an empty method in the place of yours. Keep the cells with `check`.
#
# </details>


# %% tags=["exercise:arena"]
class ChatArena:
    """Lets two NPCs of one factory talk with each other."""

    def __init__(self, npc_factory):
        self.npc_factory = npc_factory
        self.user_ids = {}  # an NPC's id -> the user it is registered as
        self.conversations = {}  # a conversation's id -> the conversation, a dict


# %% [markdown]
# ### Exercise, part 1: make an NPC a user
#
# Difficulty ●○○○○ · Importance ●●●○○ · about 5 minutes
#
# ```
# knight         ──▶  "user_npc-18cc"
# knight, again  ──▶  "user_npc-18cc"
# "nobody"       ──▶  NPCNotFoundInArenaError
# ```
#
# `register_npc_in_arena(npc_id)` makes the NPC a user of the factory, once, and gives the user's id. If the factory has no
# such NPC (`self.npc_factory.npcs` is a dict), it raises `NPCNotFoundInArenaError(npc_id)`.


# %% tags=["exercise:arena.register"]
def register_npc_in_arena(self, npc_id):
    """Make the NPC a user of the factory, once. Gives the user's id."""
    # BEGIN SOLUTION
    if npc_id not in self.npc_factory.npcs:
        raise NPCNotFoundInArenaError(npc_id)
    if npc_id not in self.user_ids:
        self.user_ids[npc_id] = self.npc_factory.register_user(f"user_{npc_id}")
    return self.user_ids[npc_id]
    # END SOLUTION


ChatArena.register_npc_in_arena = register_npc_in_arena

# %% tags=["check"]
check("arena.register", ChatArena)

# %% tags=["help"]
# Stuck? Take away the # before one line, and run this cell.
# hint("arena.register", 1)
# hint("arena.register", 2)
# solution("arena.register")

# %% [markdown]
# ### Exercise, part 2: start a conversation
#
# Difficulty ●●○○○ · Importance ●●●●○ · about 10 minutes
#
# ```
# start_conversation(knight, merchant, "Good day!")  ──▶  "7c0e..."
#
# conversations["7c0e..."] = {"npc1_id": knight,   "npc1_user_id": as whom the knight speaks,
#                             "npc2_id": merchant, "npc2_user_id": as whom the merchant speaks,
#                             "messages": [system: "Good day!"],
#                             "current_turn": knight, "metrics": {}}
# ```

# %% [markdown]
# `start_conversation(npc1_id, npc2_id, initial_prompt)` stores such a dict, and gives the conversation's id.
#
# - The opening line's sender is `"system"`. An empty opening line records nothing.
# - Two talks of the same pair are two conversations. `str(uuid.uuid4())` is an id that nobody else has.
# - An unknown NPC gets no seat: your part 1 raises the error already.
#
# *Stretch:* each conversation has a memory of its own, if each has two users of its own.


# %% tags=["exercise:arena.start"]
def start_conversation(self, npc1_id, npc2_id, initial_prompt="Hello! Who are you?"):
    """Seat two NPCs for a new talk. Gives the conversation's id."""
    # BEGIN SOLUTION
    user1_id, user2_id = self.register_npc_in_arena(npc1_id), self.register_npc_in_arena(npc2_id)
    conversation_id = str(uuid.uuid4())
    opening = [Message("system", initial_prompt, datetime.now())] if initial_prompt else []
    self.conversations[conversation_id] = {
        "npc1_id": npc1_id,
        "npc2_id": npc2_id,
        "npc1_user_id": self.npc_factory.register_user(f"{user1_id} in {conversation_id}, seat 1"),
        "npc2_user_id": self.npc_factory.register_user(f"{user2_id} in {conversation_id}, seat 2"),
        "messages": opening,
        "current_turn": npc1_id,
        "metrics": {},
    }
    return conversation_id
    # END SOLUTION


ChatArena.start_conversation = start_conversation

# %% tags=["check"]
check("arena.start", ChatArena)

# %% tags=["help"]
# Stuck? Take away the # before one line, and run this cell.
# hint("arena.start", 1)
# hint("arena.start", 2)
# hint("arena.start", 3)
# solution("arena.start")

# %% [markdown]
# ### Exercise, part 3: one turn
#
# Difficulty ●●●●○ · Importance ●●●●● · about 25 minutes
#
# ```
# turn   who is asked   as whose user   hears                       records           next
#   1    knight         merchant's      system:   "Good day!"       knight: "..."     merchant
#   2    merchant       knight's        knight:   "..."             merchant: "..."   knight
#   3    knight         merchant's      merchant: "..."             (no reply)        knight
# ```
#
# `run_turn(conversation_id)` lets the next NPC speak. It hears the last line, word for word, as its partner's user. Its answer
# is recorded as `Message(npc_id, line, datetime.now())`, and then it is the other one's turn. It gives `(True, line)`.

# %% [markdown]
# If `chat_with_npc` raises `ReplyError`, as in turn 3, it gives `(False, str(error))`, and the same NPC is next: an error is
# never a line of dialogue.
#
# *Stretch:* an NPC can talk with itself; an unknown id raises `ConversationNotFoundError`; where nothing was recorded yet,
# the first speaker is greeted with `"Hello! Who are you?"`.


# %% tags=["exercise:arena.turn"]
def run_turn(self, conversation_id):
    """Let the next NPC speak: (True, its line), or (False, the reason) if it gave no reply."""
    # BEGIN SOLUTION
    if conversation_id not in self.conversations:
        raise ConversationNotFoundError(conversation_id)
    talk = self.conversations[conversation_id]
    messages = talk["messages"]
    me, you = (1, 2) if talk["current_turn"] == talk["npc1_id"] else (2, 1)
    if talk["npc1_id"] == talk["npc2_id"]:  # stretch: it talks with itself, so only a count can tell
        spoken = [message for message in messages if message.sender != "system"]
        me, you = (2, 1) if len(spoken) % 2 else (1, 2)
    heard = messages[-1].content if messages else "Hello! Who are you?"
    started = time.perf_counter()
    try:
        line = self.npc_factory.chat_with_npc(talk[f"npc{me}_id"], talk[f"npc{you}_user_id"], heard)
    except ReplyError as error:
        return False, str(error)
    seconds = time.perf_counter() - started
    messages.append(Message(talk[f"npc{me}_id"], line, datetime.now(), seat=me, seconds=seconds))
    talk["current_turn"] = talk[f"npc{you}_id"]
    return True, line
    # END SOLUTION


ChatArena.run_turn = run_turn

# %% tags=["check"]
check("arena.turn", ChatArena)

# %% tags=["help"]
# Stuck? Take away the # before one line, and run this cell.
# hint("arena.turn", 1)
# hint("arena.turn", 2)
# hint("arena.turn", 3)
# solution("arena.turn")

# %% [markdown]
# ### Exercise, part 4: read it back
#
# Difficulty ●○○○○ · Importance ●●○○○ · about 5 minutes
#
# ```
# "7c0e..."  ──▶  [system: "Good day!", knight: "...", merchant: "..."]
# "7c0f..."  ──▶  ConversationNotFoundError, and no such conversation is made
# ```
#
# `get_conversation_history(conversation_id)` gives all messages of the talk, the opening first.
# An unknown id raises `ConversationNotFoundError(conversation_id)`.


# %% tags=["exercise:arena.read"]
def get_conversation_history(self, conversation_id):
    """All messages of the talk, in order."""
    # BEGIN SOLUTION
    if conversation_id not in self.conversations:
        raise ConversationNotFoundError(conversation_id)
    return list(self.conversations[conversation_id]["messages"])
    # END SOLUTION


ChatArena.get_conversation_history = get_conversation_history

# %% tags=["check"]
check("arena.read", ChatArena)

# %% tags=["help"]
# Stuck? Take away the # before one line, and run this cell.
# hint("arena.read", 1)
# hint("arena.read", 2)
# solution("arena.read")

# %% [markdown]
# ### Exercise, part 5: a whole talk
#
# Difficulty ●●○○○ · Importance ●●●●○ · about 10 minutes
#
# ```
# [system]              ── max_turns=4 ──▶                    [system, 1, 2, 3, 4]
# [system, 1, 2, 3, 4]  ── max_turns=2, the second fails ──▶  [system, 1, 2, 3, 4, 5]
# ```
#
# `run_conversation(conversation_id, max_turns, verbose)` adds exactly `max_turns` lines, and gives the whole talk.
#
# - Called again, it goes on where the talk stood.
# - If a turn fails, it ends there. A later call can go on.
# - With `verbose=True` it prints each new line, with the turn's number and the speaker. Otherwise it prints nothing.


# %% tags=["exercise:arena.run"]
def run_conversation(self, conversation_id, max_turns=10, verbose=False):
    """Let the NPCs speak max_turns more lines. Gives the whole talk."""
    # BEGIN SOLUTION
    if conversation_id not in self.conversations:
        raise ConversationNotFoundError(conversation_id)
    for number in range(1, max_turns + 1):
        speaker = self.npc_factory.npcs[self.conversations[conversation_id]["current_turn"]]
        succeeded, words = self.run_turn(conversation_id)
        if not succeeded:
            break
        if verbose:
            print(f"[{number}] {speaker.config.name}: {words}\n")
    return self.get_conversation_history(conversation_id)
    # END SOLUTION


ChatArena.run_conversation = run_conversation

# %% tags=["check"]
check("arena.run", ChatArena)

# %% tags=["help"]
# Stuck? Take away the # before one line, and run this cell.
# hint("arena.run", 1)
# hint("arena.run", 2)
# hint("arena.run", 3)
# solution("arena.run")

# %% [markdown]
# ### Exercise, part 6: measure it
#
# Difficulty ●●●○○ · Importance ●●●○○ · about 15 minutes
#
# ```
# system    "Good day!"     (nobody spoke it)
# knight    10 characters   1 second    ──▶  {"turn_count": 2,
# merchant  20 characters   1 second          "avg_response_length": 15.0, "avg_response_time": 1.0}
# ```
#
# `evaluate_conversation(conversation_id)` gives a dict with three numbers: how many lines the two have spoken, their mean
# length in characters, and the mean time of a reply in seconds, measured around the call in `run_turn` (`Message` has a field
# `seconds`) or between two lines. A talk without lines gives zeros.
#
# *Stretch:* keep the numbers under the conversation's key `metrics`.


# %% tags=["exercise:arena.measure"]
def evaluate_conversation(self, conversation_id):
    """Turns, mean length in characters, mean time of a reply in seconds."""
    # BEGIN SOLUTION
    history = self.get_conversation_history(conversation_id)
    spoken = [message for message in history if message.sender != "system"]
    turns = max(len(spoken), 1)  # no division by zero
    metrics = {
        "turn_count": len(spoken),
        "avg_response_length": sum(len(message.content) for message in spoken) / turns,
        "avg_response_time": sum(message.seconds for message in spoken) / turns,
    }
    self.conversations[conversation_id]["metrics"] = metrics
    return metrics
    # END SOLUTION


ChatArena.evaluate_conversation = evaluate_conversation

# %% tags=["check"]
check("arena.measure", ChatArena)

# %% tags=["help"]
# Stuck? Take away the # before one line, and run this cell.
# hint("arena.measure", 1)
# hint("arena.measure", 2)
# hint("arena.measure", 3)
# solution("arena.measure")

# %% [markdown]
# ## The whole class
#
# One check of everything. From here on, the lesson uses *your* arena if it passes, and ours if it does not yet.

# %% tags=["check"]
everything = check("arena", ChatArena)
everything

# %% tags=["help"]
# Stuck? Take away the # before one line, and run this cell.
# hint("arena", 1)
# hint("arena", 2)
# hint("arena", 3)
# solution("arena")

# %%
Arena = ChatArena if everything.passed else OurArena
print("This lesson goes on with", "your arena." if Arena is ChatArena else "the arena of the kit.")

# %% [markdown]
# ## Let them talk
#
# (Four lines take about 10 seconds on the embedded model.)

# %%
arena = Arena(factory)
talk = arena.start_conversation(knight, merchant, SCENE)
print(SCENE)
messages = arena.run_conversation(talk, max_turns=4, verbose=True)
# BEGIN HIDDEN TESTS
assert messages[0].sender == "system"
assert len(messages) > 1
# END HIDDEN TESTS

# %% [markdown]
# **Look:** who wants what? Does either of them get it? If nobody has spoken, run the cell above again.
#
# What the merchant thought is in *his* memory of the knight. Only you can read it:

# %%
conversation = arena.conversations[talk]
history = factory.get_npc_chat_history(
    npc_id=conversation["npc2_id"],  # who remembers: the merchant
    user_id=conversation["npc1_user_id"],  # about whom: the knight, as a user
)
for message in history[:4]:
    print(f"{message['role']:>9}: {message['content']}\n")

# %% [markdown]
# ## The desk
#
# A panel drives your arena: it calls the methods that you wrote, and nothing else. **Start** lets them talk, **Step** gives one
# line, **Pause** holds after a line, **Stop** ends it.

# %%
desk = arena_controls(arena, knight, merchant, SCENE, max_turns=4)
desk

# %%
lines = desk.run(1)
assert len(lines) > 1, "Nobody has spoken. Read the notice in the desk."

# %% [markdown]
# **Try:** press *Step* a few times. Open *Private thoughts*.
#
# ## Measure
#
# One talk says little. So let the two meet three times, in short lines and without thoughts.
#
# **Predict:** how far apart will the talks be? What does the knight remember when the next one begins?

# %%
short = {"has_scratchpad": False, "max_reply_tokens": 30}
guy, hans = (factory.register_npc(**asdict(factory.npcs[each].config) | short) for each in (knight, merchant))
for number in range(1, 4):
    meeting = arena.start_conversation(guy, hans, SCENE)
    partner = arena.conversations[meeting]["npc2_user_id"]
    remembered = len(factory.get_npc_chat_history(guy, partner))
    arena.run_conversation(meeting, max_turns=2)
    metrics = arena.evaluate_conversation(meeting)
    length, seconds = metrics["avg_response_length"], metrics["avg_response_time"]
    print(f"talk {number}: the knight remembers {remembered} messages; {metrics['turn_count']} lines", end="")
    print(f" of {length:.0f} characters, {seconds:.2f} seconds each")

# %% [markdown]
# **Look:** if the number of messages grows, your conversations *share a memory*, and each talk changes the next. If it stays at
# 0, each conversation has users of its own: the stretch of part 2.
#
# **Predict:** in the first talk, did lines get longer or shorter?

# %%
import matplotlib.pyplot as plt

spoken = [message for message in messages if message.sender != "system"]
colours = ["tab:blue" if message.sender == knight else "tab:orange" for message in spoken]

plt.figure(figsize=(6, 2.5))
plt.bar(range(1, len(spoken) + 1), [len(message.content) for message in spoken], color=colours)
plt.title("How long each line is (blue: the knight, orange: the merchant)")
plt.xlabel("turn")
plt.ylabel("length in characters")
plt.show()

# %% [markdown]
# ## Opposite beliefs
#
# Two people who cannot both be right. Will one of them give in?

# %%
COAST = "A lighthouse on a rock, far from the land. Winter. The lamp must be lit before dark."
keeper = factory.register_npc(
    COAST,
    "You are Maren, the keeper of the light. You believe that the sea is alive and hears every word. "
    "You never give up this belief. You speak slowly, in short sentences.",
    name="Maren",
    goal="Make the visitor say aloud that the sea is alive.",
    max_reply_tokens=50,
)

# %%
surveyor = factory.register_npc(
    COAST,
    "You are Mr Tull, a surveyor. You believe that only what can be measured is real. "
    "You never give up this belief. You speak quickly, and you love numbers.",
    name="Mr Tull",
    goal="Make the keeper say aloud that the sea is only water.",
    max_reply_tokens=50,
)

# %%
from npc_lab.lessons.redteam import written_debate

by_hand = written_debate()
scene = by_hand.transcript[0].content
debate = arena.start_conversation(keeper, surveyor, scene)
print(scene)
messages = arena.run_conversation(debate, max_turns=4, verbose=True)

# %% [markdown]
# Beside it stands the same evening, written by hand: **we wrote this; no model did.**

# %%
by_hand

# %% [markdown]
# **Look:** who gave in, and with which word?
#
# How much of each line repeats what the partner has just said? `echoes` counts runs of four words: 0 is nothing, 1 is all.
# It reads each line's seat, which your messages need not have; so we write it down here.

# %%
from npc_lab.measures import ECHO_LIMIT, echoes

seats = {keeper: 1, surveyor: 2}
seated = [Message(each.sender, each.content, each.timestamp, seats.get(each.sender)) for each in messages]

# %%
plt.figure(figsize=(6, 2.5))
for name, talk_to_read in {"your model": seated, "by hand": by_hand.transcript}.items():
    shares = echoes(talk_to_read)
    plt.plot(range(1, len(shares) + 1), shares, marker="o", label=name)
plt.axhline(ECHO_LIMIT, linestyle="--", color="gray", label="above: an echo")
plt.title("How much of each line repeats the partner's last one")
plt.xlabel("turn")
plt.ylabel("share, from 0 to 1")
plt.ylim(-0.05, 1.05)
plt.legend()
plt.show()

# %% [markdown]
# Small models agree with everything, thank each other and repeat themselves. Large ones do it too, only later. (The fake argues
# with nobody.)
#
# **Change one thing:** take away *You never give up this belief*, or give both the same goal.

# %% [markdown]
# ## Your own NPC in your own arena
#
# You have written what an NPC is made of. Paste it below the first line of the next cell: `build_messages` of lesson 01, `trim`
# of 02, `split_reply` of 03.

# %%
build_messages = trim = split_reply = None
# BEGIN SOLUTION
from npc_lab.lessons.help import solution_code  # those of the other lessons, as they stand there

for name in ("messages", "trim", "split_reply"):
    exec(solution_code(name))
# END SOLUTION

# %%
own = {"messages": build_messages, "trim": trim, "split_reply": split_reply}
passed = {name: check(name, function).passed for name, function in own.items()}

for name in own:
    print(f"{name:>11}: {'yours' if passed[name] else 'ours, as yours does not pass its check yet'}")

# %% [markdown]
# The class below puts them together. What you have not written, it inherits.


# %%
class MyNPC(SimpleChatNPC):
    """An NPC that runs on your functions of lessons 01 to 03."""

    def preview(self, user_message, user_id):
        if not (passed["messages"] and passed["trim"]):
            return super().preview(user_message, user_id)
        messages = [self.get_system_message(), *self.remembered(user_id)]
        system, *earlier = trim(messages, self.config.history_size)
        said = [message["content"] for message in earlier]
        return build_messages(system["content"], list(zip(said[::2], said[1::2], strict=True)), user_message)

    def chat(self, user_message, user_id):
        answer = super().chat(user_message, user_id)
        raw = self.chat_histories[user_id][-1]["content"]  # with its thoughts, as the model wrote it
        return split_reply(raw)[0] if passed["split_reply"] else answer


# %% [markdown]
# Who walks in is your character of lesson 04, if its file lies beside this notebook, or else the knight. With `memory="all"` the
# kit forgets nothing: only your `trim` does.

# %%
from pathlib import Path

from npc_lab.cards import read_card

card = Path("my_character.json")
sheet = read_card(card).config if card.exists() else factory.npcs[knight].config
sheet = replace(sheet, memory="all", history_size=4, max_reply_tokens=80)
mine = factory.register_npc(**asdict(sheet), npc_class=MyNPC)

opening = f"It rains. {sheet.called()} stops at the stall of Hans. What do you seek?"
meeting = arena.start_conversation(mine, hans, opening)
messages = arena.run_conversation(meeting, max_turns=2, verbose=True)
# BEGIN HIDDEN TESTS
assert [message.sender for message in messages if all(passed.values())] == ["system", mine, hans]
# END HIDDEN TESTS

# %%
for message in factory.npcs[mine].preview("And then?", arena.conversations[meeting]["npc2_user_id"]):
    print(f"{message['role']:>9}: {message['content']}\n")

# %% [markdown]
# **Look:** this is what its model reads next. Where all three say *yours* and the arena is yours, no code of ours put this talk
# together, forgot, hid or carried any of it.

# %% [markdown]
# ## More than one talk
#
# Does it speak as ours does? An *experiment* asks both the same, a few times each. `npc_class` says who plays.
#
# **Predict:** who speaks longer? Read the plan, then run.

# %%
from npc_lab.experiments import Experiment, Scene


def characters(talk):
    return len(talk.spoken[0].content)


brief = replace(sheet, has_scratchpad=False, max_reply_tokens=30)
scenes = {"ours": Scene(brief, opening=opening), "mine": Scene(brief, opening=opening, npc_class=MyNPC)}
experiment = Experiment("ours or mine", scenes, [characters], talks=2, prediction="")
experiment.plan(client, model)

# %%
card = experiment.run(client, model)
# BEGIN HIDDEN TESTS
assert card.missing == {"ours": {}, "mine": {}}
# END HIDDEN TESTS
card

# %% [markdown]
# ## Read ours
#
# The kit's own arena does what yours does, and some more:

# %%
import inspect

print(inspect.getsource(OurArena.run_turn))
print(inspect.getsource(OurArena._turn))

# %% [markdown]
# The rest is in `npc_lab/arena.py`: `direct()` drops in a line, conditions such as `StopOnText("farewell")` end a talk early,
# `run_conversations()` runs a hundred at once.
#
# ## Tomorrow
#
# Shut the *kernel* down, the Python that runs your cells, and your talks are gone. A factory with a *store* writes each line
# into a file, and our arena reads it again. Run the cell, and press **Start**.

# %%
kept = NPCFactory(client, model, store="chat_arena.db")
kept_guy = kept.register_npc(**vars(factory.npcs[knight].config))
kept_hans = kept.register_npc(**vars(factory.npcs[merchant].config))

desk_of_tomorrow = arena_controls(OurArena(kept), kept_guy, kept_hans, SCENE, max_turns=4)
# BEGIN HIDDEN TESTS
assert len(desk_of_tomorrow.run(2)) > 1
# END HIDDEN TESTS
desk_of_tomorrow

# %% [markdown]
# **Try:** restart the kernel. Now it is tomorrow, and four cells are enough: the one with the imports at the top, the two
# under *The cast*, and the one above. (On Colab, install first.) The desk says that your last talk goes on: same people, same
# memories, and whoever is next speaks next.

# %% [markdown]
# The file is `chat_arena.db`, beside this notebook. (Colab deletes its files when it lets you go.) `!npc-lab log chat_arena.db`
# lists what is in it.
#
# ## How it went

# %%
# BEGIN HIDDEN TESTS
assert report().passed
# END HIDDEN TESTS
report()

# %% [markdown]
# Two questions to think about:
#
# - Which of your three numbers says something about whether the talk was *good*? Which number would?
# - If a reply fails in turn 3 of 100 talks, what should a program do that runs all night?
#
# **Next:** [06 · Count what goes wrong](06_count_what_goes_wrong.ipynb)
