"""`python -m npc_lab` is the command `npc-lab`."""

from npc_lab.cli import app

app(prog_name="npc-lab")
