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
# # 09 · The class decides
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/npc_lab/blob/v0.2.0/notebooks/09_the_class_decides.ipynb)
#
# Which of your characters is the best? No number of a talk can say it. But you have eyes, and so has everybody in your class: so vote,
# blind, on pairs of talks. Alone, you vote together with three readers whose votes were made up for this lesson.
#
# **You will be able to:**
#
# - plan who meets whom, so that few votes say much about all;
# - turn votes into strengths, with intervals;
# - say who is better, and where nobody can say it.
#
# **Time:** 45 minutes. **Difficulty:** ●●●●○. **You need:** lesson 05.

# %% [markdown]
# On Google Colab the next cell installs the kit, in about a minute. Elsewhere it does nothing.

# %%
import sys

if "google.colab" in sys.modules:
    # %pip install -q "npc-lab[local] @ git+https://github.com/OWNER/npc_lab@v0.2.0"
    pass

# %%
import math
import shutil
from importlib.resources import as_file, files
from pathlib import Path

from npc_lab import connect, experiments
from npc_lab.cards import read_card
from npc_lab.experiments import Ballot, agreement, read_ballots, tournament_page
from npc_lab.experiments.voting.tournament import Tournament
from npc_lab.lessons import check, hint, report, solution
from npc_lab.widgets import vote_box
from npc_lab.worlds import load_world

client, model = connect()
STORE = "the_class_decides.db"  # each talk is kept there

# %% [markdown]
# ## Hand in
#
# Four characters compete: yours of lesson 04, if its file lies here, and three of the kit. Without your file, a merchant stands in.

# %%
file = Path("my_character.json")
cards = {
    "me": read_card(file).config if file.exists() else load_world("london").characters[1],
    "geoffrey": load_world("london").characters[0],
    "orla": load_world("station").characters[0],
    "lena": load_world("violin").characters[1],
}
tournament = Tournament(cards, meets=["Marta"])
tournament.experiment.plan(client, model, STORE).calls

# %% [markdown]
# So many calls: four characters x one host x four lines. If all met all, 30 characters would be 435 pairs of talks; so each meets the
# same host, Marta, in the same inn. In a class, `npc-lab tournament` has three hosts: 30 characters cost 360 calls.
#
# **Try:** run the next cell. On the embedded model it takes about a minute. Stopped, it goes on when you run it again.

# %%
results = tournament.experiment.run(client, model, STORE)
talks = tournament.talks(results)
talks["orla"][0]

# %% [markdown]
# ### Exercise: who meets whom?
#
# Difficulty ●●●○○ · Importance ●●●○○ · about 10 minutes
#
# ```
#        A                 round 1, a step of 1:   A B   B C   C D   D E   E A
#     E     B              round 2, a step of 2:   A C   B D   C E   D A   E B
#      D   C
#                          schedule(["A", "B", "C", "D", "E"], 2)  ──▶  round 1
#                          schedule(["A", "B", "C", "D", "E"], 4)  ──▶  both
# ```
#
# Nobody can read all pairs. Write `schedule(names, rounds)`: each name stands in exactly `rounds` pairs, first as often as second.
# Nobody meets themself, or anybody twice, and all are connected. `rounds` is even, and smaller than the number of names.
# *Stretch:* an odd number of rounds.


# %% tags=["exercise:schedule"]
def schedule(names, rounds):
    """Pairs of names, in which each is equally often."""
    # <YOUR CODE HERE>
    ...


# %% tags=["check"]
check("schedule", schedule)

# %% tags=["help"]
# Stuck? Take away the # before one line, and run this cell.
# hint("schedule", 1)
# hint("schedule", 2)
# hint("schedule", 3)
# solution("schedule")

# %%
schedule(list(cards), 2)

# %% [markdown]
# ## Vote
#
# **Predict:** will two people who read the same two talks choose the same one?
#
# Now read, and vote. You do not see who speaks, and never your own character: its id is your nickname. In a class, your teacher gives
# you a file of pairs: `vote_box("pairs.json", "your nickname")`.

# %%
pairs = tournament.pairs(results)
vote_box(pairs, "me")

# %% [markdown]
# Each click is a line in the file `votes/me.jsonl`. To merge the votes of a class means: put all files into one folder. Alone, three
# readers join you. Their twelve ballots were made up for this lesson; they have not read your talks.

# %%
with as_file(files("npc_lab.lessons") / "recorded" / "votes") as made_up:
    shutil.copytree(made_up, "votes", dirs_exist_ok=True)
ballots = read_ballots("votes")
ballots

# %%
agreement(ballots)

# %% [markdown]
# **Look:** this is Krippendorff's alpha. 1 is *all say the same on each pair*, 0 is *no more alike than by chance*. How wide is its
# interval, from `low` to `high`? People agree less than they think.

