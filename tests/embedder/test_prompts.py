"""The prompt, to the space."""

from embedder.prompts import query_prefix


def test_the_instruction_stands_in_kalm_s_template() -> None:
    assert query_prefix("Find it") == "Instruct: Find it \n Query: "
    assert query_prefix("") == ""
