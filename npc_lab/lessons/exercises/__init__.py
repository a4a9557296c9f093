"""The exercises of the course, a file for each lesson.

In reading order:

    made_up.py              texts and talks that are new in each check
    lesson00_setup.py       one call of a model, by hand
    lesson01_messages.py    predictions, and the messages that a model is sent
    lesson02_memory.py      trimming a history, and what a prompt costs
    lesson03_scratchpad.py  private thoughts, in whole replies and in streams
    lesson04_character.py   a character sheet, a detector for its secret, a file
    practice_factory.py     a factory that notes who was asked, heard and said what
    arena_trial.py          a learner's arena, called on that factory
    lesson05_arena.py       the arena, behaviour by behaviour
    lesson06_counting.py    notes on talks, the commonest name, an interval, one number for each talk
    lesson07_experiment.py  pairs of talks, a verdict, how many talks are needed, looking again and again
    lesson08_judging.py     a judge's words, both orders, and how often it is right
    lesson09_voting.py      who meets whom, how strong each is, who cannot be told apart
    catalogue.py            all exercises by name
"""
