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
# # 05 · The chat arena
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/npc_lab/blob/v0.1.0/notebooks/05_chat_arena.ipynb)
#
# Two characters talk with each other, and you watch. You write the class that makes this happen.
#
# **You will be able to:**
#
# - carry words between two NPCs, so that neither knows that the other one is a model;
# - keep a talk whole when a reply fails;
# - run a talk, read it back, and measure it;
# - set up a debate, and read what both sides think in private.
#
# **Time:** 100 minutes. **Difficulty:** ●●●●○. **You need:** lessons 01 to 03.

# %% [markdown]
# On Google Colab, run the next cell first. On your own machine, skip it.

# %% tags=["nbval-skip"]
# %pip install -q "npc-lab[local] @ git+https://github.com/OWNER/npc_lab@v0.1.0"

# %%
import time
import uuid
from datetime import datetime

from npc_lab import ChatArena as OurArena
from npc_lab import Message, NPCFactory, connect
from npc_lab.errors import ConversationNotFoundError, NPCNotFoundInArenaError, ReplyError
from npc_lab.lessons import check, hint, report, solution
from npc_lab.widgets import arena_controls

client, model = connect()

# %% [markdown]
# ## The cast
#
# Two people in London, long ago. Both have a scratchpad, so both can think before they speak.

# %%
LONDON = "London in the XIII century. Ships from the north, muddy streets, a new bridge over the Thames."
factory = NPCFactory(client, model)

knight = factory.register_npc(
    LONDON,
    "You are Sir Guy of Kent, a poor and honest knight. You speak in short, old-fashioned sentences.",
    has_scratchpad=True,
    name="Sir Guy",
    goal="Find out who stole your horse.",
    max_reply_tokens=120,
)

# %%
merchant = factory.register_npc(
    LONDON,
    "You are Hans, a Hanseatic merchant who trades in eel and cloth. You are polite and want to earn money.",
    has_scratchpad=True,
    name="Hans",
    goal="Sell the knight a horse.",
    secrets=["The horse in your stable is stolen."],
    max_reply_tokens=120,
)

# %% [markdown]
# ## By hand, once
#
# An NPC talks with *users*. So each NPC must become a user too: the knight talks with the user "Hans",
# and the merchant talks with the user "Sir Guy".
#
# **Predict:** whose NPC id, and whose user id, stands in each of the two calls below? Read them before you run the cell.

# %%
guy_as_user = factory.register_user("Sir Guy")
hans_as_user = factory.register_user("Hans")

first = factory.chat_with_npc(knight, hans_as_user, "Good day, sir knight! What do you seek at my door?")
print("Sir Guy:", first)

second = factory.chat_with_npc(merchant, guy_as_user, first)
print("Hans:   ", second)

# %% [markdown]
# **Look:** the knight's answer went to the merchant word for word. That is the whole idea.
# An arena does it again and again, and writes everything down.
#
# What it keeps of each conversation:
#
# | key | what it holds |
# |---|---|
# | `npc1_id`, `npc2_id` | who sits in seat 1 and in seat 2 |
# | `npc1_user_id`, `npc2_user_id` | as which user each of them speaks |
# | `messages` | the lines so far: a list of `Message(sender, content, timestamp)` |
# | `current_turn` | the id of the NPC that speaks next |
# | `metrics` | what was measured |
#
# You write the class in six parts. Each part is a function that becomes a method of the class, and each has its own check.

# %% [markdown]
# You would rather write the whole class in one cell? Write it into the next one. Then **delete six cells** below: each begins
# with `def` and ends with a line such as `ChatArena.run_turn = run_turn`. If they stayed, each would put an empty method
# in the place of yours. Keep the cells with `check`: they look only at what your class does.


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
# `register_npc_in_arena(npc_id)` makes the NPC a user of the factory, and gives the user's id.
#
# - Asked again for the same NPC, it gives the same user.
# - If the factory has no such NPC (`self.npc_factory.npcs` is a dict), it raises `NPCNotFoundInArenaError(npc_id)`.
#
# For example, `arena.register_npc_in_arena(knight)` gives a user's id such as `"user_npc-18cc"`, and the same one again at the next call.


