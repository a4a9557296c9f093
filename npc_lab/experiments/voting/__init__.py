"""Votes: people and judges say which of two is the better one.

    ballots = read_ballots("votes")
    agreement(ballots)                  how alike people vote
    tiers(strengths(ballots))           who is better than whom, as far as that can be told

Read them in this order, from one answer to the tiers:

    ballot.py       one answer
    ballots.py      all answers in a folder, and what in it is no ballot
    pairs.py        the talks that are compared, and the file in which they are handed out
    blind.py        a talk without names
    schedule.py     who meets whom
    agreement.py    how alike people vote
    strengths.py    one number for each name
    tiers.py        who cannot be told apart stands together
    numpy_here.py   numpy, loaded when ballots are counted

and a tournament of cards that were handed in:

    entrants.py     the cards, each known by the name of its file
    hosts.py        three hosts whom every card meets
    tournament.py   who talks with whom, and which talks are compared
    tournament_page.py  tiers, intervals and talks in one file
"""
