"""The panels in a real browser, with a real kernel and an endpoint that speaks when a test wants it to."""

import json
import re
import threading
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest
from browser import LAB, NARROW, Jupyter, Notebook, free_port
from loopback import DONE, Pause, Status, Stream, chunk

pytestmark = pytest.mark.browser

# JupyterLab tries both everywhere; on Colab's pins one test does, and Colab's own pump stands for the others.
both_pumps = pytest.mark.parametrize("pump", ["thread", "browser"])
colabs_pump = pytest.mark.parametrize("pump", [pytest.param("thread", marks=pytest.mark.once), "browser"])

TAVERN = """
from npc_lab import ChatArena, NPCFactory, connect
from npc_lab.widgets import arena_controls, character_form, chat_box

client, model = connect(base_url={url!r}, model="loopback-model", api_key="sk-nothing")
factory = NPCFactory(client, model)
mira = factory.register_npc("A tavern.", "You are Mira, the innkeeper.", 2, has_scratchpad=True, name="Mira")
odo = factory.register_npc("A tavern.", "You are Odo, the smith.", name="Odo")
"""
CHAT = ["box = chat_box(factory, mira, 'Ann')\nbox"]
FORM = ["form = character_form(factory)\nform"]
ARENA = ["arena = ChatArena(factory)\ncontrols = arena_controls(arena, mira, odo, max_turns=3)\ncontrols"]

# --- what is said ---------------------------------------------------------------------------------


def speech(*steps: Any) -> Stream:
    """Texts are spoken one after the other; at an event, the endpoint is silent until it is set."""
    return Stream([*(chunk(step) if isinstance(step, str) else step for step in steps), *END])


END = [chunk(None, "stop"), DONE]
never = threading.Event()  # the endpoint is silent until the test is over


def answer(text: str) -> Stream:
    """What Mira says after her private thoughts."""
    return speech(f"#SCRATCHPAD\nHm.\n#ANSWER\n{text}")


def endless(text: str, then: threading.Event) -> Stream:
    """These words, and after the event more and more, for as long as somebody listens."""
    more: Iterator[Any] = chain.from_iterable(repeat([chunk(" more"), Pause(0.02)]))
    return Stream(chain([chunk(f"#SCRATCHPAD\nHm.\n#ANSWER\n{text}"), then], more))


# --- what is seen ---------------------------------------------------------------------------------


class Panel:
    """A panel in a page, as somebody sees it who looks at it and uses mouse and keyboard."""

    def __init__(self, notebook: Notebook, place: int = 0):
        self.page = notebook.page
        self.root = notebook.outputs.locator(".npc-lab").nth(place)
        self.lines = self.root.locator(".npc-lab-line")
        self.input = self.root.get_by_label("You:")

    def see(self, *texts: str) -> None:
        """Wait until these are to be seen."""
        for text in texts:
            self.root.get_by_text(text).first.wait_for()

    def button(self, name: str) -> Any:
        # Not by its role's name: that has the icon's character in it.
        return self.root.locator("button", has_text=re.compile(rf"^\s*{name}\s*$"))

    def click(self, *names: str) -> None:
        for name in names:
            self.button(name).click()

    def send(self, text: str) -> None:
        self.input.fill(text)
        self.input.press("Enter")

    def wait_until(self, enabled: str) -> None:
        """Wait until this button can be used."""
        self.button(enabled).and_(self.page.locator(":enabled")).wait_for()

    def wait_for_lines(self, count: int) -> None:
        """Wait until the talk has so many lines: the page lets a widget go a moment after the kernel does."""
        from playwright.sync_api import expect  # comes with the browser extra

        expect(self.lines).to_have_count(count)

    def said(self) -> list[str]:
        """Every line: its speaker and its words, without what stands below."""
        return [" ".join(text.split()) for text in self.lines.all_inner_texts()]

    def seconds_until(self, click: str, text: str) -> float:
        """How long after the click on a button the text is seen once more, on the page's own clock."""
        seconds: float = self.root.evaluate(SECONDS_UNTIL, [self.button(click).element_handle(), text])
        return seconds


