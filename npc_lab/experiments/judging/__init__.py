"""Judges: models that are asked about talks, and put on trial first.

From one question to the verdicts of an experiment:

    prompt.py       what a judge is asked, all of it
    asking.py       one request, and what came back
    verdict.py      what a judge said, and how it is read
    judge.py        one yes/no question, by text or by log-probabilities
    docket.py       the verdicts of an experiment: asked, kept, missing
    rates.py        how often a judge is right, and a share that is corrected by that

The trial:

    questions.py    four questions
    cases.py        ten short talks for each, with a known answer
    tampered.py     talks that were changed in what must not matter
    findings.py     whether a judge went by that
    audit.py        the trial and its report
    voter.py        a judge that votes on pairs of talks, as people do
"""
