"""`npc-lab models`: the models for the embedded engine, with what each takes and where that was read."""

from npc_lab.cli.screen import Screen
from npc_lab.endpoints.models import MODELS, Model
from npc_lab.endpoints.weights import SMOLLM2, cache_folder


def show_models(screen: Screen) -> None:
    """Print the table, then each model's file and the page from which its row was taken."""
    screen.table(
        ("name", "file", "memory", "licence", "tried", "here"),
        [
            (
                row.name,
                f"{row.size / 1e6:,.0f} MB",
                f"{row.memory / 1e9:.1f} GB",
                row.licence,
                "yes" if row.tried else "not tried here",
                "yes" if _is_here(row) else "no",
            )
            for row in MODELS.values()
        ],
    )
    screen.say()
    screen.say("Where each comes from, and the page on which its size and licence were read", "bold")
    for row in MODELS.values():
        screen.rows([(row.name, f"{row.repository or SMOLLM2.requirement}/{row.file}")])
        screen.say(row.page, "dim", indent="    ")
    screen.say()
    screen.say(
        "Memory is computed, not measured, but for the one that was tried. To use one: "
        "npc-lab demo --model NAME, or connect('local', model=NAME). Any other GGUF file of the Hugging Face "
        "hub: owner/repository/file.gguf"
    )


def _is_here(row: Model) -> bool:
    if row.hub_file is None:
        return (cache_folder() / row.file).is_file()
    return row.hub_file.cached() is not None