SECONDS_UNTIL = """async (root, [button, text]) => {
    const began = performance.now(), seconds = () => (performance.now() - began) / 1000;
    const count = () => root.innerText.split(text).length, before = count();
    button.click();
    while (count() === before && seconds() < 15)
        await new Promise(look => setTimeout(look, 10));
    return seconds();
}"""


def tavern(loopback: Any, replies: Any) -> tuple[Any, list[str]]:
    server = loopback(replies)
    return server, [TAVERN.format(url=server.base_url)]


# --- the chat box ---------------------------------------------------------------------------------


@both_pumps
def test_words_are_seen_while_they_are_made_and_stop_stops_them(
    jupyter: Jupyter, loopback: Any, pump: str
) -> None:
    go_on, after_stop = threading.Event(), threading.Event()
    server, cells = tavern(
        loopback,
        [
            speech("#SCRATCHPAD\nHungry?\n#ANSWER\n", "Welcome, **traveller**. ", go_on, "The stew is hot."),
            endless("Once upon a time", after_stop),
            endless("There was a king", after_stop),
            answer("As you wish."),
        ],
    )
    with jupyter.open([*cells, *CHAT], environment={"NPC_LAB_PUMP": pump}) as notebook:
        chat = Panel(notebook)
        chat.send("Hello!")
        chat.see("Welcome, traveller.", "Mira is speaking …")
        assert server.in_progress == 1  # and yet its first words are to be seen
        assert chat.button("Send").is_disabled()
        notebook.screenshot(f"chat-streaming-{pump}")
        go_on.set()
        chat.see("The stew is hot.", "loopback-model")
        chat.wait_until(enabled="Send")

        seconds = []
        for beginning in ("Once upon a time", "There was a king"):
            chat.send("Tell me a story.")
            chat.see(beginning, "Mira is speaking …")
            seconds.append(chat.seconds_until("Stop", "stopped, not remembered"))
            chat.wait_until(enabled="Send")
            assert chat.said()[-1].startswith(f"Mira {beginning} (stopped, not remembered)")
        assert min(seconds) < 1  # the better of two, because a machine may be busy
        notebook.screenshot(f"chat-stopped-{pump}")
        # As soon as it has another word for us, the server learns that nobody listens.
        after_stop.set()
        server.wait_until_idle()

        chat.send("Never mind.")
        chat.see("As you wish.")
        chat.wait_until(enabled="Send")
        assert "Once upon a time" not in str(server.sent[-1])
        assert notebook.harm() == []
        assert notebook.errors == []


@colabs_pump
def test_a_page_that_is_loaded_again_shows_the_rest(jupyter: Jupyter, loopback: Any, pump: str) -> None:
    go_on = threading.Event()
    server, cells = tavern(
        loopback,
        [speech("#SCRATCHPAD\nHm.\n#ANSWER\nWelcome. ", go_on, "The stew is hot."), answer("Enjoy it.")],
    )
    with jupyter.open([*cells, *CHAT], environment={"NPC_LAB_PUMP": pump}) as notebook:
        chat = Panel(notebook)
        chat.send("Hello!")
        chat.see("Welcome.")
        notebook.reload()
        chat.see("Welcome.", "Mira is speaking …")
        go_on.set()
        chat.see("The stew is hot.", "loopback-model")
        chat.wait_until(enabled="Send")
        chat.send("Thank you.")
        chat.see("Enjoy it.")
        assert len(server.sent) == 2


