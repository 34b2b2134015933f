// SPDX-License-Identifier: Apache-2.0
//
// Subscribers lose their node and go on at another one with their last
// position: plain SSE, native WebSocket and long-poll readers under load.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { test } from 'node:test';
import { command, sleep, startCluster, stopAll, temporaryFolder, until } from './harness.mjs';

const RATE = 500;
const LINES = 4000;
const numbers = Array.from({ length: LINES }, (_, i) => `${i}\n`).join('');

// What one subscriber got, in order, wherever it was connected.
class Reader {
  constructor(topic) {
    this.topic = topic;
    this.got = [];
    this.gaps = [];
    this.pages = [];
    this.ended = true;
  }

  item(page, seq, text) {
    if (this.pages.at(-1) !== page) this.pages.push(page);
    this.position = { page, seq };
    this.got.push(Number(text));
  }

  gap(page, next) {
    this.position = { page, seq: next };
    this.gaps.push(this.got.length);
  }

  // 0 missing, 0 duplicate, in order: from its first item to the last one.
  assertWhole() {
    const first = this.got[0];
    assert.deepEqual(this.got, Array.from({ length: LINES - first }, (_, i) => first + i));
  }

  // Nothing twice, and missing only where it was told.
  assertTold() {
    for (let i = 1; i < this.got.length; i += 1) {
      assert.ok(this.got[i] > this.got[i - 1], `${this.got[i]} after ${this.got[i - 1]}`);
      assert.ok(this.got[i] === this.got[i - 1] + 1 || this.gaps.includes(i), `untold before ${this.got[i]}`);
    }
  }
}

class SseReader extends Reader {
  connect(node) {
    const headers = { Accept: 'text/event-stream' };
    if (this.position) headers['Last-Event-ID'] = `${this.position.page}-${this.position.seq}`;
    return new Promise((resolve, reject) => {
      this.request = http.get(`${node.url}/topics/demo/${this.topic}`, { headers, agent: false }, (response) => {
        this.ended = false;
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (data) => {
          const events = (text + data).split('\n\n');
          text = events.pop();
          events.forEach((event) => this.event(event));
        });
        response.on('error', () => {});
        response.on('close', () => { this.ended = true; });
        resolve();
      });
      this.request.on('error', reject);
    });
  }

  event(event) {
    const field = (name) => event.split('\n').find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
    const [page, seq] = (field('id') || '').split('-').map(Number);
    if (field('event') === 'discontinuity') this.gap(page, seq);
    else if (field('event') === undefined && field('data') !== undefined) this.item(page, seq, field('data'));
    else if (page) this.position = { page, seq };
  }

  cut() { this.request.destroy(); }
}

class NativeReader extends Reader {
  connect(node) {
    return new Promise((resolve, reject) => {
      this.request = http.request(`${node.url}/v1/ws`, { agent: false,
        headers: { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13',
          'Sec-WebSocket-Key': randomBytes(16).toString('base64') } });
      this.request.on('error', reject);
      this.request.on('upgrade', (_, socket, head) => {
        let bytes = head;
        this.socket = socket;
        this.ended = false;
        socket.on('error', () => {});
        socket.on('close', () => { this.ended = true; });
        socket.on('data', (data) => { bytes = this.frames(Buffer.concat([bytes, data]), resolve); });
        bytes = this.frames(bytes, resolve);
        this.send({ op: 'subscribe', id: 1, cache: 'demo', topic: this.topic, ...this.position });
      });
      this.request.end();
    });
  }

  // Masked with zeros; shorter than 64 KiB.
  send(message) {
    const text = Buffer.from(JSON.stringify(message));
    const length = text.length < 126 ? [0x80 | text.length] : [0xfe, text.length >> 8, text.length & 255];
    this.socket.write(Buffer.concat([Buffer.from([0x81, ...length, 0, 0, 0, 0]), text]));
  }

  frames(bytes, subscribed) {
    for (;;) {
      if (bytes.length < 4) return bytes;
      let [len, at] = [bytes[1], 2];
      if (len === 126) [len, at] = [bytes.readUInt16BE(2), 4];
      if (bytes.length < at + len) return bytes;
      if (bytes[0] === 0x81) this.message(JSON.parse(bytes.subarray(at, at + len)), subscribed);
      bytes = bytes.subarray(at + len);
    }
  }

  message(message, subscribed) {
    const { op, page, seq } = message;
    if (op === 'item') this.item(page, seq, message.text);
    else if (op === 'gap') this.gap(page, message.next);
    else if (op === 'subscribed') {
      if (!this.position) this.position = { page, seq };
      subscribed();
    }
  }

  cut() { this.socket.destroy(); }
}

class PollReader extends Reader {
  async connect(node) {
    const life = new AbortController();
    this.life = life;
    this.ended = false;
    const first = !this.position && await this.poll(node, life.signal);
    this.loop = (async () => {
      try {
        while (await this.poll(node, life.signal));
      } catch { /* cut, or the node went */ }
      if (this.life === life) this.ended = true;
    })();
    return first;
  }

