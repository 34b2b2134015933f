// SPDX-License-Identifier: Apache-2.0
// The first console: two subscribers on two nodes, one publisher, the members.
'use strict';

const ROWS_MAX = 200;
const REFRESH_MS = 2000;
const RETRY_MS = 1000;

const $ = (id) => document.getElementById(id);
const sentAt = new Map(); // item id -> performance.now() of the send
const state = { members: [], region: '', denied: '' }; // denied: a token without admin:read

const tokenFromUrl = new URLSearchParams(location.hash.slice(1)).get('t');
if (tokenFromUrl) {
  sessionStorage.setItem('token', tokenFromUrl);
  history.replaceState(null, '', location.pathname);
}
const token = () => sessionStorage.getItem('token') || '';

function cell(row, text, name) {
  const td = row.insertCell();
  td.textContent = text; // payloads and names are only ever text
  if (name) td.className = name;
  return td;
}

// A native session that stays: reconnects, logs in, and tells who listens.
class Session {
  constructor(onMessage, onState) {
    this.onMessage = onMessage;
    this.onState = onState;
    this.socket = null;
    this.endpoint = '';
    this.retry = 0;
  }

  connect(endpoint) {
    this.close();
    this.endpoint = endpoint;
    if (!endpoint) return;
    const url = endpoint.replace(/^http/, 'ws') + '/v1/ws';
    const socket = new WebSocket(url, 'starling.v1.json');
    this.socket = socket;
    socket.onmessage = (event) => {
      const message = JSON.parse(event.data);
      if (message.op === 'welcome') {
        if (token()) this.send({ op: 'auth', token: token() });
        this.onState('open');
      }
      this.onMessage(message);
    };
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.onState('lost');
      this.retry = setTimeout(() => this.connect(endpoint), RETRY_MS);
    };
  }

  send(message) {
    if (!this.socket || this.socket.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  close() {
    clearTimeout(this.retry);
    const socket = this.socket;
    this.socket = null;
    if (socket) socket.close();
  }
}

class Pane {
  constructor(root) {
    root.append($('pane').content.cloneNode(true));
    this.select = root.querySelector('.node');
    this.label = root.querySelector('.state');
    this.rows = root.querySelector('tbody');
    this.session = new Session((m) => this.take(m), (s) => this.show(s));
    this.select.onchange = () => this.session.connect(this.select.value);
  }

  show(text) {
    if (text === 'open') this.subscribe();
    else this.label.textContent = 'connection lost, coming back';
    this.label.className = text === 'open' ? 'state good' : 'state bad';
  }

  // A fresh connection for a fresh topic: no stale subscription stays.
  restart() {
    this.rows.textContent = '';
    this.position = null;
    this.session.connect(this.select.value);
  }

  subscribe() {
    this.session.send({
      op: 'subscribe', id: 1, cache: $('cache').value, topic: $('topic').value,
      ...(this.position || {}),
    });
  }

  take(message) {
    if (message.op === 'subscribed') {
      // Resumed: what was missed follows, so the old position still holds.
      if (!message.resumed) this.position = { page: message.page, seq: message.seq };
      this.label.textContent = message.partial ? 'subscribed (not everywhere yet)' : 'subscribed';
      this.label.className = 'state good';
    } else if (message.op === 'item') {
      this.position = { page: message.page, seq: message.seq };
      this.add(message);
    } else if (message.op === 'gap') {
      this.position = { page: message.page, seq: message.next };
      const row = this.insert();
      row.className = 'gap';
      cell(row, new Date().toLocaleTimeString());
      cell(row, message.next, 'n');
      cell(row, '');
      cell(row, '');
      cell(row, 'discontinuity: items may be missing here');
    } else if (message.op === 'error' || message.op === 'ended') {
      this.label.textContent = `${message.message} (code ${message.code})`;
      this.label.className = 'state bad';
      if (message.code === 4010 || message.code === 4011) $('login').hidden = false;
    }
  }

  insert() {
    while (this.rows.rows.length >= ROWS_MAX) this.rows.deleteRow(-1);
    return this.rows.insertRow(0);
  }

  add(message) {
    const start = sentAt.get(message.item_id);
    const ms = start === undefined ? Date.now() - message.at
      : performance.now() - start;
    const origin = state.members.find((m) => m.id === message.origin);
    const row = this.insert();
    cell(row, new Date().toLocaleTimeString());
    cell(row, message.seq, 'n');
    cell(row, ms.toFixed(1), 'n');
    cell(row, (origin ? `${origin.name} (${origin.region})` : message.origin.slice(0, 8)) +
      (message.publisher ? ` ${message.publisher}` : ''));
    cell(row, message.text !== undefined ? message.text : `${atob(message.data).length} bytes`);
  }
}

const panes = [...document.querySelectorAll('.pane')].map((root) => new Pane(root));
const publisher = new Session((message) => {
  if (message.op === 'published') {
    $('sent').textContent = `sent: ${message.subscriptions} subscriptions there, ` +
      `${message.nodes} other nodes${message.partial ? ', some out of reach' : ''}`;
  } else if (message.op === 'error') {
    $('sent').textContent = `${message.message} (code ${message.code})`;
  }
}, () => {});

function options(select, entries, wanted) {
  const key = JSON.stringify(entries);
  if (select.dataset.key === key) return;
  const before = select.value || wanted;
  select.dataset.key = key;
  select.textContent = '';
  for (const [value, text] of entries) select.add(new Option(text, value));
  if (entries.some(([value]) => value === before)) select.value = before;
}

const living = () => state.members
  .filter((m) => m.endpoint && (m.state === 'alive' || m.state === 'suspect'))
  .sort((a, b) => Boolean(b.self) - Boolean(a.self) || (a.name < b.name ? -1 : 1));

// The region chooses where the first pane and the publisher are; the second
// pane starts on another node, of another region where there is one.
function fill() {
  const nodes = living();
  const regions = [...new Set(nodes.map((m) => m.region))].sort();
  options($('region'), regions.map((r) => [r, r]), state.region);
  const label = (m) => [m.endpoint, `${m.name} (${m.region})`];
  const here = nodes.filter((m) => m.region === $('region').value);
  const other = nodes.filter((m) => m.region !== $('region').value)
    .concat(here.slice(1), here);
  const follow = (select, session, first) => {
    options(select, nodes.map(label), first && first.endpoint);
    if (select.value !== session.endpoint) session.connect(select.value);
  };
  follow($('from'), publisher, here[0]);
  follow(panes[0].select, panes[0].session, here[0]);
  follow(panes[1].select, panes[1].session, other[0]);
}

function showMembers() {
  const body = $('members').tBodies[0];
  body.textContent = '';
  for (const m of [...state.members].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const row = body.insertRow();
    const fine = m.state === 'alive' && (m.linked || m.self);
    cell(row, m.name + (m.self ? ' (this one)' : ''));
    cell(row, m.region);
    cell(row, m.draining ? 'draining' : m.state, fine ? 'good' : 'bad');
    cell(row, m.self ? '' : m.linked ? 'up' : 'down', fine ? 'good' : 'bad');
    cell(row, m.topics, 'n');
    cell(row, m.self || !m.rtt_us ? '' : (m.rtt_us / 1000).toFixed(1), 'n');
    cell(row, m.version);
    cell(row, m.endpoint);
  }
}

const ask = (path) => fetch(path, { headers: token() ? { Authorization: token() } : {} });

function takeCluster(cluster) {
  if (cluster.members.every((m) => !m.endpoint)) {
    cluster.members.filter((m) => m.self).forEach((m) => { m.endpoint = location.origin; });
  }
  state.members = cluster.members;
  state.region = cluster.region;
  $('where').textContent = `node ${cluster.name}, region ${cluster.region}, ` +
    `links ${cluster.links.up}/${cluster.links.of} up` +
    (cluster.insecure ? ', no keys: for development' : '');
}

// A token without admin:read sees where clients may connect, and no more.
function takeRegions(regions) {
  state.members = regions.regions.flatMap((region) => region.endpoints.map((endpoint) => ({
    id: '', name: new URL(endpoint).host, region: region.name, endpoint, state: 'alive',
  })));
  state.region = regions.self;
  $('where').textContent = `region ${regions.self}`;
}

async function refresh() {
  try {
    let whole = !token() || token() !== state.denied;
    let response = await ask(whole ? '/v1/cluster' : '/v1/regions');
    if (whole && response.status === 403) {
      state.denied = token();
      whole = false;
      response = await ask('/v1/regions');
    }
    $('login').hidden = response.ok;
    if (response.status === 401) throw new Error(token() ? 'this token is not valid' : 'a token is needed');
    if (!response.ok) throw new Error(`the node answers ${response.status}`);
    (whole ? takeCluster : takeRegions)(await response.json());
    $('cluster').hidden = !whole;
    fill();
    if (whole) showMembers();
  } catch (error) {
    $('where').textContent = error.message;
  }
  setTimeout(refresh, REFRESH_MS);
}

$('region').onchange = () => {
  for (const select of [$('from'), panes[0].select, panes[1].select]) {
    select.value = '';
    delete select.dataset.key;
  }
  fill();
};
$('from').onchange = () => publisher.connect($('from').value);
for (const id of ['cache', 'topic']) {
  $(id).onchange = () => panes.forEach((pane) => pane.restart());
}
$('send').onsubmit = (event) => {
  event.preventDefault();
  const id = crypto.getRandomValues(new Uint32Array(2)).join('-');
  sentAt.set(id, performance.now());
  if (sentAt.size > ROWS_MAX) sentAt.delete(sentAt.keys().next().value);
  if (!publisher.send({
    op: 'publish', id: 2, receipt: true, cache: $('cache').value, topic: $('topic').value,
    text: $('message').value, item_id: id,
  })) $('sent').textContent = 'not connected';
};
$('login').onsubmit = (event) => {
  event.preventDefault();
  sessionStorage.setItem('token', $('token').value);
  $('login').hidden = true;
  publisher.connect(publisher.endpoint);
  panes.forEach((pane) => pane.session.connect(pane.select.value));
};
refresh();
