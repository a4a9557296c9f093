"""A character's form: every field of the character sheet, and beside them what the model will be told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import replace
from os import PathLike
from typing import Any

import ipywidgets as widgets

from npc_lab.cards import Card, read_card, write_card
from npc_lab.character import FIELDS, SEND_THOUGHTS, NPCConfig
from npc_lab.errors import CharacterError
from npc_lab.factory import NPCFactory
from npc_lab.memory import MEMORIES
from npc_lab.npc import SimpleChatNPC
from npc_lab.rendering import escaped
from npc_lab.widgets.look import Fold, Notice, button, exactly, html_box, quiet, row
from npc_lab.widgets.panel import Panel
from npc_lab.widgets.saving import file_name, link, on_colab, send
from npc_lab.worlds import WORLDS, load_world

# The link has the whole card inside of it, and is sent anew after every change.
_LARGEST_LINK = 1_000_000  # characters
# Jupyter shuts the connection when a message is larger than 10 MB, and tells nobody; then it connects anew.
_HOW_TO_LOAD = (
    "A character card: a .json or .png file of at most 9 MB.",
    "If nothing happens, the file was too large. Close this part, open it again and choose a smaller one.",
    'Or load it in a cell, which takes larger ones too: form.load("card.png")',
)
_NO_MARKS = (
    "An example without #SCRATCHPAD and #ANSWER shows this character a form without thoughts. Write both "
    "marks into its answer."
)
_ARROW = "→"
_TITLE = "<b>System message</b><br>"
_HOW_TO_SAVE = 'Or in a cell: form.save("character.json")'


def character_form(factory: NPCFactory) -> CharacterForm:
    """Return a form that makes characters of this factory in a notebook: put it at the end of a cell."""
    return CharacterForm(factory)


class CharacterForm(Panel):
    """Shows a character sheet and makes characters of it. `widget` is its root."""

    def __init__(self, factory: NPCFactory):
        super().__init__()
        self._npc_id: str | None = None
        self._factory = factory
        self._fields = _fields()
        self._card = Card(NPCConfig("", ""))  # with all that a card holds and the form has no field for
        self._created: NPCConfig | None = None  # what the last character was made of
        self._replaced: tuple[dict[str, Any], Card] | None = None  # what Undo brings back
        self._is_filling = False
        self._build()
        self._fill(_values_of(self._card.config))

    def __repr__(self) -> str:
        return f"CharacterForm({self._fields['name'].get()!r}, npc_id={self._npc_id!r})"

    @property
    def npc_id(self) -> str | None:
        """The id of the character that was made last, or None. A click on Create that waits is done first."""
        self._pump.settle()
        return self._npc_id

    @property
    def config(self) -> NPCConfig:
        """The character sheet as the form shows it. Raise `CharacterError` if a value is invalid."""
        return NPCConfig(**self._values())

    def create(self) -> str:
        """Make the character, as the button does, and return its id; works without a browser.

        If nothing has changed since the last time, that is the same character. Raise `CharacterError` if a
        field has an invalid value or the description is empty.
        """
        with self._lock:
            values, before = self._values(), self._npc_id
            config = NPCConfig(**values)
            if not config.character_description.strip():
                raise CharacterError('The character description is empty. Say who it is: "You are ..."')
            if before is None or config != self._created:
                self._npc_id = self._factory.register_npc(**values)
                self._created = deepcopy(config)  # the new character's lists may be changed in place
            self._say_created(config, before)
            return str(self._npc_id)

    def load(self, source: str | PathLike[str] | bytes | bytearray | memoryview) -> None:
        """Fill the form from a character card: a file's path, or its bytes. Raise `CardError`."""
        card = read_card(source)
        with self._lock:
            self._replace(_values_of(card.config), card)
            self._starters.index = None
            self._loaded.value = quiet(
                f"{_called(card.config)} was loaded. What else the card holds is kept for saving."
            )

    def save(self, path: str | PathLike[str]) -> None:
        """Write the character to a .json file, as a card. Raise `CharacterError`."""
        write_card(self._as_card(), path)

    def _build(self) -> None:
        self._build_start()
        self._preview, self._hint, self._status, self._download = (html_box() for _ in range(4))
        for field in self._fields.values():
            field.observe(lambda _: self._hear_change())
        create = button("Create", self._hear_create, "Make this character", style="primary")
        send_card = button("Download", self._hear_download, "Download the card")
        saving = [send_card, self._download] if on_colab() else [self._download]
        saving.append(html_box(quiet(_HOW_TO_SAVE)))
        self._saving = Fold("Save this character", widgets.VBox(saving), self._draw_download)
        preview = widgets.VBox(
            [self._preview], layout=_growing(2, "16em", max_height="40em", overflow="auto")
        )
        self._arrange(
            row(self._starters, self._undo, self._loading.head),
            self._loading.body,
            self._start_notice.widget,
            self._loaded,
            widgets.HBox([self._arranged_fields(), preview], layout=_wrapping()),
            self._hint,
            row(create, self._saving.head),
            self._notice.widget,
            self._status,
            self._saving.body,
        )

    def _build_start(self) -> None:
        """Make the parts that fill all fields at once."""
        self._starters = widgets.Dropdown(
            options=_starters(),
            description="Start from:",
            style={"description_width": "initial"},
            layout=_growing(1, "16em"),
        )
        self._starters.observe(lambda change: self._hear_starter(change["new"]), "value")
        self._undo = button("Undo", self._hear_undo, "Bring back what stood in the fields before")
        self._undo.disabled = True
        self._upload_place = widgets.HBox()
        help_text = html_box("".join(f"<div>{quiet(line)}</div>" for line in _HOW_TO_LOAD))
        content = widgets.VBox([self._upload_place, help_text])
        self._loading = Fold("Load a character", content, self._renew_upload)
        self._start_notice = Notice()
        self._loaded = html_box()

    def _renew_upload(self) -> None:
        """Make a new button: one whose file was too large for the connection is silent for ever."""
        upload = widgets.FileUpload(
            accept=".json,.png", description="Choose a file", layout=widgets.Layout(width="auto")
        )
        upload.observe(lambda _: self._hear_upload(upload), "value")
        self._upload_place.children = (upload,)

    def _arranged_fields(self) -> widgets.Widget:
        """Return the fields: texts below each other, fields of one line in pairs."""
        small = [field.widget for field in self._fields.values() if field.is_small]
        large = [field.widget for field in self._fields.values() if not field.is_small]
        return widgets.VBox([*large, widgets.HBox(small, layout=_wrapping())], layout=_growing(3, "20em"))

    # What the page sends

    def _try(self, action: Callable[[], object], notice: Notice) -> None:
        """Do this. An exception becomes this notice; the one of the last time goes."""

        def do() -> None:
            notice.clear()
            action()

        self._handle(do, notice)

    def _hear_create(self) -> None:
        """The last words typed may come a moment after the click."""
        self._pump.soon(lambda: self._try(self.create, self._notice))

    def _hear_download(self) -> None:
        def download() -> None:
            send(self._file_name(), lambda path: self.save(path))

        self._pump.soon(lambda: self._try(download, self._notice))

    def _hear_starter(self, config: NPCConfig | None) -> None:
        if config is not None:
            self._try(lambda: self._replace(_values_of(config), Card(config)), self._start_notice)

    def _hear_upload(self, upload: widgets.FileUpload) -> None:
        """Read the file that arrived. Forget it at once: else choosing it again would be no change."""
        with self._lock:
            content = _uploaded(upload)
            if content is not None:
                _forget_upload(upload)
                self._try(lambda: self.load(content), self._start_notice)

    def _hear_undo(self) -> None:
        self._try(self._bring_back, self._start_notice)

    def _hear_change(self) -> None:
        with self._lock:
            if not self._is_filling:
                self._notice.clear()
                self._draw()

    # The sheet

    def _values(self) -> dict[str, Any]:
        return {name: field.get() for name, field in self._fields.items()}

    def _as_card(self) -> Card:
        with self._lock:
            return replace(self._card, config=self.config)

    def _replace(self, values: dict[str, Any], card: Card) -> None:
        """Take over another character, and keep what stood there."""
        self._replaced = self._values(), self._card
        self._undo.disabled = False
        self._card = card
        self._loaded.value = ""
        self._fill(values)

    def _bring_back(self) -> None:
        if self._replaced is not None:
            self._replace(*self._replaced)
            self._starters.index = None

    def _fill(self, values: dict[str, Any]) -> None:
        self._is_filling = True
        try:
            for name, field in self._fields.items():
                field.set(values[name])
        finally:
            self._is_filling = False
        for notice in (self._notice, self._start_notice):
            notice.clear()
        self._draw()

    # Drawing

    def _draw(self) -> None:
        """Bring everything up to date that depends on the fields."""
        config = None
        try:
            config = self.config
            self._preview.value = _preview_markup(config)
            self._hint.value = quiet(_NO_MARKS) if _lacks_marks(config) else ""
        except CharacterError as error:
            self._preview.value = _TITLE + quiet(str(error))
        if self._npc_id is not None and config != self._created:
            self._status.value = quiet(f"Create makes another character; {self._npc_id} stays as it is.")
        self._saving.refresh()

    def _say_created(self, config: NPCConfig, before: str | None) -> None:
        how = "exists already" if before == self._npc_id else "was created"
        earlier = f" {before} stays as it was." if before not in (None, self._npc_id) else ""
        self._status.value = (
            f"{escaped(f'{_called(config)} {how}. Its id is {self._npc_id}.{earlier}')} "
            "Talk with it: <code>chat_box(factory, form.npc_id)</code>"
        )

    def _draw_download(self) -> None:
        try:
            text = self._as_card().to_json()
        except CharacterError as error:
            self._download.value = quiet(str(error))
            return
        if on_colab():
            self._download.value = ""
        elif len(text) > _LARGEST_LINK:
            self._download.value = quiet("This card is too large for a link.")
        else:
            words = link("character card (.json)", self._file_name(), "application/json", text)
            self._download.value = f"Download: {words}"

    def _file_name(self) -> str:
        return file_name(self.config.called() or "character", ".json")