# %% tags=["exercise:arena.register"]
def register_npc_in_arena(self, npc_id):
    """Make the NPC a user of the factory, once. Gives the user's id."""
    # <YOUR CODE HERE>
    ...


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
# `start_conversation(npc1_id, npc2_id, initial_prompt)` makes a new conversation and gives its id.
#
# - It stores a dict with the seven keys of the table above. NPC 1 speaks first.
# - The opening line is the first message, and its sender is `"system"`. An empty opening line records nothing.
# - Two talks of the same pair are two conversations. `str(uuid.uuid4())` is an id that nobody else has.
# - An unknown NPC gets no seat: your part 1 raises the error already.
#
# For example, after `talk = arena.start_conversation(knight, merchant, "Good day!")` the value of
# `arena.conversations[talk]["current_turn"]` is `knight`, and `messages` holds one message.
#
# *Stretch:* each conversation has a memory of its own, if each has two users of its own.


# %% tags=["exercise:arena.start"]
def start_conversation(self, npc1_id, npc2_id, initial_prompt="Hello! Who are you?"):
    """Seat two NPCs for a new talk. Gives the conversation's id."""
    # <YOUR CODE HERE>
    ...


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
# `run_turn(conversation_id)` lets the next NPC speak. This is the heart of the arena.
#
# 1. The next NPC hears the last line, word for word, as its partner's user.
# 2. Its answer is recorded: `Message(npc_id, line, datetime.now())`.
# 3. Now it is the other one's turn.
# 4. It gives `(True, line)`.
# For example, `arena.run_turn(talk)` could give `(True, "Good day to you. I seek my horse.")`.

# %% [markdown]
# If `chat_with_npc` raises `ReplyError`, it gives `(False, str(error))`. Then nothing is recorded, and the same NPC is next:
# an error is never a line of dialogue.
#
# *Stretch:* an NPC can talk with itself; an unknown id raises `ConversationNotFoundError`; where nothing was recorded yet,
# the first speaker is greeted with `"Hello! Who are you?"`.


# %% tags=["exercise:arena.turn"]
def run_turn(self, conversation_id):
    """Let the next NPC speak: (True, its line), or (False, the reason) if it gave no reply."""
    # <YOUR CODE HERE>
    ...


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
# `get_conversation_history(conversation_id)` gives all messages of the talk, the opening first.
# An unknown id raises `ConversationNotFoundError(conversation_id)`. Looking something up must never create it.
#
# For example, `arena.get_conversation_history(talk)[0].content` is `"Good day!"`.


# %% tags=["exercise:arena.read"]
def get_conversation_history(self, conversation_id):
    """All messages of the talk, in order."""
    # <YOUR CODE HERE>
    ...


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
# `run_conversation(conversation_id, max_turns, verbose)` adds exactly `max_turns` lines, and gives the whole talk.
#
# - Called again, it goes on where the talk stood.
# - If a turn fails, it ends there. A later call can go on.
# - With `verbose=True` it prints each new line, with the turn's number and the speaker. Otherwise it prints nothing.
#
# For example, `arena.run_conversation(talk, max_turns=4)` on a new talk gives five messages: the opening line and four more.


# %% tags=["exercise:arena.run"]
def run_conversation(self, conversation_id, max_turns=10, verbose=False):
    """Let the NPCs speak max_turns more lines. Gives the whole talk."""
    # <YOUR CODE HERE>
    ...


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
# `evaluate_conversation(conversation_id)` gives a dict with three numbers:
#
# - `turn_count`: how many lines the two have spoken;
# - `avg_response_length`: the mean length of these lines, in characters;
# - `avg_response_time`: the mean time of a reply, in seconds. You may measure it around the call in `run_turn`
#   (`Message` has a field `seconds`), or take the time between two lines.

