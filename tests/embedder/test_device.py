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
        import embedder
        from transformers import AutoModel  # which imports torch_npu wherever it is installed
        print(missing()["npu"], "|", choose("auto").name)
        """
    )

    assert said.startswith("torch-npu is installed but CANN is not: ")
    assert said.endswith("| cpu")


def test_an_npu_that_is_there_is_taken_in_bf16(tmp_path: Path) -> None:
    (tmp_path / "torch_npu.py").write_text("class npu:\n    is_available = staticmethod(lambda: True)\n")

    said = python(
        f"""
        import sys; sys.path.insert(0, {str(tmp_path)!r})
        from embedder.device import choose
        found = choose("auto")
        print(found.description, "|", found.why)
        """
    )

    assert said == "npu, bf16 | the fastest here at a cosine of 0.9998 to fp32"


def test_the_precision_is_the_one_asked_for_or_the_fastest_exact_one() -> None:
    assert [choose("cpu", precision).precision for precision in ("fp32", "bf16", "int8")] == [
        "fp32",
        "bf16",
        "int8",
    ]
    found = choose("cpu")
    if found.precision == "fp32":
        assert found.why == "no instructions for bf16 here; int8 is quicker, less exact"
    else:
        assert found.why == "the fastest here at a cosine of 0.9998 to fp32"
    with pytest.raises(NoSuchDevice, match="precision 'fp8': know auto, fp32, bf16, int8"):
        choose("cpu", "fp8")


def test_a_device_that_is_not_there_says_why() -> None:
    with pytest.raises(NoSuchDevice, match="device 'npu' can't be used: torch-npu is not installed"):
        choose("npu")
    with pytest.raises(NoSuchDevice, match="device 'tpu': know auto, cuda, npu, mps, cpu"):
        choose("tpu")
