// SPDX-License-Identifier: Apache-2.0
//
// The live map: regions as areas, nodes, and the links between them with what
// goes over them. State is told by shape and word as well as by colour.
import { el, keyed, reducedMotion, setAttr, setText, svg } from './dom.js';
import { count, ms, percent, rate } from './format.js';
import { bracket, lane, layout } from './layout.js';

const RIM = 25;
const FLIGHTS_MAX = 24;
const LETTER = 6.6; // about the width of one on a label
const TROUBLES_MAX = 60; // links in trouble that are drawn among many nodes
const LABELS_MAX = 8; // of links, where many carry something
const FULL = 25; // per cent of a link's queue from which it is shown as filling

const STATES = { // word, sign
  up: ['', ''], joining: ['joining', '…'], draining: ['draining', '↓'], suspect: ['suspect', '?'],
  silent: ['silent', '!'], dead: ['dead', '✕'],
};

const SHORT = { joining: 'join', draining: 'drain', suspect: 'susp.' };

const perSecond = (link) => (link ? link.items || 0 : 0);

function fullOf(pair) {
  const full = (link) => (link && link.queue_limit ? percent(link.queue, link.queue_limit) : 0);
  return Math.max(full(pair.there), full(pair.back));
}

// 0 nothing, 1 some, 2 much, 3 very much
function strength(items) {
  return items <= 0 ? 0 : items < 100 ? 1 : items < 10000 ? 2 : 3;
}

function laneClass(pair, link) {
  if (!pair.up) return 'lane down';
  const full = link && link.queue_limit ? percent(link.queue, link.queue_limit) : 0;
  return `lane s${strength(perSecond(link))}${full >= FULL ? ' filling' : ''}`;
}

function pairText(pair) {
  if (!pair.up) return '✕ down';
  const parts = [];
  const items = perSecond(pair.there) + perSecond(pair.back);
  if (items > 0) parts.push(rate(items));
  const rtt = (pair.there && pair.there.rtt_us) || (pair.back && pair.back.rtt_us) || 0;
  if (rtt > 0) parts.push(ms(rtt));
  if (fullOf(pair) >= FULL) parts.push(`▲ queue ${fullOf(pair)} %`);
  return parts.join(' · ');
}

// Where the words of a node are: [x, y, anchor].
const WORDS = {
  left: [-RIM - 7, 4, 'end'], right: [RIM + 7, 4, 'start'], up: [0, -RIM - 6, 'middle'], down: [0, RIM + 13, 'middle'],
};

export class ClusterMap {
  constructor(root, store, onChoose) {
    this.store = store;
    this.onChoose = onChoose;
    this.chosen = '';
    this.flights = 0;
    this.nodes = [];
    this.layers = Object.fromEntries(['areas', 'lanes', 'labels', 'nodes', 'flights']
      .map((name) => [name, svg('g', { class: name })]));
    this.svg = svg('svg', { role: 'group', 'aria-label': 'Cluster map' }, ...Object.values(this.layers));
    this.empty = el('p', { class: 'note' }, 'waiting for the cluster');
    root.append(this.svg, this.empty);
    this.root = root;
    [this.width, this.height] = [root.clientWidth || 600, 0];
    new ResizeObserver(([entry]) => {
      const { width, height } = entry.contentRect;
      if (width <= 0 || (width === this.width && height === this.height)) return;
      [this.width, this.height] = [width, height];
      this.draw(Date.now());
    }).observe(root);
  }

  draw(now) {
    this.nodes = this.store.all(now);
    const groups = new Map();
    for (const node of this.nodes) groups.set(node.region, [...(groups.get(node.region) || []), node.name]);
    this.plan = layout([...groups], this.width, this.height);
    this.root.style.minHeight = `${this.plan.natural}px`;
    this.empty.hidden = this.nodes.length > 0;
    setAttr(this.svg, 'viewBox', `0 0 ${this.width} ${this.plan.height}`);
    setAttr(this.svg, 'width', this.width);
    setAttr(this.svg, 'height', this.plan.height);
    setAttr(this.svg, 'class', this.plan.few ? 'few' : 'many');
    const pairs = this.store.pairs(this.nodes);
    this.drawAreas(groups);
    if (this.plan.few) this.drawPairs(pairs);
    else this.drawBundles(pairs);
    this.drawNodes();
  }

  place(node) {
    return this.plan.places.get(`${node.region}\n${node.name}`);
  }