@colabs_pump
def test_what_is_typed_is_sent_once_and_as_it_stands(jupyter: Jupyter, loopback: Any, pump: str) -> None:
    server, cells = tavern(loopback, [answer("One."), answer("Two."), answer("Three.")])
    with jupyter.open([*cells, *CHAT], environment={"NPC_LAB_PUMP": pump}) as notebook:
        chat = Panel(notebook)
        chat.input.press("Enter")
        chat.see("There is nothing to send yet.")

        chat.input.press_sequentially("Sent with a click")
        chat.click("Send")
        chat.see("One.")
        chat.wait_until(enabled="Send")
        assert not chat.root.get_by_text("nothing to send").is_visible()

        chat.input.fill("Left")
        chat.input.blur()
        notebook.run("box.wait()")  # the page and the kernel know the half-written text
        chat.input.fill("Left, and changed")
        chat.input.press("Enter")
        chat.see("Two.")
        chat.wait_until(enabled="Send")

        chat.input.press_sequentially("Typed in a hurry\n")
        chat.see("Three.")
        chat.wait_until(enabled="Send")
        questions = [messages[-1]["content"] for messages in server.sent]
        assert questions == ["Sent with a click", "Left, and changed", "Typed in a hurry"]
        assert chat.input.input_value() == ""


def test_what_runs_from_the_right_and_what_a_screen_reader_is_told(jupyter: Jupyter, loopback: Any) -> None:
    _, cells = tavern(loopback, [answer("שלום, נוסע! 1 + 2.\n\nWelcome."), answer("One more.")])
    with jupyter.open([*cells, *CHAT, *ARENA]) as notebook:
        chat = Panel(notebook)
        chat.send("مرحبا، كم الساعة؟ 12:30.")
        chat.wait_for_lines(2)
        chat.see("loopback-model")
        paragraphs = chat.lines.locator("p")
        paragraphs.nth(2).wait_for()  # what a screen reader is told may come before it
        directions = paragraphs.evaluate_all("all => all.map(p => getComputedStyle(p).direction)")
        assert directions == ["rtl", "rtl", "ltr"]
        heard = chat.root.locator("[aria-live=polite]")
        assert heard.inner_text() == "Mira: שלום, נוסע! 1 + 2. Welcome."
        chat.input.fill("كم الثمن؟ 5!")
        chat.button("Private thoughts").click()
        chat.see("Hm.")
        assert (
            chat.button("Private thoughts").get_attribute("title") == "Private thoughts: open, press to shut"
        )
        assert chat.button("What was sent").get_attribute("title") == "What was sent: shut, press to open"
        assert notebook.outputs.locator(".npc-lab [title=null]").all_inner_texts() == []
        notebook.screenshot("chat-right-to-left")


def test_a_panel_says_that_a_cell_is_running(jupyter: Jupyter, loopback: Any) -> None:
    _, cells = tavern(loopback, [answer("One.")])
    with jupyter.open([*cells, *CHAT]) as notebook:
        chat = Panel(notebook)
        note = chat.root.get_by_text("A cell is running.")
        folder = Path(notebook.run("import os, pathlib, time; print(os.getcwd())"))
        assert note.count() == 0
        notebook.start("while not pathlib.Path('go_on').exists(): time.sleep(0.05)")
        note.wait_for()
        chat.send("Hello!")
        notebook.screenshot("chat-while-a-cell-runs")
        (folder / "go_on").touch()
        notebook.finish()
        chat.see("One.")
        note.wait_for(state="detached")


def test_another_answer_and_another_question(jupyter: Jupyter, loopback: Any) -> None:
    server, cells = tavern(loopback, map(answer, ["Red.", "Green.", "Blue.", "And that is that."]))
    with jupyter.open([*cells, *CHAT]) as notebook:
        chat = Panel(notebook)
        chat.send("A colour?")
        chat.see("Red.")
        chat.wait_until(enabled="Regenerate")
        chat.click("Regenerate")
        chat.see("Green.", "answer 2 of 2")
        chat.wait_for_lines(2)
        chat.click("◀")
        chat.see("Red.", "answer 1 of 2")
        assert chat.button("◀").is_disabled()
        chat.click("▶")
        chat.see("Green.", "answer 2 of 2")
        chat.click("◀")
        chat.see("Red.", "answer 1 of 2")

        chat.wait_until(enabled="Edit")
        chat.click("Edit")
        chat.button("Cancel edit").wait_for()
        assert chat.input.input_value() == "A colour?"
        chat.send("A cold colour?")
        chat.see("Blue.", "answer 3 of 3")
        assert [text.split("loopback")[0] for text in chat.said()] == ["Ann A cold colour?", "Mira Blue. "]
        chat.send("Good.")
        chat.see("And that is that.")
        # What was taken back is not sent.
        assert [message["content"][-7:] for message in server.sent[-1]][1:] == [
            "colour?",
            "R\nBlue.",
            "Good.",
        ]


