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
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/npc_lab/blob/v0.1.0/notebooks/01_first_character.ipynb)
#
# A model remembers nothing, and yet a character knows who you are. In this lesson you see how that is done,
# make an NPC, talk with it as two different people, and let two NPCs talk with each other.
#
# **Time:** 35 minutes. **You need:** lesson 00.

# %% [markdown]
# On Google Colab, run the next cell first. On your own machine, skip it.

# %% tags=["nbval-skip"]
# %pip install -q "npc-lab[local] @ git+https://github.com/OWNER/npc_lab@v0.1.0"

# %%
from npc_lab import ChatArena, NPCFactory, connect
from npc_lab.widgets import arena_controls, chat_box

client, model = connect()

# %% [markdown]
# ## A model has no memory
#
# First we tell the model our name. Then, in a second call, we ask for it.


# %%
def ask(messages):
    response = client.chat.completions.create(model=model, messages=messages, temperature=0.6, max_tokens=60)
    return response.choices[0].message.content


first = ask([{"role": "user", "content": "Hello! My name is Rosamund."}])
second = ask([{"role": "user", "content": "What is my name?"}])

print(first)
print("---")
print(second)

# %% [markdown]
# **Look:** the second answer cannot know. The two calls have nothing to do with each other.
#
# The way out is simple: send everything again.

# %%
messages = [
    {"role": "user", "content": "Hello! My name is Rosamund."},
    {"role": "assistant", "content": first},
    {"role": "user", "content": "What is my name?"},
]
print(ask(messages))

# %% [markdown]
# That is all the memory there is: a list that grows with each turn. Its three roles:
#
# - `user`: what you say;
# - `assistant`: what the model said;
# - `system`: what the model is told before the talk begins. This is where a character lives.

# %% [markdown]
# ## A character
#
# An NPC is a world, a character, and a list of messages for each person it talks with.
# An `NPCFactory` makes them and keeps the lists for you.

# %%
factory = NPCFactory(client, model)

LONDON = "London in the XIII century. Ships from the north, muddy streets, a new bridge over the Thames."

knight = factory.register_npc(
    LONDON,
    "You are Sir Guy of Kent, a poor and honest knight. You speak in short, old-fashioned sentences.",
    name="Sir Guy",
    goal="Find out who stole your horse.",
    max_reply_tokens=80,
)

# %% [markdown]
# This is what the model is told about him:

# %%
print(factory.npcs[knight].get_system_message()["content"])

# %% [markdown]
# Now say something. A talk needs somebody who talks, so we register a user first.

# %%
rosamund = factory.register_user("Rosamund")

print(factory.chat_with_npc(knight, rosamund, "Good day, sir! I am Rosamund. Why do you walk?"))

# %%
print(factory.chat_with_npc(knight, rosamund, "What is my name?"))

# %% [markdown]
# **Look** at what was sent the second time: the character, the talk so far, the new line.
# `preview` shows what *would* be sent, without sending it.

# %%
for message in factory.npcs[knight].preview("I saw a horse by the river.", rosamund):
    print(f"{message['role']:>9}: {message['content']}\n")

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
answer = box.say("Farewell, sir. I hope you find your horse.")

# %%
assert box.transcript[-1].content == answer

# %% [markdown]
# ## Two users, two memories
#
# Everybody has a list of their own. **Predict:** what will the knight say to Hugh?

# %%
hugh = factory.register_user("Hugh")

print(factory.chat_with_npc(knight, hugh, "We have not met. Do you know a woman called Rosamund?"))

# %%
assert len(factory.get_npc_chat_history(knight, rosamund)) >= 4
assert len(factory.get_npc_chat_history(knight, hugh)) == 2

# %% [markdown]
# A small model may *claim* to know Rosamund. It makes things up. But nothing she said was sent with Hugh's line: check it.

# %%
factory.get_npc_chat_history(knight, hugh)

# %% [markdown]
# ## Private thoughts
#
# A character with a *scratchpad* thinks before it speaks. It writes its thoughts between two marks,
# `#SCRATCHPAD` and `#ANSWER`, and only what follows `#ANSWER` is shown to others.

# %%
merchant = factory.register_npc(
    LONDON,
    "You are Hans, a Hanseatic merchant who trades in eel and cloth. You are polite and want to earn money.",
    has_scratchpad=True,
    name="Hans",
    secrets=["The horse in your stable is stolen."],
    max_reply_tokens=160,
)

# %% [markdown]
# ## Two characters talk
#
# A `ChatArena` lets two NPCs talk with each other. The knight begins: he answers the opening line.

# %%
arena = ChatArena(factory)
talk = arena.start_conversation(knight, merchant, "Good day, sir knight! What do you seek at my door?")
messages = arena.run_conversation(talk, max_turns=4, verbose=True)

# %% [markdown]
# If a turn fails, nothing of it is kept, and the reason is printed. Run the cell again: the talk goes on where it stood.
#
# The talk so far, once more:

# %%
arena.get_conversation_history(talk)

# %% [markdown]
# The merchant's thoughts are not in it. But they are in his memory of the knight, as the model wrote them:

# %%
conversation = arena.conversations[talk]
history = factory.get_npc_chat_history(
    npc_id=conversation["npc2_id"],  # who remembers: the merchant
    user_id=conversation["npc1_user_id"],  # about whom: the knight, as the merchant's user
)
for message in history:
    print(f"{message['role']:>9}: {message['content']}\n")

# %%
assert all("#SCRATCHPAD" not in message.content for message in messages)

# %% [markdown]
# A very small model often forgets to write the marks. Then the whole reply counts as spoken, as it should.
# To see a character with real second thoughts, use a larger model: `connect("nebius")`, for instance.
#
# ## Measure
#
# How long was the talk, how long were its lines, how long did each take?

# %%
arena.evaluate_conversation(talk)

# %% [markdown]
# ## The director's desk
#
# The same arena with buttons. **Start** lets them talk, **Step** gives one line, **Pause** holds after a line, **Stop** ends it.
# Each press of *New talk* is a new conversation, with new memories.

# %%
desk = arena_controls(
    arena, knight, merchant, "Good day, sir knight! What do you seek at my door?", max_turns=6
)
desk

# %% [markdown]
# **Try:** drop in a line as the director, in the middle of the talk: *A horse neighs in the stable.*
# Open *Private thoughts*: what does the merchant not say?
#
# Here, too, a cell can do what the buttons do:

# %%
messages = desk.run(2)

assert len(messages) >= 3, "The talk should hold the opening and two lines. Read the notice in the desk."

# %% [markdown]
# **Change one thing:** open *Change the characters* and give the knight another wish, then press *New talk*. What changed?
