"""Panels for notebooks, made of plain ipywidgets: a chat box, the arena's controls, a character's form.

    chat_box.py         the chat box; behind it chat_model.py and takes.py, which know no widget
    arena_controls.py   the arena's controls; behind them arena_model.py, which knows none either
    character_form.py   the character's form

and what they share:

    pump.py      how words reach the browser while they are made
    look.py      the style, and small parts
    lines.py     the lines of a talk, each sent once
    prompts.py   what was sent
    saving.py    copy and save

No panel knows a model; each only shows what the core does.
"""

from npc_lab.widgets.arena_controls import ArenaControls, arena_controls
from npc_lab.widgets.character_form import CharacterForm, character_form
from npc_lab.widgets.chat_box import ChatBox, chat_box

__all__ = ["ArenaControls", "CharacterForm", "ChatBox", "arena_controls", "character_form", "chat_box"]
