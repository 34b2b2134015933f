// SPDX-License-Identifier: Apache-2.0
//
// starling.js: publish and subscribe on a Starling cluster, from a browser or
// Node 18+. One file without dependencies; every node serves it. docs/CLIENT.md
// says what it promises, starling.d.ts what it takes.
//
//   Starling --> Directory    which endpoints there are, and how near
//      |    \--> Link         one connection: SocketLink, else StreamLink
//      \--> Topic             a position, shared by its Subscriptions
const SECOND = 1000;
const OPEN_MS = 5 * SECOND; // to connect and log in
const TOKEN_MS = 30 * SECOND; // for the caller's token function
const SILENT_MS = 10 * SECOND; // then it is asked whether it is still there
const ANSWER_MS = 5 * SECOND;
const REGIONS_MS = 300 * SECOND;
const BACKOFF_MS = 250;
const BACKOFF_MAX_MS = 30 * SECOND;
const SAMPLE = 4; // endpoints measured in a region
const BUFFER_MAX = 1 << 20; // waiting to be sent: beyond it publish() waits
const QUEUE_ITEMS = 1024; // waiting for a `for await`
const QUEUE_LEN = 8 << 20;
const TIMER_MAX = 2 ** 31 - 1;

const MAY_RETRY = new Set([4080, 4290, 4291, 4292, 4294, 5030, 5031, 5032, 5033]);
const isOfToken = (error) => error.code >= 4010 && error.code <= 4012;

export class StarlingError extends Error {
  constructor(code, name, message, retry = MAY_RETRY.has(code)) {
    super(message);
    Object.assign(this, { code, name, retry });
  }
}
const errorOf = (m) => new StarlingError(m.code || 5033, m.error || 'IO', m.message || 'no answer');
const lost = (message, retry) => new StarlingError(5033, 'IO', message, retry);
const asError = (e) => (e instanceof StarlingError ? e : lost(e?.message || 'cannot connect'));

// Full jitter: a herd that lost its node comes back spread out.
const backoff = (tries, least = BACKOFF_MS) =>
  Math.random() * Math.min(BACKOFF_MAX_MS, least * 2 ** Math.min(tries, 20));
const after = (ms, act) => setTimeout(act, Math.min(Math.max(ms, 0), TIMER_MAX));
const within = (ms, promise, what) => new Promise((resolve, reject) => {
  const timer = after(ms, () => reject(new StarlingError(4080, 'TIMEOUT', `${what} took too long`)));
  promise.then(resolve, reject).finally(() => clearTimeout(timer));
});

class Emitter {
  #listeners = new Map();

