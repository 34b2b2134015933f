// SPDX-License-Identifier: Apache-2.0
//
// What links lose between real nodes is told to those whom it concerns, and to
// nobody else: a queue that overflows, a data lane that stands still, a node
// that leaves at once.
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { Node, portRow, sleep, startCluster, stopAll, temporaryFolder, until } from './harness.mjs';

const config = path.join(temporaryFolder(), 'small.yaml');
// What a node that stood still finds in its sockets comes at once: no reader may be called slow for it.
fs.writeFileSync(config, 'limits: {item_len: 1024, link_queue_len: 66k, out_soft_len: 64m, out_hard_len: 64m, drain_ms: 0}\n');
const args = ['--config', config];

const metric = async (node, name) => Number(new RegExp(`^${name} (\\d+)`, 'm')
  .exec(await (await fetch(`${node.url}/metrics`)).text())[1]);

// Numbers that a plain event stream carries, and where it was told of a loss.
class Reader {
  static async start(node, topic) {
    const reader = new Reader();
    reader.got = [];
    reader.told = [];
    await new Promise((resolve, reject) => {
      reader.request = http.get(`${node.url}/topics/default/${topic}`,
        { headers: { Accept: 'text/event-stream' }, agent: false }, (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (data) => {
            const events = (text + data).split('\n\n');
            text = events.pop();
            for (const event of events) {
              if (event.includes('event: discontinuity')) reader.told.push(reader.got.length);
              else if (event.includes('data: ')) reader.got.push(Number.parseInt(event.split('data: ')[1], 10));
            }
          });
          response.on('error', () => {});
          resolve();
        });
      reader.request.on('error', reject);
    });
    return reader;
  }

  get missing() { return this.got.at(-1) - this.got[0] + 1 - this.got.length; }

  // In order, nothing twice, and a discontinuity wherever something is missing.
  check() {
    for (let i = 1; i < this.got.length; i += 1) {
      assert.ok(this.got[i] > this.got[i - 1], `${this.got[i]} after ${this.got[i - 1]}`);
      assert.ok(this.got[i] === this.got[i - 1] + 1 || this.told.includes(i), `untold before ${this.got[i]}`);
    }
  }

  end() { this.request.destroy(); }
}

// Publishes numbered values through RESP; counts those that were accepted.
class Publisher {
  constructor(node) {
    this.next = 0;
    this.accepted = 0;
    this.socket = net.connect(node.port, '127.0.0.1');
    this.socket.on('error', () => {});
    this.socket.on('data', (data) => { this.accepted += data.toString('latin1').split(':').length - 1; });
  }

  send(topic, count = 1, length = 0) {
    let text = '';
    for (let i = 0; i < count; i += 1) {
      const value = `${this.next} `.padEnd(length, 'x');
      this.next += 1;
      text += `*3\r\n$7\r\nPUBLISH\r\n$${topic.length}\r\n${topic}\r\n$${value.length}\r\n${value}\r\n`;
    }
    if (!this.socket.destroyed) this.socket.write(text);
  }

  end() { this.socket.destroy(); }
}

test('a queue that overflows is told to the topics that were in it', { timeout: 60000 }, async () => {
  const nodes = await startCluster(['eu', 'eu'], { args });
  const [a, b] = nodes;
  const hot = await Reader.start(b, 'hot');
  const quiet = await Reader.start(b, 'quiet');
  const publisher = new Publisher(a);
  try {
    publisher.send('hot', 10);
    await until('items flow', 5000, () => hot.got.length === 10);
    for (let round = 1; round <= 3; round += 1) {
      const dropped = await metric(a, 'starling_link_items_dropped_total');
      b.process.kill('SIGSTOP');
      const stopped = Date.now();
      while (await metric(a, 'starling_link_items_dropped_total') === dropped) {
        assert.ok(Date.now() - stopped < 3500, 'the queue never overflows');
        publisher.send('hot', 1000, 1000);
        await until('accepted', 5000, () => publisher.accepted === publisher.next);
      }
      b.process.kill('SIGCONT');
      publisher.send('hot');
      await until('the last item', 10000, () => hot.got.at(-1) === publisher.next - 1);
      hot.check();
      assert.ok(hot.told.length >= round);
    }
    publisher.send('quiet');
    await until('the other topic', 5000, () => quiet.got.length === 1);
    assert.equal(hot.missing, await metric(a, 'starling_link_items_dropped_total'));
    assert.deepEqual(quiet.told, []);
    assert.equal(await metric(b, 'starling_link_holes_total'), 0);
    assert.ok(await metric(b, 'starling_link_gaps_total') >= 3);
  } finally {
    publisher.end();
    hot.end();
    quiet.end();
    await stopAll(nodes);
  }
});