def test_a_failure_says_what_to_do_and_can_be_tried_again(jupyter: Jupyter, loopback: Any) -> None:
    failure = Status(500, "The model fell over.", headers={"x-should-retry": "false"})
    _, cells = tavern(loopback, [failure, answer("Here I am.")])
    with jupyter.open([*cells, *CHAT]) as notebook:
        chat = Panel(notebook)
        notice = chat.root.get_by_role("alert")
        chat.send("Hello!")
        notice.wait_for()
        assert "The model fell over." in notice.inner_text()
        chat.wait_for_lines(1)  # nothing that she said
        notebook.screenshot("chat-failed")
        chat.click("Retry")
        chat.see("Here I am.")
        assert not notice.is_visible()
        chat.wait_for_lines(2)

        chat.wait_until(enabled="Send")
        notebook.run(f"client.base_url = 'http://127.0.0.1:{free_port()}/v1/'")
        chat.send("Are you there?")
        notice.wait_for()
        chat.wait_until(enabled="Retry")
        chat.wait_until(enabled="Send")


def test_the_folds_show_what_is_behind_the_curtain(jupyter: Jupyter, loopback: Any) -> None:
    go_on, speak = threading.Event(), threading.Event()
    _, cells = tavern(
        loopback,
        [
            answer("Welcome."),
            speech("#SCRATCHPAD\nHe looks hungry", go_on, " and poor.\n#ANSWER\nSome", speak, " stew?"),
        ],
    )
    with jupyter.open([*cells, *CHAT]) as notebook:
        chat = Panel(notebook)
        chat.send("Hello!")
        chat.see("Welcome.")
        chat.wait_until(enabled="Send")
        chat.send("I am tired.")
        chat.see("Mira is thinking …")
        chat.click("Private thoughts")
        chat.see("He looks hungry")
        go_on.set()
        chat.see("He looks hungry and poor.", "Some")
        notebook.screenshot("chat-thinking")
        assert chat.root.get_by_text("hungry").count() == 1  # in the fold, not in the talk
        speak.set()
        chat.see("Some stew?")
        chat.wait_until(enabled="Send")
        assert chat.root.get_by_text("He looks hungry and poor.").is_visible()

        chat.click("Private thoughts", "What was sent")
        chat.see("The next prompt", "(your next message)")
        forgotten = chat.root.locator(".npc-lab-forgotten", has_text="Hello!").first
        assert "user (forgotten, not sent)" in forgotten.inner_text()
        assert float(forgotten.evaluate("part => getComputedStyle(part).opacity")) < 1
        chat.click("What was sent", "Copy and save")
        chat.see("Download:")
        assert "I am tired." in chat.root.locator("textarea").input_value()
        with notebook.page.expect_download() as download:
            chat.root.get_by_role("link", name="Markdown").click()
        assert download.value.suggested_filename == "Ann_and_Mira.md"
        assert "Some stew?" in Path(download.value.path()).read_text("utf-8")
        chat.click("Private thoughts", "What was sent")
        notebook.screenshot("chat-folds")


def test_the_talk_stays_at_its_newest_line_unless_the_reader_scrolled_up(
    jupyter: Jupyter, loopback: Any
) -> None:
    go_on = [threading.Event() for _ in range(3)]
    long = "".join(f"This is paragraph {number}.\n\n" for number in range(30))
    _, cells = tavern(
        loopback,
        [speech("#SCRATCHPAD\nHm.\n#ANSWER\n", long, "First.", go_on[0], "\n\n", long, "Second.", go_on[1])],
    )
    with jupyter.open([*cells, *CHAT]) as notebook:
        chat = Panel(notebook)
        chat.send("Hello!")
        chat.see("First.")
        box = chat.lines.first.locator("xpath=../../..")
        assert box.evaluate(IN_SIGHT, "First.")
        go_on[0].set()
        chat.see("Second.")
        assert box.evaluate(IN_SIGHT, "Second.")

        box.evaluate("box => { box.scrollTop -= 400 }")
        place = box.evaluate(PLACE, "This is paragraph 25.")
        go_on[1].set()
        chat.wait_until(enabled="Send")
        chat.see("loopback-model")
        assert box.evaluate("box => box.scrollHeight - box.clientHeight + box.scrollTop") > 1
        assert abs(box.evaluate(PLACE, "This is paragraph 25.") - place) < 2


