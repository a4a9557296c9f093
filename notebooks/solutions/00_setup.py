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
# # 00 · Setup: where replies come from (solutions)
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/npc_lab/blob/v0.2.0/notebooks/00_setup.ipynb)
#
# A character in this course is played by a language model. First you meet one. Then you see where its replies come from.
#
# **You will be able to:**
#
# - talk with a character, and see what its model reads;
# - choose where replies come from, and say what is sent to whom;
# - ask a model a question in three lines of code;
# - use the checks and hints of this course.
#
# **Time:** 25 minutes. **Difficulty:** ●○○○○. **You need:** nothing. A key is welcome, but every lesson works without one.

# %% [markdown]
# On Google Colab the next cell installs the kit, in about a minute. Elsewhere it does nothing.

# %%
import sys

if "google.colab" in sys.modules:
    # %pip install -q "npc-lab[local] @ git+https://github.com/OWNER/npc_lab@v0.2.0"
    pass

# %% [markdown]
# ## Meet somebody
#
# Run the next two cells. The first one looks for a model: without a key of yours, a small one that runs on this machine and
# is fetched once (93 MB).

# %%
from npc_lab import NPCFactory, connect

client, model = connect()

# %%
from dataclasses import asdict, replace

from npc_lab.widgets import chat_box
from npc_lab.worlds import load_world

clerk, violinist = load_world("violin").characters
clerk = replace(clerk, greeting="Good evening. Lost property. I am Mr Okafor. What have you lost?")

factory = NPCFactory(client, model)
npc_id = factory.register_npc(**asdict(clerk))
chat_box(factory, npc_id)

# %% [markdown]
# He keeps a lost property office, and on his counter lies a violin. Type into the box and press Enter. Get the violin.
#
# - **Stop** ends a reply, **Regenerate** asks for another one.
# - **What was sent** opens what the model really gets to read.
#
# A character is a model that was told who to be. The kit calls it an *NPC*, a non-player character: so games call somebody
# whom no player moves. (`**` hands on each field of his sheet under the field's own name.)
#
# **Change one thing:** take `violinist` in his place, with a greeting of your own. What does she want?

# %% [markdown]
# ## Choose
#
# Large models run at a *provider*, a company that answers over the network. It knows you by your *key*, a long password.
# `connect()` takes the first of these that it finds, and says which:
#
# | it looks for | what you do to have it |
# |---|---|
# | a key of a provider, such as `NEBIUS_API_KEY` or `OPENAI_API_KEY` | Colab: the key symbol on the left. Elsewhere: an environment variable, or type it in below |
# | the **embedded model** on this machine | nothing |

# %% [markdown]
# You can also say which one you want:
#
# ```python
# client, model = connect("nebius")   # this provider, with your key
# client, model = connect("local")    # the embedded model: no key, no account
# client, model = connect("fake")     # no model at all: quick, free, and it does not read what you write
# ```

# %% [markdown]
# **Never write a key into a cell.** Notebooks are shared, and the key with them.
# If you have no Colab secret, let Python ask you. What you type is not shown and not saved:

# %%
from getpass import getpass

I_WANT_TO_TYPE_A_KEY = False

if I_WANT_TO_TYPE_A_KEY:
    client, model = connect("nebius", api_key=getpass("Your key: "))

# %% [markdown]
# | replies come from | what you type goes to | cost |
# |---|---|---|
# | a provider, with your key | that provider: type nothing private | a little, for each reply |
# | the embedded model | nobody: it stays on this machine | nothing |
# | the fake | nobody: no model is asked | nothing |
#
# The embedded model is *small*: 135 million parameters, where large ones have thousands of times as many. It talks in
# character. It also forgets, repeats itself, and believes anything. The lessons say where you need a larger one.

# %% [markdown]
# ## Say hello
#
# This is all there is below a chat box: you send a list of messages, and one more message comes back.
#
# At **Predict**, say what you expect *before* you run the cell.
#
# **Predict:** you run this cell twice. Will the answer be the same?

# %%
from openai import OpenAIError

messages = [{"role": "user", "content": "Good evening! Who are you?"}]
try:
    response = client.chat.completions.create(model=model, messages=messages, max_tokens=60)
    print(response.choices[0].message.content)
except OpenAIError as error:
    print(f"No answer came: {error!r:.200}")
# BEGIN HIDDEN TESTS
assert response.choices[0].message.content.strip()
# END HIDDEN TESTS

# %% [markdown]
# **Look:** nobody has told the model who to be, so it is no Mr Okafor. And it may answer the same question in another way
# each time. (The fake repeats its small talk.)
#
# **Change one thing:** set `max_tokens` to 5. A *token* is a word or a piece of one, and after this many the model is cut
# off. (The fake does not count them.)

# %% [markdown]
# ## Your first exercise
#
# All exercises work like this one:
#
# 1. You write your code in place of the dots.
# 2. You run the cell with `check`, as often as you like. Its first line says what is right, or what is not yet. Then come
#    the steps: ✓ correct, ✗ not yet, ○ not attempted, … waits for another step. A *stretch* step may be left out.
# 3. If you are stuck, there are hints, from a first idea to something near the code. At the end there is a solution.

