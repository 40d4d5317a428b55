"""What verdicts of a small book say, for tests of its pages."""


def words(verdict, control=False, **changed):
    pooled = {"metric": "ssim", "estimate": 0.01, "low": 0.0, "high": 0.2, "margin": 0.005}
    return {
        "claim": "c-d", "title": "C and D", "statement": "S.", "paper": "Fig. 1",
        "text": "+0.01", "verdict": verdict,
        "control": control, "finding": "one network", "kind": "better", "count": 1, "parts": "",
        "needed": "", "printed": None, "networks": ["U-net"],
        "anchor": "claim-c-d-0",
        "pooled": [{**pooled, "verdict": verdict}] * 2, **changed,
    }  # fmt: skip


FOUND = {
    "03_one": [words("undecided"), words("holds"), words("holds", control=True)],
    "04_two": [],
    "A_three": [words("holds", text="<", finding="own weights", printed=0.006)],
}