  on(name, listener) {
    if (!this.#listeners.has(name)) this.#listeners.set(name, new Set());
    this.#listeners.get(name).add(listener);
    return () => this.off(name, listener);
  }

  off(name, listener) { this.#listeners.get(name)?.delete(listener); }

  _hears(name) { return (this.#listeners.get(name)?.size || 0) > 0; }

  // What a listener throws is the page's, and must not stop the others.
  _tell(name, value) {
    for (const listener of [...(this.#listeners.get(name) || [])]) {
      try { listener(value); } catch (error) { queueMicrotask(() => { throw error; }); }
    }
  }
}

// --- values and tokens ---

function base64(bytes) {
  let text = '';
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
}
const unbase64 = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

function bytesOf(value) {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  throw new StarlingError(4003, 'ARGUMENT', 'a value is a string, a Uint8Array or an ArrayBuffer');
}

// How long a token is good for, in ms from now; Infinity if it does not say.
// The clock here may be wrong: never more than the life it was minted with.
function lifeOf(token) {
  try {
    const jwt = token.includes('.') ? token : JSON.parse(atob(token)).api_key;
    const claims = JSON.parse(atob(jwt.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')));
    if (!claims.exp) return Infinity;
    const left = claims.exp * SECOND - Date.now();
    return claims.iat ? Math.min(left, (claims.exp - claims.iat) * SECOND) : left;
  } catch {
    return Infinity;
  }
}

async function ask(url, token, options = {}) {
  const headers = { ...options.headers, ...(token && { Authorization: token }) };
  const response = await fetch(url, { cache: 'no-store', referrerPolicy: 'no-referrer', ...options, headers });
  if (response.ok) return response;
  const told = await response.json().catch(() => ({}));
  throw errorOf({ code: response.status * 10, error: 'HTTP', message: `HTTP ${response.status}`, ...told });
}
const askSoon = (url, token) => ask(url, token, { signal: AbortSignal.timeout(OPEN_MS) });

// --- which endpoints there are ---

class Directory {
  constructor({ endpoints, region = 'nearest', discover = true }) {
    this.places = new Map(); // URL -> { url, region, rtt (Infinity: no answer), until, tries }
    this.regions = [];
    this.wanted = region;
    this.discover = discover;
    for (const url of endpoints) this.#add(new URL(url).href.replace(/\/+$/, ''), '');
    this.given = [...this.places.keys()];
    this.secure = this.given.every((url) => url.startsWith('https:'));
  }

  #add(url, region) {
    const place = this.places.get(url) || { url, rtt: null, until: 0, tries: 0 };
    this.places.set(url, Object.assign(place, { region }));
  }

  // A token that was given to TLS is not sent in the clear.
  mayUse(url) { return /^https?:\/\//.test(url) && (!this.secure || url.startsWith('https:')); }

  learn({ regions = [] }) {
    if (!this.discover) return;
    this.regions = regions.map((region) => ({ ...region, rtt: null }));
    const listed = new Set();
    for (const { name, endpoints } of regions) {
      for (const url of endpoints.filter((one) => this.mayUse(one))) {
        listed.add(url);
        this.#add(url, name);
      }
    }
    for (const url of this.places.keys()) {
      if (!listed.has(url) && !this.given.includes(url)) this.places.delete(url);
    }
    this.#rate();
  }

  // Asks whoever answers first.
  async find(token) {
    if (!this.discover) return;
    try {
      this.learn(await Promise.any(this.given.slice(0, SAMPLE)
        .map(async (url) => (await askSoon(`${url}/v1/regions`, token)).json())));
    } catch { /* then those that were given are all */ }
  }

  // Round trips to some of each region. The first answer bounds the wait for
  // the others: who is three times as far is not nearest.
  async measure() {
    const byRegion = new Map();
    for (const place of [...this.places.values()].sort(() => Math.random() - 0.5)) {
      byRegion.set(place.region, [...(byRegion.get(place.region) || []), place].slice(0, SAMPLE));
    }
    const all = [...byRegion.values()].flat();
    const stop = new AbortController();
    const timer = after(OPEN_MS, () => stop.abort());
    await Promise.all(all.map(async (place) => {
      try {
        await this.#ping(place, stop.signal); // opens the connection
        await this.#ping(place, stop.signal);
        after(100 + 3 * place.rtt, () => stop.abort());
      } catch {
        place.rtt = Infinity;
      }
    }));
    clearTimeout(timer);
    this.#rate();
  }

  async #ping(place, signal) {
    const start = performance.now();
    await (await fetch(`${place.url}/livez`, { signal, cache: 'no-store' })).text();
    place.rtt = performance.now() - start;
  }

  #rate() {
    const rtts = (name) => [...this.places.values()].filter((p) => p.region === name).map((p) => p.rtt);
    for (const region of this.regions) {
      const rtt = Math.min(Infinity, ...rtts(region.name).filter((ms) => ms !== null));
      region.rtt = rtt === Infinity ? null : rtt;
    }
  }

  #preferred() {
    if (this.wanted !== 'nearest') return this.wanted;
    const near = this.regions.filter((r) => r.rtt !== null).sort((a, b) => a.rtt - b.rtt)[0];
    return near?.name;
  }

  // The wanted region, what was given, other regions; who failed comes last.
  next() {
    const region = this.#preferred();
    const order = (p) => [p.until > Date.now() ? p.until : 0, p.region && p.region === region ? 0 : p.region ? 2 : 1,
      p.rtt === Infinity ? 1 : 0, p.region === region ? 0 : p.rtt ?? Infinity, Math.random()];
    const less = (a, b) => {
      const i = a.findIndex((value, at) => value !== b[at]);
      return i < 0 ? 0 : a[i] < b[i] ? -1 : 1;
    };
    return [...this.places.values()].map((p) => [order(p), p]).sort((a, b) => less(a[0], b[0]))[0][1];
  }

  failed(url, ms) {
    const place = this.places.get(url);
    if (place) place.until = Date.now() + (ms ?? Math.min(BACKOFF_MAX_MS, SECOND * 2 ** place.tries++));
  }

  fine(url) { Object.assign(this.places.get(url) || {}, { until: 0, tries: 0 }); }
}

// --- connections ---

// What both kinds have in common. The owner hears `message(link, m)` and, once,
// `ended(link, error, wait)`: wait in ms if the server said how long.
class Link {
  constructor(endpoint, owner) {
    Object.assign(this, { endpoint, owner, over: false, answers: new Map(), numbers: 0 });
  }

  end(error, wait) {
    if (this.over) return;
    this.over = true;
    for (const answer of this.answers.values()) answer(lost(`${error.message}, before the answer came`, false));
    this.answers.clear();
    this.release();
    this.owner.ended(this, error, wait);
  }

  close() {
    this.owner = { message() {}, ended() {} };
    this.end(lost('closed'));
  }

  // Closes when what was asked is answered.
  leave() {
    const end = Date.now() + ANSWER_MS;
    const look = () => (this.answers.size === 0 || Date.now() > end ? this.close() : after(20, look));
    look();
  }
}

// The native protocol over a WebSocket.
class SocketLink extends Link {
  constructor(endpoint, owner, WebSocket) {
    super(endpoint, owner);
    this.transport = 'websocket';
    this.WebSocket = WebSocket;
  }

  open(token) {
    return new Promise((resolve, reject) => {
      let [welcome, known] = [null, !token];
      this.anonymous = !token;
      const settle = () => { if (welcome && known) resolve(welcome); };
      this.answers.set(0, (error, message) => {
        if (error) reject(error);
        else welcome = message;
        settle();
      });
      this.socket = new this.WebSocket(`${this.endpoint.replace(/^http/, 'ws')}/v1/ws?moves=true`, ['starling.v1.json']);
      this.socket.onopen = () => {
        if (token) this.auth(token).then(() => { known = true; settle(); }, reject);
      };
      this.socket.onmessage = (event) => this.#take(event.data);
      // Node 20 says no more than this of a connection that failed.
      this.socket.onerror = () => { if (!welcome) this.end(lost('cannot connect')); };
      this.socket.onclose = ({ code, reason }) => this.#closed(code, reason || '');
      this.beat = setInterval(() => this.#listen(), ANSWER_MS / 2);
      this.heard = this.pinged = Date.now();
    });
  }

  #take(data) {
    this.heard = Date.now();
    const message = JSON.parse(data);
    const id = message.op === 'welcome' ? 0 : message.id;
    const answer = this.answers.get(id);
    if (answer) {
      this.answers.delete(id);
      answer(message.op === 'error' ? errorOf(message) : null, message);
    } else if (message.op !== 'pong') {
      this.owner.message(this, message);
    }
  }

  #closed(code, reason) {
    const [name] = reason.split(' ');
    const wait = /retry_after_ms=(\d{1,9})/.exec(reason);
    const error = name === 'CLOSING' ? new StarlingError(5032, name, 'this node is shutting down')
      : name === 'UNAUTH' && this.anonymous ? new StarlingError(4010, name, 'missing or invalid credentials')
        : name === 'KICKED' ? new StarlingError(4009, name, 'closed by an operator', true)
          : lost(`the connection was closed (${code}${name && ` ${name}`})`);
    this.end(error, wait ? Number(wait[1]) : undefined);
  }

  // A timer may be late by a minute in a hidden page, so silence alone says
  // nothing: only silence after a question does.
  #listen() {
    const now = Date.now();
    if (this.pinged > this.heard && now - this.pinged > ANSWER_MS) this.end(lost('the node is silent'));
    else if (this.pinged <= this.heard && now - this.heard > SILENT_MS) {
      this.pinged = now;
      this.#send({ op: 'ping' });
    }
  }

  #send(message) {
    const text = JSON.stringify(message);
    if (this.socket.readyState === 1) this.socket.send(text);
  }

  #ask(message, answer) {
    const id = ++this.numbers;
    this.answers.set(id, answer);
    this.#send({ ...message, id });
  }

  auth(token) {
    return new Promise((resolve, reject) => {
      this.#ask({ op: 'auth', token }, (error) => (error ? reject(error) : resolve()));
    });
  }

  subscribe({ cache, topic, position, barrier, echo }, answer) {
    this.#ask({ op: 'subscribe', cache, topic, barrier, echo, ...position }, answer);
  }

  unsubscribe({ cache, topic }) { this.#ask({ op: 'unsubscribe', cache, topic }, () => {}); }

  // With a receipt `answer` comes later, else at once. The id also names what
  // an error is about.
  publish(message, answer) {
    if (message.receipt) return this.#ask(message, answer);
    this.#send({ ...message, id: ++this.numbers });
    return answer(null);
  }

  get buffered() { return this.socket.bufferedAmount; }

  release() {
    clearInterval(this.beat);
    if (this.socket.readyState < 2) this.socket.close(1000);
    this.socket.onmessage = this.socket.onclose = null;
  }
}

// Where there is no WebSocket, or something on the way eats it: an event stream
// for each topic, whose events are messages of the native protocol, and POST.
class StreamLink extends Link {
  constructor(endpoint, owner) {
    super(endpoint, owner);
    Object.assign(this, { transport: 'stream', streams: new Map(), sending: Promise.resolve(), buffered: 0 });
  }

  async open(token) {
    this.token = token;
    const { node, self, ready } = await (await askSoon(`${this.endpoint}/v1/regions`, token)).json();
    this.beat = setInterval(() => this.#listen(), SILENT_MS);
    this.heard = Date.now();
    return { node, region: self, ready };
  }

  async #listen() {
    if (this.streams.size === 0 || Date.now() - this.heard < SILENT_MS) return;
    await askSoon(`${this.endpoint}/livez`).catch(() => this.end(lost('the node is silent')));
  }

  // A stream has the token of its request: new ones, from where these are.
  async auth(token) {
    this.token = token;
    await askSoon(`${this.endpoint}/v1/regions`, token);
    for (const [topic, { answer }] of [...this.streams]) this.subscribe(topic, answer);
  }

  subscribe(topic, answer) {
    this.unsubscribe(topic);
    const stream = { life: new AbortController(), answer, retry: undefined };
    this.streams.set(topic, stream);
    this.#read(topic, stream).catch((error) => {
      if (this.streams.get(topic) !== stream) return;
      this.streams.delete(topic);
      if (error instanceof StarlingError) answer(error);
      else this.end(lost('the stream was lost'), undefined);
    });
  }

