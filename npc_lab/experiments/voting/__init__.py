"""Votes: people and judges say which of two is the better one.

ballot.py   one answer
"""