# %% [markdown]
# The opening line counts nowhere: nobody spoke it. A talk without lines gives zeros.
#
# For example, two lines of 10 and 20 characters, each after a second, give
# `{"turn_count": 2, "avg_response_length": 15.0, "avg_response_time": 1.0}`.
#
# *Stretch:* keep the numbers under the conversation's key `metrics`.


# %% tags=["exercise:arena.measure"]
def evaluate_conversation(self, conversation_id):
    """Turns, mean length in characters, mean time of a reply in seconds."""
    # <YOUR CODE HERE>
    ...


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
# One check of everything. From here on, the lesson uses *your* arena if it passes, and the one of the kit if it does not yet:
# so you can go on now, and come back later.

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

# %%
arena = Arena(factory)
talk = arena.start_conversation(knight, merchant, "Good day, sir knight! What do you seek at my door?")
messages = arena.run_conversation(talk, max_turns=4, verbose=True)

# %% [markdown]
# **Look:** who wants what? Does either of them get it? If nobody has spoken, run the cell above again.
#
# What the merchant thought, but did not say, is in *his* memory of the knight. Nobody else can read it: only you.

# %%
conversation = arena.conversations[talk]
history = factory.get_npc_chat_history(
    npc_id=conversation["npc2_id"],  # who remembers: the merchant
    user_id=conversation["npc1_user_id"],  # about whom: the knight, as a user
)
for message in history[:4]:
    print(f"{message['role']:>9}: {message['content']}\n")

# %% [markdown]
# A model may forget to write the marks `#SCRATCHPAD` and `#ANSWER`. Then it has said everything aloud. The embedded
# model is held to them, but there is little behind its thoughts. To see real second thoughts, use a larger model:
# `connect("nebius")`, for instance.
#
# ## The desk
#
# A panel drives your arena. **Start** lets them talk, **Step** gives one line, **Pause** holds after a line, **Stop** ends it.
# The panel calls the methods that you wrote, and nothing else.

# %%
desk = arena_controls(
    arena, knight, merchant, "Good day, sir knight! What do you seek at my door?", max_turns=4
)
desk

# %%
lines = desk.run(2)
assert len(lines) > 1, "Nobody has spoken. Read the notice in the desk."

# %% [markdown]
# **Try:** press *Step* a few times. Open *Private thoughts*.
#
# ## Measure
#
# Numbers about one talk say little. So let the same two meet three times.
#
# **Predict:** how far apart will the three talks be?

# %%
for number in range(1, 4):
    meeting = arena.start_conversation(knight, merchant)
    arena.run_conversation(meeting, max_turns=2)
    metrics = arena.evaluate_conversation(meeting)
    length, seconds = metrics["avg_response_length"], metrics["avg_response_time"]
    print(
        f"talk {number}: {metrics['turn_count']} lines of {length:.0f} characters, {seconds:.2f} seconds each"
    )

# %% [markdown]
# **Look:** a model gives other numbers each time. The fake says the same in each talk, and needs no time for it.
#
# **Predict:** do lines get longer or shorter as a talk goes on? Then look.

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
# Two people who cannot both be right. Will one of them give in? Will they begin to say the same?

# %%
COAST = "A lighthouse on a rock, far from the land. Winter. The lamp must be lit before dark."
keeper = factory.register_npc(
    COAST,
    "You are Maren, the keeper of the light. You believe that the sea is alive and hears every word. "
    "You never give up this belief. You speak slowly, in short sentences.",
    name="Maren",
    goal="Make the visitor say aloud that the sea is alive.",
    max_reply_tokens=80,
)

# %%
surveyor = factory.register_npc(
    COAST,
    "You are Mr Tull, a surveyor. You believe that only what can be measured is real. "
    "You never give up this belief. You speak quickly, and you love numbers.",
    name="Mr Tull",
    goal="Make the keeper say aloud that the sea is only water.",
    max_reply_tokens=80,
)

# %%
debate = arena.start_conversation(keeper, surveyor, "Good evening. I am here to measure your rock.")
messages = arena.run_conversation(debate, max_turns=6, verbose=True)

