"""Votes: people and judges say which of two is the better one.

From one answer to what all of them say:

    ballot.py   one answer
"""
