"""The Jupyter of this environment in a real browser: JupyterLab where it is installed, else Notebook 6.

    with running_jupyter(folder) as jupyter:
        with jupyter.open(["import npc_lab", "..."], environment={"NPC_LAB_PUMP": "browser"}) as notebook:
            notebook.outputs.get_by_role("button", name="Send").click()  # any playwright locator
            assert notebook.run("1 + 1") == "2"  # asks the kernel, in a new last cell
            notebook.screenshot("after-send")
            assert notebook.harm() == []

`open` goes on when every cell has run, and fails with the traceback of a cell that raised. One page and one
kernel serve all notebooks, because they take longer than most tests: `open` empties both. Only where a test
failed, they are closed, and the next one gets new ones. Leaving Jupyter ends every process that it started.
What the person who runs the tests has set up (settings, kernels, keys) is neither seen nor touched.

While Jupyter runs, playwright's event loop counts as running in this thread: no `asyncio.run`, and no second
Jupyter. Neither `time.sleep` nor a test's own loop hears what the page does; every question to it catches up.
"""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nbformat
import psutil

CHROMIUM = "/usr/bin/chromium"
TOKEN = "browser-tests"
AUTHORIZATION = {"Authorization": f"token {TOKEN}"}
# Long enough for a machine under load, short enough to fail a test before anybody loses patience.
PATIENCE = 60.0
LOOK_AGAIN = 0.05
WIDE = (1100, 900)
NARROW = (400, 900)
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}

# What every kernel finds, if its notebook says nothing else.
VARIABLES = {"NPC_LAB_PROVIDER": "fake"}
# Empties a kernel for the next notebook: its names, its widgets, its variables.
EMPTY_KERNEL = """
import os, ipywidgets
ipywidgets.Widget.close_all()
for name in {forgotten!r}:
    os.environ.pop(name, None)
os.environ.update({environment!r})
get_ipython().reset(new_session=True)
"""

# --- the front ends -------------------------------------------------------------------------------


@dataclass(frozen=True)
class FrontEnd:
    """What differs: the server's command, where it shows a notebook and its outputs, how a page runs one."""

    name: str
    command: Sequence[str]
    place: str
    outputs: str
    script: str


LAB = FrontEnd(
    "lab",
    ["jupyterlab", "--LabApp.expose_app_in_browser=True"],
    "doc/tree",
    ".jp-Cell-outputArea",
    """
    window.npcLab = {
        pending: 0,
        panel() { return window.jupyterapp?.shell.currentWidget },
        ready() {
            const kernel = this.panel()?.sessionContext?.session?.kernel, shell = window.jupyterapp?.shell;
            // The notebook gets the whole width.
            for (const side of ["left", "right"])
                if (shell?.isSideTabBarVisible(side)) shell.toggleSideTabBarVisibility(side);
            return kernel?.connectionStatus === "connected" && ["idle", "busy"].includes(kernel.status);
        },
        execute(command) {
            this.pending += 1;
            window.jupyterapp.commands.execute(command).finally(() => { this.pending -= 1 });
        },
        runAll() { this.execute("notebook:run-all-cells") },
        runLast(code) {
            const notebook = this.panel().content, end = notebook.widgets.length;
            notebook.model.sharedModel.insertCell(end, {cell_type: "code", source: code});
            notebook.deselectAll();
            notebook.activeCellIndex = end;
            this.execute("notebook:run-cell");
        },
        replaceCells(codes) {
            const model = this.panel().content.model.sharedModel, old = model.cells.length;
            model.transact(() => {
                model.insertCells(old, codes.map(source => ({cell_type: "code", source})));
                model.deleteCellRange(0, old);
            });
        },
        isDark() { return document.body.dataset.jpThemeLight === "false" },
        running() { return this.pending > 0 },
        cells() { return this.panel().model.toJSON().cells },
        save() { return this.panel().context.save() },
    }
    """,
)
CLASSIC = FrontEnd(
    "classic",
    ["notebook"],
    "notebooks",
    ".output_wrapper",
    """
    window.npcLab = {
        notebook() { return window.IPython?.notebook },
        ready() { return this.restored && this.notebook().kernel.is_connected() },
        runAll() { this.notebook().execute_all_cells() },
        runLast(code) {
            const cell = this.notebook().insert_cell_at_bottom("code");
            cell.set_text(code);
            cell.execute();
        },
        replaceCells(codes) {
            const notebook = this.notebook(), old = [...notebook.get_cells().keys()];
            for (const code of codes) notebook.insert_cell_at_bottom("code").set_text(code);
            notebook.delete_cells(old);
        },
        isDark() { return null },  // it has no dark theme
        running() {
            // A cell's answer may overtake its outputs: both must be done.
            const told = this.notebook().kernel._msg_callbacks;
            const sent = this.notebook().get_cells().map(cell => told[cell.last_msg_id]);
            return sent.some(cell => cell && !(cell.shell_done && cell.iopub_done));
        },
        cells() { return this.notebook().toJSON().cells },
        save() { return this.notebook().save_notebook() },
    };
    // The widget extension first asks the kernel for older widgets, and then draws every cell anew: a widget
    // that is shown before is lost. It tells nobody when it has done so, but require.js tells of its loading.
    Object.defineProperty(window, "requirejs", {
        get() { return this.npcLab.requirejs },
        set(requirejs) {
            this.npcLab.requirejs = requirejs;
            requirejs.onResourceLoad = (_, module) => {
                if (!module.name.endsWith("jupyter-js-widgets/extension")) return;
                const manager = requirejs(module.name).ManagerBase.prototype, load = manager._loadFromKernel;
                manager._loadFromKernel = function() {
                    const loading = load.call(this);
                    loading.finally(() => setTimeout(() => { window.npcLab.restored = true }));
                    return loading;
                };
            };
        },
    });
    // No advice to move to Notebook 7.
    if (location.protocol === "http:") localStorage.setItem("showNotebookNews", "false");
    """,
)
LAB_SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    # The theme follows the browser's colour scheme, which a test chooses for its own page.
    "@jupyterlab/apputils-extension:themes": {"adaptive-theme": True},
    # Otherwise cells that are scrolled out of sight are not in the page.
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
}
# Nobody needs language servers here.
LANGUAGE_SERVERS = [
    "lsp-extension",
    "fileeditor-extension:language-server",
    "notebook-extension:language-server",
]
LAB_PAGE = {"disabledExtensions": {f"@jupyterlab/{plugin}": True for plugin in LANGUAGE_SERVERS}}