class _Field:
    """One field: its control, what stands beside that, and below them a sentence of help."""

    def __init__(
        self, control: widgets.Widget, help_text: str, *beside: widgets.Widget, is_small: bool = False
    ):
        self._control = control
        self._parts = (control, *beside)
        self.is_small = is_small
        layout = _growing(1, "15em", margin="0 0 8px 0") if is_small else widgets.Layout(margin="0 0 8px 0")
        self.widget = widgets.VBox([row(*self._parts), html_box(quiet(help_text))], layout=layout)
        self.widget.add_class("npc-lab-field")

    def get(self) -> Any:
        """The value as a character sheet holds it."""
        return self._control.value

    def set(self, value: Any) -> None:
        """Show this value."""
        self._control.value = value

    def observe(self, on_change: Callable[[Any], None]) -> None:
        """Call this whenever the learner changes something."""
        for part in self._parts:
            part.observe(on_change, "value")


class _Lines(_Field):
    """A list of texts, one a line. A text that itself has a line end stays whole until somebody edits."""

    def __init__(self, name: str, help_text: str):
        super().__init__(_area(name, 2), help_text)
        self._given: list[str] = []

    def get(self) -> list[str]:
        if self._control.value == "\n".join(self._given):
            return list(self._given)
        return [line.strip() for line in self._control.value.split("\n") if line.strip()]

    def set(self, value: list[str]) -> None:
        self._given = list(value)
        self._control.value = "\n".join(value)