test('who leaves at once leaves nothing behind', { timeout: 60000 }, async () => {
  const nodes = await startCluster(['eu', 'eu', 'us'], { args });
  const [a, b, c] = nodes;
  const readers = await Promise.all([Reader.start(a, 'news'), Reader.start(c, 'news')]);
  let timer;
  try {
    for (let round = 0; round < 3; round += 1) {
      readers.forEach((reader) => { reader.got = []; });
      const publisher = new Publisher(b);
      timer = setInterval(() => publisher.send('news', 5), 1);
      await until('items flow', 10000, () => readers.every((reader) => reader.got.length > 200));
      const began = Date.now();
      assert.equal(await b.kill('SIGTERM'), 0);
      assert.ok(Date.now() - began < 5000);
      clearInterval(timer);
      await until('what was accepted', 5000, () => readers.every((reader) => reader.got.length >= publisher.accepted));
      readers.forEach((reader) => {
        assert.equal(reader.missing, 0);
        assert.deepEqual(reader.told, []);
      });
      b.options.join = [a, c];
      b.spawn();
      await b.ready();
      for (const node of nodes) {
        await until('all are back', 10000, () => node.sees(nodes.map((n) => n.name)));
      }
    }
  } finally {
    clearInterval(timer);
    readers.forEach((reader) => reader.end());
    await stopAll(nodes);
  }
});

// Between a node and those who dial it, under the same ports at another address
// of this host: gossip and both lanes.
class Proxy {
  static async start(port) {
    const proxy = new Proxy();
    proxy.data = [];
    proxy.udp = dgram.createSocket('udp4');
    proxy.udp.on('message', (packet) => proxy.udp.send(packet, port, '127.0.0.1'));
    await new Promise((done) => { proxy.udp.bind(port, '127.0.0.2', done); });
    proxy.servers = [0, 1].map((lane) => net.createServer((socket) => {
      const far = net.connect(port + lane, '127.0.0.1');
      socket.on('error', () => far.destroy());
      far.on('error', () => socket.destroy());
      socket.on('close', () => far.destroy());
      far.on('close', () => socket.destroy());
      socket.pipe(far).pipe(socket);
      if (lane === 1) proxy.data.push({ socket, far });
    }).listen(port + lane, '127.0.0.2'));
    return proxy;
  }

  // The connections that stand now take no more data; new ones do.
  stall() {
    for (const { socket, far } of this.data) {
      socket.unpipe(far);
      socket.pause();
    }
  }

  end() {
    this.udp.close();
    this.servers.forEach((server) => server.close());
  }
}

test('a data lane that stands still is told within ten seconds', { timeout: 60000 }, async () => {
  const port = await portRow();
  const a = await Node.start({ name: 'n1' });
  const b = new Node({ name: 'n2', join: [a], port, args: ['--advertise', `127.0.0.2:${port + 1}`] });
  const proxy = await Proxy.start(port + 1);
  const nodes = [a, b];
  const publisher = new Publisher(a);
  let reader;
  let timer;
  try {
    b.spawn();
    await b.ready();
    for (const node of nodes) {
      await until('both linked', 10000, () => node.sees(['n1', 'n2']));
    }
    reader = await Reader.start(b, 'still');
    timer = setInterval(() => publisher.send('still'), 10);
    await until('items flow', 5000, () => reader.got.length > 20);
    await sleep(1500);
    assert.deepEqual(reader.told, []);
    proxy.stall();
    const began = Date.now();
    await until('told', 10000, () => reader.told.length > 0);
    console.log(`# told after ${Date.now() - began} ms`);
    const before = reader.got.length;
    await until('items flow again', 5000, () => reader.got.length > before + 20);
    clearInterval(timer);
    await until('the last item', 5000, () => reader.got.at(-1) === publisher.next - 1);
    reader.check();
    assert.ok(reader.missing > 0);
    assert.ok(await metric(a, 'starling_link_redialled_total') >= 1);
  } finally {
    clearInterval(timer);
    publisher.end();
    reader?.end();
    await stopAll(nodes);
    proxy.end();
  }
});