  unsubscribe(topic) {
    this.streams.get(topic)?.life.abort();
    this.streams.delete(topic);
  }

  #url({ cache, topic }) {
    return `${this.endpoint}/topics/${encodeURIComponent(cache)}/${encodeURIComponent(topic)}`;
  }

  async #read(topic, stream) {
    const { position, barrier } = topic;
    const headers = { Accept: 'text/event-stream' };
    if (position) headers['Last-Event-ID'] = `${position.page}-${position.seq}`;
    const url = `${this.#url(topic)}?format=json${barrier ? `&barrier=${barrier}` : ''}`;
    const response = await ask(url, this.token, { headers, signal: stream.life.signal });
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    let text = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (this.streams.get(topic) !== stream) return;
      if (done) throw new Error('the end');
      this.heard = Date.now();
      const events = (text + decoder.decode(value, { stream: true })).split('\n\n');
      text = events.pop();
      for (const event of events) this.#take(topic, stream, event);
    }
  }

  #take(topic, stream, event) {
    if (this.streams.get(topic) !== stream) return;
    let message = null;
    for (const line of event.split('\n')) {
      if (line.startsWith('retry: ')) stream.retry = Number(line.slice(7));
      else if (line.startsWith('data: ')) message = JSON.parse(line.slice(6));
    }
    if (message?.op === 'subscribed') stream.answer(null, message);
    else if (message?.op === 'ended' && message.code === 5032) this.end(errorOf(message), stream.retry);
    else if (message) {
      if (message.op === 'ended') this.unsubscribe(topic);
      this.owner.message(this, message);
    }
  }

  // One after the other, so that they stay in order.
  publish(message, answer) {
    const body = JSON.stringify({ ...message, id: 1 });
    this.buffered += body.length;
    this.answers.set(++this.numbers, answer);
    const number = this.numbers;
    this.sending = this.sending.then(() => this.#post(message, body)).then(
      (receipt) => this.#answer(number, null, receipt),
      (error) => {
        this.#answer(number, asError(error));
        if (!(error instanceof StarlingError) || error.code === 5032) this.end(asError(error));
      },
    ).finally(() => { this.buffered -= body.length; });
  }

  #answer(number, error, receipt) {
    const answer = this.answers.get(number);
    this.answers.delete(number);
    answer?.(error, receipt);
  }

  async #post(message, body) {
    if (this.over) throw lost('the connection was lost', false);
    const headers = { 'Content-Type': 'application/json' };
    const response = await ask(`${this.#url(message)}?format=json`, this.token, { method: 'POST', headers, body });
    return response.status === 200 ? response.json() : null;
  }

  release() {
    clearInterval(this.beat);
    for (const { life } of this.streams.values()) life.abort();
    this.streams.clear();
  }
}

