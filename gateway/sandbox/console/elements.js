/** Return an element with properties and children. */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  Object.assign(made, properties);
  made.append(...children);
  return made;
}

/** Return a field's name and its value, for a list of them. */
export const fact = (name, value, className = "") => [
  element("dt", {}, name),
  element("dd", { className }, value),
];
