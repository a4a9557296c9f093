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
# # 01 · Your first character
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/npc_lab/blob/v0.2.0/notebooks/01_first_character.ipynb)
#
# A model remembers nothing, and yet a character knows who you are. In this lesson you see how that is done:
# first you build by hand what is sent, then you make an NPC that does it for you.
#
# **You will be able to:**
#
# - say what a model can know, by looking at what is sent;
# - build a list of messages with the three roles;
# - make an NPC and talk with it as two different people.
#
# **Time:** 35 minutes. **Difficulty:** ●●○○○. **You need:** lesson 00.

# %% [markdown]
# On Google Colab the next cell installs the kit, in about a minute. Elsewhere it does nothing.

# %%
import sys

if "google.colab" in sys.modules:
    # %pip install -q "npc-lab[local] @ git+https://github.com/OWNER/npc_lab@v0.2.0"
    pass

# %%
from npc_lab import ChatArena, NPCFactory, connect
from npc_lab.lessons import check, hint, report, solution
from npc_lab.widgets import chat_box

client, model = connect()


def ask(messages):
    """As in lesson 00, but for any list of messages."""
    response = client.chat.completions.create(model=model, messages=messages, temperature=0.6, max_tokens=60)
    return response.choices[0].message.content


# %% [markdown]
# ## A model has no memory
#
# You are going to call the model a few times, with `ask`. (The `temperature` in it says how much answers may vary: 0 asks for
# the likeliest words, more for more surprising ones.) Before you do, say what you expect.
#
# | | what is sent | the claim |
# |---|---|---|
# | **A** | First call: "My name is Rosamund." Second call: "What is my name?" | In the second call, the model can know the name. |
# | **B** | One call with three messages: "My name is Rosamund.", the model's answer, "What is my name?" | In this call, the model can know the name. |
# | **C** | A list with an `assistant` message that *you* made up | The model takes these words for its own. |
# | **D** | A long talk in which everything is sent again at each turn | At each turn, more is sent than at the one before. |

# %% [markdown]
# ### Exercise: predict
#
# Difficulty ●○○○○ · Importance ●●●●○ · about 3 minutes
#
# Write `True` or `False` in place of the dots behind each letter, and leave the other lines as they are. Run the cell,
# and go on: the check comes after the experiments.

# %% tags=["exercise:prediction"]
prediction = {"A": ..., "B": ..., "C": ..., "D": ...}
# <YOUR CODE HERE>
...
prediction

# %% [markdown]
# **A.** Two calls:

# %%
first = ask([{"role": "user", "content": "Hello! My name is Rosamund."}])
second = ask([{"role": "user", "content": "What is my name?"}])

print(first)
print("---")
print(second)

# %% [markdown]
# **B.** One call, and everything is sent again:

# %%
messages = [
    {"role": "user", "content": "Hello! My name is Rosamund."},
    {"role": "assistant", "content": first},
    {"role": "user", "content": "What is my name?"},
]
print(ask(messages))

# %% [markdown]
# **Look:** a large model answers with the name. A small one often misses it, although the name was sent. The fake never
# reads what you send. So here is a perfect reader. It is no model, only three lines of Python, and it knows what can be known:


# %%
def reads_well(messages):
    everything = " ".join(message["content"] for message in messages)
    return "You are Rosamund." if "Rosamund" in everything else "You never told me."


print("A, second call:", reads_well([{"role": "user", "content": "What is my name?"}]))
print("B:             ", reads_well(messages))

# %% [markdown]
# **C.** An answer that the model never gave:

# %%
messages = [
    {"role": "user", "content": "Hello! My name is Rosamund."},
    {"role": "assistant", "content": "Welcome, Rosamund! I am the king of the eels, and I sell eels."},
    {"role": "user", "content": "What do you sell, and who are you?"},
]
print(ask(messages))

# %% [markdown]
# **Look:** does the model go on as the king of the eels? Nobody told it that these words were yours.
#
# **D.** Ten turns in which you and the model say 100 characters each:

# %%
for turn in range(1, 11):
    earlier = 2 * (turn - 1)  # messages: a line and an answer for each turn before this one
    print(f"turn {turn:>2}: {100 * (earlier + 1):>5} characters are sent")

# %% [markdown]
# **Look:** what a model *can* know stands in the list, and nowhere else. Now check what you predicted:

# %% tags=["check"]
check("prediction", prediction)

# %% tags=["help"]
# Stuck? Take away the # before one line, and run this cell.
# hint("prediction", 1)
# hint("prediction", 2)
# hint("prediction", 3)
# solution("prediction")

# %% [markdown]
# <details><summary>The reasons, when you have checked</summary>
#
# - **A** is false. The two calls have nothing to do with each other, and the name was not sent with the second.
# - **B** is true. The name stands in the list, and the model can read it there.
# - **C** is true. The model knows its earlier words only from the list. Whoever writes the list, writes them.
# - **D** is true. All that was said is sent again, and each turn adds two messages to it.
#
# </details>

# %% [markdown]
# ## Messages
#
# So a model's only memory is a list that grows with each turn. Each message has one of three roles:
#
# - `user`: what you say;
# - `assistant`: what the model said;
# - `system`: what the model is told before the talk begins. This is where a character lives.

# %%
pirate = {"role": "system", "content": "You are a pirate. You speak of nothing but your parrot."}

print(ask([pirate, {"role": "user", "content": "Good evening! How are you?"}]))

