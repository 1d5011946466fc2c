"""Files: whole or absent. Checkpoints: believed only when they are whole and this cell's own."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from harness.errors import CheckpointError, StorageError
from harness.files import atomic_write, sha256_of_json, write_json
from harness.training.checkpoints import (
    load_networks,
    load_state,
    previous,
    restore_networks,
    save_networks,
    save_state,
)


def test_state_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save_state(path, "me", {"model": {"w": torch.arange(3.0)}, "progress": {"step": 4}})
    state, complaints = load_state(path, "me")
    assert state is not None
    assert state["progress"] == {"step": 4}
    assert torch.equal(state["model"]["w"], torch.arange(3.0))
    assert complaints == []


def test_no_file_is_no_state(tmp_path: Path) -> None:
    assert load_state(tmp_path / "checkpoint.pt", "me") == (None, [])


@pytest.mark.parametrize("damage", ["truncated", "empty", "garbage", "foreign", "pickle", "bit"])
def test_damaged_state_falls_back_to_the_one_before_and_says_so(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "checkpoint.pt"
    save_state(path, "me", {"step": 1, "w": torch.zeros(5000)})
    save_state(path, "me", {"step": 2, "w": torch.zeros(5000)})
    if damage == "bit":  # in the middle of the tensor: torch itself reads it without a word
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        assert torch.load(path, weights_only=True)["step"] == 2
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "foreign":
        save_state(tmp_path / "other.pt", "somebody", {"step": 9})
        (tmp_path / "other.pt").replace(path)
    elif damage == "pickle":
        path.write_bytes(pickle.dumps(Bomb(tmp_path / "exploded")))
    else:
        path.write_bytes(b"" if damage == "empty" else bytes(range(256)) * 4)
    state, complaints = load_state(path, "me")
    assert state is not None
    assert state["step"] == 1
    assert str(path) in complaints[0]
    assert not (tmp_path / "exploded").exists()


class Bomb:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.target,)


def test_nothing_to_trust_is_an_error_that_says_how_to_begin_again(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(b"x")
    with pytest.raises(CheckpointError) as caught:
        load_state(path, "me")
    assert str(path) in caught.value.found
    assert caught.value.hint.startswith(f"mv {tmp_path} {tmp_path}.aside")


def test_killed_between_the_two_renames_leaves_the_older_state(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save_state(path, "me", {"step": 1})
    path.replace(previous(path))
    state, _ = load_state(path, "me")
    assert state is not None
    assert state["step"] == 1


def test_networks_come_back_though_they_share_memory(tmp_path: Path) -> None:
    weight = torch.arange(6.0).view(2, 3)
    path = tmp_path / "best.safetensors"
    digest = save_networks(path, {"b": weight.t(), "a": weight}, identity="me", epoch=1)
    assert torch.equal(load_networks(path, digest)["b"], weight.t())


def test_missing_damaged_and_other_networks_are_told(tmp_path: Path) -> None:
    path = tmp_path / "my results" / "best.safetensors"
    with pytest.raises(CheckpointError, match="is missing") as caught:
        load_networks(path, "0" * 64)
    assert caught.value.hint.startswith(f"mv '{path.parent}' '{path.parent}.aside'"), "to be pasted"
    path.parent.mkdir()
    digest = save_networks(path, {"a": torch.zeros(9)}, identity="me", epoch=1)
    other = save_networks(path, {"a": torch.ones(9)}, identity="me", epoch=2)
    with pytest.raises(CheckpointError, match="holds other networks"):
        load_networks(path, digest)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="is damaged"):
        load_networks(path, other)
    path.write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match="can't be read"):
        load_networks(path, other)


def test_networks_that_a_checkpoint_knows_are_restored(tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    known = save_networks(path, {"a": torch.zeros(9)}, identity="me", epoch=1)
    newer = save_networks(path, {"a": torch.ones(9)}, identity="me", epoch=2)
    restore_networks(path, newer)
    assert torch.equal(load_networks(path, newer)["a"], torch.ones(9))
    restore_networks(path, known)
    assert torch.equal(load_networks(path, known)["a"], torch.zeros(9))
    with pytest.raises(CheckpointError, match="holds other networks"):
        restore_networks(path, "0" * 64)


def test_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text("old")
    with pytest.raises(ValueError, match="cut"), atomic_write(path) as file:
        file.write(b"half")
        raise ValueError("cut")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["record.json"]


def test_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    code = f"""
import resource, signal
from pathlib import Path
from harness.errors import StorageError
from harness.files import atomic_write
# After the imports: Python would cut the bytecode that it caches as well.
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    with atomic_write(Path({str(tmp_path)!r}) / "big.bin") as file:
        file.write(bytes(10_000))
except StorageError as error:
    print(error)
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "big.bin" in answer.stdout
    assert "free space" in answer.stdout
    assert list(tmp_path.glob("*")) == []


def test_folder_that_can_not_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"), atomic_write(tmp_path / "file" / "below"):
        pass


def test_nan_is_not_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", {"score": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_canonical_hash_ignores_order() -> None:
    assert sha256_of_json({"a": 1, "b": [2, 3]}) == sha256_of_json({"b": [2, 3], "a": 1})
    assert sha256_of_json({"a": 1}) != sha256_of_json({"a": 2})
