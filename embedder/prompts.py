"""What stands before a text when the model reads it."""


def query_prefix(instruction: str) -> str:
    """KaLM's template, to the space (KaLM-Embedding data/example.jsonl); "" without an instruction.

    >>> query_prefix("Find it")
    'Instruct: Find it \\n Query: '
    """
    return f"Instruct: {instruction} \n Query: " if instruction else ""