def front_end() -> FrontEnd:
    for module, choice in (("jupyterlab", LAB), ("notebook", CLASSIC)):
        if find_spec(module):
            return choice
    raise RuntimeError("The browser tests need a Jupyter: pip install jupyterlab")


# --- the server and the browser -------------------------------------------------------------------


@contextlib.contextmanager
def running_jupyter(folder: Path) -> Iterator["Jupyter"]:
    """A browser and a server that keeps its files in this folder."""
    choice = front_end()
    with chromium() as browser, server(folder, choice) as url:
        # One for all notebooks: what JupyterLab consists of is fetched and compiled once.
        context = browser.new_context()
        context.add_init_script(choice.script)
        yield Jupyter(choice, folder, url, context)


@dataclass
class Jupyter:
    """A server and a browser, both running. Pictures go to NPC_LAB_ARTEFACTS, or else into the folder."""

    front_end: FrontEnd
    folder: Path
    url: str
    context: Any
    opened: int = 0
    notebook: "Notebook | None" = None

    @property
    def artefacts(self) -> Path:
        return Path(os.environ.get("NPC_LAB_ARTEFACTS") or self.folder / "artefacts")

    @contextlib.contextmanager
    def open(
        self,
        cells: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        size: tuple[int, int] = WIDE,
        dark: bool = False,
    ) -> Iterator["Notebook"]:
        """A notebook of these code cells, shown and run.

        `dark` is what the browser asks of every page. JupyterLab's theme follows; Notebook 6 has no dark one.
        """
        self.opened += 1
        notebook = self.notebook or self._new_notebook()
        self.notebook = None
        try:
            notebook.begin(cells, environment or {}, size, dark)
            yield notebook
        except BaseException:
            # A picture of a failure must not hide it.
            with contextlib.suppress(Exception):
                notebook.screenshot(f"failed-{self.opened}")
            notebook.close()
            raise
        self.notebook = notebook

    def _new_notebook(self) -> "Notebook":
        name = f"notebook{self.opened}"
        place = self.folder / "notebooks" / name
        place.mkdir()
        nbformat.write(nbformat.v4.new_notebook(metadata=KERNEL), place / f"{name}.ipynb")
        notebook = Notebook(self, f"{name}/{name}.ipynb")
        notebook.start_kernel()  # which takes as long as the page
        notebook.page.goto(f"{self.url}{self.front_end.place}/{notebook.path}?token={TOKEN}")
        notebook.wait_until_ready()
        return notebook


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """Debian's Chromium, driven by playwright's package without the browsers that playwright offers."""
    if not find_spec("playwright"):
        raise RuntimeError("The browser tests need playwright: pip install playwright")
    if not Path(CHROMIUM).exists():
        raise RuntimeError(f"The browser tests need {CHROMIUM}: apt-get install chromium")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE / 2 * 1000)
    # No name and no address but this machine's: no page reaches the network, whatever it tries.
    nowhere = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", nowhere])
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def server(folder: Path, front_end: FrontEnd) -> Iterator[str]:
    """A Jupyter server that keeps all its files in the folder; its address."""
    environment = prepare(folder)
    log = folder / "server.log"
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={free_port()}"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *front_end.command, *options],
            cwd=folder / "notebooks",
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for pytest, which then ends the server
        )
    try:
        yield address_of(process, folder / "runtime", log)
    finally:
        end(process)


