// SPDX-License-Identifier: Apache-2.0
//
// starling.js where something is in its way: a proxy that eats WebSockets, a
// region that is far, readers and writers that are too fast or too slow.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import http from 'node:http';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { connect } from '../../node/console/starling.js';
import { sleep, startCluster, stopAll, until } from '../e2e/harness.mjs';

let node;
const closing = [];
const closes = (one) => { closing.push(one); return one; };
before(async () => { [node] = await startCluster(['eu']); });
after(async () => {
  for (const one of closing.reverse()) one.close();
  await stopAll([node]);
});
const client = (options = {}) => closes(connect({ endpoints: node.url, discover: false, ...options }));

async function listen(server) {
  await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
  const sockets = new Set();
  server.on('connection', (socket) => sockets.add(socket));
  closes({ close() { server.close(); for (const socket of sockets) socket.destroy(); } });
  return `http://127.0.0.1:${server.address().port}`;
}

// Passes bytes both ways, each way `ms` late; what asks for an upgrade gets
// `upgrade`, or silence, if that is given.
function proxy({ ms = 0, upgrade } = {}) {
  return listen(net.createServer((front) => {
    const back = net.connect(node.port, '127.0.0.1');
    const pass = (to) => (data) => {
      if (upgrade !== undefined && /^upgrade: websocket/im.test(String(data))) front.write(upgrade);
      else setTimeout(() => { if (!to.destroyed) to.write(data); }, ms);
    };
    front.on('data', pass(back));
    back.on('data', pass(front));
    for (const [one, other] of [[front, back], [back, front]]) {
      one.on('error', () => {});
      one.on('close', () => other.destroy());
    }
  }));
}

const refusal = 'HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n';
for (const [words, upgrade] of [['refuses', refusal], ['swallows', '']]) {
  test(`a proxy that ${words} WebSockets: event streams, with the same items`, {
    timeout: 40000, skip: globalThis.WebSocket ? false : 'no WebSocket here',
  }, async () => {
    const star = client({ endpoints: await proxy({ upgrade }) });
    const items = [];
    await star.subscribe('demo', words, { onItem: (item) => items.push(item.value) }).ready;
    assert.equal(star.transport, 'stream');
    await star.publish('demo', words, 'hello');
    await until('it comes', 5000, () => items.length === 1);
  });
}

test('the nearest region is chosen by round trip, and left when it is gone', async () => {
  const near = await proxy();
  const far = await proxy({ ms: 60 });
  const fake = await listen(http.createServer((request, response) => {
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({ node: 'x', ready: true, self: 'far', regions: [
      { name: 'far', nodes: 1, endpoints: [far] }, { name: 'near', nodes: 1, endpoints: [near] }] }));
  }));
  const star = client({ endpoints: fake, discover: true, transport: 'stream' });
  await until('open', 5000, () => star.state === 'open');
  assert.equal(star.endpoint, near);
  const named = client({ endpoints: fake, discover: true, transport: 'stream', region: 'far' });
  await until('open', 5000, () => named.state === 'open');
  assert.equal(named.endpoint, far);
});

// Takes WebSockets, says welcome, and ends them.
function rudeNode() {
  const server = http.createServer((request, response) => response.end('{}'));
  server.on('upgrade', ({ headers }, socket) => {
    const accept = createHash('sha1').update(`${headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
    const welcome = '{"op":"welcome","node":"x","region":"r","ready":true}';
    socket.on('error', () => {});
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n`
      + 'Sec-WebSocket-Protocol: starling.v1.json\r\n\r\n');
    socket.end(Buffer.concat([Buffer.from([0x81, welcome.length]), Buffer.from(welcome), Buffer.from([0x88, 0])]));
  });
  return listen(server);
}

test('a node that takes connections only to end them is not stormed', {
  skip: globalThis.WebSocket ? false : 'no WebSocket here',
}, async () => {
  const star = client({ endpoints: await rudeNode(), transport: 'websocket' });
  let opened = 0;
  star.on('state', ({ state }) => { opened += state === 'open'; });
  await sleep(2500);
  assert.ok(opened >= 2 && opened < 10, `${opened} connections`);
  star.close();
});

