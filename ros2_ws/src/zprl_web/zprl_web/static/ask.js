// One question with large buttons; resolves to the value of the chosen one, "" for none.

export function ask(title, text, choices, link = "") {
  const box = document.getElementById("ask");
  if (box.open) box.close("");
  box.returnValue = "";
  document.getElementById("ask-title").textContent = title;
  document.getElementById("ask-text").textContent = text;
  const field = document.getElementById("ask-link");
  field.hidden = !link;
  field.value = link;
  const buttons = choices.map(([value, label]) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = label;
    button.className = choices.length === 1 ? "plain only" : "plain";
    button.dataset.value = value;
    button.onclick = () => box.close(value);
    return button;
  });
  document.getElementById("ask-choices").replaceChildren(...buttons);
  return new Promise((resolve) => {
    box.addEventListener("close", () => resolve(box.returnValue), { once: true });
    box.showModal();
    if (link) field.select();
    else buttons[buttons.length - 1].focus();
  });
}