class _Examples(_Field):
    """Pairs of what is said and what is answered: two lines each, the second after an arrow."""

    def __init__(self, help_text: str):
        super().__init__(_area("examples", 2), help_text)
        self._given: list[tuple[str, str]] = []
        self._shown = ""

    def get(self) -> list[tuple[str, str]]:
        if self._control.value == self._shown:  # texts with line ends stay whole until somebody edits
            return list(self._given)
        lines = [line.strip() for line in self._control.value.split("\n") if line.strip()]
        said = [line for line in lines if not line.startswith(_ARROW)]
        answered = [line.removeprefix(_ARROW).strip() for line in lines if line.startswith(_ARROW)]
        if len(lines) % 2 or lines[::2] != said:
            raise CharacterError(f"examples: write what is said on one line and '{_ARROW} the answer' below.")
        return list(zip(said, answered, strict=True))

    def set(self, value: list[tuple[str, str]]) -> None:
        self._given = list(value)
        self._shown = self._control.value = "\n".join(
            f"{said}\n{_ARROW} {answered}" for said, answered in value
        )


class _Json(_Field):
    """A JSON object."""

    def __init__(self, name: str, help_text: str):
        super().__init__(_area(name, 2), help_text)
        self._name = name

    def get(self) -> dict[str, Any]:
        try:
            return json.loads(self._control.value or "{}")  # type: ignore[no-any-return]
        except ValueError as error:
            raise CharacterError(f'{self._name} must be JSON, such as {{"top_p": 0.9}}: {error}.') from error

    def set(self, value: dict[str, Any]) -> None:
        self._control.value = json.dumps(value, ensure_ascii=False) if value else ""


class _OptionalNumber(_Field):
    """A number, or None to leave it to the endpoint. usual: the number that is shown first."""

    def __init__(self, number: widgets.Widget, usual: float, help_text: str):
        self._is_left = widgets.Checkbox(
            description="leave it to the endpoint", indent=False, layout=widgets.Layout(width="auto")
        )
        self._is_left.observe(self._follow, "value")
        self._usual = usual
        super().__init__(number, help_text, self._is_left, is_small=True)

    def get(self) -> float | None:
        return None if self._is_left.value else self._control.value

    def set(self, value: float | None) -> None:
        self._is_left.value = value is None
        self._control.value = self._usual if value is None else value

    def _follow(self, _: object) -> None:
        self._control.disabled = self._is_left.value


