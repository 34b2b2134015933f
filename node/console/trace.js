// SPDX-License-Identifier: Apache-2.0
//
// One item's way through the cluster: which node had it when, from whom, what
// it matched there, where it was sent on, and what was dropped and why.
import { topicPath } from './api.js';
import { $, el, setText, svg } from './dom.js';
import { bytes, ms } from './format.js';

const SHOWN_MS = 2400; // the whole way on the map, however short it was
const HOPS = {
  local: 'published here', region: 'within the region', ingress: 'into the region', host: 'on the same machine',
};

const list = (value) => (Array.isArray(value) ? value : []);

// Parents before children, each with its depth; a node whose sender is not
// among them comes as if published.
function inOrder(nodes) {
  const names = new Set(nodes.map((node) => node.name));
  const done = new Set();
  const ordered = [];
  const visit = (node, depth) => {
    if (done.has(node.name)) return;
    done.add(node.name);
    ordered.push({ ...node, depth });
    nodes.filter((other) => other.from === node.name).sort((a, b) => a.at_us - b.at_us)
      .forEach((other) => visit(other, depth + 1));
  };
  nodes.filter((node) => !node.from || !names.has(node.from)).forEach((node) => visit(node, 0));
  nodes.forEach((node) => visit(node, 0));
  return ordered;
}

const doorsOf = (node) => Object.entries(node.doors || {}).map(([door, n]) => `${n} ${door}`).join(', ');

export class Trace {
  constructor(app) {
    this.app = app;
    this.note = $('trace-note');
    this.list = el('ol', { class: 'trace' });
    $('trace-result').append(this.list);
    $('trace-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.run($('message').value);
    });
  }

  async run(value) {
    const { cache, topic, endpoint } = this.app.chosenTopic();
    setText(this.note, `following an item on ${cache}/${topic} …`);
    const answer = await this.app.api.ask(`/v1/admin/trace/${topicPath(cache, topic)}`, { method: 'POST', body: value, base: endpoint || undefined });
    if (!answer.ok) {
      setText(this.note, answer.error);
      this.list.replaceChildren();
      return;
    }
    this.draw(answer.body);
  }

  draw({ item = {}, nodes, silent }) {
    const ordered = inOrder(list(nodes));
    const end = Math.max(1, ...ordered.flatMap((node) => [node.at_us, node.written_us || 0,
      ...list(node.sent).map((leg) => leg.at_us || 0)]));
    const missing = list(silent).length > 0 ? ` · no answer from ${list(silent).join(', ')}` : '';
    setText(this.note, `${item.cache}/${item.topic} · ${bytes(item.bytes)} · ` +
      `${ordered.length} nodes · ${ms(end)} in all${missing}`);
    this.list.replaceChildren(...ordered.map((node) => this.row(node, end)));
    this.fly(ordered, end);
  }

  row(node, end) {
    const steps = [];
    if (node.written_us) steps.push(`written ${ms(node.written_us)}`);
    const matched = `${node.matched || 0} subscription${node.matched === 1 ? '' : 's'}`;
    return el('li', { class: `depth${Math.min(4, node.depth)}` },
      el('p', {}, el('b', {}, node.name), el('span', { class: 'dim' }, ` ${node.region} · ${HOPS[node.hop] || node.hop}`),
        el('span', { class: 'n' }, node.from ? `+${ms(node.at_us)}` : 'start')),
      this.track(node, end),
      el('p', { class: 'dim' }, [matched + (doorsOf(node) ? ` (${doorsOf(node)})` : ''), ...steps].join(' · ')),
      ...list(node.sent).map((leg) => this.leg(leg)),
      ...list(node.dropped).map((drop) => el('p', { class: 'bad' }, `✕ ${drop.count} dropped at ${drop.door}: ${drop.why}`)));
  }

  leg({ to, at_us: at, outcome, why }) {
    const sign = outcome === 'sent' ? '→' : outcome === 'queued' ? '⋯' : '✕';
    return el('p', { class: outcome === 'dropped' ? 'bad' : outcome === 'queued' ? 'warn' : null },
      `${sign} to ${to}: ${outcome}${why ? `, ${why}` : ''}`, el('span', { class: 'n' }, `+${ms(at)}`));
  }

  // From when the node had it until its last client had it.
  track(node, end) {
    const x = (us) => Math.max(0, Math.min(100, (100 * us) / end));
    const start = x(node.at_us);
    return svg('svg', { class: 'track', viewBox: '0 0 100 6', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
      svg('rect', { class: 'base', y: 2, width: 100, height: 2 }),
      svg('rect', { class: 'span', x: start, width: Math.max(1.2, x(node.written_us || node.at_us) - start), height: 6, rx: 1 }));
  }

  fly(ordered, end) {
    const ids = new Map(ordered.map((node) => [node.name, node.id]));
    for (const node of ordered) {
      if (!node.from) this.app.map.fly([node.id], { took: 700 });
      const leg = ordered.flatMap((from) => (from.name === node.from ? list(from.sent) : []))
        .find((one) => one.to === node.name);
      if (!node.from || !ids.has(node.from)) continue;
      const left = leg ? leg.at_us : 0;
      this.app.map.fly([ids.get(node.from), node.id], {
        delay: (SHOWN_MS * Math.max(0, left)) / end, took: Math.max(500, (SHOWN_MS * (node.at_us - left)) / end),
      });
    }
  }
}
