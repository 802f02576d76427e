"""What stands before a text when the model reads it."""

KALM = "Instruct: {instruction} \n Query: "
"""KaLM's template, to the space (KaLM-Embedding data/example.jsonl)."""

TASKS = {
    "retrieval": "Given a query, retrieve documents that answer the query",
    "duplicates": "Retrieve semantically similar questions",
    "sts": "Retrieve semantically similar text",
    "summaries": "Retrieve semantically similar summaries",
    "papers": "Retrieve relevant paper titles",
    "classification": "classify the query into different classes.",
    "clustering": "Identify the topic or theme of the given text",
    "intents": "Given a user utterance as query, find the user intents",
}
"""Task -> KaLM's instruction for it (v2 and later; mteb, KaLM_v2_task_prompts; for classification and
clustering its authors have one per dataset, these are the general ones)."""


def instruction_for(task: str) -> str:
    """The instruction of a task in `TASKS`; any other text is an instruction itself.

    >>> instruction_for("duplicates")
    'Retrieve semantically similar questions'
    """
    return TASKS.get(task, task)


def query_prefix(template: str, instruction: str) -> str:
    """What comes before a query; a template without a place for it has no instruction.

    >>> query_prefix(KALM, "Find it")
    'Instruct: Find it \\n Query: '
    >>> query_prefix("query: ", "Find it")
    'query: '
    """
    return template.replace("{instruction}", instruction)
