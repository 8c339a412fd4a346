// Elements without strings of HTML: what a cluster has in its names is text, and stays text.

export const $ = (id) => document.getElementById(id);

// h makes an element: h("p", {class: "more"}, "text", child). A property that is null or false is left out.
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name === "on") {
      for (const [event, act] of Object.entries(value)) element.addEventListener(event, act);
    } else if (value !== null && value !== false && value !== undefined) {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// say has a screen reader say something when it has time.
export function say(text) {
  $("said").textContent = text;
}