  drawAreas(groups) {
    keyed(this.layers.areas, this.plan.areas, (area) => area.name,
      () => svg('g', {}, svg('rect', { rx: 12 }), svg('text', { class: 'region' }), svg('text', { class: 'census' })),
      (g, area) => {
        const [rect, title, census] = g.children;
        for (const [name, value] of Object.entries({ x: area.x, y: area.y, width: area.w, height: area.h })) {
          setAttr(rect, name, value);
        }
        setAttr(title, 'x', area.x + 14);
        setAttr(title, 'y', area.y + 21);
        setText(title, area.name);
        setAttr(census, 'x', area.x + area.w - 14);
        setAttr(census, 'y', area.y + 21);
        const here = this.nodes.filter((node) => node.region === area.name);
        const clients = here.reduce((sum, node) => sum + ((node.report && node.report.clients) || 0), 0);
        const live = here.filter((node) => node.state === 'up').length;
        setText(census, `${live}/${groups.get(area.name).length} up${clients ? ` · ${count(clients)} clients` : ''}`);
      });
  }

  drawPairs(pairs) {
    const lanes = pairs.flatMap((pair) => [
      { key: `${pair.key} there`, pair, link: pair.there, at: lane(this.place(pair.a), this.place(pair.b), RIM, 3) },
      { key: `${pair.key} back`, pair, link: pair.back, at: lane(this.place(pair.b), this.place(pair.a), RIM, 3) },
    ]);
    this.drawLanes(lanes);
    const busy = pairs.map((pair) => ({ pair, text: pairText(pair),
      weight: (pair.up ? perSecond(pair.there) + perSecond(pair.back) : 1e12) + fullOf(pair) * 1e9 }))
      .sort((a, b) => b.weight - a.weight)
      .filter((one, i) => one.text && (pairs.length <= LABELS_MAX || (i < LABELS_MAX && one.weight > 0)));
    this.drawLabels(busy.map(({ pair, text }) => {
      const [a, b] = [this.place(pair.a), this.place(pair.b)];
      return { key: pair.key, text, x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, bad: !pair.up, warn: fullOf(pair) >= FULL };
    }));
  }

  // Of many nodes: one line a pair of regions, and those links in trouble.
  drawBundles(pairs) {
    const bundles = new Map();
    const lanes = [];
    for (const pair of pairs) {
      if (pair.a.state === 'dead' || pair.b.state === 'dead') continue; // its node says it
      if ((!pair.up || fullOf(pair) >= FULL) && lanes.length < TROUBLES_MAX) {
        lanes.push({ key: pair.key, pair, link: pair.there, at: lane(this.place(pair.a), this.place(pair.b), 14, 0) });
      }
      if (pair.a.region === pair.b.region) continue;
      const [a, b] = pair.a.region < pair.b.region ? [pair.a.region, pair.b.region] : [pair.b.region, pair.a.region];
      const key = `${a}\n${b}`;
      const sum = bundles.get(key) || { key, a, b, items: 0, of: 0, up: 0, full: 0 };
      sum.items += perSecond(pair.there) + perSecond(pair.back);
      sum.of += 1;
      sum.up += pair.up ? 1 : 0;
      sum.full = Math.max(sum.full, fullOf(pair));
      bundles.set(key, sum);
    }
    const { areas } = this.plan;
    const find = (name) => areas.find((area) => area.name === name);
    const lines = [...bundles.values()].map((sum) => ({ ...sum, ...bracket(areas, find(sum.a), find(sum.b)) }));
    this.drawLanes([...lines.map((sum) => ({
      key: sum.key, pair: { up: sum.up > 0 }, link: { items: sum.items }, at: sum.d,
    })), ...lanes]);
    this.drawLabels(lines.map((sum) => ({
      key: sum.key, x: sum.x, y: sum.y, bad: sum.up < sum.of, warn: sum.full >= FULL,
      text: sum.up < sum.of ? `${rate(sum.items)} ✕${sum.of - sum.up}` : rate(sum.items),
    })));
  }

  drawLanes(lanes) {
    keyed(this.layers.lanes, lanes, (one) => one.key, () => svg('path'), (line, one) => {
      setAttr(line, 'd', one.at);
      setAttr(line, 'class', laneClass(one.pair, one.link));
    });
  }

  drawLabels(labels) {
    keyed(this.layers.labels, labels, (one) => one.key, () => svg('g', {}, svg('rect', { y: -9, height: 18, rx: 9 }),
      svg('text', { y: 4, 'text-anchor': 'middle' })), (label, one) => {
      const [pill, text] = label.children;
      const width = one.text.length * LETTER + 14;
      const x = Math.min(one.x, this.width - width / 2 - 1);
      setAttr(label, 'transform', `translate(${Math.round(x)} ${Math.round(one.y)})`);
      setAttr(label, 'class', one.bad ? 'bad' : one.warn ? 'warn' : null);
      setAttr(pill, 'x', -width / 2);
      setAttr(pill, 'width', width);
      setText(text, one.text);
    });
  }