def _fields() -> dict[str, _Field]:
    """Return a field for each field of the character sheet, in the order in which one thinks it up."""
    name = widgets.Text(**_named("name"))
    history_size = widgets.IntText(**_named("history_size"))
    has_scratchpad = widgets.Checkbox(**_named("has_scratchpad"), indent=False)
    return {
        "name": _Field(name, "What others call it."),
        "world_description": _Field(_area("world_description", 3), "The world it lives in."),
        "character_description": _Field(
            _area("character_description", 4), 'Who it is, written to it: "You are ..."'
        ),
        "goal": _Field(_area("goal", 2), "What it wants to reach."),
        "secrets": _Lines("secrets", "What it knows and must not tell: one thing on each line."),
        "taboo": _Lines("taboo", "What it never speaks of, for instance what its world cannot know."),
        "examples": _Examples(
            f"How it talks: what is said on one line, '{_ARROW} its answer' below. Sent before each talk."
        ),
        "greeting": _Field(
            _area("greeting", 2), "What it says first, before anybody has spoken. May stay empty."
        ),
        "temperature": _OptionalNumber(
            widgets.FloatText(**_named("temperature"), step=0.1),
            0.6,
            "0 for the likeliest words, up to 2 for more surprising ones.",
        ),
        "max_reply_tokens": _OptionalNumber(
            widgets.IntText(**_named("max_reply_tokens")), 200, "Where a reply is cut, in tokens."
        ),
        "memory": _Field(
            _menu("memory", MEMORIES),
            "How it forgets: blocks forgets half at once, sliding a little each turn, all nothing.",
            is_small=True,
        ),
        "history_size": _Field(
            history_size, "How many earlier messages it remembers at most.", is_small=True
        ),
        "has_scratchpad": _Field(
            has_scratchpad, "Whether it thinks in private before it answers.", is_small=True
        ),
        "send_thoughts": _Field(
            _menu("send_thoughts", SEND_THOUGHTS),
            "Which of its own private thoughts it is reminded of.",
            is_small=True,
        ),
        "request_options": _Json(
            "request_options", 'Further fields of each request, as JSON, such as {"top_p": 0.9}.'
        ),
    }


def _named(name: str) -> dict[str, Any]:
    """Return the arguments that say how a control is named, and how wide it is."""
    return {
        "description": name.replace("_", " ").capitalize(),
        "style": {"description_width": "initial"},
        "layout": _growing(1, "10em"),
    }


def _area(name: str, rows: int) -> widgets.Textarea:
    return widgets.Textarea(**_named(name), rows=rows)


def _menu(name: str, choices: Iterable[str]) -> widgets.Dropdown:
    return widgets.Dropdown(**_named(name), options=list(choices))


def _growing(share: int, least: str, **more: str) -> widgets.Layout:
    """Return a layout: at least this wide, and this share of the width that is left."""
    return widgets.Layout(flex=f"{share} 1 {least}", width="auto", **more)


def _wrapping() -> widgets.Layout:
    return widgets.Layout(flex_flow="row wrap", align_items="flex-start", grid_gap="0 12px")


def _preview_markup(config: NPCConfig) -> str:
    text = SimpleChatNPC(None, "", config).get_system_message()["content"]
    return _TITLE + quiet(f"{len(text):,} characters, sent with every message") + exactly(text)


def _lacks_marks(config: NPCConfig) -> bool:
    """Whether an example shows a character that thinks in private a form without thoughts."""
    marks = ("#SCRATCHPAD", "#ANSWER")
    return config.has_scratchpad and any(mark not in said for _, said in config.examples for mark in marks)


def _starters() -> list[tuple[str, NPCConfig]]:
    """Return what a learner may start from: an empty sheet, or a character of one of the kit's worlds."""
    worlds = [load_world(name) for name in WORLDS]
    shipped = [(f"{sheet.name} ({world.title})", sheet) for world in worlds for sheet in world.characters]
    return [("an empty sheet", NPCConfig("", "")), *shipped]


def _called(config: NPCConfig) -> str:
    return config.called() or "The character"


def _values_of(config: NPCConfig) -> dict[str, Any]:
    return {name: getattr(config, name) for name in FIELDS}


def _uploaded(upload: widgets.FileUpload) -> Any:
    """Return the content of the chosen file, or None. ipywidgets 7 keeps a dict of files, 8 a tuple."""
    files = upload.value.values() if isinstance(upload.value, dict) else upload.value
    return next((file["content"] for file in files), None)


def _forget_upload(upload: widgets.FileUpload) -> None:
    if isinstance(upload.value, dict):  # ipywidgets 7 makes its value of these, when the counter changes
        upload.metadata, upload.data, upload._counter = [], [], 0
    else:
        upload.value = ()
