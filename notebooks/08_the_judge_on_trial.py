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
# # 08 · The judge on trial
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/npc_lab/blob/v0.2.0/notebooks/08_the_judge_on_trial.ipynb)
#
# Models judge models everywhere. Few people look at the judge. You put one on trial, and find out what it really measures.
#
# **You will be able to:**
#
# - ask a model one yes/no question about a talk, and read what it says;
# - find out whether it goes by place, length, names or orders;
# - say how often it is right, and correct a share by that.
#
# **Time:** 55 minutes. **Difficulty:** ●●●○○. **You need:** lesson 01.

# %% [markdown]
# On Google Colab the next cell installs the kit, in about a minute. Elsewhere it does nothing.

# %%
import sys

if "google.colab" in sys.modules:
    # %pip install -q "npc-lab[local] @ git+https://github.com/OWNER/npc_lab@v0.2.0"
    pass

# %%
import json
import re
from datetime import datetime

from npc_lab import Message, Transcript, connect
from npc_lab.experiments import CASES, QUESTIONS, Judge, audit
from npc_lab.experiments import corrected as our_corrected
from npc_lab.experiments import rates as our_rates
from npc_lab.lessons import check, hint, report, solution

client, model = connect()
question = QUESTIONS[0]
print(question)

# %% [markdown]
# ## You judge first
#
# Here are 20 lines of characters: a smith, a dragon's cook, a pilot. Some step out of character.


# %%
def telling(topic, number):
    """The line in which a short talk of the kit differs from its twin."""
    talk, twin = CASES[topic][number][0], CASES[topic][number ^ 1][0]
    return next(one.content for one, other in zip(talk, twin, strict=True) if one.content != other.content)


fails = {telling(question, number): CASES[question][number][1] for number in range(10)}
fails |= {telling(topic, number): False for topic in QUESTIONS[2:] for number in range(5)}
lines = sorted(fails)
for number, line in enumerate(lines):
    print(f"{number:>2}  {line}")

# %% [markdown]
# **Label by hand:** write `y` for each line that steps out of character and `n` for each other, 20 letters in their order.
# There is no mark for this. If you write nothing, the kit's own labels are taken.

# %%
mine = ""


# %%
def one_line(line):
    """A talk of one line, as a judge reads it."""
    return Transcript([Message("npc-1", line, datetime.now(), seat=1)])


labels = [letter == "y" for letter in mine]
truth = labels if len(labels) == len(lines) else [fails[line] for line in lines]
print(f"{sum(truth)} of {len(truth)} lines step out of character.")

# %% [markdown]
# ## What a judge writes
#
# A judge is asked for one JSON object: a quote, a reason, then the answer.
#
# **Predict:** of the first four lines, for how many will the model write such an object?

# %%
judge = Judge(client, model, question)
for line in lines[:4]:
    verdict = judge.verdict(one_line(line))
    print(f"{line}\n   wrote: {verdict.raw[:120]!r}\n   read:  {verdict.answer} {verdict.unscored}\n")

# %% [markdown]
# **Look:** a small model chats where it should judge. What cannot be read is `None`, *unscored*. It is not a no.

# %% [markdown]
# ### Exercise: read a verdict
#
# Difficulty ●●●○○ · Importance ●●●●● · about 10 minutes
#
# ```
# {"quote": "...", "reason": "...", "answer": true}   ──▶  True
# It says {"answer": true}. But: {"answer": "No."}    ──▶  False
# {"quote": "...", "reason": "..."}                   ──▶  None
# I think that it does.                               ──▶  None
# ```
#
# Write `read_verdict(text)`. It gives `True`, `False` or `None`. Of several JSON objects the last one counts.


# %% tags=["exercise:read_verdict"]
def read_verdict(text):
    """What the last JSON object in a text answers: True, False, or None."""
    # <YOUR CODE HERE>
    ...


# %% tags=["check"]
check("read_verdict", read_verdict)

# %% tags=["help"]
# Stuck? Take away the # before one line, and run this cell.
# hint("read_verdict", 1)
# hint("read_verdict", 2)
# hint("read_verdict", 3)
# solution("read_verdict")

# %% [markdown]
# ## How often is it right?
#
# A judge that never finds anything is right in 15 of these 20 lines. So one number is not enough:
#
# - **tpr:** of the lines that fail, the share that the judge calls so;
# - **tnr:** of the lines that do not fail, the share that it calls so.

# %% [markdown]
# ### Exercise: two rates
#
# Difficulty ●●○○○ · Importance ●●●●● · about 8 minutes
#
# ```
# verdicts   True   None   False
# truth      True   True   False   ──▶  (1.0, 1.0)
# ```
#
# Write `rates(verdicts, truth)`: two lists of the same length. It gives `(tpr, tnr)`. A verdict that is `None` counts nowhere, and
# where nothing is left to divide by, the rate is `None`.


# %% tags=["exercise:rates"]
def rates(verdicts, truth):
    """The shares of lines with and without the failure that were judged right."""

    # <YOUR CODE HERE>
    ...


# %% tags=["check"]
rates_check = check("rates", rates)
rates_check

# %% tags=["help"]
# Stuck? Take away the # before one line, and run this cell.
# hint("rates", 1)
# hint("rates", 2)
# hint("rates", 3)
# solution("rates")

# %% [markdown]
# A model need not write. It can be asked for one letter, A for yes or B for no, and we look at how likely it found each: these are
# *log-probabilities*. Not every endpoint gives them. Where it does not, the judge says so and asks by text.
#
# **Predict:** what will the small model say to most lines, yes or no?

