// SPDX-License-Identifier: Apache-2.0
//
// Caches on real nodes of two regions: created on one and used at once on the
// others, deleted under subscribers of every door on every node, learned by who
// joins.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Node, get, run, startCluster, stopAll, temporaryFolder, until } from './harness.mjs';

const TEXT = 'A cache with the specified name does not exist';
const keys = path.join(temporaryFolder(), 'keys');
const args = ['--keys', keys, '--auto-create-caches', 'false', '--caches', 'fixed'];
const ends = [];
let admin;
let client;
let nodes = [];

async function mint(...options) {
  const { code, stdout } = await run(['token', 'mint', '--keys', keys, '--sub', 'test', ...options]);
  assert.equal(code, 0);
  return stdout.toString().trim();
}

before(async () => {
  assert.equal((await run(['keygen', keys])).code, 0);
  admin = await mint('--scope', 'admin:caches', '--scope', 'admin:read');
  client = await mint('--role', 'both');
  nodes = await startCluster(['eu', 'us', 'eu'], { args, token: admin });
});
after(() => {
  for (const end of ends) end();
  return stopAll(nodes);
});

const bearer = (token, more) => ({ headers: { Authorization: token, ...more } });
const change = async (node, method, cache, body) => {
  const { status, text } = await get(`${node.url}/v1/caches/${cache}`, { method, body, ...bearer(admin) });
  return status === 204 ? { status } : { status, ...JSON.parse(text) };
};
const names = async (node) => JSON.parse((await get(`${node.url}/v1/caches`, bearer(admin))).text)
  .caches.map(({ name }) => name).sort();
const publish = (node, cache, value = 'x') => get(`${node.url}/topics/${cache}/t`,
  { method: 'POST', body: value, ...bearer(client) });

const subscriptions = async (node) => JSON.parse((await get(`${node.url}/v1/cluster`, bearer(admin))).text).subscriptions;

// --- subscribers, one a door: what they were told, and whether they ended ---

class Subscriber {
  constructor(door, node) {
    Object.assign(this, { door, node, text: '', ended: false });
  }

  take(stream) {
    stream.on('data', (data) => { this.text += data.toString('latin1'); });
    stream.on('error', () => {});
    stream.on('close', () => { this.ended = true; });
    ends.push(() => stream.destroy());
  }

  heard(text) {
    return until(`${this.door} at ${this.node.name} hears ${text}`, 5000, () => this.text.includes(text));
  }
}

function overHttp(door, node, cache, headers) {
  const one = new Subscriber(door, node);
  const request = http.get(`${node.url}/topics/${cache}/t`,
    { agent: false, ...bearer(client, headers) }, (response) => {
      one.status = response.statusCode;
      one.take(response);
    });
  request.on('error', () => {});
  ends.push(() => request.destroy());
  return one;
}

function overResp(node, cache) {
  const one = new Subscriber('RESP', node);
  const socket = net.connect(node.port, '127.0.0.1');
  one.take(socket);
  socket.write(`AUTH ${cache} ${client}\r\nSUBSCRIBE t\r\n`);
  return one;
}

// A masked text frame of the shortest form.
function frame(text) {
  const body = Buffer.from(text);
  const head = body.length < 126 ? [0x81, 0x80 | body.length] : [0x81, 0xfe, body.length >> 8, body.length & 255];
  return Buffer.concat([Buffer.from([...head, 0, 0, 0, 0]), body]);
}

async function overNative(node, cache) {
  const one = new Subscriber('native', node);
  const socket = await new Promise((done, fail) => {
    http.get(`${node.url}/v1/ws?token=${client}`, { agent: false,
      headers: { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13',
        'Sec-WebSocket-Protocol': 'starling.v1.json', 'Sec-WebSocket-Key': randomBytes(16).toString('base64') } })
      .on('upgrade', (response, stream) => done(stream)).on('error', fail);
  });
  one.take(socket);
  one.say = (message) => socket.write(frame(JSON.stringify(message)));
  one.say({ op: 'subscribe', id: 1, cache, topic: 't' });
  return one;
}

// A message with the fields of strings, in order: field 1, field 2 ...
function message(...fields) {
  const parts = fields.flatMap((field, i) => [Buffer.from([(i + 1) << 3 | 2, field.length]), Buffer.from(field)]);
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([0, 0, 0, 0, body.length]), body]);
}

