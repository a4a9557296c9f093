"""The frame of the checks: how a learner's code is run, judged and reported on.

In reading order:

    reports.py          what a check found: steps with an outcome and a message
    plain.py            a learner's values as plain ones
    cells.py            the notebook around a check: a near name, a cell that failed
    advice.py           what an error says, and one next step
    learners_code.py    looking at a learner's values, functions and errors
    limits.py           running a learner's code: it ends in time, reads no input, ends nothing
    exercise.py         an exercise: the list of steps that its check takes
    progress.py         a table of all reports so far
"""
