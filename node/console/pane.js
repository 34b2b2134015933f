// SPDX-License-Identifier: Apache-2.0
//
// One subscriber on a node of its own: what it got, newest first.
import { el, fillSelect, setAttr, setText } from './dom.js';
import { clock } from './format.js';

const ROWS_MAX = 200;
const BURST_MAX = 50; // drawn at once
const VALUE_MAX = 2000; // characters shown

const HOPS = { here: '● same node', hop: '→ one hop', region: '⇒ region hop', unknown: '→ another node' };

export class Pane {
  // app: store, openOn(endpoint), refused(error), learn(item), tookOf(item),
  // arrived(item, pane).
  constructor(title, app) {
    this.app = app;
    this.endpoint = '';
    this.star = null;
    this.node = { name: '', region: '' };
    this.waiting = []; // rows that are not drawn yet, oldest first
    this.passed = 0; // not shown, because too many came at once
    this.select = el('select', { 'aria-label': `${title}: on which node` });
    this.state = el('span', { class: 'state', role: 'status' }, 'not subscribed');
    this.rows = el('tbody', { 'aria-live': 'polite', 'aria-relevant': 'additions' });
    const heads = [['Time', ''], ['Seq', 'n'], ['Publisher', ''], ['Hop', ''], ['ms', 'n'], ['Value', '']];
    const table = el('table', {}, el('thead', {}, el('tr', {},
      ...heads.map(([text, name]) => el('th', { scope: 'col', class: name || null }, text)))), this.rows);
    this.hint = el('p', { class: 'note' }, 'items appear here');
    this.root = el('article', { class: 'pane', 'aria-label': title },
      el('header', {}, el('b', { class: 'letter', 'aria-hidden': 'true' }, title.slice(-1)), this.select, this.state),
      el('div', { class: 'rows', tabindex: 0, 'aria-label': `${title}: items` }, table, this.hint));
    this.select.addEventListener('change', () => this.moveTo(this.select.value));
  }

  offer(entries) {
    fillSelect(this.select, entries, this.endpoint || undefined);
  }

  moveTo(endpoint) {
    if (this.endpoint === endpoint) return;
    this.endpoint = endpoint;
    this.select.value = endpoint;
    if (this.wanted) this.subscribe(this.wanted.cache, this.wanted.topic);
  }

  subscribe(cache, topic) {
    this.stop();
    this.wanted = { cache, topic };
    if (!this.endpoint) return;
    const star = this.app.openOn(this.endpoint);
    this.star = star;
    this.say('connecting', '');
    star.on('state', (state) => {
      if (this.star === star) this.take(state);
    });
    const own = (act) => (value) => { if (this.star === star) act(value); };
    this.sub = star.subscribe(cache, topic, {
      onItem: own((item) => this.add(item)),
      onGap: own((gap) => this.gap(gap)),
      onState: own((state) => this.subscribed(state)),
    });
  }

  stop() {
    const star = this.star;
    this.star = null;
    this.wanted = null;
    this.waiting = [];
    this.passed = 0;
    this.rows.replaceChildren();
    this.hint.hidden = false;
    if (star) star.close();
    this.say('not subscribed', '');
  }

  take({ state, endpoint, node, region, error }) {
    if (state === 'open') {
      this.node = { name: node, region };
      this.endpoint = endpoint; // a node that drains sends its clients elsewhere
    }
    if (state === 'connecting') this.say('connecting', '');
    if (state === 'lost') this.say('✕ connection lost, coming back', 'bad');
    if (state === 'closed' && error) this.fail(error);
  }

  subscribed({ state, error }) {
    if (error && state === 'ended') this.fail(error);
    else if (state === 'live') this.say('● subscribed', 'good');
  }

  fail(error) {
    this.say(`✕ ${error.message}${error.code ? ` (code ${error.code})` : ''}`, 'bad');
    this.app.refused(error);
  }

  say(text, mood) {
    setText(this.state, text);
    setAttr(this.state, 'class', `state ${mood}`);
  }

  // However many come, a frame of the screen draws once.
  insert(name, ...cells) {
    if (this.waiting.length === 0) requestAnimationFrame(() => this.draw());
    this.waiting.push({ name, cells });
    if (this.waiting.length > BURST_MAX) {
      this.waiting.shift();
      this.passed += 1;
    }
  }

  draw() {
    const rows = this.waiting.map(({ name, cells }) => el('tr', { class: name },
      ...cells.map(([text, kind, title]) => el('td', { class: kind, title }, text))));
    if (this.passed > 0) {
      rows.unshift(el('tr', { class: 'passed' }, el('td', { colspan: 6 }, `${this.passed} more came at once, not shown`)));
    }
    this.waiting = [];
    this.passed = 0;
    this.rows.prepend(...rows.reverse());
    while (this.rows.rows.length > ROWS_MAX) this.rows.deleteRow(-1);
    this.hint.hidden = this.rows.rows.length > 0;
  }

  hopOf(item) {
    const origin = this.app.store.nodeOf(item.origin);
    if (!origin) return { kind: 'unknown', text: HOPS.unknown, node: String(item.origin || '').slice(0, 8) };
    const kind = origin.endpoint === this.endpoint ? 'here'
      : origin.region === this.node.region ? 'hop' : 'region';
    return { kind, text: HOPS[kind], node: `${origin.name} (${origin.region})` };
  }

  add(item) {
    this.app.learn(item);
    const hop = this.hopOf(item);
    const text = typeof item.value === 'string' ? item.value : `${item.value.length} bytes`;
    const shown = text.length > VALUE_MAX ? `${text.slice(0, VALUE_MAX)}… (${text.length} characters)` : text;
    this.insert(`item ${hop.kind}`, [clock(Date.now(), true), 'n time'], [String(item.seq), 'n seq', `page ${item.page}`],
      [item.publisher || '–', 'publisher'], [`${hop.text} · ${hop.node}`, 'hop'],
      [this.app.tookOf(item).toFixed(1), 'n ms'], [shown, 'value']);
    this.app.arrived(item, this);
  }

  gap(gap) {
    this.insert('gap', [clock(Date.now(), true), 'n time'], [gap.next ? String(gap.next) : '', 'n seq'], ['', 'publisher'],
      ['⚠ gap', 'hop'], ['', 'n ms'], ['items may be missing here', 'value']);
  }
}