# %% [markdown]
# How much of each line repeats what the partner has just said? `echoes` counts runs of four words: 0 is nothing, 1 is all of it.
# It reads each line's seat, which your messages need not have; so we write it down here.

# %%
from npc_lab.measures import ECHO_LIMIT, echoes

seated = [
    Message(message.sender, message.content, message.timestamp, {keeper: 1, surveyor: 2}.get(message.sender))
    for message in messages
]
shares = echoes(seated)

# %%
plt.figure(figsize=(6, 2.5))
plt.plot(range(1, len(shares) + 1), shares, marker="o")
plt.axhline(ECHO_LIMIT, linestyle="--", color="gray")
plt.title("How much of each line repeats the partner's last one")
plt.xlabel("turn (above the dashed line, a line is an echo)")
plt.ylabel("share, from 0 to 1")
plt.ylim(-0.05, 1.05)
plt.show()

# %% [markdown]
# **Look:** did they stay in character? Small models agree with everything, thank each other and repeat themselves:
# that is a known fault of models that talk with models. Large ones do it too, only later. (The fake makes small talk, and
# argues with nobody.)
#
# **Change one thing:** take away *You never give up this belief*, or give both the same goal. What happens to the plot?
#
# ## Read ours
#
# The kit's own arena does what yours does, and some more. Read it:

# %%
import inspect

print(inspect.getsource(OurArena.run_turn))
print(inspect.getsource(OurArena._turn))

# %% [markdown]
# The whole file is `npc_lab/arena.py`. Compare:
#
# | question | ours |
# |---|---|
# | What if two threads run the same talk? | a lock for each conversation: one turn at a time |
# | How does somebody drop in a line from outside? | `direct()`: the next speaker hears it, and nobody has said it |
# | When does a talk end early? | conditions such as `StopOnText("farewell")` |
# | How do a hundred talks run at once? | `run_conversations()`, in threads |
# | What is left of it tomorrow? | every line, if its factory has a store |
#
# ## Tomorrow
#
# Shut the *kernel* down, the Python that runs your cells, and your talks are gone: they were only in its memory. (To close
# the tab does not always end it.) A factory with a *store* writes each line into a file before you see it. Our arena reads
# it again. Run the cell, and press **Start**.

# %%
kept = NPCFactory(client, model, store="chat_arena.db")
guy = kept.register_npc(**vars(factory.npcs[knight].config))
hans = kept.register_npc(**vars(factory.npcs[merchant].config))

desk_of_tomorrow = arena_controls(OurArena(kept), guy, hans, max_turns=4)
desk_of_tomorrow

# %% [markdown]
# **Try:** restart the kernel. Now it is tomorrow, and four cells are enough: the one with the imports at the top, the two
# under *The cast*, and the one above. (On Colab, run the one that installs first.) The desk says that your last talk goes
# on: same people, same memories, and whoever is next speaks next. *New talk* begins another one.
#
# Other panels of yesterday show *model not found* or an empty place, until you run their cell again.

# %% [markdown]
# The file is `chat_arena.db`, beside this notebook. Colab deletes its files when it lets you go: download it first, from the
# folder symbol on the left. `!npc-lab log chat_arena.db` lists what is in it.
#
# ## How it went

# %%
report()

# %% [markdown]
# Three questions to think about:
#
# - Which of your three numbers says something about whether the talk was *good*? Which number would?
# - The merchant does not know that the knight is a model. What would change if he knew?
# - If a reply fails in turn 3 of 100 talks, what should a program do that runs all night?

# %% [markdown]
# You have come to the end of the course. Take your own character of lesson 04 into the arena, and let it meet the others':
#
# ```python
# from dataclasses import asdict
# from npc_lab.cards import read_card
#
# mine = factory.register_npc(**asdict(read_card("my_character.json").config))
# ```
#
# **Back to the first lesson:** [00 · Setup](00_setup.ipynb)
