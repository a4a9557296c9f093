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
# # 06 · Count what goes wrong (solutions)
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/npc_lab/blob/v0.2.0/notebooks/06_count_what_goes_wrong.ipynb)
#
# One talk is a story. Before you change a character, you want to know what goes wrong, and how often. So first you read, and give
# each failure a name. Then you ask one question forty times, and count.
#
# **You will be able to:**
#
# - name what goes wrong in a talk, and count it over many talks;
# - say how far such a count may be off;
# - tell "never seen" from "never", and "nothing measured" from "zero".
#
# **Time:** 45 minutes. **Difficulty:** ●●●○○. **You need:** lesson 01.

# %% [markdown]
# On Google Colab the next cell installs the kit, in about a minute. Elsewhere it does nothing.

# %%
import sys

if "google.colab" in sys.modules:
    # %pip install -q "npc-lab[local] @ git+https://github.com/OWNER/npc_lab@v0.2.0"
    pass

# %%
import math
from collections import Counter
from dataclasses import replace

from IPython.display import display

from npc_lab import NPCConfig, connect
from npc_lab.experiments import Experiment, Scene, share
from npc_lab.lessons import check, hint, report, solution
from npc_lab.lessons.to_read import twelve_talks
from npc_lab.measures import name_said, own_repeats

client, model = connect()
STORE = "count_what_goes_wrong.db"  # each talk is kept there

# %% [markdown]
# ## Read
#
# Twelve short talks. Eight were recorded on the embedded model, each once, and kept whatever came. Four we wrote by hand, because a
# small model does not fail in every way that a large one does. Each says which it is, and what the characters were told.
#
# **Predict:** in how many of twelve will nothing go wrong?

# %%
talks = twelve_talks()
display(*talks[:4])

# %%
display(*talks[4:8])

# %%
display(*talks[8:])

# %% [markdown]
# ### Exercise: a note for each talk
#
# Difficulty ●○○○○ · Importance ●●●●○ · about 12 minutes
#
# ```
# what they were told          what was said                                       your note
# "Hans wants to sell a horse" Hans: "I look for my stolen horse, too."    ──▶     "wants what the other wants"
# ```
#
# Write one note for each talk: the first thing that should not have happened, in a few words of your own. *Nothing* is a note, too.
# The check looks whether the notes are there. What they say is yours.

# %% tags=["exercise:notes"]
notes = dict.fromkeys(range(1, 13), "")  # notes[1] = "...", and so on
# BEGIN SOLUTION
notes |= {
    1: "the merchant says that he is the knight",
    2: "Hans repeats what was said, and sells nothing",
    3: "gives the word away in riddles",
    4: "makes no sense",
    5: "takes the stranger for himself",
    6: "speaks for the other, too",
    7: "has forgotten her name, and his own",
    8: "knows things of later times, and is an assistant",
    9: "nothing",
    10: "calls him by another name",
    11: "Mr Tull gives up his belief",
    12: "talks like an assistant",
}
# END SOLUTION

# %% tags=["check"]
check("notes", notes)

# %% tags=["help"]
# Stuck? Take away the # before one line, and run this cell.
# hint("notes", 1)
# hint("notes", 2)
# solution("notes")

# %% [markdown]
# Notes that mean the same get one *name*. Below, write the name of each failure, and the numbers of its talks, for instance
# `"speaks for the other": [6]`. Four to six names are enough.

# %%
failures = {}
# BEGIN SOLUTION
failures = {
    "does not know who is who": [1, 5, 7, 10],
    "repeats what was said": [1, 2],
    "gives in, or gives away": [3, 11],
    "is out of its role or its time": [8, 12],
    "makes no sense": [4],
    "speaks for the other": [6],
}
# END SOLUTION

# %%
for name, numbers in failures.items():
    found = share(len(set(numbers)), len(talks))
    print(f"{name}: {len(set(numbers))} of {len(talks)} talks. In others of their kind: ", end="")
    print(f"{found.low:.0%} to {found.high:.0%}")