def prepare(folder: Path) -> dict[str, str]:
    """Writes the settings; the environment in which the server sees them, and nothing of the user's own."""
    for name in ("home", "data", "runtime", "notebooks"):
        (folder / name).mkdir(parents=True)
    write(folder / "config" / "labconfig" / "default_setting_overrides.json", json.dumps(LAB_SETTINGS))
    write(folder / "config" / "labconfig" / "page_config.json", json.dumps(LAB_PAGE))
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return kept | {
        "HOME": str(folder / "home"),
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        # Kernels and extensions of this environment come before any that the machine offers.
        "JUPYTER_PREFER_ENV_PATH": "1",
        "JUPYTER_TOKEN": TOKEN,
        **VARIABLES,
    }


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def free_port() -> int:
    """A port that is free now. Should it be taken meanwhile, Jupyter finds another and says so."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def address_of(process: subprocess.Popen[bytes], runtime: Path, log: Path) -> str:
    """The server's address. It writes the file that holds it when it already listens."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        for file in runtime.glob(f"*server-{process.pid}.json"):
            with contextlib.suppress(json.JSONDecodeError):  # half written
                return str(json.loads(file.read_text("utf-8"))["url"])
        time.sleep(LOOK_AGAIN)
    raise RuntimeError(f"Jupyter did not start. It said:\n{log.read_text('utf-8', errors='replace')}")


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends the server politely, then whatever is left of it: kernels live in sessions of their own."""
    family = []
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE / 6)
    process.kill()
    process.wait()
    for left in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            left.kill()
    psutil.wait_procs(family, timeout=PATIENCE / 6)


# --- a notebook in a page -------------------------------------------------------------------------


class Notebook:
    """A notebook in a page, with its kernel. `page` is playwright's."""

    def __init__(self, jupyter: Jupyter, path: str):
        self.path = path
        # What `alert` and its kind showed, what the page could not do, and where it turned to.
        self.dialogs: list[str] = []
        self.errors: list[str] = []
        self.requests: list[str] = []
        self._jupyter = jupyter
        self._context = context = jupyter.context
        self._sessions = f"{jupyter.url}api/sessions"
        self._bytes_received = 0
        self._environment: Mapping[str, str] = {}
        context.on("request", self._note_request)
        context.on("dialog", self._answer)
        self.page = context.new_page()
        # Where widgets are. The page itself also holds the code of cells, and Jupyter's own buttons.
        self.outputs = self.page.locator(jupyter.front_end.outputs)
        self.page.on("websocket", self._watch)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))

    def begin(
        self, cells: Sequence[str], environment: Mapping[str, str], size: tuple[int, int], dark: bool
    ) -> None:
        """Shows and runs these cells in a page and a kernel of which nothing else is left."""
        width, height = size
        for page in self._context.pages:
            if page is not self.page:
                page.close()
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.emulate_media(color_scheme="dark" if dark else "light")
        self._wait_for(f"[null, {str(dark).lower()}].includes(npcLab.isDark())")
        environment = VARIABLES | dict(environment)
        empty = EMPTY_KERNEL.format(forgotten=list(self._environment), environment=environment)
        self._replace([empty])
        self._environment = environment
        self.page.evaluate("delete window.__pwned")
        for noted in (self.dialogs, self.errors, self.requests):
            noted.clear()
        self._replace(cells)

    def _replace(self, cells: Sequence[str]) -> None:
        self.page.evaluate("codes => npcLab.replaceCells(codes)", list(cells))
        self.run_all()

    def close(self) -> None:
        # The page goes first: Notebook 6 would ask for the same as soon as it notices, and end in an error.
        for page in self._context.pages:
            page.close()
        self._end_kernel()
        self._context.remove_listener("request", self._note_request)
        self._context.remove_listener("dialog", self._answer)

    def run_all(self) -> None:
        """Runs every cell, as the menu does, and waits for the last."""
        self.page.evaluate("npcLab.runAll()")
        for cell in self._cells_after_the_run():
            fail_if_raised(cell)

    def run(self, code: str) -> str:
        """Runs a new last cell and returns the text it put out: what it printed, then its value."""
        self.start(code)
        return self.finish()

    def start(self, code: str) -> None:
        """Starts a new last cell, and does not wait for it."""
        self.page.evaluate("code => npcLab.runLast(code)", code)

    def finish(self) -> str:
        """Waits for the last cell and returns the text it put out."""
        last = self._cells_after_the_run()[-1]
        fail_if_raised(last)
        return "".join(text_of(output) for output in last["outputs"]).rstrip("\n")

    def reload(self) -> None:
        """Saves the notebook and loads its page again. The kernel, and what it is doing, stay."""
        self.page.evaluate("npcLab.save()")
        self.page.reload()
        self.wait_until_ready()

    def close_the_lid(self) -> None:
        """Ends the kernel at once, whatever it is doing, and opens the notebook again, with a new one."""
        kernel, address = int(self.run("import os; os.getpid()")), self.page.url
        self.page.evaluate("npcLab.save()")
        self.page.goto("about:blank")
        psutil.Process(kernel).kill()
        self._end_kernel()
        self.page.goto(address)
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        self._wait_for("window.npcLab && npcLab.ready()")

    @property
    def bytes_received(self) -> int:
        """What came from the kernel to the page over WebSockets, until now."""
        self._catch_up()
        return self._bytes_received

    def screenshot(self, name: str) -> Path:
        """A picture of the window, named after the front end too, so that no stack overwrites another's."""
        path = self._jupyter.artefacts / f"{self._jupyter.front_end.name}-{name}.png"
        self.page.screenshot(path=path)
        return path

    def harm(self) -> list[str]:
        """Scripts of a text that ran (known by `window.__pwned` or a dialog), and what left this machine."""
        self._catch_up()
        frames = [frame for page in self._context.pages for frame in page.frames]
        return [
            *(f"a dialog: {message}" for message in self.dialogs),
            *(f"a script in {frame.url}" for frame in frames if frame.evaluate("window.__pwned")),
            *(f"a request: {url}" for url in self.requests if leaves_this_machine(url)),
        ]

    def _cells_after_the_run(self) -> list[Any]:
        self._wait_for("!npcLab.running()")
        cells: list[Any] = self.page.evaluate("npcLab.cells()")
        return cells

    def _wait_for(self, condition: str) -> None:
        self.page.wait_for_function(condition, timeout=PATIENCE * 1000)

    def _catch_up(self) -> None:
        # Events are told while playwright is asked for something, and in order: all before the answer.
        self.page.evaluate("null")

    def _watch(self, websocket: Any) -> None:
        self.requests.append(websocket.url)
        websocket.on("framereceived", self._count)

    def _count(self, payload: str | bytes) -> None:
        self._bytes_received += len(payload.encode() if isinstance(payload, str) else payload)

    def _note_request(self, request: Any) -> None:
        self.requests.append(request.url)

    def _answer(self, dialog: Any) -> None:
        # "Leave this page?" is Jupyter's own question.
        if dialog.type != "beforeunload":
            self.dialogs.append(dialog.message)
        dialog.accept()

    def start_kernel(self) -> None:
        """Starts the notebook's kernel; the page will find it."""
        session = {"path": self.path, "name": self.path, "type": "notebook", "kernel": {"name": "python3"}}
        self._context.request.post(self._sessions, headers=AUTHORIZATION, data=session)

    def _end_kernel(self) -> None:
        for session in self._context.request.get(self._sessions, headers=AUTHORIZATION).json():
            if session["path"] == self.path:
                self._context.request.delete(f"{self._sessions}/{session['id']}", headers=AUTHORIZATION)


def text_of(output: Mapping[str, Any]) -> str:
    """The text of an output, which Jupyter keeps as one text or as a list of lines."""
    return "".join(output.get("text") or output.get("data", {}).get("text/plain", ""))


def fail_if_raised(cell: Mapping[str, Any]) -> None:
    for output in cell.get("outputs", []):
        if output["output_type"] == "error":
            colourless = re.sub(r"\x1b\[[\d;]*m", "", "\n".join(output["traceback"]))
            raise AssertionError(f"A cell raised.\n{colourless}")


def leaves_this_machine(url: str) -> bool:
    """`data:`, `blob:` and `about:` name no machine, and go nowhere."""
    return urlsplit(url).hostname not in (None, "127.0.0.1", "localhost")
