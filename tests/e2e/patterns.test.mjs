// SPDX-License-Identifier: Apache-2.0
//
// Pattern subscriptions (Redis' globs) hear what is published on any node of any
// region, by any door, once.
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { get, run, startCluster, stopAll, until } from './harness.mjs';

const ITEMS = 20;
const DEADLINE_MS = 10000;
let nodes = [];
const open = [];
before(async () => { nodes = await startCluster(['eu', 'eu', 'us', 'us']); });
after(() => { for (const redis of open) redis.socket.destroy(); return stopAll(nodes); });

// One RESP connection; `seen` are the (topic, value) of messages, in order.
class Redis {
  constructor(node) {
    this.text = '';
    this.socket = net.connect(node.port, '127.0.0.1');
    this.socket.setNoDelay(true);
    this.socket.on('data', (data) => { this.text += data; });
    open.push(this);
  }

  send(...words) { this.socket.write(`${words.join(' ')}\r\n`); }

  // Ends as soon as the text is there, not at the next look.
  async answer(text) {
    const end = Date.now() + DEADLINE_MS;
    while (!this.text.includes(text)) {
      assert.ok(Date.now() < end, `no ${JSON.stringify(text)} in ${JSON.stringify(this.text.slice(-500))}`);
      await new Promise((done) => {
        const timer = setTimeout(done, 100);
        this.socket.once('data', () => { clearTimeout(timer); done(); });
      });
    }
  }

  async subscribe(verb, name) {
    this.send(verb, name);
    await this.answer(`$${verb.length}\r\n${verb}\r\n$${name.length}\r\n${name}\r\n:`);
  }

  // kind: message or pmessage.
  seen(kind) {
    const skipped = kind === 'pmessage' ? '\\$\\d+\\r\\n[^\\r]*\\r\\n' : '';
    const item = new RegExp(`\\r\\n${kind}\\r\\n${skipped}\\$\\d+\\r\\n([^\\r]*)\\r\\n\\$\\d+\\r\\n([^\\r]*)\\r\\n`, 'g');
    return [...this.text.matchAll(item)].map(([, topic, value]) => `${topic} ${value}`);
  }
}

// What each door publishes with.
const doors = {
  async http(node, topic, value) {
    const { status } = await get(`${node.url}/topics/default/${topic}`, { method: 'POST', body: value });
    assert.equal(status, 204);
  },
  async resp(node, topic, value) {
    node.writer = node.writer || new Redis(node);
    node.writer.send('PUBLISH', topic, value);
  },
  async native(node, topic, value) {
    const { code, stderr } = await run(['pub', 'default', topic, value], { url: node.url });
    assert.equal(code, 0, stderr);
  },
};

// Publishes until all have heard: other regions know a little later.
async function warm(node, topic, readers) {
  await until(`${topic} of ${node.name} is heard`, DEADLINE_MS, async () => {
    await doors.http(node, topic, 'warm');
    return readers.every((reader) => reader.seen('pmessage').includes(`${topic} warm`));
  });
}

const news = (reader, kind = 'pmessage') => reader.seen(kind).filter((item) => !item.endsWith(' warm'));

test('a pattern on one node hears each door of the other region once', async () => {
  const reader = new Redis(nodes[0]);
  await reader.subscribe('psubscribe', 'room.*');
  await warm(nodes[2], 'room.1', [reader]);
  await warm(nodes[3], 'room.1', [reader]);
  for (const [door, publish] of Object.entries(doors)) {
    await publish(nodes[2], `hall.${door}`, 'unwanted');
    await publish(nodes[2], `room.${door}`, 'a');
    await publish(nodes[3], `room.${door}`, 'b');
  }
  const wanted = Object.keys(doors).flatMap((door) => [`room.${door} a`, `room.${door} b`]).sort();
  await until('all items', DEADLINE_MS, () => news(reader).length >= wanted.length);
  await warm(nodes[2], 'room.end', [reader]); // and nothing after them
  assert.deepEqual(news(reader).sort(), wanted);
});

// The topics fall into different buckets, so both nodes of a region are ingress.
test('patterns on several nodes hear each item once, whoever relays it', async () => {
  const readers = [];
  for (const [node, pattern] of [[0, 'lot.*'], [1, '*.[0-9]*'], [1, 'lot.?*'], [3, 'l*']]) {
    const reader = new Redis(nodes[node]);
    await reader.subscribe('psubscribe', pattern);
    readers.push(reader);
  }
  await readers[0].subscribe('subscribe', 'lot.7'); // beside its pattern
  for (const node of nodes) await warm(node, 'lot.0', readers);
  const wanted = [];
  for (const node of nodes) {
    for (let n = 0; n < ITEMS; n += 1) {
      await doors.resp(node, `lot.${n}`, `of-${node.name}`);
      wanted.push(`lot.${n} of-${node.name}`);
    }
  }
  for (const reader of readers) {
    await until('all items', DEADLINE_MS, () => news(reader).length >= wanted.length);
  }
  for (const node of nodes) await warm(node, 'lot.99', readers);
  for (const reader of readers) {
    assert.deepEqual(news(reader).sort(), [...wanted].sort());
  }
  assert.deepEqual(news(readers[0], 'message').sort(), wanted.filter((item) => item.startsWith('lot.7 ')).sort());
});

test('a confirmed pattern holds on the other node of its region at once', async () => {
  const reader = new Redis(nodes[0]);
  const writer = new Redis(nodes[1]);
  for (let n = 0; n < 100; n += 1) {
    await reader.subscribe('psubscribe', `held.${n}.*`);
    writer.send('PUBLISH', `held.${n}.x`, 'at-once');
    await reader.answer(`held.${n}.x\r\n$7\r\nat-once`);
    reader.send('punsubscribe', `held.${n}.*`);
  }
});

test('a pattern of a node that joins later, and one that went', async () => {
  const reader = new Redis(nodes[0]);
  await reader.subscribe('psubscribe', 'late.*');
  await nodes[3].kill();
  nodes[3].spawn();
  await nodes[3].ready();
  const names = nodes.map((node) => node.name);
  for (const node of nodes) await until(`${node.name} sees all`, 15000, () => node.sees(names));
  const back = new Redis(nodes[3]);
  await back.subscribe('psubscribe', 'lat?.*');
  await warm(nodes[3], 'late.1', [reader, back]);
  await warm(nodes[1], 'late.2', [reader, back]);
  assert.deepEqual([...new Set(back.seen('pmessage'))], ['late.1 warm', 'late.2 warm']);
});
