"""Devices: the broken ones do no harm, the missing ones say why."""

from pathlib import Path

import pytest

from embedder.device import choose
from embedder.errors import NoSuchDevice
from tests.embedder.conftest import python


@pytest.mark.parametrize("error", ["ImportError('libhccl.so')", "OSError('no CANN')", "RuntimeError('E1')"])
def test_torch_npu_without_cann_does_no_harm(tmp_path: Path, error: str) -> None:
    (tmp_path / "torch_npu.py").write_text(f"raise {error}")

    said = python(
        f"""
        import sys; sys.path.insert(0, {str(tmp_path)!r})
        from embedder.device import choose, missing
        print(missing()["npu"], "|", choose("auto").name)
        """
    )

    assert said.startswith("torch-npu is installed but CANN is not: ")
    assert said.endswith("| cpu")


def test_a_device_that_is_not_there_says_why() -> None:
    with pytest.raises(NoSuchDevice, match="device 'npu' can't be used: torch-npu is not installed"):
        choose("npu")
    with pytest.raises(NoSuchDevice, match="device 'tpu': know auto, cuda, npu, mps, cpu"):
        choose("tpu")