test('a slow `for await` loses the oldest, and is told', async () => {
  const star = client();
  const told = [];
  const sub = star.subscribe('demo', 'queue', { onGap: (gap) => told.push(gap) });
  await sub.ready;
  const items = sub[Symbol.asyncIterator]();
  for (let i = 1; i <= 1500; i += 1) await star.publish('demo', 'queue', String(i));
  await star.publish('demo', 'queue', 'last', { receipt: true });
  await until('all came', 10000, () => sub.position.seq === 1501);
  const { value: first } = await items.next();
  assert.equal(first.seq, 1501 - 1024 + 1);
  assert.deepEqual([first.gap.reason, first.gap.last, first.gap.next], ['queue', 0, first.seq - 1]);
  assert.equal(told.length, 1);
  for (let seq = first.seq + 1; seq <= 1501; seq += 1) {
    const { value } = await items.next();
    assert.deepEqual([value.seq, value.gap], [seq, undefined]);
  }
  await items.return();
  assert.equal(sub.state, 'ended');
});

test('two readers of a topic share one subscription, and one may leave', async () => {
  const star = client();
  const got = [[], []];
  const subs = got.map((list) => star.subscribe('demo', 'shared', { onItem: (item) => list.push(item.value) }));
  await Promise.all(subs.map((sub) => sub.ready));
  assert.equal((await star.publish('demo', 'shared', 'a', { receipt: true })).subscriptions, 1);
  await until('both', 5000, () => got.every((list) => list.length === 1));
  subs[0].close();
  assert.equal((await star.publish('demo', 'shared', 'b', { receipt: true })).subscriptions, 1);
  await until('one', 5000, () => got[1].length === 2);
  assert.deepEqual(got, [['a'], ['a', 'b']]);
  subs[1].close();
  await until('none', 5000, async () => (await star.publish('demo', 'shared', 'c', { receipt: true })).subscriptions === 0);
});

test('publishing faster than the network takes it: buffered, and drain', async () => {
  const star = client({ endpoints: await proxy({ ms: 20 }) });
  let drained = 0;
  star.on('drain', () => { drained += 1; });
  await until('open', 5000, () => star.state === 'open');
  const text = 'x'.repeat(256 << 10);
  let waited = 0;
  const all = Array.from({ length: 40 }, () => star.publish('demo', 'flood', text).then(() => { waited += 1; }));
  await sleep(0);
  assert.ok(star.buffered > 1 << 20);
  assert.ok(waited < 40);
  await Promise.all(all);
  assert.ok(drained >= 1);
  assert.ok(star.buffered <= 1 << 20);
});

test('publishing without a connection waits for one, bounded in time and bytes', async () => {
  const nobody = client({ endpoints: 'http://127.0.0.1:9', publishWait: 300 });
  const error = await nobody.publish('demo', 'x', 'y').catch((e) => e);
  assert.deepEqual([error.code, error.name, error.retry], [4080, 'TIMEOUT', true]);
  const flood = await Promise.allSettled(Array.from({ length: 5 }, () => nobody.publish('demo', 'x', 'y'.repeat(300000))));
  assert.deepEqual(flood.map(({ reason }) => reason.name), ['TIMEOUT', 'TIMEOUT', 'TIMEOUT', 'LIMIT', 'LIMIT']);
  const late = nobody.publish('demo', 'x', 'y').catch((e) => e);
  nobody.close();
  assert.equal((await late).code, 4004);
  await assert.rejects(nobody.publish('demo', 'x', 'y'), { name: 'STATE' });

  const star = client();
  const sub = client().subscribe('demo', 'early');
  await sub.ready;
  const early = await star.publish('demo', 'early', 'said before it was open', { receipt: true });
  assert.equal(early.subscriptions, 1);
});

test('a token stays out of URLs, and out of what is told', async () => {
  const seen = [];
  const spy = await listen(http.createServer((request, response) => {
    seen.push(request.url);
    response.statusCode = 401;
    response.end('{"code":4010,"error":"UNAUTH","message":"missing or invalid credentials"}');
  }));
  const told = [];
  for (const transport of ['auto', 'stream']) {
    const star = client({ endpoints: spy, token: 'very.secret.token', transport });
    for (const name of ['state', 'error']) star.on(name, (event) => told.push(JSON.stringify(event), String(event.error?.stack)));
    const { ready } = star.subscribe('demo', 'x');
    if (transport === 'stream') assert.equal((await ready.catch((error) => error)).code, 4010);
    else await until('it is told', 5000, () => told.length > 3);
    star.close();
  }
  assert.doesNotMatch(seen.join() + told.join(), /secret/);
});
