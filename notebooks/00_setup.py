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
# # 00 · Setup: where replies come from
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/npc_lab/blob/v0.1.0/notebooks/00_setup.ipynb)
#
# A character in this course is played by a language model. Here you choose which one, and say hello to it.
#
# **Time:** 10 minutes. **You need:** nothing. A key is welcome, but every lesson works without one.

# %% [markdown]
# On Google Colab, run the next cell first; it takes a minute.
# On your own machine you have installed the kit already: skip it.

# %% tags=["nbval-skip"]
# %pip install -q "npc-lab[local] @ git+https://github.com/OWNER/npc_lab@v0.1.0"

# %% [markdown]
# ## Choose
#
# `connect()` looks for a model and tells you in one line what it found:
#
# | it looks for | what you do to have it |
# |---|---|
# | a key of a provider, such as `NEBIUS_API_KEY` or `OPENAI_API_KEY` | Colab: the key symbol on the left. Elsewhere: an environment variable |
# | the **embedded model** on this machine | nothing; the first time it fetches 93 MB |

# %%
from npc_lab import connect

client, model = connect()

# %% [markdown]
# You can also say which one you want:
#
# ```python
# client, model = connect("nebius")   # this provider, with your key
# client, model = connect("local")    # the embedded model: no key, no account
# client, model = connect("fake")     # no model at all: quick, free, small talk
# ```
#
# **Never write a key into a cell.** Notebooks are shared, and the key with them.
# If you have no Colab secret, let Python ask you. What you type is not shown and not saved:

# %%
from getpass import getpass

I_WANT_TO_TYPE_A_KEY = False

if I_WANT_TO_TYPE_A_KEY:
    client, model = connect("nebius", api_key=getpass("Your key: "))

# %% [markdown]
# ## Say hello
#
# This is all there is to it: you send a list of messages, and one more message comes back.

# %%
messages = [{"role": "user", "content": "Good evening! Who are you?"}]
response = client.chat.completions.create(model=model, messages=messages, max_tokens=60)
answer = response.choices[0].message.content

print(answer)

# %%
assert answer.strip(), "The model said nothing. Run the cell above once more."

# %% [markdown]
# ## Meet somebody
#
# A character is a model that was told who to be. Here is one that comes with the kit. Run the cell, then type into the box.

# %%
from dataclasses import asdict

from npc_lab import NPCFactory
from npc_lab.widgets import chat_box
from npc_lab.worlds import load_world

factory = NPCFactory(client, model)
clerk, violinist = load_world("violin").characters
npc_id = factory.register_npc(**asdict(clerk))

chat_box(factory, npc_id)

# %% [markdown]
# He is the clerk of a lost property office, and on his counter lies a violin. Ask him for it.
#
# - **Stop** ends a reply, **Regenerate** asks for another one.
# - **What was sent** opens what the model really gets to read. Lesson 01 builds that by hand.
#
# ## What is sent, and to whom
#
# With a provider's key, everything you type goes to that provider. Do not type what is private.
# With the embedded model, nothing leaves this machine.
#
# The embedded model is *small*: 135 million parameters, where large ones have thousands of times as many.
# It talks in character. It also forgets, repeats itself, and believes anything. The lessons say where you need a larger one.
#
# ## If something goes wrong
#
# Each error says what happened and what to do next. This is what a missing key looks like:

# %%
from npc_lab import MissingKeyError

try:
    connect("mistral")
except MissingKeyError as error:
    print(error)

# %% [markdown]
# If nothing works, run `npc-lab doctor` in a terminal (on Colab: `!npc-lab doctor` in a cell).
#
# **Next:** [01 · Your first character](01_first_character.ipynb)