# %% [markdown]
# **Look:** the ranges are wide, for twelve talks say little. And these were *chosen*, so that they fail in many ways: their shares
# say nothing about the model. To count, ask the same thing again and again.
#
# ## One question, forty times
#
# Here is a knight to whom nobody gave a name. A `Scene` is one question to him, and his answer. An `Experiment` plays it forty
# times, each time with another seed, once with a low *temperature* and once with a high one: a low one takes the likeliest words,
# a high one also others.

# %%
knight = NPCConfig(
    "London in the XIII century. Muddy streets, a new bridge over the Thames.",
    "You are a knight. You speak in short, old-fashioned sentences.",
    temperature=0.2,
    max_reply_tokens=40,
)
question = "What is your name?"
scenes = {
    "cool": Scene(knight, opening=question),
    "hot": Scene(replace(knight, temperature=1.0), opening=question),
}


def has_a_name(talk):
    return name_said(talk) is not None


# %% [markdown]
# **Predict:** how many different names have forty cool knights, and how many forty hot ones? Write it into `prediction` before you go
# on. Then read the plan; it asks no model.

# %%
prediction = ""  # write it here
experiment = Experiment("names", scenes, [has_a_name], talks=40, prediction=prediction)
experiment.plan(client, model, STORE)

# %% [markdown]
# (Eighty answers take one to two minutes on the embedded model. The fake says no name at all. Run again, the cell asks nothing: all
# answers are kept in the file.)

# %%
results = experiment.run(client, model, STORE)
names = {scene: [name_said(talk) for talk in those if talk] for scene, those in results.talks.items()}
for scene in names:
    print(scene, names[scene][:6])

# %% [markdown]
# `name_said` gives the name that a knight says he has, or `None`.

# %% [markdown]
# ### Exercise: the commonest name
#
# Difficulty ●●○○○ · Importance ●●●○○ · about 8 minutes
#
# ```
# ["Sir Guy", None, "Sir Hugo", "Sir Guy"]   ──▶  ("Sir Guy", 0.667)
# [None, None]                               ──▶  None
# ```
#
# Write `commonest(names)`. It gives the commonest name and its share. `None` is no name: those talks are *missing*, and are in no
# share. Without any name it gives `None`. Of names that are equally common, it gives one.


# %% tags=["exercise:commonest"]
def commonest(names):
    """The commonest name and its share among the names that were said, or None."""
    # BEGIN SOLUTION
    said = [name for name in names if name is not None]
    if not said:
        return None
    name, count = Counter(said).most_common(1)[0]
    return name, count / len(said)
    # END SOLUTION


# %% tags=["check"]
check("commonest", commonest)

# %% tags=["help"]
# Stuck? Take away the # before one line, and run this cell.
# hint("commonest", 1)
# hint("commonest", 2)
# solution("commonest")

# %%
for scene in names:
    different = set(names[scene]) - {None}
    print(f"{scene}: {commonest(names[scene])}, {len(different)} different names")

# %%
import matplotlib.pyplot as plt

figure, sides = plt.subplots(1, 2, figsize=(9, 3), sharex=True, layout="constrained")
for side, scene in zip(sides, names, strict=True):
    counts = Counter(name for name in names[scene] if name).most_common(8)
    side.barh([name for name, _ in counts][::-1], [count for _, count in counts][::-1])
    side.set(title=scene, xlabel="how often")
plt.show()

# %% [markdown]
# **Look:** nobody gave him a name, and yet a cool knight has a favourite one. This is *mode collapse*: the likeliest answer, again and
# again. Large models have favourite names, too.
#
# A counter is a measure, with mistakes of its own. So read some of what it did not count:

# %%
for talk in [talk for talk in results.talks["hot"] if talk and name_said(talk) is None][:5]:
    print(talk.spoken[0].content, "\n")

# %% [markdown]
# ## Forty times again
#
# The same question, with other seeds, for these are made from the experiment's name.
#
# **Predict:** will his favourite name have the same share?

# %%
prediction = ""  # write it here
again = Experiment("names again", scenes, [has_a_name], talks=40, prediction=prediction)
again.plan(client, model, STORE)

