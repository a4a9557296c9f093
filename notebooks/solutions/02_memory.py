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
# # 02 · Memory (solutions)
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/npc_lab/blob/v0.2.0/notebooks/02_memory.ipynb)
#
# A character remembers what is sent again. But a talk grows, and not all of it can be sent for ever.
# Here you see a character forget, write the forgetting yourself, and measure what a memory costs.
#
# **You will be able to:**
#
# - say what a character remembers at a given turn, and why;
# - trim a history so that no exchange is cut in half;
# - explain why it is cheaper to forget seldom and much than often and little.
#
# **Time:** 40 minutes. **Difficulty:** ●●●○○. **You need:** lesson 01.

# %% [markdown]
# On Google Colab the next cell installs the kit, in about a minute. Elsewhere it does nothing.

# %%
import sys

if "google.colab" in sys.modules:
    # %pip install -q "npc-lab[local] @ git+https://github.com/OWNER/npc_lab@v0.2.0"
    pass

# %%
from npc_lab import FakeClient, NPCConfig, NPCFactory, SimpleChatNPC, connect
from npc_lab.lessons import check, hint, report, solution
from npc_lab.memory import MEMORIES, newest

client, model = connect()

# %% [markdown]
# ## What forgetting looks like
#
# Tom keeps an inn, and has a short memory. His `history_size` is 4: his model is sent at most four earlier messages, which
# are two *exchanges*. An exchange is a line of yours and his answer. When there are more, the oldest exchange is left out.

# %%
factory = NPCFactory(client, model)
tom = factory.register_npc(
    "An inn at a town gate, on a rainy evening. There is hot soup.",
    "You are Tom, the friendly keeper of the inn. You answer in one short sentence.",
    history_size=4,
    memory="sliding",
    name="Tom",
    temperature=0,  # always the likeliest words: so a small model rambles less
    max_reply_tokens=40,
)
you = factory.register_user("Rosamund")

# %% [markdown]
# **Predict:** you tell him your name, talk about other things, and then ask for your name.
# Which two of your lines will be sent together with the question?

# %%
LINES = [
    "Good evening! My name is Rosamund.",
    "It rains a lot here.",
    "Is the inn still open?",
    "I have walked for three days.",
    "Is there any soup left?",
]
for line in LINES:
    print(f"You: {line}\nTom: {factory.chat_with_npc(tom, you, line)}\n")

# %% [markdown]
# `preview` shows what would be sent now. It sends nothing.

# %%
prompt = factory.npcs[tom].preview("What is my name?", you)

for message in prompt:
    print(f"{message['role']:>9}: {message['content']}")
# BEGIN HIDDEN TESTS
assert len(prompt) == 1 + 4 + 1  # the system message, four earlier ones, your new line
assert [message["content"] for message in prompt[1::2]] == [*LINES[-2:], "What is my name?"]
# END HIDDEN TESTS

# %% [markdown]
# **Look:** your last two lines are there. The one with your name is not: so Tom cannot know it, however clever the model is.
#
# What he forgot is kept in a second list. It is never sent; it is there for people who are curious.

# %%
for message in factory.npcs[tom].chat_histories[you].forgotten:
    print(f"{message['role']:>9}: {message['content']}")

# %% [markdown]
# Now ask him.

# %%
print(factory.chat_with_npc(tom, you, "What is my name?"))

# %% [markdown]
# **Look:** a language model seldom says "I do not know". It may ask you, call you by a wrong name, or talk about soup.
# If it says *Rosamund*, look for the name in the lists above: he said it himself, and reads his own words.
#
# One answer proves nothing. So here is the perfect reader of lesson 01 once more, this time as a fake client:

# %%
import re


def reads_well(messages):
    """The answer of a perfect reader."""
    everything = " ".join(message["content"] for message in messages)
    name = re.search(r"My name is (\w+)", everything)
    return f"You are {name[1]}." if name else "You never told me."


# %% [markdown]
# **Predict:** what does the perfect reader say with a `history_size` of 4, of 8, and of 20?

# %%
answers = {}
for size in (4, 8, 20):
    sheet = NPCConfig("", "You read well.", history_size=size, memory="sliding")
    reader = SimpleChatNPC(FakeClient(reads_well), "fake", sheet)
    for line in [*LINES, "What is my name?"]:
        answers[size] = reader.chat(line, "you")
# BEGIN HIDDEN TESTS
assert answers == {4: "You never told me.", 8: "You never told me.", 20: "You are Rosamund."}
# END HIDDEN TESTS
answers

