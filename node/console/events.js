// SPDX-License-Identifier: Apache-2.0
//
// What nodes tell of themselves: joined, suspect, dead, draining, refused.
import { el, show } from './dom.js';
import { clock } from './format.js';

const ROWS_MAX = 200;
const SIGNS = { info: '·', warn: '▲', error: '✕' };

// Of what is empty nothing is said.
const bare = (text) => String(text).replace(/ ?\b\w+=(?= |$)/g, '');

export class Events {
  constructor(root) {
    this.list = el('ol', { class: 'events', tabindex: 0, 'aria-label': 'Events, newest first' });
    this.note = el('p', { class: 'note' }, 'nothing happened yet');
    this.waiting = []; // not drawn yet
    root.append(this.note, this.list);
  }

  add(event) {
    if (!event || typeof event.event !== 'string') return;
    this.waiting.push(event);
    if (this.waiting.length > ROWS_MAX) this.waiting.shift();
  }

  draw() {
    for (const event of this.waiting) this.insert(event);
    this.waiting = [];
  }

  // Newest first; what was asked for may be older than what came meanwhile.
  insert(event) {
    const key = `${event.at} ${event.node} ${event.event} ${event.text}`;
    if ([...this.list.children].some((row) => row.key === key)) return; // asked for, and come by itself
    const level = SIGNS[event.level] ? event.level : event.level === 'warning' ? 'warn' : 'info';
    const more = event.suppressed ? ` (${event.suppressed} more not shown)` : '';
    const row = el('li', { class: level },
      el('span', { class: 'n dim' }, clock(event.at)),
      el('span', { class: 'sign', title: level }, SIGNS[level]),
      el('b', {}, String(event.node || '')),
      el('span', {}, el('span', { class: 'what' }, event.event), ` ${bare(event.text || '')}${more}`));
    Object.assign(row, { at: event.at, key });
    let before = this.list.firstElementChild;
    while (before && before.at > event.at) before = before.nextElementSibling;
    this.list.insertBefore(row, before);
    while (this.list.childElementCount > ROWS_MAX) this.list.lastElementChild.remove();
    show(this.note, false);
  }
}