  async poll(node, signal) {
    const from = this.position ? `?sequence_page=${this.position.page}&sequence_number=${this.position.seq + 1}` : '';
    const response = await fetch(`${node.url}/topics/demo/${this.topic}${from}`, { signal });
    if (response.status !== 200) return false;
    const answer = await response.json();
    for (const { item, discontinuity } of answer.items) {
      if (discontinuity) this.gap(0, 0);
      else this.item(item.sequence_page, item.topic_sequence_number, item.value.text);
    }
    this.position = { page: answer.sequence_page, seq: answer.sequence_number - 1 };
    return true;
  }

  cut() { this.life.abort(); }
}

// A ring that covers the time away at this rate: 64 items would be 128 ms.
const folder = temporaryFolder();
const config = path.join(folder, 'node.yaml');
fs.writeFileSync(config, 'limits: {ring_items: 4096, ring_len: 1m, ping_ms: 500ms}\n');

const metric = async (node, name) => Number(new RegExp(`^${name} (\\d+)`, 'm')
  .exec(await (await fetch(`${node.url}/metrics`)).text())[1]);

// Three nodes, readers on the first, a publisher on the third; `lose` takes the
// first away, then everyone goes to the second with what it has.
async function scenario(readers, lose) {
  const nodes = await startCluster(['eu', 'eu', 'eu'], { args: ['--config', config] });
  try {
    const [a, b, c] = nodes;
    const polls = readers.filter((reader) => reader instanceof PollReader);
    const streams = readers.filter((reader) => !polls.includes(reader));
    await Promise.all(streams.map((reader) => reader.connect(a)));
    const publisher = command(['pub', 'demo', readers[0].topic, '-', '--rate', String(RATE)],
      { url: c.url, input: numbers });
    await Promise.all(polls.map((reader) => reader.connect(a)));
    await until('items flow', 10000, () => readers.every((reader) => reader.got.length > RATE));
    await lose(a, readers);
    await until('all are cut', 5000, () => readers.every((reader) => reader.ended));
    await sleep(300); // items pass them by
    await Promise.all(readers.map((reader) => reader.connect(b)));
    assert.equal((await publisher.done).code, 0);
    await until('the last item', 10000, () => readers.every((reader) => reader.got.at(-1) === LINES - 1));
    const resumed = await metric(b, 'starling_resumed_total');
    readers.forEach((reader) => reader.cut());
    return { resumed, nodes };
  } finally {
    await stopAll(nodes);
  }
}

const all = (topic) => [new SseReader(topic), new NativeReader(topic), new PollReader(topic)];
const times = (n, make) => Array.from({ length: n }, make).flat();

test('moved by a load balancer: nothing missing, nothing twice', { timeout: 60000 }, async () => {
  const readers = times(5, () => all('shuffle'));
  await scenario(readers, (_, everyone) => everyone.forEach((reader) => reader.cut()));
  for (const reader of readers) {
    reader.assertWhole();
    assert.deepEqual(reader.gaps, []);
    assert.equal(reader.pages.length, 2);
  }
});

test('a node is drained: nothing missing, nothing twice', { timeout: 60000 }, async () => {
  const readers = times(5, () => all('drain'));
  let code;
  await scenario(readers, (node) => { code = node.kill('SIGTERM'); });
  assert.equal(await code, 0);
  for (const reader of readers) {
    reader.assertWhole();
    assert.deepEqual(reader.gaps, []);
  }
});

test('a node is killed: one discontinuity, nothing twice', { timeout: 60000 }, async () => {
  const readers = [new SseReader('kill'), new NativeReader('kill')];
  const { resumed } = await scenario(readers, (node) => node.kill('SIGKILL'));
  assert.equal(resumed, 0);
  for (const reader of readers) {
    reader.assertTold();
    assert.equal(reader.gaps.length, 1);
  }
});

test('a page that nobody knows is a discontinuity', { timeout: 60000 }, async () => {
  const nodes = await startCluster(['eu', 'eu']);
  try {
    const readers = [new SseReader('unknown'), new NativeReader('unknown')];
    for (const reader of readers) {
      await reader.connect(nodes[0]);
      await until('a position', 5000, () => reader.position);
      reader.cut();
      await until('cut', 5000, () => reader.ended);
      reader.position.page -= 2 ** 22; // an earlier life there
      await reader.connect(nodes[1]);
      await until('told', 5000, () => reader.gaps.length === 1);
      reader.cut();
    }
    const stranger = new SseReader('unknown');
    stranger.position = { page: 12345, seq: 6 }; // no such node
    await stranger.connect(nodes[1]);
    await until('told', 5000, () => stranger.gaps.length === 1);
    stranger.cut();
  } finally {
    await stopAll(nodes);
  }
});