# %% [markdown]
# **Change one thing:** find the smallest `history_size` with which the reader still knows you.
#
# You can watch the same in a chat box. Say a few lines, then open *What was sent*: forgotten messages are grey.

# %%
from npc_lab.widgets import chat_box

chat_box(factory, tom, user="Rosamund")

# %% [markdown]
# ## Whole exchanges
#
# The simplest way to forget is a slice: the last three messages, for instance.

# %%
talk = [
    {"role": "system", "content": "You are Tom, who keeps an inn."},
    {"role": "user", "content": "Who lives in the tower?"},
    {"role": "assistant", "content": "Nobody. Only owls."},
    {"role": "user", "content": "And in the mill?"},
    {"role": "assistant", "content": "A cat named Otto."},
]
talk[-3:]

# %% [markdown]
# **Look:** two things went wrong.
#
# - The system message is gone. Tom no longer knows who he is.
# - The talk begins with an answer, and its question is gone. "Nobody. Only owls." means nothing now, and some
#   endpoints refuse a talk that begins with the assistant.
#
# So we keep to two rules: the system message always stays, and an exchange stays whole or goes whole.

# %% [markdown]
# ### Exercise: trim a history
#
# Difficulty ●●●○○ · Importance ●●●●● · about 12 minutes
#
# Write `trim(messages, history_size)`. It gives the system message, and behind it the newest whole exchanges:
# at most `history_size` messages, not counting the system message. The list it was given stays as it is.
# *Stretch:* trim a talk without a system message, and one in which the character answered twice in a row.
#
# For the talk above:
#
# | call | keeps |
# |---|---|
# | `trim(talk, 4)` | all of it |
# | `trim(talk, 3)` | system, "And in the mill?", "A cat named Otto." |
# | `trim(talk, 1)` | system |


# %% tags=["exercise:trim"]
def trim(messages, history_size):
    """The newest whole exchanges, at most history_size messages, behind the system message."""
    # BEGIN SOLUTION
    system = [message for message in messages[:1] if message["role"] == "system"]
    earlier = messages[len(system) :]
    while len(earlier) > history_size:
        earlier = earlier[1:]  # the oldest line
        while earlier and earlier[0]["role"] != "user":
            earlier = earlier[1:]  # whatever the character answered to it
    return system + earlier
    # END SOLUTION


# %% tags=["check"]
trim_check = check("trim", trim)
trim_check

# %% tags=["help"]
# Stuck? Take away the # before one line, and run this cell.
# hint("trim", 1)
# hint("trim", 2)
# hint("trim", 3)
# solution("trim")

# %% [markdown]
# Try it on Tom's own history. If yours is not ready yet, the kit's `newest` does the work.


# %%
def trim_of_the_kit(messages, history_size):
    return messages[:1] + newest(messages[1:], history_size)


trim_to_use = trim if trim_check.passed else trim_of_the_kit

# %%
history = factory.npcs[tom].chat_histories[you]
everything = [factory.npcs[tom].get_system_message(), *history.forgotten, *history]
for size in (0, 3, 6, 100):
    kept = trim_to_use(everything, size)
    print(f"history_size {size:>3}: {len(kept)} of {len(everything)} messages")

# %% [markdown]
# ## Three ways to forget
#
# Tom's memory is a *sliding* window, like the one that you wrote. It is one of three ways in this kit:
#
# | `memory=` | what it does |
# |---|---|
# | `"sliding"` | forgets the oldest exchange at every turn, once it is full |
# | `"blocks"` | forgets nothing until it is full, and then about half at once |
# | `"all"` | forgets nothing, ever |
#
# Which one is best? To find out we need only the prompts. Each text here has 200 characters.

# %%
SYSTEM = {"role": "system", "content": "You are Tom.".ljust(200)}


def prompts_of_a_talk(memory, turns, history_size=10):
    """What is sent at each turn."""
    remembered, prompts = [], []
    for turn in range(turns):
        line = {"role": "user", "content": f"Line {turn}.".ljust(200)}
        answer = {"role": "assistant", "content": f"Answer {turn}.".ljust(200)}
        prompts.append([SYSTEM, *remembered, line])
        remembered = MEMORIES[memory]([*remembered, line, answer], history_size)
    return prompts


# %% [markdown]
# **Predict:** the `history_size` is 10. How many messages does each memory send at turn 5, at turn 6, at turn 12?

# %%
for memory in MEMORIES:
    sizes = [len(prompt) for prompt in prompts_of_a_talk(memory, turns=14)]
    print(f"{memory:>8}: {sizes}")
# BEGIN HIDDEN TESTS
assert max(len(prompt) for prompt in prompts_of_a_talk("sliding", turns=14)) == 1 + 10 + 1
# END HIDDEN TESTS