// status: of the trailers, or of a head that ends.
function overGrpc(node, token, method, ...fields) {
  const one = new Subscriber('gRPC', node);
  const session = http2.connect(node.url);
  session.on('error', () => {});
  ends.push(() => session.destroy());
  const stream = session.request({ ':method': 'POST', ':path': method, 'content-type': 'application/grpc',
    te: 'trailers', authorization: token });
  const end = (headers) => { if (headers['grpc-status']) one.status = Number(headers['grpc-status']); };
  stream.on('response', end);
  stream.on('trailers', end);
  one.take(stream);
  stream.end(message(...fields));
  return one;
}

async function call(node, method, ...fields) {
  const one = overGrpc(node, admin, `/control_client.ScsControl/${method}`, ...fields);
  await until(`${method} ends`, 5000, () => one.ended);
  return one.status;
}

// --- tests ---

test('what was not created is not there, on no node and no door', async () => {
  for (const node of nodes) {
    const answer = await publish(node, 'none');
    assert.equal(answer.status, 404);
    assert.deepEqual(JSON.parse(answer.text), { code: 4041, error: 'NO_CACHE', message: TEXT });
    assert.equal((await get(`${node.url}/topics/none/t`, bearer(client))).status, 404);
    assert.equal((await get(`${node.url}/topics/none/t`, bearer(client, { Accept: 'text/event-stream' }))).status, 404);
    await overResp(node, 'none').heard(`-ERR ${TEXT}`);
    await (await overNative(node, 'none')).heard('"code":4041');
    const stream = overGrpc(node, client, '/cache_client.pubsub.Pubsub/Subscribe', 'none', 't');
    await until('gRPC ends', 5000, () => stream.status === 5);
    assert.equal((await publish(node, 'fixed')).status, 204);
  }
});

test('a cache that was created is there at once on all nodes of all regions', async () => {
  for (let i = 0; i < 30; i += 1) {
    const cache = `once-${i}`;
    const by = nodes[i % nodes.length];
    assert.equal((await change(by, 'PUT', cache)).status, 201);
    const others = nodes.filter((node) => node !== by);
    const used = await Promise.all(others.map((node) => publish(node, cache)));
    assert.deepEqual(used.map(({ status }) => status), [204, 204], cache);
  }
  assert.equal(await call(nodes[0], 'CreateCache', 'called'), 0);
  assert.equal(await call(nodes[1], 'CreateCache', 'called'), 6);
  assert.equal((await publish(nodes[2], 'called')).status, 204);
});

test('what is published in one region comes to the other', async () => {
  assert.equal((await change(nodes[0], 'PUT', 'across')).status, 201);
  const one = overHttp('SSE', nodes[1], 'across', { Accept: 'text/event-stream' });
  await one.heard('id: ');
  assert.equal((await publish(nodes[2], 'across', 'over there')).status, 204);
  await one.heard('data: over there');
});

test('deletion ends all subscribers on all nodes, in the words of their doors', async () => {
  assert.equal((await change(nodes[0], 'PUT', 'doomed')).status, 201);
  assert.equal((await change(nodes[0], 'PUT', 'stays')).status, 201);
  const all = [];
  for (const node of nodes) {
    const before_ = await subscriptions(node);
    const events = overHttp('SSE', node, 'doomed', { Accept: 'text/event-stream' });
    const poll = overHttp('long-poll', node, 'doomed');
    const resp = overResp(node, 'doomed');
    const native = await overNative(node, 'doomed');
    const grpc = overGrpc(node, client, '/cache_client.pubsub.Pubsub/Subscribe', 'doomed', 't');
    const stays = overHttp('SSE', node, 'stays', { Accept: 'text/event-stream' });
    await events.heard('id: ');
    await resp.heard('subscribe');
    await native.heard('"subscribed"');
    await stays.heard('id: ');
    await until('the heartbeat', 5000, () => grpc.text.length > 0);
    await until('all six', 5000, async () => await subscriptions(node) === before_ + 6);
    all.push({ events, poll, resp, native, grpc, stays });
  }
  const began = Date.now();
  assert.equal((await change(nodes[1], 'DELETE', 'doomed')).status, 204);
  for (const { events, poll, resp, native, grpc, stays } of all) {
    await events.heard('event: end\ndata: {"code":4041,');
    await resp.heard(`-ERR ${TEXT}`);
    await native.heard('"code":4041');
    await poll.heard(TEXT);
    assert.equal(poll.status, 404);
    await until('gRPC ends', 5000, () => grpc.status === 5);
    await until('they end', 5000, () => events.ended && resp.ended && poll.ended);
    assert.equal(native.ended, false);
    assert.equal(stays.ended, false);
  }
  assert.ok(Date.now() - began < 2000, `${Date.now() - began} ms`);
  for (const node of nodes) assert.equal((await publish(node, 'doomed')).status, 404);
  assert.equal((await publish(nodes[2], 'stays', 'on')).status, 204);
  for (const { stays } of all) await stays.heard('data: on');
});

