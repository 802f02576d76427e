"""The prompt, to the space."""

from embedder.prompts import KALM, TASKS, instruction_for, query_prefix


def test_the_instruction_stands_in_kalm_s_template() -> None:
    assert query_prefix(KALM, "Find it") == "Instruct: Find it \n Query: "
    assert query_prefix("query: ", "Find it") == "query: "
    assert query_prefix("", "") == ""


def test_a_task_has_an_instruction_and_an_instruction_is_one() -> None:
    assert instruction_for("sts") == TASKS["sts"] == "Retrieve semantically similar text"
    assert instruction_for("Find code") == "Find code"