# %% [markdown]
# ### Exercise: how strong?
#
# Difficulty ●●●●○ · Importance ●●●●○ · about 12 minutes
#
# ```
# wins = {("A", "B"): 3, ("B", "A"): 1}            A was chosen 3 times before B, B once before A
#                       what A has won
# new p of A  =  ──────────────────────────────    again and again, until nothing changes
#                 sum of  games / (p + other's p)
# strength    =  log p, less the mean of all       odds of 3 to 1  ──▶  0.549 and -0.549
# ```
#
# If A is p times as strong as B, it wins p of p + 1 games (Bradley and Terry). Zermelo found such p for chess in 1929, by the loop above.
# Write `strengths(wins, ghost=1.0)`; it gives a dictionary from names to strengths. Who won everything would be infinitely strong: so each has drawn `ghost` games (`ghost / 2` are won) against a stranger whose p is always 1.


# %% tags=["exercise:strengths"]
def strengths(wins, ghost=1.0):
    """How strong each name is, in natural log; the mean is 0."""
    # <YOUR CODE HERE>
    ...


# %% tags=["check"]
check("strengths", strengths)

# %% tags=["help"]
# Stuck? Take away the # before one line, and run this cell.
# hint("strengths", 1)
# hint("strengths", 2)
# hint("strengths", 3)
# solution("strengths")

# %%
wins = {}
for ballot in ballots:
    first, second = ballot.pair
    for one, other in ((first, second), (second, first)):
        if ballot.winner is None:
            wins[one, other] = wins.get((one, other), 0) + 0.5
        elif ballot.winner == one:
            wins[one, other] = wins.get((one, other), 0) + 1
print("yours:", strengths(wins))
standings = experiments.strengths(ballots)
standings

# %% [markdown]
# The kit's `strengths` gives an interval, too: it draws pairs again and again, with the ballots on a pair together, and looks how far the
# strengths move. **Look** how wide the intervals are, with so few ballots.

# %% [markdown]
# ### Exercise: tiers
#
# Difficulty ●●●○○ · Importance ●●●●● · about 8 minutes
#
# ```
#  high   A ┬
#           │  B ┬
#    low    ┴    │                 A and B overlap        ──▶  one tier
#                ┴
#                     C ┬          a gap: C is below both ──▶  the next tier
#                       ┴
# ```
#
# A list from first to last says more than we know. Write `tiers(standings)`: each standing has `.name`, `.low` and `.high`. It gives a
# list of lists, the strongest tier first; whose intervals overlap, share a tier.


# %% tags=["exercise:tiers"]
def tiers(standings):
    """Lists of standings: overlapping intervals share one."""
    # <YOUR CODE HERE>
    ...


# %% tags=["check"]
check("tiers", tiers)

# %% tags=["help"]
# Stuck? Take away the # before one line, and run this cell.
# hint("tiers", 1)
# hint("tiers", 2)
# solution("tiers")

# %%
print("yours:", tiers(standings))
print("ours:", [[standing.name for standing in tier] for tier in experiments.tiers(standings)])

# %% [markdown]
# ## More votes
#
# Here are twelve made-up characters. The six in capitals are better than the others: they are chosen before one of those in nine of
# ten cases. Among each other, all are alike.
#
# **Predict:** how many ballots does it take until two tiers are seen?

# %%
import random

luck, names = random.Random(9), list("ABCDEFghijkl")
for rounds, voters in ((2, 1), (4, 2), (10, 4)):
    votes = []
    for first, second in experiments.schedule(names, rounds) * voters:
        share = {1: 0.9, 0: 0.5, -1: 0.1}[first.isupper() - second.isupper()]
        votes.append(Ballot((first, second), (first, second), first if luck.random() < share else second, ""))
    found = experiments.tiers(experiments.strengths(votes))
    print(len(votes), "ballots:", ["".join(sorted(standing.name for standing in tier)) for tier in found])

# %% [markdown]
# **Look:** twelve ranks would have been easy to print, and wrong.

# %% [markdown]
# ## The page
#
# One file with tiers, intervals and all talks, for the projector or for you. It is no mark: it is the taste of some readers, about a few
# lines of each.

# %%
tournament_page(standings, talks, "page.html", agreement=agreement(ballots))

# %% [markdown]
# ## How it went

# %%
report()

# %% [markdown]
# Two questions to think about:
#
# - Somebody says: our chatbot is in first place of 40. What do you ask?
# - Your character came last, with two ballots. What do you know of it?
#
# You have come to the end of the course. Swap `my_character.json` with somebody, and let your two characters meet.
#
# **Back to the first lesson:** [00 · Setup](00_setup.ipynb)
