// SPDX-License-Identifier: Apache-2.0
//
// The first touch: choose a region and a cache, type a topic, subscribe, send.
// Two subscribers on two nodes show how an item crosses.
import { $, el, fillSelect, setAttr, setText } from './dom.js';
import { Pane } from './pane.js';

const SENT_MAX = 200;

const newId = () => [...crypto.getRandomValues(new Uint32Array(3))].map((n) => n.toString(36)).join('');

export class Try {
  constructor(app) {
    this.app = app;
    this.sent = new Map(); // id of an item -> when it was sent
    this.nodes = [];
    this.subscribed = false;
    this.sender = { endpoint: '', star: null };
    const pane = { store: app.store, openOn: app.openOn, refused: app.refused,
      tookOf: (item) => this.tookOf(item), learn: (item) => this.learn(item), arrived: (item, at) => app.arrived(item, at.endpoint) };
    this.panes = ['Subscriber A', 'Subscriber B'].map((title) => new Pane(title, pane));
    $('panes').append(...this.panes.map((one) => one.root));
    $('cache').value = sessionStorage.getItem('cache') || 'demo';
    $('topic').value = sessionStorage.getItem('topic') || 'chat';
    this.listen();
  }

  listen() {
    $('subscribe-form').addEventListener('submit', (event) => {
      event.preventDefault();
      if (this.subscribed) this.unsubscribe();
      else this.subscribe();
    });
    $('send-form').addEventListener('submit', (event) => {
      event.preventDefault();
      if ($('traced').checked) this.app.traceIt($('message').value);
      else this.send($('message').value);
    });
    $('region').addEventListener('change', () => this.settle(true));
    $('from').addEventListener('change', () => this.sendFrom($('from').value));
    for (const id of ['cache', 'topic']) {
      $(id).addEventListener('change', () => {
        if (this.subscribed) this.subscribe();
        this.app.chosen();
      });
    }
  }

  get cache() { return $('cache').value; }

  get topic() { return $('topic').value; }

  get endpoint() { return this.sender.endpoint; }

  choose(cache, topic) {
    $('cache').value = cache;
    $('topic').value = topic;
    this.subscribe();
    this.app.chosen();
    $('message').focus();
  }

  subscribe() {
    if (!$('subscribe-form').reportValidity()) return;
    sessionStorage.setItem('cache', this.cache);
    sessionStorage.setItem('topic', this.topic);
    this.subscribed = true;
    for (const pane of this.panes) pane.subscribe(this.cache, this.topic);
    this.label();
  }

  unsubscribe() {
    this.subscribed = false;
    for (const pane of this.panes) pane.stop();
    this.label();
  }

  label() {
    setText($('subscribe'), this.subscribed ? 'Unsubscribe' : 'Subscribe');
    setAttr($('subscribe'), 'class', this.subscribed ? '' : 'primary');
  }

  // Which nodes there are, and which of them live. The region decides where the first
  // subscriber and the publisher are; the second starts elsewhere, if it can.
  offer(all, nodes, roundTrips, self) {
    const entries = all.filter((node) => node.endpoint).map((node) => [node.endpoint,
      `${node.name} (${node.region})${nodes.some((one) => one.id === node.id) ? '' : ` ✕ ${node.state}`}`]);
    this.nodes = nodes;
    const names = [...new Set(all.map((node) => node.region))].sort();
    fillSelect($('region'), names.map((name) => {
      const rtt = roundTrips.get(name);
      return [name, rtt === undefined ? name : `${name} · ${rtt.toFixed(1)} ms`];
    }), this.placed ? undefined : self);
    for (const pane of this.panes) pane.offer(this.withOwn(entries, pane.endpoint));
    fillSelect($('from'), this.withOwn(entries, this.sender.endpoint), this.sender.endpoint || undefined);
    if (!this.placed && nodes.length > 0) this.settle(false);
  }

  // One that is gone stays chosen: it may come back.
  withOwn(entries, endpoint) {
    if (!endpoint || entries.some(([one]) => one === endpoint)) return entries;
    return [...entries, [endpoint, `${new URL(endpoint).host} (not there)`]];
  }

  settle(byHand) {
    this.placed = true;
    const here = this.nodes.filter((node) => node.region === $('region').value);
    const home = here.find((node) => node.id === this.app.home || node.endpoint === this.app.api.base) || here[0];
    if (!home) return;
    const other = this.nodes.find((node) => node.region !== home.region) || here.find((node) => node !== home) || home;
    this.panes[0].moveTo(home.endpoint);
    this.panes[1].moveTo(other.endpoint);
    $('from').value = home.endpoint;
    this.sendFrom(home.endpoint);
    if (byHand) this.app.regionChosen(home.region, home.endpoint);
    else if (this.app.api.anonymous || this.app.api.invited) this.subscribe();
  }

  sendFrom(endpoint) {
    if (this.sender.endpoint === endpoint) return;
    if (this.sender.star) this.sender.star.close();
    this.sender = { endpoint, star: this.app.openOn(endpoint) };
    this.app.chosen();
  }

  note(id) {
    this.sent.set(id, { start: performance.now(), endpoint: this.endpoint });
    if (this.sent.size > SENT_MAX) this.sent.delete(this.sent.keys().next().value);
  }

  learn(item) {
    const sent = this.sent.get(item.id);
    if (sent) this.app.store.learn(item.origin, sent.endpoint);
  }

  // Of what was sent here one clock tells; else two have to agree.
  tookOf(item) {
    const sent = this.sent.get(item.id);
    return sent ? performance.now() - sent.start : Math.max(0, Date.now() - item.at);
  }

  async send(value) {
    const id = newId();
    const { star } = this.sender;
    if (!star) {
      this.say('no node to send from', 'bad');
      return;
    }
    this.note(id);
    const start = performance.now();
    try {
      const told = await star.publish(this.cache, this.topic, value, { id, receipt: true });
      const took = (performance.now() - start).toFixed(1);
      this.say(`✓ sent in ${took} ms: ${told.subscriptions} subscriptions there, to ${told.nodes} other nodes` +
        `${told.partial ? ', ⚠ some out of reach' : ''}`, 'good');
    } catch (error) {
      this.say(`✕ ${error.message}${error.code ? ` (code ${error.code})` : ''}`, 'bad');
      this.app.refused(error);
    }
  }

  say(text, mood) {
    $('sent').replaceChildren(el('span', { class: mood }, text));
  }
}