PLACE = """(box, text) => {
    const found = [...box.querySelectorAll("p")].filter(part => part.innerText === text).at(-1);
    return found.getBoundingClientRect().bottom - box.getBoundingClientRect().bottom;
}"""
IN_SIGHT = f"(box, text) => {{ const place = ({PLACE})(box, text); return place <= 0 && place > -60 }}"

# --- the arena ------------------------------------------------------------------------------------


@colabs_pump
def test_two_characters_talk_as_the_director_wants_it(jupyter: Jupyter, loopback: Any, pump: str) -> None:
    go_on, after_stop = threading.Event(), threading.Event()
    server, cells = tavern(
        loopback,
        [
            answer("One."),
            speech("Two, ", go_on, "and no more."),
            answer("Three."),
            speech("Four."),
            endless("Five and", after_stop),
            answer("Five."),
        ],
    )
    with jupyter.open([*cells, *ARENA], environment={"NPC_LAB_PUMP": pump}) as notebook:
        arena = Panel(notebook)
        progress = arena.root.locator(".progress-bar")
        arena.see("0 of 3 turns")
        arena.click("Step")
        arena.see("One.", "1 of 1 turns done")
        arena.wait_for_lines(2)  # with the opening
        arena.click("Start")
        arena.see("Two,")
        arena.root.get_by_label("Director:").fill("Speak of the dragon!")
        arena.click("Drop in", "Pause")
        arena.see("Pausing after this line …")
        go_on.set()
        arena.see("Two, and no more.", "you paused it", "Speak of the dragon!")
        arena.wait_for_lines(4)
        assert len(server.sent) == 2
        assert progress.get_attribute("style").find("width: 50%") > 0
        notebook.screenshot(f"arena-paused-{pump}")

        arena.click("Start")
        arena.see("Three.", "Four.", "4 of 4 turns")
        assert "Speak of the dragon!" in server.sent[2][-1]["content"]
        arena.wait_until(enabled="Start")
        arena.click("Start")
        arena.see("Five and")
        assert arena.seconds_until("Stop", "you stopped it") < 2
        arena.see("(broken off, not recorded)")
        after_stop.set()
        server.wait_until_idle()
        assert notebook.run("[m.content for m in controls.transcript][-1]") == "'Four.'"
        arena.click("Step")
        arena.see("Five.", "5 of ")
        assert notebook.errors == []


# --- the next day ---------------------------------------------------------------------------------


def test_who_closes_the_lid_in_mid_talk_goes_on_the_next_day(
    jupyter: Jupyter, loopback: Any, tmp_path: Path
) -> None:
    replies = ["Welcome.", "Good day, Odo.", "Well met, Mira.", endless("Once upon a time", never)]
    replies += ["Here I am again.", "Where were we?"]
    server, _ = tavern(loopback, [reply if isinstance(reply, Stream) else answer(reply) for reply in replies])
    cells = TAVERN.replace("model)", f"model, store={str(tmp_path / 'lab.db')!r})")
    with jupyter.open([cells.format(url=server.base_url), *CHAT, *ARENA]) as notebook:
        chat, arena = Panel(notebook), Panel(notebook, 1)
        chat.send("Hello!")
        chat.see("Welcome.", "loopback-model")
        chat.wait_until(enabled="Send")
        for words in ("Good day, Odo.", "Well met, Mira."):
            arena.click("Step")
            arena.see(words)
            arena.wait_until(enabled="Step")
        chat.send("Tell me a story.")
        chat.see("Once upon a time")
        notebook.close_the_lid()
        notebook.run_all()

        chat.wait_for_lines(2)  # whole turns, and nothing of what was broken off
        assert [text.split(" loopback")[0] for text in chat.said()] == ["Ann Hello!", "Mira Welcome."]
        arena.see("Your last talk goes on after 2 lines", "Good day, Odo.", "Well met, Mira.")
        notebook.screenshot("next-day")
        chat.send("Are you there?")
        chat.see("Here I am again.")
        assert [message["content"] for message in server.sent[-1]][-3:] == [
            "Hello!",
            "#SCRATCHPAD\nHm.\n#ANSWER\nWelcome.",
            "Are you there?",
        ]
        arena.click("Step")
        arena.see("Where were we?")
        assert server.sent[-1][-1]["content"] == "Well met, Mira."
        assert notebook.harm() == []


