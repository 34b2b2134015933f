// SPDX-License-Identifier: Apache-2.0
//
// A node that is stopped: /readyz turns first, each client hears of it in the
// words of its protocol, and it exits with 0 within the drain time.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { Node, get, portRow, startCluster, stopAll, until } from './harness.mjs';
import { connect, subscribe } from './momento.mjs';

const NOTICE_MS = 1200;
const IDLE = 2000;
let nodes;

before(async () => {
  nodes = await startCluster(['eu', 'eu'], { args: ['--limits', `drain_notice_ms=${NOTICE_MS}`] });
});
after(() => stopAll(nodes));

// --- one client of each kind, with what it has heard ---

function native(node) {
  return new Promise((done, fail) => {
    http.get(`${node.url}/v1/ws`, { agent: false, headers: { Connection: 'Upgrade', Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': randomBytes(16).toString('base64') } })
      .on('error', fail)
      .on('upgrade', (response, socket, head) => {
        const client = { socket, bytes: head, ended: false };
        socket.on('data', (data) => { client.bytes = Buffer.concat([client.bytes, data]); });
        socket.on('error', () => {});
        socket.on('end', () => { client.ended = true; });
        const text = Buffer.from('{"op":"subscribe","id":1,"cache":"demo","topic":"a"}');
        socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), text]));
        done(client);
      });
  });
}

function sse(node) {
  const client = { text: '', ended: false };
  http.get(`${node.url}/topics/demo/a`, { agent: false, headers: { Accept: 'text/event-stream' } }, (response) => {
    response.setEncoding('utf8');
    response.on('data', (data) => { client.text += data; });
    response.on('end', () => { client.ended = true; });
    response.on('error', () => {});
  });
  return client;
}

function poll(node) {
  return get(`${node.url}/topics/demo/a`, { signal: AbortSignal.timeout(15000) });
}

function resp(node) {
  const socket = net.connect(node.port, '127.0.0.1');
  const client = { socket, text: '', ended: false };
  socket.on('data', (data) => { client.text += data; });
  socket.on('end', () => { client.ended = true; });
  socket.on('error', () => {});
  socket.write('SUBSCRIBE a\r\n');
  return client;
}

// A connection that says nothing after its first request.
function idle(node) {
  const socket = net.connect(node.port, '127.0.0.1');
  const client = { socket, heard: false, ended: false };
  socket.on('data', () => { client.heard = true; });
  socket.on('close', () => { client.ended = true; });
  socket.on('error', () => {});
  socket.write('PING\r\n');
  return client;
}

// The code and the reason of the close frame at the end of what was heard.
function closeFrame(bytes) {
  let at = 0;
  while (at < bytes.length) {
    const kind = bytes[at] & 15;
    const small = bytes[at + 1];
    const long = small === 126;
    const len = long ? bytes.readUInt16BE(at + 2) : small;
    const body = bytes.subarray(at + (long ? 4 : 2), at + (long ? 4 : 2) + len);
    if (kind === 8) return { code: body.readUInt16BE(0), reason: body.subarray(2).toString() };
    at += (long ? 4 : 2) + len;
  }
  return null;
}

test('each client hears it in the words of its protocol, and /readyz turns first', async () => {
  const [node, heir] = nodes;
  const clients = { native: await native(node), sse: sse(node), resp: resp(node) };
  const polled = poll(node);
  const session = connect(node.port);
  const grpc = subscribe(session, 'demo', 'a');
  const plain = http2.connect(node.url);
  const goodbyes = [];
  plain.on('goaway', (code, last) => goodbyes.push({ code, last }));
  plain.on('error', () => {});
  await once(plain, 'connect');
  await until('five subscribe', 5000, async () => (await node.cluster()).subscriptions === 5);

  const begun = Date.now();
  node.process.kill('SIGTERM');
  await until('readyz turns', 1000, async () => (await get(`${node.url}/readyz`)).status === 503);
  assert.match((await get(`${node.url}/readyz`)).text, /"draining":true/);
  const late = await get(`${node.url}/topics/demo/b`, { method: 'POST', body: 'x' });
  assert.ok(Date.now() - begun > NOTICE_MS || late.status === 204, 'the notice: all are served as before');
  await until('the peer knows', 1000, async () =>
    (await heir.cluster()).members.some((m) => m.name === node.name && m.draining));
  if (Date.now() - begun < NOTICE_MS) {
    assert.equal(clients.sse.ended || clients.native.ended || clients.resp.ended, false, 'told before the notice is over');
  }

  await until('all ended', 5000, () => Object.values(clients).every((client) => client.ended));
  assert.ok(Date.now() - begun >= NOTICE_MS);
  const { code, reason } = closeFrame(clients.native.bytes);
  assert.equal(code, 1012);
  const [, ms] = /^CLOSING retry_after_ms=(\d+)$/.exec(reason);
  assert.ok(ms >= 1 && ms <= 501, `with an heir it is soon: ${ms}`);
  assert.match(clients.sse.text, /\nretry: \d+\nevent: end\ndata: \{"code":5032,"error":"CLOSING"/);
  assert.match(clients.resp.text, /-\w+ .*this node is shutting down\r\n$/);
  const answer = await polled;
  assert.equal(answer.status, 200, 'a poll gets its position');
  assert.match(answer.text, /"items":\[\]/);
  await grpc.ended;
  assert.equal(grpc.status, 14, 'UNAVAILABLE');
  await until('both goodbyes', 3000, () => goodbyes.length === 2 || plain.destroyed);
  assert.deepEqual(goodbyes[0], { code: 0, last: 2147483647 });
  assert.equal(await node.ended, 0);
  session.destroy();
  plain.destroy();
});

test('with 2,000 idle clients it ends within the drain time, by 0', async () => {
  const drainMs = 8000;
  const node = await Node.start({ name: 'n3', join: [nodes[1]], args: ['--limits', `drain_ms=${drainMs}`] });
  const clients = Array.from({ length: IDLE }, () => idle(node));
  await until('all are heard', 20000, () => clients.every((client) => client.heard));
  const begun = Date.now();
  node.process.kill('SIGTERM');
  assert.equal(await node.ended, 0);
  assert.ok(Date.now() - begun <= drainMs + 1500, `${Date.now() - begun} ms`);
  await until('all have ended', 2000, () => clients.every((client) => client.ended));
  clients.forEach(({ socket }) => socket.destroy());
});

test('alone, clients are told to come back later; a second signal ends it at once', async () => {
  const node = await Node.start({ name: 'alone', port: await portRow() });
  const client = await native(node);
  const stays = await native(node);
  stays.socket.pause(); // takes nothing: the drain would wait for it
  await until('both subscribe', 5000, async () => (await node.cluster()).subscriptions === 2);
  node.process.kill('SIGTERM');
  await until('the close frame', 3000, () => closeFrame(client.bytes));
  const [, ms] = /retry_after_ms=(\d+)$/.exec(closeFrame(client.bytes).reason);
  assert.ok(ms >= 1 && ms <= 2001, `few clients need not wait long: ${ms}`);
  node.process.kill('SIGTERM');
  const begun = Date.now();
  assert.equal(await node.ended, 0);
  assert.ok(Date.now() - begun < 10000, "not after the 20 s of a drain");
  [client, stays].forEach(({ socket }) => socket.destroy());
});
