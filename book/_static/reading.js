// One switch opens the code of all pages, and is remembered; Escape closes an explanation of a term.
const KEY = "mrinb-code";
const remembered = () => { try { return localStorage.getItem(KEY) === "open"; } catch { return false; } };
const remember = (open) => { try { localStorage.setItem(KEY, open ? "open" : "folded"); } catch { /* private window */ } };

document.addEventListener("DOMContentLoaded", () => {
  const folds = [...document.querySelectorAll(".bd-article details.above-input")];
  const title = document.querySelector(".bd-article h1");
  if (folds.length && title) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "mrinb-code-switch" });
    const set = (open) => {
      for (const fold of folds) fold.open = open;
      button.setAttribute("aria-pressed", String(open));
      button.textContent = open ? "Fold all code" : "Show all code";
    };
    button.addEventListener("click", () => {
      const open = button.getAttribute("aria-pressed") !== "true";
      set(open);
      remember(open);
    });
    set(remembered());
    title.after(button);
  }
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const term of document.querySelectorAll(".mrinb-term:is(:hover, :focus)")) term.classList.add("mrinb-quiet");
  });
  const left = ({ target, relatedTarget }) => {
    const term = target.closest?.(".mrinb-term");
    if (term && !term.contains(relatedTarget)) term.classList.remove("mrinb-quiet");
  };
  document.addEventListener("focusout", left);
  document.addEventListener("pointerout", left);
});