# --- what wants to do harm ------------------------------------------------------------------------

SCRIPT = "window.__pwned=1;alert(1)"
# Each with what is to be seen of it.
HARMFUL = {
    f"<script>{SCRIPT}</script>": f"<script>{SCRIPT}</script>",
    f"<img src=x onerror={SCRIPT}>": f"<img src=x onerror={SCRIPT}>",
    f"<svg onload={SCRIPT}></svg>": f"<svg onload={SCRIPT}></svg>",
    f"<iframe srcdoc='<script>{SCRIPT}</script>'></iframe>": "<iframe srcdoc=",
    f"<details open ontoggle={SCRIPT}>": f"<details open ontoggle={SCRIPT}>",
    f"<input autofocus onfocus={SCRIPT}>": f"<input autofocus onfocus={SCRIPT}>",
    "<style>@import 'https://elsewhere.invalid/a.css'</style>": "@import 'https://elsewhere.invalid/a.css'",
    "<link rel=stylesheet href=https://elsewhere.invalid/b.css>": "<link rel=stylesheet",
    "<meta http-equiv=refresh content='0;url=https://elsewhere.invalid/'>": "<meta http-equiv=refresh",
    "<form action=https://elsewhere.invalid/><button>Send</button></form>": "<form action=",
    f"[a link](javascript:{SCRIPT})": "[a link](javascript:",
    "![a picture](https://elsewhere.invalid/?secret)": "a picture",
    f"`</code><img src=y onerror={SCRIPT}>`": f"</code><img src=y onerror={SCRIPT}>",
    f"<b title='</b><img src=z onerror={SCRIPT}>'>": "<b title=",
}
NAME = f"<img src=n onerror={SCRIPT}>'\"&"
VILLAINS = f"""
villains = [factory.register_npc({NAME!r}, {NAME!r}, name={NAME!r}, has_scratchpad=True) for _ in range(2)]
box = chat_box(factory, villains[0], {NAME!r})
box
"""
VILLAINS_MEET = f"controls = arena_controls(ChatArena(factory), *villains, {NAME!r})\ncontrols"
NOT_OURS = "img:not([src^='data:image/png']), script, svg, iframe, details, meta, form, [onerror], [onload]"


