"""What is sent to an endpoint, and what comes back.

answers.py     send a request; convert what comes back to one shape
reading.py     read a reply so that whoever waits for it can stop at once
dialects.py    what some endpoints do not take, and what they are sent instead
abilities.py   what some can do beyond the protocol, and what they are sent for it
form.py        the form that replies of small models are held to
faults.py      what it means if an endpoint does not reply
bodies.py      what an endpoint says in the body of an error
wrappings.py   how models wrap their private thoughts, and the marks of their templates
usage.py       how many tokens replies have cost
"""
