// Elements of the page and of drawings, and files made of text.
const element = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
};
const drawn = (tag, attributes, ...children) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
};
const save = (text, name, kind, label) => {
  const button = element("button", {type: "button"}, label);
  button.addEventListener("click", () => {
    const address = URL.createObjectURL(new Blob([text], {type: kind}));
    element("a", {href: address, download: name}).click();
    setTimeout(() => URL.revokeObjectURL(address), 1e3);
  });
  return button;
};
