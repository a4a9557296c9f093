"""Where replies come from. The core imports nothing of this room.

In reading order:

    providers.py    the table of providers: addresses, names of keys
    pace.py         how fast, and how often, clients may ask
    origins.py      how a client was made, so that another process can make the same one
    connect.py      `client, model = connect()`: choose one, and say which
    fake.py         a client that asks no model: for tests, checks and a first look
    room.py         whether a model fits on the disk and into memory
    weights.py      the shipped model's file: fetched once, checked, kept
    fast_copy.py    its copy, which the engine reads prompts with faster
    hub.py          a model's file from the Hugging Face hub
    models.py       the table of models for the embedded engine
    embedded.py     the embedded model: a server in a child process
"""
