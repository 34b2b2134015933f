// SPDX-License-Identifier: Apache-2.0
//
// The pulse of the whole cluster: its sums of the last minute.
import { Sparkline } from './charts.js';
import { el, setAttr, setText } from './dom.js';
import { count, ms, rate } from './format.js';

const TILES = [
  { name: 'in', title: 'Published', show: rate },
  { name: 'out', title: 'Delivered', show: rate },
  { name: 'clients', title: 'Clients', show: count, also: 'churn', word: (n) => `${count(n)}/s come and go` },
  { name: 'subscriptions', title: 'Subscriptions', show: count },
  { name: 'dropped', title: 'Dropped', show: rate, bad: (n) => n > 0 },
  { name: 'p99', title: 'Latency p99', show: ms, also: 'p50', word: (n) => `p50 ${ms(n)}` },
];

// Of latency the newest second in which anything was delivered.
const newest = (series) => series.values.slice(-10).findLast((value) => value !== null) ?? null;

export class Pulse {
  constructor(root, store) {
    this.store = store;
    this.tiles = TILES.map((tile) => {
      const spark = new Sparkline(120, 26);
      const number = el('b', { class: 'number' }, '–');
      const note = el('span', { class: 'dim' });
      const box = el('div', { class: 'tile', 'data-tile': tile.name },
        el('h3', {}, tile.title), el('p', {}, number, note), spark.svg);
      root.append(box);
      return { ...tile, box, number, note, spark };
    });
  }

  draw() {
    for (const tile of this.tiles) {
      const series = this.store.series[tile.name];
      const isLatency = tile.show === ms;
      const value = isLatency ? newest(series) : series.last;
      setText(tile.number, this.store.reported ? tile.show(value) : '–');
      if (tile.also) {
        const other = this.store.series[tile.also];
        const also = isLatency ? newest(other) : other.last;
        setText(tile.note, also ? tile.word(also) : '');
      }
      setAttr(tile.box, 'class', tile.bad && tile.bad(value) ? 'tile bad' : 'tile');
      tile.spark.draw(series.values);
    }
  }
}