// --- subscriptions ---

// A topic of one client: its position, wherever that is connected.
class Topic {
  constructor({ cache, topic, barrier, echo, from }) {
    Object.assign(this, { cache, topic, barrier, echo, position: from && { page: from.page, seq: from.seq } });
    Object.assign(this, { subs: new Set(), link: null, live: false, tries: 0 });
  }

  tell(state, error) { for (const sub of [...this.subs]) sub._state(state, error); }

  // Whether it is new: what was seen is dropped.
  item(m) {
    const { page, seq } = this.position;
    if (m.page === page && m.seq <= seq) return;
    this.position = { page: m.page, seq: m.seq };
    const item = {
      cache: m.cache, topic: m.topic, value: m.text ?? unbase64(m.data), page: m.page, seq: m.seq, at: m.at,
      origin: m.origin, publisher: m.publisher, id: m.item_id, event: m.event, contentType: m.content_type,
      replyTo: m.reply_to, correlation: m.correlation, expiryMs: m.expiry_ms, retryMs: m.retry_ms,
    };
    for (const sub of [...this.subs]) sub._item(item);
  }

  gap({ cache, topic, page, last, next }) {
    this.position = { page, seq: next };
    for (const sub of [...this.subs]) sub._gap({ cache, topic, page, last, next, reason: 'lost' });
  }
}

