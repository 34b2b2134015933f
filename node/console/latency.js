// SPDX-License-Identifier: Apache-2.0
//
// How old items are when they are written to a client, by where they came
// from: this node, another one of the region, another region.
import { Heat } from './charts.js';
import { el, setText } from './dom.js';
import { about } from './format.js';
import { BOUNDS, CLASSES, SECONDS, percentile } from './store.js';

const TITLES = { local: 'same node', region: 'one hop', far: 'other region' };
const RECENT = 10; // seconds that the figures are of

function sum(columns) {
  return columns.reduce((all, counts) => all.map((n, i) => n + counts[i]), new Array(BOUNDS.length + 1).fill(0));
}

export class Latency {
  constructor(root, store) {
    this.store = store;
    this.rows = CLASSES.map((name) => {
      const heat = new Heat(SECONDS, BOUNDS.length + 1);
      const figures = el('span', { class: 'n' }, '–');
      root.append(el('figure', {},
        el('figcaption', {}, el('b', {}, TITLES[name]), figures),
        el('div', { class: 'plot' }, heat.canvas,
          el('span', { class: 'tick high' }, '5 s'), el('span', { class: 'tick mid' }, '10 ms'),
          el('span', { class: 'tick low' }, '50 µs'))));
      return { name, heat, figures };
    });
    root.append(el('p', { class: 'axis dim' }, el('span', {}, '60 s ago'), el('span', {}, 'now')));
  }

  draw() {
    this.rows.forEach(({ name, heat, figures }, at) => {
      const minute = this.store.latency[at];
      const recent = sum(minute.slice(-RECENT));
      const text = `p50 ${about(percentile(recent, 0.5))} · p99 ${about(percentile(recent, 0.99))}`;
      setText(figures, text);
      heat.draw(minute, `${TITLES[name]}, last ${RECENT} seconds: ${text}`);
    });
  }
}
