// SPDX-License-Identifier: Apache-2.0
//
// The hottest topics of the last seconds, and where their subscriptions are.
import { Bar, Sparkline } from './charts.js';
import { el, keyed, setText, show } from './dom.js';
import { count, rate } from './format.js';

const ROWS = 10;

export class Topics {
  // onChoose(cache, topic): it is tried.
  constructor(root, store, onChoose) {
    this.store = store;
    this.onChoose = onChoose;
    this.list = el('ol', { class: 'topics' });
    this.note = el('p', { class: 'note' }, 'no topic is used at the moment');
    root.append(this.list, this.note);
  }

  make({ cache, topic }) {
    const spark = new Sparkline(90, 18);
    const bar = new Bar('of the hottest');
    const name = el('button', { class: 'plain', type: 'button', title: 'try this topic' },
      el('span', { class: 'dim' }, `${cache}/`), topic);
    name.addEventListener('click', () => this.onChoose(cache, topic));
    const row = el('li', {}, name, bar.svg, el('span', { class: 'n flow' }), spark.svg, el('span', { class: 'dim subs' }));
    row.parts = { bar, spark, flow: row.children[2], subs: row.children[4] };
    return row;
  }

  draw() {
    const hot = this.store.hottest(ROWS);
    const most = hot.length > 0 ? hot[0].weight : 1;
    show(this.note, hot.length === 0);
    keyed(this.list, hot, (topic) => topic.key, (topic) => this.make(topic), (row, topic) => {
      const { bar, spark, flow, subs } = row.parts;
      bar.draw(topic.weight, most);
      spark.draw(topic.series.values);
      setText(flow, `${rate(topic.in)} in · ${rate(topic.out)} out`);
      const shown = topic.nodes.slice(0, 6).map(([name, n]) => `${name} ${count(n)}`).join(' · ');
      const more = topic.nodes.length > 6 ? ` · and ${topic.nodes.length - 6} nodes` : '';
      setText(subs, topic.nodes.length > 0 ? `subscriptions: ${shown}${more}` : 'nobody subscribes');
    });
  }
}