test('a publisher whose cache goes is told with its next item', async () => {
  assert.equal((await change(nodes[0], 'PUT', 'short')).status, 201);
  const one = await overNative(nodes[2], 'fixed');
  one.say({ op: 'publish', id: 7, receipt: true, cache: 'short', topic: 't', text: 'a' });
  await one.heard('"id":7');
  assert.ok(!one.text.includes('4041'), one.text);
  assert.equal((await change(nodes[1], 'DELETE', 'short')).status, 204);
  one.say({ op: 'publish', id: 8, cache: 'short', topic: 't', text: 'b' });
  await one.heard('"code":4041');
});

test('who joins has all of it, though who wrote it is dead', async () => {
  assert.equal((await change(nodes[2], 'PUT', 'kept', '{"item_len":5}')).status, 201);
  await nodes[2].kill();
  await nodes[1].kill();
  nodes[1].spawn();
  await nodes[1].ready();
  assert.ok((await names(nodes[1])).includes('kept'));
  assert.equal((await publish(nodes[1], 'kept', 'short')).status, 204);
  assert.equal((await publish(nodes[1], 'kept', 'longer')).status, 429);
  nodes[2].spawn();
  await nodes[2].ready();
  assert.equal((await publish(nodes[2], 'kept', 'longer')).status, 429);
  assert.deepEqual(await names(nodes[2]), await names(nodes[0]));
  assert.ok(!(await names(nodes[2])).includes('doomed'));
});

test('starling cache creates, lists and deletes', async () => {
  const cache = (...words) => run(['cache', ...words], { url: nodes[0].url, env: { STARLING_TOKEN: admin } });
  assert.equal((await cache('create', 'mine', 'publish_rate=9', 'subs=2')).code, 0);
  const listed = (await cache('list')).stdout.toString().split('\n');
  assert.ok(listed.includes('mine publish_rate=9 subs=2'), listed);
  assert.ok(listed.includes('fixed'));
  assert.equal((await cache('delete', 'mine')).code, 0);
  const again = await cache('delete', 'mine');
  assert.equal(again.code, 1);
  assert.ok(again.stderr.includes(TEXT));
  assert.equal((await cache('create', 'mine', 'speed=9')).code, 1);
  assert.equal((await cache('create', 'a/b')).code, 1);
  assert.equal((await cache('delete', 'fixed')).code, 1);
  assert.equal((await cache()).code, 2);
  const refused = await run(['cache', 'create', 'mine'], { url: nodes[0].url, env: { STARLING_TOKEN: client } });
  assert.equal(refused.code, 77);
  assert.match(refused.stderr, /needs the scope "admin:caches"/);
  assert.match(nodes[0].log, /cache-created .*cache=mine by=test/);
  assert.match(nodes[0].log, /cache-deleted .*cache=mine by=test/);
});

test('without keys any cache may be used, and may be created all the same', async () => {
  const node = await Node.start({ name: 'open', token: '' });
  nodes.push(node);
  assert.equal((await get(`${node.url}/topics/any/t`, { method: 'POST', body: 'x' })).status, 204);
  assert.equal((await get(`${node.url}/v1/caches/any`, { method: 'PUT' })).status, 201);
  const { text } = await get(`${node.url}/v1/caches`);
  const { auto_create_caches: auto, caches } = JSON.parse(text);
  assert.deepEqual([auto, caches.map(({ name }) => name)], [true, ['any']]);
});