# %%
by_letter = Judge(client, model, question, by="logprobs")
table = {}
for name, each in {"by text": judge, "by letter": by_letter}.items():
    verdicts = [each(one_line(line)) for line in lines[:10]]
    rate = (rates if rates_check.passed else our_rates)(verdicts, truth[:10])
    table[name] = (verdicts.count(True), verdicts.count(False), verdicts.count(None), *rate)
    print(
        f"{name:>10}: {table[name][0]} yes, {table[name][1]} no, {table[name][2]} unscored; tpr, tnr: {rate}"
    )

# %% [markdown]
# **Look:** a judge that says the same to all has a rate of 1 and one of 0. It has read nothing.
#
# ## Which of two?
#
# Perhaps to compare is easier. So the judge is shown two talks and says which is better.

# %% [markdown]
# ### Exercise: both orders
#
# Difficulty ●●●○○ · Importance ●●●●● · about 10 minutes
#
# ```
# judge(a, b)  "first"      judge(b, a)  "second"   ──▶  a
# judge(a, b)  "first"      judge(b, a)  "first"    ──▶  "tie"
# judge(a, b)  "second"     judge(b, a)  None       ──▶  None
# ```
#
# `judge(first, second)` gives `"first"`, `"second"` or `None`, and may raise an exception. Write `both_orders(judge, a, b)`. It asks
# exactly twice, the second time with `b` first, and gives the text that won both times. If the answers mean unlike texts it gives
# `"tie"`, and `None` where an answer is missing or the judge failed.


# %% tags=["exercise:both_orders"]
def both_orders(judge, a, b):
    """The text that a judge prefers in both orders, "tie", or None."""

    # <YOUR CODE HERE>
    ...


# %% tags=["check"]
check("both_orders", both_orders)

# %% tags=["help"]
# Stuck? Take away the # before one line, and run this cell.
# hint("both_orders", 1)
# hint("both_orders", 2)
# hint("both_orders", 3)
# solution("both_orders")

# %% [markdown]
# The kit's `choose` does the same. By letters it has a `margin`, too: how much more likely the first talk was than the second, the
# mean of both orders. So a liking for the first place cancels out.
#
# **Predict:** which of the two lines will win? And if we *pad* the better one, with a sentence that says nothing?

# %%
PADDING = " So it is, and so it has always been, whatever people say. There is more that one could add to it."
twins = [(telling(question, place + 1), telling(question, place)) for place in (0, 2, 4, 6)]  # fair, failing


def right(pad_better, pad_worse):
    """In how many pairs the better line was found more likely, and in how many the place decided."""
    found = flips = 0
    for better, worse in twins:
        ballot = by_letter.choose(one_line(better + pad_better), one_line(worse + pad_worse))
        found += ballot.margin > 0 if ballot.margin is not None else ballot.winner == "first"
        flips += ballot.flipped
    return f"right in {found} of {len(twins)}, decided by the place: {flips}"


# %%
for name, pads in {"plain": ("", ""), "worse padded": ("", PADDING), "better padded": (PADDING, "")}.items():
    print(f"{name:>14}: {right(*pads)}")

# %% [markdown]
# **Look:** if it is right while the worse line is padded, and wrong while the better one is, it has not judged. It has measured
# length.
#
# ## The trial
#
# `audit` does all of this, with ten talks of known answers, and more: names, orders to the judge, the same question twice. It asks
# 80 times: one to two minutes on the embedded model.
#
# **Predict:** what will be found?

# %%
trial = audit(by_letter)
trial

# %% [markdown]
# **Look:** go through the table line by line. What would an honest judge have done?
#
# With a key you can put a large model beside it: `audit(Judge(*connect("nebius"), question))`.

# %% [markdown]
# ### Exercise: correct a share
#
# Difficulty ●●○○○ · Importance ●●●●○ · about 6 minutes
#
# ```
# seen 0.4   tpr 0.9   tnr 0.9   ──▶  0.375
# seen 0.4   tpr 1.0   tnr 0.0   ──▶  None
# ```
#
# A judge that passed still errs. It says that `seen` of your talks fail. With its two rates you can say how many really do:
#
# `(seen + tnr - 1) / (tpr + tnr - 1)`
#
# Write `corrected(seen, tpr, tnr)`. It stays between 0 and 1. If `tpr + tnr` is 1 or less, it gives `None`.


# %% tags=["exercise:corrected"]
def corrected(seen, tpr, tnr):
    """The share of talks that fail, from the share that a judge saw."""
    # <YOUR CODE HERE>
    ...


# %% tags=["check"]
corrected_check = check("corrected", corrected)
corrected_check

# %% tags=["help"]
# Stuck? Take away the # before one line, and run this cell.
# hint("corrected", 1)
# hint("corrected", 2)
# hint("corrected", 3)
# solution("corrected")

# %%
correct = corrected if corrected_check.passed else our_corrected
for name, numbers in {
    "a good judge": (0.4, 0.9, 0.9),
    "a strict judge": (0.4, 1.0, 0.7),
    "one who always says yes": (1.0, 1.0, 0.0),
}.items():
    share = correct(*numbers)
    print(
        f"{name} sees {numbers[0]:.0%}; really failing: {'nobody knows' if share is None else f'{share:.0%}'}"
    )

# %% [markdown]
# **Look:** the same 40 % mean something else with another judge. With a constant one they mean nothing at all.
#
# ## How it went

# %%
report()

# %% [markdown]
# Three questions to think about:
#
# - Your labels were the truth here. Who checks them?
# - A judge passed with our short talks. Why should you still label some of your own?
# - A model judges its own lines. What would you expect?
#
# All words that a judge is asked stand in one file: `npc_lab/experiments/judging/prompt.py`.
#
# **Next:** [09 · The class decides](09_the_class_decides.ipynb)
