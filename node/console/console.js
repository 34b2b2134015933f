// SPDX-License-Identifier: Apache-2.0
//
// The console: itself a client of the cluster that it shows. Reports and events
// come as items of the cache _sys; who may not read those still can publish and
// subscribe.
import { connect } from '/starling.js';
import { Api } from './api.js';
import { Clients } from './clients.js';
import { Dev } from './dev.js';
import { $, el, setAttr, setText, show, tabs } from './dom.js';
import { Events } from './events.js';
import { span } from './format.js';
import { Latency } from './latency.js';
import { ClusterMap } from './map.js';
import { Nodes } from './nodes.js';
import { Pulse } from './pulse.js';
import { Snippets } from './snippets.js';
import { Store } from './store.js';
import { Tokens } from './tokens.js';
import { Topics } from './topics.js';
import { Trace } from './trace.js';
import { Try } from './try.js';

const TICK_MS = 1000;
const MEASURE_EVERY = 15; // ticks between two round trips to the regions
const DOTS_PER_TICK = 12;
const PATIENCE_MS = 2500; // for a node that does not answer, then another one is asked
const OF_TOKEN = new Set([4010, 4011, 4012]);

class Console {
  constructor() {
    this.api = new Api();
    this.store = new Store();
    this.star = null;
    this.self = ''; // the region that we are in
    this.roundTrips = new Map(); // to a region, in ms
    this.ticks = 0;
    this.dots = 0;
    this.lack = ''; // what a token without admin:read is told
    this.inside = [];
    this.openOn = this.openOn.bind(this);
    this.refused = this.refused.bind(this);
    $('login-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.useToken($('token').value.trim());
      $('token').value = '';
    });
  }

  async start() {
    const answer = await this.api.ask('/v1/regions');
    if (answer.status === 401 || answer.status === 403) {
      this.askForToken(this.api.token ? answer.error : 'This node has keys.');
      return;
    }
    if (!answer.ok) {
      setText($('live'), `${answer.error}, trying again`);
      setTimeout(() => this.start(), TICK_MS);
      return;
    }
    this.self = answer.body.self;
    // With a token the answer says nothing of keys; without one it says all.
    this.api.anonymous = this.api.token === '';
    this.blind = !this.api.may('admin:read'); // what would be refused is not asked
    this.build();
    this.watch(this.api.base);
    await this.refresh();
    this.tick();
    this.timer = setInterval(() => this.tick(), TICK_MS);
  }

  askForToken(why) {
    show($('app'), false);
    show($('login'), true);
    setText($('login-note'), why);
    setText($('live'), '');
    $('token').focus();
  }

  // From the beginning: nothing of another token stays on the page.
  useToken(token) {
    this.api.token = token;
    location.reload();
  }

  build() {
    show($('app'), true);
    this.map = new ClusterMap($('map'), this.store, (id) => this.nodes.draw(this.map.nodes, id));
    this.nodes = new Nodes(() => {
      this.map.chosen = '';
      this.draw(Date.now());
    });
    this.pulse = new Pulse($('pulse'), this.store);
    this.topics = new Topics($('topics'), this.store, (cache, topic) => {
      this.showTab('tab-try');
      this.try.choose(cache, topic);
    });
    this.latency = new Latency($('latency'), this.store);
    this.clients = new Clients($('clients'), this.store, this.api);
    this.events = new Events($('events'));
    this.trace = new Trace(this);
    this.snippets = new Snippets(this);
    this.tokens = new Tokens(this);
    this.dev = new Dev(this);
    this.showTab = tabs(document.querySelector('[role=tablist]'), () => this.chosen());
    this.try = new Try(this);
    this.inside = [...document.querySelectorAll('.inside')];
    $('nodes-all').addEventListener('toggle', () => this.draw(Date.now()));
  }

  // --- connections ---

  openOn(endpoint) {
    return connect({ endpoints: [endpoint], token: this.api.token, discover: false, publishWait: PATIENCE_MS });
  }

  // Reports and events, from the node that served this page, as long as it is
  // there.
  watch(endpoint) {
    if (this.star) this.star.close();
    const star = this.openOn(endpoint);
    this.star = star;
    this.watching = endpoint;
    this.patience();
    star.on('state', (state) => {
      if (this.star === star) this.connected(state);
    });
    star.subscribe('_sys', 'stats', {
      onItem: (item) => this.take(item, (report) => this.store.takeReport(report, Date.now())),
      onState: ({ state, error }) => this.watched(state, error),
    });
    star.subscribe('_sys', 'events', { onItem: (item) => this.take(item, (event) => this.events.add(event)) });
  }

  patience() {
    clearTimeout(this.leaving);
    this.leaving = setTimeout(() => {
      const others = this.living().filter((node) => node.endpoint !== this.watching);
      const near = others.filter((node) => node.region === this.self);
      const pool = near.length > 0 ? near : others;
      if (pool.length === 0) this.patience();
      else this.watch(pool[Math.floor(Math.random() * pool.length)].endpoint);
    }, PATIENCE_MS);
  }

  // Where clients may connect, nodes of this region first.
  living() {
    const able = this.map.nodes.filter((node) => node.endpoint && !['dead', 'silent', 'draining'].includes(node.state));
    return able.sort((a, b) => Number(b.region === this.self) - Number(a.region === this.self));
  }

  take(item, act) {
    try {
      act(JSON.parse(item.value));
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error; // of a newer node: not ours to read
    }
  }

  connected({ state, endpoint, node, region, error }) {
    if (state === 'lost') this.patience();
    if (state === 'open') {
      clearTimeout(this.leaving);
      this.api.base = endpoint;
      setText($('where'), `${node} · ${region}`);
    }
    const words = { open: '● live', connecting: '○ connecting', lost: '✕ connection lost, coming back', closed: '✕ closed' };
    setText($('live'), words[state] || state);
    setAttr($('live'), 'class', state === 'open' ? 'good' : state === 'connecting' ? '' : 'bad');
    if (error) this.refused(error);
  }

  watched(state, error) {
    if (state === 'live') {
      this.lack = '';
      this.fetchEvents();
    } else if (state === 'ended' && error) {
      this.lack = error.message;
      this.refused(error);
    }
    for (const card of this.inside) {
      setText(card.querySelector('.lack'), this.lack);
      show(card.querySelector('.lack'), this.lack !== '');
      show(card.lastElementChild, this.lack === '');
    }
    show($('pulse'), this.lack === '');
  }

  // What happened before this page was there, or while it was away.
  async fetchEvents() {
    const answer = await this.api.ask('/v1/admin/events?limit=100');
    if (answer.ok) for (const event of answer.body.events) this.events.add(event);
  }

  // A token that does not hold any more ends the session, nothing else does.
  refused(error) {
    if (!OF_TOKEN.has(error.code) || !this.api.token) return;
    this.api.token = '';
    clearInterval(this.timer);
    this.star.close();
    this.try.unsubscribe();
    this.askForToken(error.message);
  }

  // --- what the parts ask of the whole ---

  chosenTopic() {
    return { cache: this.try.cache, topic: this.try.topic, endpoint: this.try.endpoint };
  }

  chosen() {
    if (!this.try) return;
    this.snippets.draw();
    this.tokens.draw();
  }

  // The page itself follows: what it asks, it asks there.
  regionChosen(region, endpoint) {
    this.self = region;
    this.watch(endpoint);
  }

  traceIt(value) {
    this.showTab('tab-trace');
    this.trace.run(value);
  }

  // An item came to a subscriber here: its way is drawn, if there is time.
  arrived(item, endpoint) {
    const at = this.map.nodes.find((node) => node.endpoint === endpoint);
    if (!at || this.dots >= DOTS_PER_TICK) return;
    this.dots += 1;
    const origin = this.store.nodeOf(item.origin);
    if (origin) this.map.fly(origin.id === at.id ? [at.id] : [origin.id, at.id]);
  }

  // --- once a second ---

  async tick() {
    const now = Date.now();
    this.store.tick(now);
    this.dots = 0;
    if (!document.hidden) this.draw(now);
    if (this.inDev) this.dev.refresh();
    await this.refresh();
    if (this.ticks % MEASURE_EVERY === 0) this.measure();
    this.ticks += 1;
  }

  async measure() {
    const regions = [...new Set(this.living().map((node) => node.region))];
    await Promise.all(regions.map(async (region) => {
      const rtt = await this.api.roundTrip(this.living().find((node) => node.region === region).endpoint);
      if (rtt !== null) this.roundTrips.set(region, rtt);
    }));
    this.showCaches();
  }

  async showCaches() {
    const answer = await this.api.ask('/v1/caches');
    if (!answer.ok) return;
    $('caches').replaceChildren(...answer.body.caches.slice(0, 200).map(({ name }) => el('option', { value: name })));
  }

  async refresh() {
    if (this.lack === '' && !this.blind) {
      const answer = await this.api.ask('/v1/cluster');
      if (answer.ok) this.takeCluster(answer.body);
      this.blind = answer.status === 403;
      if (answer.status === 401) this.refused({ code: answer.body.code, message: answer.error });
    }
    if (this.lack !== '' || this.blind) {
      const answer = await this.api.ask('/v1/regions');
      if (answer.ok) this.store.takeRegions(answer.body.regions, Date.now());
    }
  }

  takeCluster(cluster) {
    for (const member of cluster.members) {
      if (member.self && !member.endpoint) member.endpoint = this.api.base;
    }
    this.home = cluster.self;
    this.insecure = cluster.insecure;
    this.inDev = cluster.dev === true;
    this.store.takeMembers(cluster.members, Date.now());
  }

  draw(now) {
    this.map.draw(now);
    this.nodes.draw(this.map.nodes, this.map.chosen);
    this.offerNodes();
    this.badges();
    if (this.lack !== '') return;
    this.pulse.draw();
    this.topics.draw();
    this.latency.draw();
    this.clients.draw(now);
    this.events.draw();
  }

  offerNodes() {
    this.try.offer(this.map.nodes, this.living(), this.roundTrips, this.self);
    const pairs = this.store.pairs(this.map.nodes);
    const up = pairs.filter((pair) => pair.up).length;
    setText($('links'), pairs.length > 0 ? `links ${up}/${pairs.length} up` : '');
    setAttr($('links'), 'class', up === pairs.length ? 'dim' : 'bad');
  }

  badges() {
    const { claims } = this.api;
    const left = claims && claims.expires ? ` · ${span(claims.expires - Date.now())} left` : '';
    setText($('badges'), this.insecure ? 'no keys: for development'
      : this.api.token ? `${(claims && claims.subject) || 'token'}${left}` : '');
  }
}

new Console().start();