# %%
runs, counts = {"first": results, "again": again.run(client, model, STORE)}, {}
for run in runs:
    for scene, those in runs[run].talks.items():
        said = [name for name in map(name_said, filter(None, those)) if name]
        favourite = max(said, key=said.count, default="no name")
        counts[run, scene] = (said.count(favourite), len(said))
        print(f"{run}, {scene}: {favourite}, {said.count(favourite)} of {len(said)} names")

# %% [markdown]
# Nothing was changed, and the counts are seldom the same. So a share wants an *interval*: where the true share lies, 19 times in 20.

# %% [markdown]
# ### Exercise: an interval
#
# Difficulty ●●●○○ · Importance ●●●●● · about 12 minutes
#
# ```
#   p = hits / n,  z = 1.96
#             p + z²/(2n)                     z
#   middle =  ───────────         reach =  ────────  ·  sqrt( p(1-p)/n + z²/(4n²) )
#              1 + z²/n                    1 + z²/n
#
#   interval(5, 10)  ──▶  (0.237, 0.763)        from middle - reach to middle + reach
# ```
#
# Write `interval(hits, n)` by this formula of Wilson; for `n` of 0 it gives `None`. Many books have `p ± z · sqrt(p(1-p)/n)` instead.
# Try that one on 0 of 10, and see why it is not used here.


# %% tags=["exercise:interval"]
def interval(hits, n):
    """Where the true share lies, 19 times in 20: (low, high), or None if nothing was played."""
    # BEGIN SOLUTION
    if n == 0:
        return None
    p, z = hits / n, 1.96
    below = 1 + z**2 / n
    middle = (p + z**2 / (2 * n)) / below
    reach = z / below * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return middle - reach, middle + reach
    # END SOLUTION


# %% tags=["check"]
check("interval", interval)

# %% tags=["help"]
# Stuck? Take away the # before one line, and run this cell.
# hint("interval", 1)
# hint("interval", 2)
# hint("interval", 3)
# solution("interval")

# %%
for (run, scene), (hits, n) in counts.items():
    print(f"{run}, {scene}: {hits} of {n}", [round(end, 2) for end in interval(hits, n) or ()])
print("never seen in ten talks:", [round(end, 2) for end in interval(0, 10) or ()])

# %% [markdown]
# **Look:** do the intervals of both runs overlap? And read the last line: what was never seen in ten talks may happen in how many of a
# hundred?

# %% [markdown]
# ### Exercise: one number for each talk
#
# Difficulty ●●○○○ · Importance ●●●●○ · about 8 minutes
#
# ```
# talk with 4 lines   ── measure ──▶  0.25
# talk with 1 line    ── measure ──▶  0.0
# talk without lines  ───────────▶  None        nobody spoke: nothing is measured
# ```
#
# Lines of one talk resemble each other, so the *talk* is what is counted. Write `per_talk(talks, measure)`: for each talk
# `measure(talk)`, called once, or `None` where `talk.spoken` is empty. *Stretch:* a talk that failed is `None` itself.


# %% tags=["exercise:per_talk"]
def per_talk(talks, measure):
    """One number for each talk, None where nobody spoke."""
    # BEGIN SOLUTION
    return [measure(talk) if talk is not None and talk.spoken else None for talk in talks]
    # END SOLUTION


# %% tags=["check"]
check("per_talk", per_talk)

# %% tags=["help"]
# Stuck? Take away the # before one line, and run this cell.
# hint("per_talk", 1)
# hint("per_talk", 2)
# solution("per_talk")

# %% [markdown]
# `own_repeats` says how much of its lines a speaker has said before, from 0 to 1. Here it is, beside your notes:

# %%
measured = per_talk([talk.transcript for talk in talks], own_repeats)
for talk, number in zip(talks, measured or [], strict=False):
    shown = "none" if number is None else f"{number:.2f}"
    print(f"talk {talk.number:>2}: {shown}   {notes.get(talk.number, '')}")

# %% [markdown]
# **Look:** does the number find what you have found? Where it does not, who is right?
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
# - For which of your failures could you write a function, and for which would you have to ask somebody?
# - "Our character broke its role in 0 of 20 talks." What would you write behind that?
#
# **Next:** [07 · Change one thing](07_change_one_thing.ipynb)