class Subscription extends Emitter {
  #topic;
  #leave;
  #queue = [];
  #len = 0; // of the values in the queue
  #full = false; // told since it was last read from
  #reading = false;
  #wake = null;
  #lost = null; // the gap before the next item

  constructor(topic, { onItem, onGap, onState }, leave) {
    super();
    this.#topic = topic;
    this.#leave = leave;
    this.cache = topic.cache;
    this.topic = topic.topic;
    this.state = 'subscribing';
    this.error = null;
    this.ready = new Promise((resolve, reject) => {
      this.on('state', ({ state, error }) => {
        if (state === 'live') resolve(this);
        else if (state === 'ended') reject(error || new StarlingError(4004, 'STATE', 'closed'));
      });
    });
    this.ready.catch(() => {});
    for (const [name, listener] of Object.entries({ item: onItem, gap: onGap, state: onState })) {
      if (listener) this.on(name, listener);
    }
  }

  get position() { return this.#topic.position && { ...this.#topic.position }; }

  close() { this._state('ended'); }

  _state(state, error = null) {
    if (this.state === 'ended' || (this.state === state && !error)) return;
    Object.assign(this, { state, error });
    if (state === 'ended') this.#leave(this);
    this._tell('state', { state, error });
    if (state === 'ended') this.#wake?.();
  }

  _item(item) {
    const told = this.#lost ? { ...item, gap: this.#lost } : item;
    this.#lost = null;
    this._tell('item', told);
    if (this.#reading || !this._hears('item')) this.#keep(told);
  }

  _gap(gap) {
    this.#lost = this.#lost ? { ...gap, last: this.#lost.last } : gap;
    this._tell('gap', gap);
  }

  // Bounded: the oldest give way, and that is told like any other gap.
  #keep(item) {
    this.#queue.push(item);
    this.#len += item.value.length;
    let first = null;
    let last = null;
    while (this.#queue.length > QUEUE_ITEMS || (this.#len > QUEUE_LEN && this.#queue.length > 1)) {
      last = this.#queue.shift();
      first ||= last;
      this.#len -= last.value.length;
    }
    if (last) {
      const { cache, topic, page, seq } = last;
      const gap = { cache, topic, page, last: first.gap?.last ?? first.seq - 1, next: seq, reason: 'queue' };
      this.#queue[0] = { ...this.#queue[0], gap };
      if (!this.#full) this._tell('gap', gap);
      this.#full = true;
    }
    this.#wake?.();
  }

  [Symbol.asyncIterator]() {
    this.#reading = true;
    return {
      next: async () => {
        while (this.#queue.length === 0) {
          if (this.state === 'ended') {
            if (this.error) throw this.error;
            return { done: true, value: undefined };
          }
          await new Promise((wake) => { this.#wake = wake; });
        }
        const value = this.#queue.shift();
        this.#len -= value.value.length;
        this.#full = false;
        return { done: false, value };
      },
      return: async () => {
        this.close();
        return { done: true, value: undefined };
      },
    };
  }
}

// --- the client ---

const keyOf = ({ cache, topic }) => `${cache}\n${topic}`;

export class Starling extends Emitter {
  #options;
  #directory;
  #topics = new Map();
  #link = null; // open
  #opening = new Set();
  #seeking = false;
  #moving = false;
  #waiting = []; // publishes, while there is none
  #token = '';
  #tokenUntil = 0; // a new one is due
  #tries = 0;
  #since = 0; // open
  #eaten = new Map(); // endpoint -> WebSockets that failed where HTTP works
  #timers = {};
  #draining = null;

  constructor(options) {
    super();
    this.#options = { publishWait: 5 * SECOND, WebSocket: globalThis.WebSocket, ...options };
    this.#directory = new Directory(this.#options);
    this.state = 'connecting';
    this.error = null;
    globalThis.addEventListener?.('online', this.#online);
    this.#seek(true);
  }

  get endpoint() { return this.#link?.endpoint || ''; }

  get node() { return this.#link?.where.node || ''; }

  get region() { return this.#link?.where.region || ''; }

  get transport() { return this.#link?.transport || ''; }

  get regions() { return this.#directory.regions; }

  get buffered() {
    return (this.#link?.buffered || 0) + this.#waiting.reduce((sum, { len }) => sum + len, 0);
  }

  // Round trips anew, into regions.
  async measure() {
    await this.#directory.find(this.#token);
    await this.#directory.measure();
    return this.regions;
  }

  subscribe(cache, topic, options = {}) {
    this.#check();
    const key = keyOf({ cache, topic });
    let entry = this.#topics.get(key);
    if (!entry) this.#topics.set(key, entry = new Topic({ ...options, cache, topic }));
    const sub = new Subscription(entry, options, (one) => this.#drop(entry, one));
    entry.subs.add(sub);
    if (entry.live) queueMicrotask(() => sub._state('live'));
    else if (!entry.link) this.#attach(entry);
    return sub;
  }

  async publish(cache, topic, value, { id, event, contentType, replyTo, correlation, expiryMs, retryMs, receipt } = {}) {
    this.#check();
    const what = typeof value === 'string' ? { text: value } : { data: base64(bytesOf(value)) };
    const message = {
      op: 'publish', cache, topic, ...what, item_id: id, event, content_type: contentType, reply_to: replyTo,
      correlation, expiry_ms: expiryMs, retry_ms: retryMs, receipt: receipt || undefined,
    };
    const answer = await new Promise((resolve, reject) => {
      const done = (error, told) => (error ? reject(error) : resolve(told));
      if (this.#link) this.#link.publish(message, done);
      else this.#wait(message, done);
    });
    if (this.buffered > BUFFER_MAX) await this.#drained();
    return answer ? { subscriptions: answer.subscriptions, nodes: answer.nodes, partial: answer.partial } : undefined;
  }

  close(error = null) {
    if (this.state === 'closed') return;
    globalThis.removeEventListener?.('online', this.#online);
    Object.values(this.#timers).forEach(clearTimeout);
    for (const link of [this.#link, ...this.#opening]) link?.close();
    this.#link = null;
    this.#state('closed', error);
    for (const { done } of this.#waiting.splice(0)) done(this.#closed());
    for (const topic of [...this.#topics.values()]) topic.tell('ended', error);
    this.#draining?.done();
  }

  #closed() { return this.error || new StarlingError(4004, 'STATE', 'this client is closed'); }

  #check() { if (this.state === 'closed') throw this.#closed(); }

  #state(state, error = null) {
    Object.assign(this, { state, error });
    this._tell('state', { state, endpoint: this.endpoint, node: this.node, region: this.region, error });
  }

  #fault(error) { this._tell('error', error); }

  #later(name, ms, act) {
    clearTimeout(this.#timers[name]);
    this.#timers[name] = after(ms, act);
  }

  // --- token ---

  async #newToken() {
    const { token } = this.#options;
    if (typeof token !== 'function') return token || '';
    return String(await within(TOKEN_MS, Promise.resolve(token()), 'the token function') || '');
  }

  async #needToken() {
    if (Date.now() < this.#tokenUntil) return this.#token;
    return this.#useToken(await this.#newToken());
  }

  // At 80 % of its life the next one is asked for.
  #useToken(token) {
    const ms = Math.max(lifeOf(token) * 0.8, SECOND);
    this.#token = token;
    this.#tokenUntil = Date.now() + ms;
    if (typeof this.#options.token === 'function' && ms < Infinity) this.#later('token', ms, () => this.#refresh(0));
    return token;
  }

  get #canRefresh() { return typeof this.#options.token === 'function'; }

  // The same connection goes on with a new token; a failure is told, and tried
  // again while the old one may still hold.
  async #refresh(tries) {
    const link = this.#link;
    try {
      const token = await this.#newToken();
      if (this.state === 'closed') return;
      if (this.#link && this.#link === link) await link.auth(token);
      this.#useToken(token);
      for (const topic of this.#topics.values()) if (!topic.link) this.#attach(topic);
    } catch (error) {
      if (this.state === 'closed') return;
      this.#tokenUntil = 0;
      this.#fault(asError(error));
      this.#later('token', backoff(tries, SECOND), () => this.#refresh(tries + 1));
    }
  }

  // --- connecting ---

  #online = () => { if (!this.#link && !this.#seeking) this.#later('seek', 0, () => this.#seek()); };

  async #seek(first = false) {
    this.#seeking = true;
    await null; // whoever made this client listens now
    if (this.state === 'closed') return;
    this.#state('connecting');
    let place = null;
    try {
      const token = await this.#needToken();
      if (this.#directory.regions.length === 0) await this.#directory.find(token);
      if (first && this.#directory.places.size > 1) await this.#directory.measure();
      if (this.state === 'closed') return;
      place = this.#directory.next();
      this.#adopt(await this.#open(place.url, token));
    } catch (error) {
      this.#failed(place, asError(error));
    } finally {
      this.#seeking = false;
    }
  }

  #failed(place, error) {
    if (this.state === 'closed') return;
    if (isOfToken(error)) {
      this.#tokenUntil = 0;
      if (!this.#canRefresh) return this.close(error);
    } else if (place) {
      this.#directory.failed(place.url);
    }
    this.#state('lost', error);
    this.#later('seek', backoff(this.#tries++), () => this.#seek());
  }

  // A connection on which the token was taken.
  async #open(url, token) {
    this.#check();
    const { WebSocket, transport } = this.#options;
    const eaten = this.#eaten.get(url) || 0;
    const streams = transport === 'stream' || !WebSocket || eaten > 1;
    const owner = { message: (...a) => this.#message(...a), ended: (...a) => this.#ended(...a) };
    const link = streams ? new StreamLink(url, owner) : new SocketLink(url, owner, WebSocket);
    this.#opening.add(link);
    try {
      link.where = await within(OPEN_MS, link.open(token), 'connecting');
      if (link.over) throw lost('closed');
      if (!link.where.ready && this.#directory.places.size > 1 && this.#tries < this.#directory.places.size) {
        throw new StarlingError(5030, 'NOT_READY', 'this node is still joining its cluster');
      }
      this.#eaten.delete(url);
      return link;
    } catch (error) {
      link.close();
      if (!streams && !isOfToken(error) && error.code !== 5030 && transport !== 'websocket') this.#suspect(url, eaten, error.code === 4080 ? 2 : 1);
      throw error;
    } finally {
      this.#opening.delete(link);
    }
  }

  // Is it the node, or something on the way that does not let WebSockets pass?
  #suspect(url, eaten, more) {
    askSoon(`${url}/livez`).then(() => this.#eaten.set(url, eaten + more)).catch(() => {});
  }

  #adopt(link) {
    if (this.state === 'closed') return link.close();
    this.#link = link;
    this.#since = Date.now();
    this.#directory.fine(link.endpoint);
    this.#state('open');
    for (const topic of this.#topics.values()) this.#attach(topic);
    for (const { message, done } of this.#waiting.splice(0)) link.publish(message, done);
    this.#look();
  }

  // Which nodes there are changes.
  #look() {
    this.#later('regions', REGIONS_MS * (0.5 + Math.random()), () => this.#look());
    if (!this.#link) return;
    askSoon(`${this.endpoint}/v1/regions`, this.#token).then((r) => r.json())
      .then((told) => { this.#directory.learn(told); this._tell('regions', this.regions); }).catch(() => {});
  }

  #ended(link, error, wait) {
    if (link !== this.#link) return;
    this.#directory.failed(link.endpoint, wait === undefined ? undefined : Math.max(wait, 10 * SECOND));
    this.#link = null;
    if (Date.now() - this.#since > OPEN_MS) this.#tries = 0; // else it may refuse each time
    for (const topic of this.#topics.values()) this.#detach(topic, error);
    if (isOfToken(error) && !this.#canRefresh) return this.close(error);
    this.#state('lost', error);
    this.#later('seek', wait ?? backoff(this.#tries++), () => this.#seek());
  }

  // Goes on at another node: subscribes there from where it is, then leaves
  // this one. What still comes from here is not looked at any more, so nothing
  // comes twice.
  async #move(old, url) {
    if (this.#moving || !this.#directory.mayUse(url)) return;
    this.#moving = true;
    try {
      const next = await this.#open(url, await this.#needToken());
      if (old !== this.#link) return next.close();
      this.#adopt(next);
      old.leave();
    } catch (error) {
      this.#fault(asError(error)); // and stays
    } finally {
      this.#moving = false;
    }
  }

  // --- topics ---

  #attach(topic) {
    const link = this.#link;
    if (!link) return;
    Object.assign(topic, { link, live: false });
    link.subscribe(topic, (error, told) => {
      if (topic.link !== link) return;
      if (error) return this.#refused(topic, error);
      topic.position ??= { page: told.page, seq: told.seq };
      topic.live = true;
      topic.tries = 0;
      topic.tell('live');
    });
  }

  #detach(topic, error) {
    Object.assign(topic, { link: null, live: false });
    topic.tell('lost', error);
  }

  // It ends, or comes back: with a new token, or later.
  #refused(topic, error) {
    const renew = isOfToken(error) && this.#canRefresh && topic.tries < 3;
    if (this.#link && this.#link.over) return; // all of them are lost
    if (!renew && !error.retry) return topic.tell('ended', error);
    this.#detach(topic, error);
    const wait = backoff(topic.tries++, SECOND);
    if (renew) this.#later('token', topic.tries > 1 ? wait : 0, () => this.#refresh(0));
    else after(wait, () => { if (!topic.link && topic.subs.size > 0) this.#attach(topic); });
  }

  #drop(topic, sub) {
    topic.subs.delete(sub);
    if (topic.subs.size > 0) return;
    this.#topics.delete(keyOf(topic));
    if (topic.link && !topic.link.over) topic.link.unsubscribe(topic);
    topic.link = null;
  }

  #message(link, message) {
    const { op } = message;
    if (op === 'move' && link === this.#link) this.#move(link, message.endpoint);
    if (op === 'error' && link === this.#link) this.#fault(errorOf(message));
    const topic = this.#topics.get(keyOf(message));
    if (!topic || topic.link !== link || !topic.live) return;
    if (op === 'item') topic.item(message);
    else if (op === 'gap') topic.gap(message);
    else if (op === 'ended') this.#refused(topic, errorOf(message));
  }

  // --- publishing ---

  // Waits for a connection, bounded in bytes and time; what was given to one
  // is never given to another.
  #wait(message, done) {
    const len = JSON.stringify(message).length;
    if (this.buffered + len > BUFFER_MAX) return done(new StarlingError(4290, 'LIMIT', 'too much waits to be sent'));
    const entry = { message, len, done: (...a) => { clearTimeout(timer); done(...a); } };
    const timer = after(this.#options.publishWait, () => {
      this.#waiting = this.#waiting.filter((one) => one !== entry);
      done(new StarlingError(4080, 'TIMEOUT', 'not connected'));
    });
    return this.#waiting.push(entry);
  }

  // No socket tells when it is empty again.
  #drained() {
    if (!this.#draining) {
      this.#draining = {};
      this.#draining.promise = new Promise((resolve) => { this.#draining.done = resolve; });
      const look = () => {
        if (this.buffered > BUFFER_MAX / 2) return this.#later('drain', 20, look);
        const { done } = this.#draining;
        this.#draining = null;
        done();
        return this._tell('drain');
      };
      look();
    }
    return this.#draining.promise;
  }
}

// options: endpoints (default: where this file is from), token, region ...
export function connect(options = {}) {
  const here = new URL(import.meta.url);
  const home = here.protocol.startsWith('http') ? [here.origin] : [];
  const endpoints = [options.endpoints ?? home].flat();
  if (endpoints.length === 0) throw new StarlingError(4003, 'ARGUMENT', 'endpoints: at least one URL');
  return new Starling({ ...options, endpoints });
}
