// SPDX-License-Identifier: Apache-2.0
//
// Clients while their nodes come and go: a rolling restart under load, a node
// that is killed, tokens that expire.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connect } from '../../node/console/starling.js';
import { Node, run, sleep, startCluster, stopAll, temporaryFolder, until } from '../e2e/harness.mjs';
import { Balancer } from './balancer.mjs';
import { Browser } from './chromium.mjs';
import { pageReaders, pageServer, PollReader, StarReader } from './readers.mjs';

const EVERY_MS = 20;
const transports = globalThis.WebSocket ? ['websocket', 'stream'] : ['stream'];
let nodes;
let browser;
let keys;
let token;
const closing = [];

const mint = async (...words) => {
  const { code, stdout, stderr } = await run(['token', 'mint', '--keys', keys, '--sub', 'test', '--cache', 'demo', ...words]);
  assert.equal(code, 0, stderr);
  return String(stdout).trim();
};

before(async () => {
  keys = `${temporaryFolder()}/keys`;
  assert.equal((await run(['keygen', keys])).code, 0);
  const admin = await mint('--scope', 'admin:read', '--ttl', '1h');
  token = await mint('--ttl', '1h');
  nodes = await startCluster(['eu', 'eu', 'eu'], { args: ['--keys', keys], token: admin });
  browser = await Browser.start();
});
after(async () => {
  for (const one of closing.reverse()) one.close();
  await browser?.close();
  await stopAll(nodes || []);
});
const closes = (one) => { closing.push(one); return one; };
const urls = () => nodes.map((node) => node.url);
const client = (options = {}) => closes(connect({ endpoints: urls(), token, ...options }));

// Publishes 0, 1, 2 ... by starling.js. `sure`: those that a node has taken;
// of others, at the end of a connection, nobody knows.
class Publisher {
  constructor(topic, options, every = EVERY_MS) {
    Object.assign(this, { topic, every, said: 0, sure: [], unsure: [], open: true, star: client(options) });
    closes(this);
    this.done = this.#loop();
  }

  close() { this.open = false; }

  async #loop() {
    while (this.open) {
      const number = this.said++;
      this.star.publish('demo', this.topic, String(number), { receipt: true })
        .then(() => this.sure.push(number), () => this.unsure.push(number));
      await sleep(this.every);
    }
  }

  async stop() {
    this.close();
    await this.done;
    await until('all are answered', 10000, () => this.sure.length + this.unsure.length === this.said);
    this.star.close();
    assert.ok(this.unsure.length <= this.said / 10, `${this.unsure.length} of ${this.said} without an answer`);
  }

  get last() { return Math.max(...this.sure); }
}

async function restart(node) {
  const start = Date.now();
  assert.equal(await node.kill('SIGTERM'), 0);
  const ms = Date.now() - start;
  node.spawn();
  await node.ready();
  const names = nodes.map((one) => one.name);
  for (const one of nodes) await until(`${one.name} sees all`, 15000, () => one.sees(names));
  return ms;
}

test('three nodes restarted one after another: nothing is missing, nothing comes twice', { timeout: 120000 }, async (t) => {
  const topic = 'rolling';
  const balancer = closes(await Balancer.start(nodes));
  const server = closes(await pageServer());
  const page = await browser.open(server.url);
  const told = await pageReaders(page, { endpoints: urls(), balancer: balancer.url, topic, token });
  const stars = transports.flatMap((transport) => [1, 2, 3].map(() => new StarReader(client({ transport }), topic)));
  const polls = [1, 2, 3].map(() => closes(new PollReader(balancer.url, topic, token)));
  await Promise.all(stars.map(({ sub }) => sub.ready));
  await until('polls stand', 10000, () => polls.every((poll) => poll.position || poll.got.length >= 0));
  const publisher = new Publisher(topic, { transport: transports.at(-1) });
  await until('polls have items', 10000, () => polls.every((poll) => poll.got.length > 0));
  const began = Math.max(...polls.map((poll) => poll.got[0]));
  for (const node of nodes) t.diagnostic(`${node.name} was away in ${await restart(node)} ms`);
  await publisher.stop();
  await until('the last one is everywhere', 10000, async () => [...stars, ...polls, ...await told()]
    .every((reader) => reader.has(publisher.last)));
  const [inPage, events] = await told();
  for (const reader of [...stars, inPage, events]) reader.assertWhole(publisher.sure);
  for (const poll of polls) poll.assertWhole(publisher.sure, began);
  t.diagnostic(`${publisher.sure.length} items, ${publisher.unsure.length} without an answer, ${stars.length + polls.length + 2} readers`);
});

// More than the ring keeps would be gone before they come back: so they go
// elsewhere first.
test('a node of a busy topic is drained: who can move misses nothing', {
  timeout: 60000, skip: globalThis.WebSocket ? false : 'no WebSocket here',
}, async (t) => {
  const stars = Array.from({ length: 12 }, () => client({ transport: 'websocket' }));
  const readers = stars.map((star) => new StarReader(star, 'busy'));
  await Promise.all(readers.map(({ sub }) => sub.ready));
  const leaving = nodes.find(({ url }) => url === stars[0].endpoint);
  const others = urls().filter((url) => url !== leaving.url);
  const publisher = new Publisher('busy', { endpoints: others, discover: false }, 1);
  await until('items flow', 10000, () => readers.every(({ got }) => got.length > 200));
  t.diagnostic(`drained in ${await restart(leaving)} ms`);
  await publisher.stop();
  await until('the last one is everywhere', 10000, () => readers.every((reader) => reader.has(publisher.last)));
  for (const reader of readers) reader.assertWhole(publisher.sure);
  assert.deepEqual(readers.map(({ gaps }) => gaps), readers.map(() => 0));
  stars.forEach((star) => star.close());
});

