"""torch-npu: imported where it works, hidden where it does not.

Installed without CANN its import fails, each time differently, and takes others along: torch, which loads
it by itself (the package switches that off before any import of torch), and transformers, which imports it
wherever it is installed.
"""

import sys
from importlib.util import find_spec


def _problem() -> str:
    """Why there is no NPU here; empty if there is one."""
    if find_spec("torch_npu") is None:
        return "torch-npu is not installed: pip install 'kalm-rag[npu]' on a machine with CANN"
    try:
        import torch_npu
    except (ImportError, OSError, RuntimeError) as error:
        # importlib's way to say: not there
        sys.modules["torch_npu"] = None  # type: ignore[assignment]
        return f"torch-npu is installed but CANN is not: {error}"
    return "" if torch_npu.npu.is_available() else "torch-npu sees no NPU"


PROBLEM = _problem()
"""Found out once, before anything else is imported."""
