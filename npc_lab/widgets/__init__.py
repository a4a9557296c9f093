"""Panels for notebooks, of plain ipywidgets: a chat box, the arena's controls, a character's form, a vote.

    chat_box.py         the chat box; beside it its model, chat_model.py, which knows no widget
    arena_controls.py   the arena's controls; beside them their model, arena_model.py, which knows none either
    character_form.py   the character's form; its model is the core's NPCConfig
    vote_box.py         the vote on two talks; what it writes is read in npc_lab/experiments/voting

and what they share:

    panel.py    what all panels do alike
    pump.py     how words reach the browser while they are made
    lines.py    the lines of a talk, each sent once, and the prompts that were sent
    saving.py   copy and save
    cell_note.py  says that a cell is running, so that no button is heard
    look.py     the style, and small parts

No panel knows a language model; each only shows what the core does.
"""

from npc_lab.widgets.arena_controls import ArenaControls, arena_controls
from npc_lab.widgets.character_form import CharacterForm, character_form
from npc_lab.widgets.chat_box import ChatBox, chat_box
from npc_lab.widgets.vote_box import VoteBox, vote_box

__all__ = [
    "ArenaControls",
    "CharacterForm",
    "ChatBox",
    "VoteBox",
    "arena_controls",
    "character_form",
    "chat_box",
    "vote_box",
]