  makeNode(node) {
    const few = [svg('circle', { class: 'disc', r: RIM - 3 }), svg('circle', { class: 'load', r: RIM - 3 })];
    const shape = this.plan.few ? few : [svg('rect', { class: 'disc', x: -53, y: -14, width: 106, height: 28, rx: 8 })];
    const g = svg('g', { class: 'node', tabindex: 0, role: 'button' }, ...shape,
      svg('text', { class: 'name' }), svg('text', { class: 'sign' }), svg('text', { class: 'flow' }));
    const choose = () => {
      this.chosen = this.chosen === g.dataset.id ? '' : g.dataset.id;
      this.onChoose(this.chosen);
      this.draw(Date.now());
    };
    g.addEventListener('click', choose);
    g.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' && event.key !== ' ') return;
      event.preventDefault();
      choose();
    });
    return g;
  }

  drawNodes() {
    const few = this.plan.few;
    keyed(this.layers.nodes, this.nodes, (node) => `${node.region}\n${node.name}\n${few}`,
      (node) => this.makeNode(node), (g, node) => {
        const at = this.place(node);
        const [word, sign] = STATES[node.state];
        const report = node.report;
        const flow = report && node.state === 'up' ? (report.in.items || 0) + (report.out.items || 0) : 0;
        g.dataset.id = node.id;
        setAttr(g, 'transform', `translate(${Math.round(at.x)} ${Math.round(at.y)})`);
        setAttr(g, 'class', `node ${node.state}${node.id === this.chosen ? ' chosen' : ''}`);
        setAttr(g, 'aria-pressed', node.id === this.chosen);
        setAttr(g, 'aria-label', `${node.name}, region ${node.region}, ${word || 'up'}${flow ? `, ${rate(flow)}` : ''}`);
        this.nodeTexts(g, node, word || (flow ? rate(flow) : 'idle'), sign, few);
        const load = g.querySelector('.load');
        if (load) this.drawLoad(load, node);
      });
  }

  nodeTexts(g, node, words, sign, few) {
    const [name, mark, flow] = g.querySelectorAll('text');
    const room = few ? 7 : 9;
    setText(name, node.name.length > room ? `…${node.name.slice(1 - room)}` : node.name); // ends differ more
    setText(mark, sign);
    setText(flow, few ? words : words === 'idle' ? '' : SHORT[words] || words);
    const at = few ? [[0, 4, 'middle'], [18, -16, 'middle'], WORDS[this.place(node).words]]
      : [[-46, 4, 'start'], [51, -10, 'middle'], [47, 4, 'end']];
    [name, mark, flow].forEach((text, i) => {
      ['x', 'y', 'text-anchor'].forEach((attribute, k) => setAttr(text, attribute, at[i][k]));
    });
  }

  // Around a node: how much of its processor or memory it uses.
  drawLoad(circle, node) {
    const report = node.state === 'up' ? node.report : null;
    const part = report ? Math.max((report.cpu_permille || 0) / 1000,
      report.memory_limit ? report.memory / report.memory_limit : 0) : 0;
    const round = 2 * Math.PI * (RIM - 3);
    setAttr(circle, 'stroke-dasharray', `${(Math.min(1, part) * round).toFixed(1)} ${round.toFixed(1)}`);
    setAttr(circle, 'class', part > 0.8 ? 'load high' : 'load');
  }

  byId(id) {
    return this.nodes.find((node) => node.id === id);
  }

  // A dot goes along the way of an item: ids of nodes, and of each leg when it
  // starts and how long it takes.
  fly(ids, { delay = 0, took = 600 } = {}) {
    const spots = ids.map((id) => this.byId(id)).filter(Boolean).map((node) => this.place(node));
    if (spots.length === 0 || this.flights >= FLIGHTS_MAX || document.hidden) return;
    const still = reducedMotion();
    const dot = svg('circle', { class: 'dot', r: spots.length === 1 || still ? RIM : 6 });
    this.layers.flights.append(dot);
    this.flights += 1;
    const frames = spots.length === 1 || still
      ? [{ opacity: 0.9, transform: this.at(spots[spots.length - 1]) }, { opacity: 0, transform: this.at(spots[spots.length - 1]) }]
      : spots.map((spot) => ({ transform: this.at(spot) }));
    dot.classList.toggle('ring', spots.length === 1 || still);
    const flight = dot.animate(frames, { duration: took, delay, easing: 'ease-in-out', fill: 'backwards' });
    flight.finished.catch(() => {}).then(() => {
      dot.remove();
      this.flights -= 1;
    });
  }

  at(spot) {
    return `translate(${spot.x}px, ${spot.y}px)`;
  }
}