# %% [markdown]
# **Look:** `all` grows without end. `sliding` stays full. `blocks` goes up and down like a saw.

# %% [markdown]
# ## What a turn costs
#
# To read a prompt takes time and money. But most endpoints keep the last prompt in a *prompt cache*: if the new one
# **begins** with the same messages, only what follows is new.
#
# Here `1?` is your first line, and `1!` is the answer to it:
#
# ```
# before:  system  1? 1!  2? 2!  3?
# now:     system  1? 1!  2? 2!  3? 3!  4?      new: 3! 4?
# now:     system         2? 2!  3? 3!  4?      new: 2? 2! 3? 3! 4?
# ```
#
# In the last line the first exchange was forgotten. From there on nothing stands where it stood, so all of it is new.

# %% [markdown]
# ### Exercise: count what is new
#
# Difficulty ●●○○○ · Importance ●●●○○ · about 8 minutes
#
# Write `new_characters(before, now)`. Both are lists of messages. Leave out the messages at the beginning that are
# the same in both, and count the characters of all the others in `now`.
#
# If `before` holds texts of 200, 10 and 20 characters, and `now` holds the same three and then two of 30 and 5,
# the result is 35.


# %% tags=["exercise:cost"]
def new_characters(before, now):
    """How many characters of `now` must be read, if the endpoint still has `before`."""
    # BEGIN SOLUTION
    same = 0
    for old, new in zip(before, now, strict=False):  # as far as the shorter list goes
        if old != new:
            break
        same += 1
    return sum(len(message["content"]) for message in now[same:])
    # END SOLUTION


# %% tags=["check"]
cost_check = check("cost", new_characters)
cost_check

# %% tags=["help"]
# Stuck? Take away the # before one line, and run this cell.
# hint("cost", 1)
# hint("cost", 2)
# hint("cost", 3)
# solution("cost")

# %% [markdown]
# **Predict:** over 80 turns, which memory gives the endpoint the most to read? Which one the least?
#
# The left picture shows all that is sent. The right one adds up what is new. It uses your function, if its check passed.

# %%
from itertools import accumulate, pairwise

import matplotlib.pyplot as plt

from npc_lab.measures import new_to_cache

count = new_characters if cost_check.passed else new_to_cache
sent, new = {}, {}
for memory in ("sliding", "blocks", "all"):
    prompts = prompts_of_a_talk(memory, turns=80)
    sent[memory] = [count([], prompt) for prompt in prompts]
    new[memory] = list(accumulate(count(before, now) for before, now in pairwise([[], *prompts])))

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
for memory, style in {"sliding": "-", "blocks": "--", "all": ":"}.items():
    left.plot(range(1, 81), sent[memory], style, label=memory)
    right.plot(range(1, 81), new[memory], style, label=memory)
left.set(title="Sent at each turn", xlabel="turn", ylabel="characters")
right.set(title="New to a prompt cache, added up", xlabel="turn", ylabel="characters")
left.legend(title="memory")
plt.show()

# %%
for memory in sent:
    print(f"{memory:>8}: {sum(sent[memory]):>9,} characters sent, {new[memory][-1]:>7,} of them new")
# BEGIN HIDDEN TESTS
assert new["blocks"][-1] < 0.35 * new["sliding"][-1]
# END HIDDEN TESTS

# %% [markdown]
# **Look:**
#
# - `sliding` sends little, but almost all of it is new, at every turn. A window that slides defeats the cache.
# - `blocks` sends less still, and only about a quarter as much is new. This is why it is the default of this kit.
# - `all` has the least to read anew. But each prompt is longer than the one before, and what is cached is not free
#   either. One day the prompt no longer fits: the embedded model reads 4,096 tokens at once, about 16,000 characters.
#
# **Change one thing:** in `prompts_of_a_talk`, set `history_size=40`. Run its cell and the two cells that make the
# picture. Which curves change, and how?

# %% [markdown]
# ## How it went

# %%
# BEGIN HIDDEN TESTS
assert report().passed
# END HIDDEN TESTS
report()

# %% [markdown]
# Three questions to think about:
#
# - Tom must never forget your name, even with a `history_size` of 4. Where would you write it?
# - What is lost for the one who talks with him when half of his memory goes at once?
# - A diary would be another memory: now and then, the model itself writes down what was important.
#   What could go wrong with it?
#
# The kit's own forgetting is short enough to read now: `npc_lab/memory.py`.
#
# **Next:** [03 · Private thoughts](03_scratchpad.ipynb)