# %% [markdown]
# ### Exercise: ask a model
#
# Difficulty ●○○○○ · Importance ●●●○○ · about 5 minutes
#
# Write `ask(client, model, question)`. It sends the question as one user message and gives back the answer's text.
#
# For example, `ask(client, model, "Who are you?")` could give `"I am a language model."`
# Keep `max_tokens=60`: a small model does not stop by itself.


# %% tags=["exercise:hello"]
def ask(client, model, question):
    """Send one user message, give the answer's text."""
    # BEGIN SOLUTION
    messages = [{"role": "user", "content": question}]
    response = client.chat.completions.create(model=model, messages=messages, max_tokens=60)
    return response.choices[0].message.content
    # END SOLUTION


# %% [markdown]
# The check asks no real model. It hands your function a *fake*, which notes what it was sent.

# %% tags=["check"]
from npc_lab.lessons import check, hint, report, solution

hello_check = check("hello", ask)
hello_check

# %% tags=["help"]
# Stuck? Take away the # before one line, and run this cell.
# hint("hello", 1)
# hint("hello", 2)
# hint("hello", 3)
# solution("hello")

# %% [markdown]
# Once the check says *correct*, your function can ask the real model:

# %%
try:
    if hello_check.passed:
        print(ask(client, model, "What is a character in a story?"))
    else:
        print("First write ask, then run this cell again.")
except OpenAIError as error:
    print(f"No answer came: {error!r:.200}")

# %% [markdown]
# ## How it went

# %%
# BEGIN HIDDEN TESTS
assert report().passed
# END HIDDEN TESTS
report()

# %% [markdown]
# Two questions to think about:
#
# - Where will you keep your key, so that it gets into no notebook?
# - You write a character for a friend, with true stories about her. Which of the three sources of replies do you choose?
#
# If nothing works, run `npc-lab doctor` in a terminal (on Colab: `!npc-lab doctor` in a cell). It says what is there,
# what is missing, and whether a reply comes.
#
# **Next:** [01 · Your first character](01_first_character.ipynb). The rest of this page is for the day when something goes
# wrong.

# %% [markdown]
# ## Appendix: eight things that go wrong
#
# Each message says what happened and what to do next. Here you cause them on purpose. Some speak of an *endpoint*: that is
# what answers your calls. Its address is the *base URL*.
#
# **Predict** before each cell: what will the message advise?

# %%
from npc_lab import FakeClient, NPCConfig, NPCLabError, SimpleChatNPC, fake_error


def attempt(action):
    """Do it, and print what went wrong."""
    try:
        action()
        print("This time, nothing went wrong.")
    except NPCLabError as error:
        print(f"{type(error).__name__}: {error}")


# %%
# 1. There is no key. (If you have a key of this provider, nothing goes wrong.)
# `lambda:` makes a small function of the call behind it, so that `attempt` can do it for you.
attempt(lambda: connect("mistral"))

# %%
# 2. The provider's name is misspelt.
attempt(lambda: connect("nebbius"))

# %%
# 3. The key was not copied in one piece. Here is a blank in it, where a line ended.
attempt(lambda: connect("nebius", api_key="half a key"))


# %%
# The other five come later, when a model is asked. A fake can fail on demand, so no key is needed.
def say_hello(client):
    character = NPCConfig("A lighthouse.", "You are Ada, the keeper of a lighthouse.")
    return SimpleChatNPC(client, "some-model", character).chat("Hello!", "you")


# %%
# 4. The provider does not accept the key.
attempt(lambda: say_hello(FakeClient([fake_error("auth")])))

# %%
# 5. There is no model of this name.
attempt(lambda: say_hello(FakeClient([fake_error("model_not_found")])))

# %%
# 6. The address is wrong: somebody answers there, but it is no chat API.
attempt(lambda: say_hello(FakeClient([fake_error("bad_address")])))

# %%
# 7. Nothing answers. This one is real: on this machine, nobody listens at port 9.
nobody, _ = connect(base_url="http://127.0.0.1:9/v1/", model="some-model")
nobody = nobody.with_options(max_retries=0)  # otherwise it tries three times, and you wait

attempt(lambda: say_hello(nobody))

# %%
# 8. Too many questions in a short time.
attempt(lambda: say_hello(FakeClient([fake_error("rate_limit")])))

# %% [markdown]
# **Change one thing:** in the last call, write `"quota"`, `"timeout"` or `"empty"`.
#
# | | you see | you do |
# |---|---|---|
# | 1 | `MissingKeyError: No key for ...` | put the key into Colab's secrets (with *Notebook access*) or the environment |
# | 2 | `There is no provider ...` | take the name that the message offers |
# | 3 | `a character that a key cannot have` | copy the key again, in one piece |
# | 4 | `did not accept the key` | make a new key, and check which provider it is for |
# | 5 | `no model of this name` | look at the provider's list of models |
# | 6 | `not a chat API` | complete the address: it usually ends with `/v1/` |
# | 7 | `Nothing answers` | check the network, or use `connect("local")` |
# | 8 | `asks us to slow down` | wait a minute, and run the cell again |
#
# An error is never a line of the talk. The character forgets the question, too, so you can simply ask again.
