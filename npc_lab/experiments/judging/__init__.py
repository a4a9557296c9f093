"""Judges: models that are asked about talks, and put on trial first.

prompt.py       what a judge is asked, all of it
asking.py       one request, and what came back
verdict.py      what a judge said, and how it is read
judge.py        one yes/no question, by text or by log-probabilities
docket.py       the verdicts of an experiment: asked, kept, missing
rates.py        how often a judge is right, and a share that is corrected by that
"""
