// SPDX-License-Identifier: Apache-2.0
//
// Elements are made and changed here, by calls only: what comes from a topic,
// a payload or a name is text and never markup.

const SVG = 'http://www.w3.org/2000/svg';

export const $ = (id) => document.getElementById(id);

function dress(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) setAttr(node, name, value);
  node.append(...children.filter((child) => child !== null));
  return node;
}

// Children are nodes or texts; an attribute that is null is left out.
export function el(tag, attributes = {}, ...children) {
  return dress(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return dress(document.createElementNS(SVG, tag), attributes, children);
}

export function setText(node, text) {
  const wanted = String(text);
  if (node.textContent !== wanted) node.textContent = wanted;
}

export function setAttr(node, name, value) {
  if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value === true ? '' : value);
}

export function show(node, visible) {
  if (node.hidden === visible) node.hidden = !visible;
}

// The options of a select: [value, text] each. What was chosen stays chosen.
export function fillSelect(select, entries, wanted) {
  const key = JSON.stringify(entries);
  if (select.dataset.key === key) return;
  const before = wanted === undefined ? select.value : wanted;
  select.dataset.key = key;
  select.replaceChildren(...entries.map(([value, text]) => new Option(text, value)));
  if (entries.some(([value]) => value === before)) select.value = before;
}

// Makes the children of a parent be those of the list, in its order: one child
// a key, made once and changed from then on, so that focus and selection stay.
export function keyed(parent, list, keyOf, make, change) {
  const had = parent.keyedChildren || new Map();
  const wanted = new Map(list.map((entry) => [keyOf(entry), entry]));
  const has = new Map();
  for (const [key, child] of had) if (!wanted.has(key)) child.remove();
  let at = parent.firstElementChild;
  for (const [key, entry] of wanted) {
    const child = had.get(key) || make(entry);
    has.set(key, child);
    if (child === at) at = at.nextElementSibling;
    else parent.insertBefore(child, at);
    change(child, entry);
  }
  parent.keyedChildren = has;
}

export const reducedMotion = () => matchMedia('(prefers-reduced-motion: reduce)').matches;

// Tabs as the pattern of the web has it: arrows move, one panel is shown.
export function tabs(list, onShow = () => {}) {
  const all = [...list.querySelectorAll('[role=tab]')];
  const choose = (tab, focus) => {
    for (const one of all) {
      const chosen = one === tab;
      one.setAttribute('aria-selected', String(chosen));
      one.tabIndex = chosen ? 0 : -1;
      const panel = $(one.getAttribute('aria-controls'));
      if (panel) show(panel, chosen);
    }
    if (focus) tab.focus();
    onShow(tab.id);
  };
  list.addEventListener('click', (event) => {
    const tab = event.target.closest('[role=tab]');
    if (tab) choose(tab, false);
  });
  list.addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const at = all.indexOf(document.activeElement);
    if (!step || at < 0) return;
    event.preventDefault();
    choose(all[(at + step + all.length) % all.length], true);
  });
  return (id) => choose($(id), false);
}

// Copies, and says so on the button for a moment.
export async function copy(button, text) {
  const label = button.dataset.label || button.textContent;
  button.dataset.label = label;
  try {
    await navigator.clipboard.writeText(text);
    setText(button, 'Copied');
  } catch {
    setText(button, 'Select and copy');
  }
  setTimeout(() => setText(button, label), 1500);
}