# %% [markdown]
# **Change one thing:** make the pirate a judge, or a tired teacher, and run the cell again.

# %% [markdown]
# ### Exercise: build the messages
#
# Difficulty ●●○○○ · Importance ●●●●● · about 10 minutes
#
# Write `build_messages(system, exchanges, line)`. It gives the list that is sent: the system message, then each earlier
# exchange as two messages, then the new line. `exchanges` is a list of pairs: a line of the user, and the answer to it.
# The oldest comes first. *Stretch:* where `system` is empty, leave the system message out.

# %% [markdown]
# For example:
#
# ```python
# build_messages("You are a pirate.", [("Hello!", "Arr!")], "Who are you?")
#
# [{"role": "system", "content": "You are a pirate."},
#  {"role": "user", "content": "Hello!"},
#  {"role": "assistant", "content": "Arr!"},
#  {"role": "user", "content": "Who are you?"}]
# ```


# %% tags=["exercise:messages"]
def build_messages(system, exchanges, line):
    """What is sent: system message, then each exchange as user and assistant, then the new line."""
    # <YOUR CODE HERE>
    ...


# %% tags=["check"]
messages_check = check("messages", build_messages)
messages_check

# %% tags=["help"]
# Stuck? Take away the # before one line, and run this cell.
# hint("messages", 1)
# hint("messages", 2)
# hint("messages", 3)
# solution("messages")

# %% [markdown]
# ## A character
#
# An NPC is a world, a character, and a history for each person it talks with.
# An `NPCFactory` makes NPCs. Each of them builds its messages as you just did.
#
# The first text is the world, the second one is the character.

# %%
factory = NPCFactory(client, model)

knight = factory.register_npc(
    "London in the XIII century. Ships from the north, muddy streets, a new bridge over the Thames.",
    "You are Sir Guy of Kent, a poor and honest knight. You speak in short, old-fashioned sentences.",
    name="Sir Guy",
    goal="Find out who stole your horse.",
    max_reply_tokens=80,
)

# %% [markdown]
# This is what the model is told about him:

# %%
system = factory.npcs[knight].get_system_message()["content"]

print(system)

# %% [markdown]
# Now say something. A talk needs somebody who talks, so we register a user first.

# %%
rosamund = factory.register_user("Rosamund")
greeting = "Good day, sir! I am Rosamund. Why do you walk?"
answer = factory.chat_with_npc(knight, rosamund, greeting)

print(answer)

# %% [markdown]
# **Predict:** how many messages will be sent with your next line, and with which roles?
#
# All that is sent with one call is its *prompt*. `preview` shows what *would* be sent, without sending it.

# %%
new_line = "I saw a horse by the river."
prompt = factory.npcs[knight].preview(new_line, rosamund)

for message in prompt:
    print(f"{message['role']:>9}: {message['content']}\n")

# %% [markdown]
# Is that the list that your function builds?

# %%
if messages_check.passed:
    mine = build_messages(system, [(greeting, answer)], new_line)
    print("The same list:", mine == prompt)
else:
    print("First write build_messages, then run this cell again.")

# %% [markdown]
# ## A box to talk in
#
# To write code for every line is tiresome. A chat box does the same calls for you.
# It is the same Rosamund, so what she said before is there already.

# %%
box = chat_box(factory, knight, user="Rosamund")
box

# %% [markdown]
# **Try:** say something, and press Enter. Press **Stop** while he speaks. Press **Regenerate**, and choose with ◀ and ▶.
#
# **Look:** open *What was sent*. Its upper half is `preview`, brought up to date after every line.
#
# A cell can speak in the box, too:

# %%
farewell = box.say("Farewell, sir. I hope you find your horse.")

# %% [markdown]
# ## Two users, two memories
#
# Everybody has a history of their own. **Predict:** what will the knight say to Hugh?

# %%
hugh = factory.register_user("Hugh")

print(factory.chat_with_npc(knight, hugh, "We have not met. Do you know a woman called Rosamund?"))

# %% [markdown]
# A small model may *claim* to know Rosamund. It makes things up. But nothing she said was sent with Hugh's line: look.

# %%
factory.get_npc_chat_history(knight, hugh)

# %% [markdown]
# ## A look ahead
#
# Whoever talks with an NPC can be an NPC, too. A `ChatArena` carries the lines to and fro.
# The knight begins: he answers the opening line.

# %%
merchant = factory.register_npc(
    "London in the XIII century.",
    "You are Hans, a Hanseatic merchant who trades in eel and cloth. You are polite and want to earn money.",
    name="Hans",
    secrets=["The horse in your stable is stolen."],
    max_reply_tokens=80,
)
arena = ChatArena(factory)
talk = arena.start_conversation(knight, merchant, "Good day, sir knight! What do you seek at my door?")
lines = arena.run_conversation(talk, max_turns=4, verbose=True)

# %% [markdown]
# If a turn fails, nothing of it is kept, and the reason is printed. Run the cell again for a new talk.
#
# In the lessons to come you make such characters forget (02), give them private thoughts (03), write one of your own (04),
# and build the arena itself (05).

# %% [markdown]
# ## How it went

# %%
report()

# %% [markdown]
# Three questions to think about:
#
# - In experiment C you put words into the model's mouth. Who else could do that, and what for?
# - The knight's goal stands in the system message. Does Rosamund see it? Does the provider?
# - Two people share one account and talk with the same NPC as the same user. What does it believe about them?
#
# **Next:** [02 · Memory](02_memory.ipynb)