// STARLING_CLIENTS: how many, for who measures.
test('a node joins, the clients are spread anew: nothing is missing, nothing comes twice', {
  timeout: 120000, skip: globalThis.WebSocket ? false : 'no WebSocket here',
}, async (t) => {
  const len = Number(process.env.STARLING_CLIENTS || 120);
  const stars = Array.from({ length: len }, () => client({ transport: 'websocket', region: 'eu' }));
  const readers = stars.map((star) => new StarReader(star, 'spread'));
  const errors = [];
  for (const star of stars) star.on('error', (error) => errors.push(`${star.endpoint} ${error.message}`));
  await Promise.all(readers.map(({ sub }) => sub.ready));
  const publisher = new Publisher('spread', { transport: 'stream' }, 100);
  const fourth = await Node.start({ ...nodes[0].options, name: 'n4', port: 0, join: nodes });
  nodes.push(fourth);
  await until('n1 sees it', 10000, () => nodes[0].sees(nodes.map((node) => node.name)));
  const refused = await run(['rebalance'], { url: nodes[0].url, env: { STARLING_TOKEN: token } });
  assert.equal(refused.code, 77, 'admin:write is needed');
  const env = { STARLING_TOKEN: await mint('--scope', 'admin:write', '--ttl', '1h') };
  const { code, stdout, stderr } = await run(['rebalance', '--json'], { url: nodes[1].url, env });
  assert.equal(code, 0, stderr + stdout);
  const report = JSON.parse(String(stdout));
  t.diagnostic(`${len} clients: ${report.took_ms} ms, ${report.asked} asked, ${report.nodes.map((n) => `${n.name} ${n.clients}`).join(', ')}`);
  await publisher.stop();
  await until('the last one is everywhere', 10000, () => readers.every((reader) => reader.has(publisher.last)));
  if (errors.length > 0) t.diagnostic(`stayed at first: ${errors.join('; ')}`);
  for (const reader of readers) reader.assertWhole(publisher.sure);
  for (const { url, name } of nodes) {
    const here = stars.filter((star) => star.endpoint === url).length;
    assert.ok(Math.abs(here - len / 4) <= len / 5, `${here} of ${len} on ${name}`);
  }
  stars.forEach((star) => star.close());
});

test('a node is killed: elsewhere in seconds, told, nothing twice', { timeout: 60000 }, async (t) => {
  const stars = transports.flatMap((transport) => [1, 2, 3, 4].map(() => client({ transport })));
  const readers = stars.map((star) => new StarReader(star, 'kill'));
  await Promise.all(readers.map(({ sub }) => sub.ready));
  const victim = nodes.find(({ url }) => url === stars[0].endpoint);
  const others = urls().filter((url) => url !== victim.url);
  const publisher = new Publisher('kill', { endpoints: others, discover: false });
  await until('items flow', 5000, () => readers.every(({ got }) => got.length > 20));
  const hit = readers.filter((_, i) => stars[i].endpoint === victim.url);
  const start = Date.now();
  const gone = victim.kill('SIGKILL');
  await Promise.all(hit.map(async (reader) => {
    const star = stars[readers.indexOf(reader)];
    await until('it is lost', 10000, () => star.state !== 'open');
    await until('it is open elsewhere', 10000, () => star.state === 'open' && others.includes(star.endpoint));
    t.diagnostic(`${star.transport}: elsewhere in ${Date.now() - start} ms`);
    await until('it is told', 10000, () => reader.gaps > 0);
  }));
  await gone;
  victim.spawn();
  await victim.ready();
  await publisher.stop();
  await until('the last one is everywhere', 10000, () => readers.every((reader) => reader.has(publisher.last)));
  for (const reader of readers) reader.assertTold(publisher.sure);
  // Once for what it alone had, and maybe once more when the others miss it.
  assert.ok(hit.every((reader) => reader.gaps >= 1));
});

// Its third token comes only when it is asked for again.
const refresher = () => {
  const tokens = { asked: 0 };
  tokens.get = async () => {
    tokens.asked += 1;
    if (tokens.asked === 3) throw new Error('the token service is away');
    return mint('--ttl', '3s');
  };
  return tokens;
};

async function refreshed(transport) {
  const tokens = refresher();
  const star = client({ transport, token: tokens.get });
  const states = [];
  const errors = [];
  star.on('state', ({ state }) => states.push(state));
  star.on('error', (error) => errors.push(error.message));
  const reader = new StarReader(star, `token-${transport}`);
  await reader.sub.ready;
  const publisher = new Publisher(reader.sub.topic);
  await until('five tokens', 30000, () => tokens.asked >= 5);
  await sleep(1000);
  await publisher.stop();
  await until('the last', 5000, () => reader.has(publisher.last));
  reader.assertWhole(publisher.sure);
  assert.deepEqual(states.filter((state) => state !== 'connecting'), ['open']);
  assert.deepEqual(errors, ['the token service is away']);
}

async function expired(transport) {
  const sub = client({ transport, token: await mint('--ttl', '2s') }).subscribe('demo', 'expired');
  await sub.ready;
  await assert.rejects((async () => { for await (const item of sub) assert.ok(item.value); })(),
    { name: 'EXPIRED', code: 4011, retry: false });
  assert.equal(sub.state, 'ended');
}

test('a token that is refreshed in time: no drop. One that is not: it is told', { timeout: 60000 }, () =>
  Promise.all(transports.flatMap((transport) => [refreshed(transport), expired(transport)])));
