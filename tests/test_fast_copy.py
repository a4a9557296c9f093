"""The copy of the weights that the engine reads faster: the same model, made once, never needed."""

import hashlib
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter
from gguf.quants import dequantize, quantize

from npc_lab.endpoints.fast_copy import fast_copy
from npc_lab.endpoints.weights import LOCK, Weights

pytestmark = pytest.mark.once

Q4_1, Q8_0 = GGMLQuantizationType.Q4_1, GGMLQuantizationType.Q8_0
WORDS = ["<s>", "knight", "Löwe"]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NPC_LAB_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def weights(cache: Path) -> Weights:
    """A tiny model that was fetched already."""
    file = cache / "tiny.Q4_1.gguf"
    writer, chance = GGUFWriter(file, "llama"), np.random.default_rng(1)
    writer.add_name("Tiny")
    writer.add_token_list(WORDS)
    values = chance.normal(size=(8, 64)).astype(np.float32)
    writer.add_tensor("output.weight", quantize(values, Q8_0), raw_dtype=Q8_0)
    writer.add_tensor("blk.0.attn_q.weight", quantize(values[::-1], Q4_1), raw_dtype=Q4_1)
    writer.add_tensor("output_norm.weight", values[0])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return Weights("tiny==1.0", 0, "", f"tiny/{file.name}", file.stat().st_size, digest(file))


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def files(cache: Path) -> list[str]:
    return sorted(each.name for each in cache.iterdir() if each.name != LOCK)


def test_it_holds_the_same_model(weights: Weights, cache: Path) -> None:
    ours, theirs = GGUFReader(fast_copy(weights)), GGUFReader(cache / "tiny.Q4_1.gguf")
    assert ours.fields["general.name"].contents() == "Tiny"
    assert ours.fields["tokenizer.ggml.tokens"].contents() == WORDS
    assert ours.fields.keys() == theirs.fields.keys()
    assert [(each.name, each.tensor_type.name) for each in ours.tensors] == [
        ("output.weight", "Q8_0"),
        ("blk.0.attn_q.weight", "Q8_0"),
        ("output_norm.weight", "F32"),
    ]
    for copied, original in zip(ours.tensors, theirs.tensors, strict=True):
        values = dequantize(original.data, original.tensor_type)
        near = np.abs(values).max() / 250
        np.testing.assert_allclose(dequantize(copied.data, copied.tensor_type), values, rtol=0, atol=near)


def test_it_is_made_once_and_named_by_its_hash(
    weights: Weights, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = fast_copy(weights)
    assert made.name == f"tiny.Q4_1.fast-{digest(made)[:16]}.gguf"
    assert files(cache) == [made.name, "tiny.Q4_1.gguf"]
    assert "Preparing the model, once" in capsys.readouterr().err
    (cache / "tiny.Q4_1.gguf").unlink()  # is not asked for again
    assert fast_copy(weights) == made
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("content", [b"", b"GGUF and so on"], ids=["empty", "changed"])
def test_a_damaged_one_is_made_again(weights: Weights, cache: Path, content: bytes) -> None:
    made = fast_copy(weights)
    right = made.read_bytes()
    made.write_bytes(content)
    assert fast_copy(weights).read_bytes() == right
    assert len(files(cache)) == 2


def test_where_none_can_be_made_the_weights_are_used(
    weights: Weights, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "gguf", None)
        assert fast_copy(weights) == cache / "tiny.Q4_1.gguf"
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=weights.size))
        assert fast_copy(weights) == cache / "tiny.Q4_1.gguf"
    assert files(cache) == ["tiny.Q4_1.gguf"]
