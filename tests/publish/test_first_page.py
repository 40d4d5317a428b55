"""The first page tells every chapter's question with its answer."""

from nbformat.v4 import new_markdown_cell, new_notebook

from mrinb.publish import first_page


def chapter(title, question, *headlines):
    cell = new_markdown_cell(f"# {title}\n\nSome words. **{question}** More **words**.")
    return new_notebook(cells=[cell], metadata={"headlines": list(headlines)})


def test_a_question_stands_before_its_answer_and_appendices_are_folded():
    text = first_page.answers(
        {
            "01_one": chapter("One", "Does it?", "Yes."),
            "02_two": chapter("Two", "What is it?"),
            "A_more": chapter("Appendix A: More", "Is it so?", "No.", "No.", "Or."),
        }
    )
    chapters, _, appendices = text.partition("<summary>The appendices</summary>")
    assert chapters.startswith("- [One](../notebooks/01_one.ipynb): **Does it?** Yes.\n")
    assert "- [Appendix A: More](../notebooks/A_more.ipynb): **Is it so?** No. Or.\n" in appendices
    assert "Two" not in text and "A_more" not in chapters


def test_a_book_without_appendices_has_no_fold_and_one_without_answers_says_so():
    assert "<details>" not in first_page.answers({"01_one": chapter("One", "Does it?", "Yes.")})
    assert first_page.answers({}).startswith("No chapter")