def test_nothing_that_is_said_or_named_does_harm(jupyter: Jupyter, loopback: Any) -> None:
    payload = "\n\n".join(HARMFUL)
    reply = f"#SCRATCHPAD\n{payload}\n#ANSWER\n{payload}"
    _, cells = tavern(loopback, lambda body: speech(*reply.splitlines(keepends=True)))
    with jupyter.open([*cells, VILLAINS, VILLAINS_MEET, *FORM]) as notebook:
        chat, arena, form = (Panel(notebook, place) for place in range(3))
        chat.click("Private thoughts", "What was sent", "Copy and save")
        chat.send(" ".join(HARMFUL))
        chat.see("loopback-model")
        arena.click("Private thoughts", "Change the characters", "Copy and save")
        arena.root.get_by_label("Director:").fill(" ".join(HARMFUL))
        arena.click("Drop in", "Step")
        arena.see("1 of 1 turns done")
        for field in form.root.locator("input[type=text]:visible, textarea:visible").all():
            field.fill(payload)
        in_one_line = " ".join(HARMFUL)
        form.root.get_by_label("Examples").fill(f"{in_one_line}\n→ {in_one_line}")
        form.root.get_by_label("Request options").fill(json.dumps({"stop": [payload]}))
        form.click("Create")
        form.see("<script>")
        for panel in (chat, arena, form):
            spoken = panel.root.inner_text()
            assert [seen for seen in HARMFUL.values() if seen not in spoken] == []
            assert panel.root.locator(NOT_OURS).count() == 0
            assert panel.root.locator("a:not([href^='http']):not([download])").count() == 0
            notebook.screenshot("harmful")
        assert all(NAME in panel.root.inner_text() for panel in (chat, arena))
        notebook.run("'whatever was to run has run by now'")
        assert notebook.harm() == []


# --- for everybody --------------------------------------------------------------------------------

# Every text in sight with too little contrast, save those of disabled controls: (text, ratio).
TOO_FAINT = """root => {
    const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    const parsed = colour => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data;
        return {rgb: [red, green, blue], alpha: alpha / 255};
    };
    const blend = ({rgb, alpha}, opacity, below) =>
        rgb.map((value, place) => value * alpha * opacity + below[place] * (1 - alpha * opacity));
    const luminance = rgb => rgb.map(value => value / 255)
        .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
        .reduce((sum, value, place) => sum + value * [0.2126, 0.7152, 0.0722][place], 0);
    const ratio = (element, pseudo) => {
        const above = [];
        for (let each = element; each; each = each.parentElement) above.unshift(each);
        let below = [255, 255, 255], opacity = 1;
        for (const each of above) {
            const style = getComputedStyle(each);
            opacity *= style.opacity;
            below = blend(parsed(style.backgroundColor), opacity, below);
        }
        const style = getComputedStyle(element, pseudo);
        const text = blend(parsed(style.color), pseudo ? opacity * style.opacity : opacity, below);
        const [dark, light] = [luminance(text), luminance(below)].sort((one, other) => one - other);
        return (light + 0.05) / (dark + 0.05);
    };
    const found = [];
    const check = (text, element, pseudo) => {
        const isEmpty = !text.replace(/\u200b/g, "").trim();
        if (isEmpty || !element.checkVisibility() || element.closest(":disabled")) return;
        found.push([text.trim().slice(0, 40), ratio(element, pseudo)]);
    };
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) check(walker.currentNode.data, walker.currentNode.parentElement);
    for (const field of root.querySelectorAll("input, textarea")) {
        if (field.value) check(field.value, field);
        else check(field.placeholder, field, "::placeholder");
    }
    if (found.length < 10) throw new Error(`Only ${found.length} texts to look at`);
    return found.filter(([_, ratio]) => ratio < 4.5);
}"""

