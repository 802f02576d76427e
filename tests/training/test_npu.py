"""What is asked of torch-npu, without one: a stand-in for its module, each time in a process of its own."""

import textwrap
from pathlib import Path

import pytest

from tests.embedder.conftest import python

STAND_IN = """
import torch

class npu:
    calls = []

    is_available = staticmethod(lambda: True)
    is_initialized = staticmethod(lambda: True)
    device_count = staticmethod(lambda: 8)
    current_device = staticmethod(lambda: 0)
    _is_in_bad_fork = staticmethod(lambda: False)
    get_amp_supported_dtype = staticmethod(lambda: [torch.bfloat16, torch.float16])

    @staticmethod
    def set_device(number):
        npu.calls.append(("set_device", number))

    @staticmethod
    def manual_seed_all(seed):
        npu.calls.append(("manual_seed_all", seed))

torch.utils.rename_privateuse1_backend("npu")
torch._register_device_module("npu", npu)
"""


def told(folder: Path, code: str) -> str:
    (folder / "torch_npu.py").write_text(STAND_IN)
    head = f"""
        import sys; sys.path.insert(0, {str(folder)!r})
        import embedder
        from torch_npu import npu
    """
    return python(textwrap.dedent(head) + textwrap.dedent(code))


def test_each_process_takes_its_own_card_and_they_meet_by_hccl(tmp_path: Path) -> None:
    said = told(
        tmp_path,
        """
        import os
        os.environ.update(WORLD_SIZE="2", RANK="1", LOCAL_RANK="1")
        from training import distributed
        distributed.dist.init_process_group = lambda backend: npu.calls.append(("meet", backend))
        distributed.dist.get_rank, distributed.dist.get_world_size = lambda: 1, lambda: 2
        print(distributed.join("npu"), npu.calls)
        """,
    )

    assert said == "World(rank=1, size=2) [('set_device', 1), ('meet', 'hccl')]"


def test_dropout_is_seeded_on_the_card_too(tmp_path: Path) -> None:
    said = told(
        tmp_path,
        """
        import torch
        from training import gradcache

        class One:
            def vectors(self, sequences):
                return torch.ones(len(sequences), 2, requires_grad=True)

        def loss(vectors):
            vectors.sum().backward()
            return 0.0, None

        gradcache.step(One(), [[1], [2, 3]], loss, batch_tokens=1, seed=7)
        seeds = [seed for name, seed in npu.calls if name == "manual_seed_all"]
        print(len(seeds), seeds == [*seeds[:2], *seeds[:1]])
        """,
    )

    assert said == "3 True"  # both parts, and the first once more with the same seed


def test_the_autocast_of_a_student_is_one_that_npus_have(tmp_path: Path) -> None:
    said = told(
        tmp_path,
        """
        import torch
        from embedder.device import choose
        device = choose("npu")
        with torch.autocast(device.name, torch.bfloat16, enabled=True):
            print(device.precision, torch.is_autocast_enabled("npu"), torch.get_autocast_dtype("npu"))
        """,
    )

    assert said == "bf16 True torch.bfloat16"


@pytest.mark.parametrize("error", ["ImportError('libhccl.so')", "RuntimeError('E1')"])
def test_training_works_where_torch_npu_is_installed_and_cann_is_not(tmp_path: Path, error: str) -> None:
    (tmp_path / "torch_npu.py").write_text(f"raise {error}")

    said = python(
        f"""
        import sys; sys.path.insert(0, {str(tmp_path)!r})
        import embedder
        from pathlib import Path
        from tests.training.conftest import WORDS, lines, save_model
        from training.config import TrainConfig
        from training.train import train

        folder = Path({str(tmp_path)!r})
        model = save_model(folder / "tiny", "qwen2")
        data = lines(folder / "d.jsonl", [{{"query": w, "pos": [w + " road"]}} for w in WORDS])
        told = dict(model=str(model), data=(data,), steps=1, batch_size=4)
        print((train(TrainConfig(output=folder / "out", **told)) / "model.safetensors").is_file())
        try:
            train(TrainConfig(output=folder / "no", device="npu", **told))
        except Exception as problem:
            print(problem)
        """
    )

    first, second = said.splitlines()[-2:]
    assert first == "True"
    assert second.startswith("device 'npu' can't be used: torch-npu is installed but CANN is not: ")
