"""The KaLM recipe: a base model and data -> an encoder. Knows no documents and no index."""

import embedder  # noqa: F401 hides a torch-npu without CANN before anybody imports torch