# Every part that sticks out of the panel, or does not show all of itself, by its text.
CUT_OFF = """root => {
    const panel = root.getBoundingClientRect();
    const sticksOut = element => {
        const place = element.getBoundingClientRect();
        const isCut = element.matches("button, .widget-label, .npc-lab-line, [style*=overflow]")
            && element.scrollWidth > element.clientWidth + 1;
        return place.left < panel.left - 1 || place.right > panel.right + 1 || isCut;
    };
    const parts = [...root.querySelectorAll("*")].filter(each => each.checkVisibility());
    const found = parts.filter(sticksOut).map(each => `${each.className}: ${each.innerText || each.value}`);
    if (root.scrollWidth > root.clientWidth) found.push("the panel is wider than itself");
    if (panel.right > innerWidth || panel.left < 0) found.push("the panel is wider than the page");
    return found;
}"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_panels_can_be_read_and_fit_a_narrow_page(jupyter: Jupyter, loopback: Any, dark: bool) -> None:
    if dark and jupyter.front_end is not LAB:
        pytest.skip("Notebook 6 has no dark theme.")
    text = "A *word* in `code`, [a link](https://example.invalid), and\n\n> a quote.\n\n|a|b|\n|-|-|\n|c|d|\n"
    failure = Status(400, "Something is wrong.")
    replies = [
        answer(text),
        answer("Again."),
        speech("#ANSWER\nHalf", never),
        answer(text),
        answer(text),
        failure,
    ]
    _, cells = tavern(loopback, replies)
    theme = "dark" if dark else "light"
    with jupyter.open([*cells, *CHAT, *ARENA, *FORM], dark=dark) as notebook:
        chat, arena, form = panels = [Panel(notebook, place) for place in range(3)]
        chat.send("Hello!")
        chat.see("loopback-model")
        chat.wait_until(enabled="Send")
        chat.send("Hello again!")
        chat.see("Again.")
        chat.click("Regenerate")
        chat.see("Half")
        chat.click("Stop", "Private thoughts", "What was sent", "Copy and save")
        chat.see("stopped, not remembered", "Download:")
        arena.root.get_by_label("Director:").fill("Be brief.")
        arena.click("Drop in", "Step")
        arena.see("1 of 1 turns done")
        arena.click("Step")
        arena.see("2 of 2 turns")
        arena.click("Step", "Private thoughts", "Change the characters", "Copy and save")
        arena.see("Something is wrong.", "Download:")
        form.click("Create", "Save this character")
        form.root.get_by_role("alert").wait_for()
        names = ["chat", "arena", "form"]
        for panel, name in zip(panels, names, strict=True):
            panel.root.evaluate("root => root.scrollIntoView()")
            notebook.screenshot(f"{name}-wide-{theme}")
            assert panel.root.evaluate(TOO_FAINT) == []
            assert panel.root.evaluate(CUT_OFF) == []
        notebook.page.set_viewport_size({"width": NARROW[0], "height": 1500})
        for panel, name in zip(panels, names, strict=True):
            panel.root.evaluate("root => root.scrollIntoView()")
            notebook.screenshot(f"{name}-narrow-{theme}")
            assert panel.root.evaluate(CUT_OFF) == []


def test_the_keyboard_reaches_everything(jupyter: Jupyter, loopback: Any) -> None:
    server, cells = tavern(loopback, [answer("One."), answer("Two.")])
    with jupyter.open([*cells, *CHAT, *ARENA]) as notebook:
        chat, arena = Panel(notebook), Panel(notebook, 1)
        chat.send("Hello!")
        chat.see("One.")
        chat.wait_until(enabled="Regenerate")
        chat.input.focus()
        folds = ["Private thoughts", "What was sent", "Copy and save"]
        assert tab_through(chat) == ["Send", "Regenerate", "Edit", *folds]
        arena.root.locator("select").first.focus()
        folds[1] = "Change the characters"
        fields = ["Second:", "Turns:", "Opening:"]
        assert tab_through(arena) == [*fields, "Start", "Step", "Director:", "Drop in", *folds]

        fold = chat.button("Private thoughts")
        thought = chat.root.get_by_text("Hm.")
        for key in ("Space", "Enter"):
            fold.focus()
            notebook.page.keyboard.press(key)
            thought.wait_for()
            notebook.page.keyboard.press(key)
            thought.wait_for(state="hidden")
        chat.button("Regenerate").focus()
        notebook.page.keyboard.press("Enter")
        chat.see("Two.")
        assert len(server.sent) == 2


def tab_through(panel: Panel) -> list[str]:
    """What has the focus, from the part after the present one to the panel's last."""
    names: list[str] = []
    while len(names) < 30:
        panel.page.keyboard.press("Tab")
        name = panel.root.evaluate(FOCUSED)
        if name is None:
            break
        names.append(name)
    return names


FOCUSED = """root => {
    const focused = document.activeElement;
    if (!root.contains(focused)) return null;
    return (focused.innerText || "").trim() && !focused.matches("select") ? focused.innerText.trim()
        : focused.closest(".jupyter-widgets")?.querySelector("label")?.innerText.trim() || focused.outerHTML;
}"""
