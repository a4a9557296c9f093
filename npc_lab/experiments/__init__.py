"""Experiments: scenes that differ in one thing, played many times, and measured.

    knight = NPCConfig("London, 1250.", "You are a knight.")
    experiment = Experiment(
        "temperature",
        {"cool": Scene(knight), "hot": Scene(replace(knight, temperature=1.4))},
        {"says Edward": says("Edward")},
        talks=20,
        prediction="The cool one is Edward more often.",
    )
    experiment.plan(client, model)    40 calls; a difference below 44 points could be missed
    experiment.run(client, model)     a card: the prediction, each talk as a dot, intervals, a verdict

Read them in this order, from the plan over the run to the card:

    scene.py        who meets whom, on which words
    question.py     what is asked: scenes, talks, measures, a prediction
    experiment.py   plans a question and runs it
    trials.py       each talk of an experiment: by what it is known, and what the store has of it
    plan.py         what a run will cost, and what it can see
    playing.py      plays what is missing
    bars.py         the bar that counts meanwhile
    elsewhere.py    plays it in other processes, or on other machines
    estimates.py    a value with its interval
    numbers.py      the numbers, the verdict, and what is missing
    dots.py         each talk as a dot, drawn
    card.py         what is looked at: in a notebook, in a terminal, as a file
    results.py      numbers that show themselves as a card
    speakers.py     the names of speakers, for those who should not see them

Beside them:

    judging/        models that are asked about talks, and put on trial first
    voting/         which of two is the better one: ballots of people and judges
"""

from npc_lab.experiments.estimates import Estimate, difference, mean, minimum_detectable, share
from npc_lab.experiments.experiment import Experiment
from npc_lab.experiments.judging.audit import Audit, audit
from npc_lab.experiments.judging.cases import CASES
from npc_lab.experiments.judging.judge import Judge
from npc_lab.experiments.judging.questions import QUESTIONS
from npc_lab.experiments.judging.rates import corrected, rates
from npc_lab.experiments.judging.verdict import Verdict
from npc_lab.experiments.plan import Plan
from npc_lab.experiments.results import Results
from npc_lab.experiments.scene import Scene, Script
from npc_lab.experiments.voting.agreement import agreement
from npc_lab.experiments.voting.ballot import Ballot
from npc_lab.experiments.voting.ballots import Ballots, read_ballots
from npc_lab.experiments.voting.schedule import schedule
from npc_lab.experiments.voting.strengths import Standing, strengths
from npc_lab.experiments.voting.tiers import tiers
from npc_lab.experiments.voting.tournament_page import tournament_page

__all__ = [
    "CASES",
    "QUESTIONS",
    "Audit",
    "Ballot",
    "Ballots",
    "Estimate",
    "Experiment",
    "Judge",
    "Plan",
    "Results",
    "Scene",
    "Script",
    "Standing",
    "Verdict",
    "agreement",
    "audit",
    "corrected",
    "difference",
    "mean",
    "minimum_detectable",
    "rates",
    "read_ballots",
    "schedule",
    "share",
    "strengths",
    "tiers",
    "tournament_page",
]
