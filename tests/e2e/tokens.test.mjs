// SPDX-License-Identifier: Apache-2.0
//
// Tokens on real nodes of two regions: minted by one node, taken by all, taken
// back through one and gone on all within a second, in the words of every door,
// also from those who start afterwards.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import http2 from 'node:http2';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { get, run, startCluster, stopAll, temporaryFolder, until } from './harness.mjs';

const keys = path.join(temporaryFolder(), 'keys');
let nodes = [];
let admin = '';
let superuser = '';

const mint = async (...options) => {
  const { code, stdout, stderr } = await run(['token', 'mint', '--keys', keys, ...options]);
  assert.equal(code, 0, stderr);
  return stdout.toString().trim();
};
const post = async (node, where, token, body) => {
  const { status, text } = await get(node.url + where,
    { method: 'POST', headers: { Authorization: token }, body: JSON.stringify(body) });
  return { status, ...JSON.parse(text) };
};
const publish = (node, token, topic, body) => get(`${node.url}/topics/demo/${topic}`,
  { method: 'POST', headers: { Authorization: token }, body });
const grants = [{ cache: 'demo', topic_prefix: 'a', role: 'both' }];
const disposable = async (ttl = 3600) => {
  const made = await post(nodes[0], '/v1/tokens', superuser, { subject: 'ann', ttl_s: ttl, grants });
  assert.equal(made.status, 200, made.message);
  return made;
};

before(async () => {
  assert.equal((await run(['keygen', keys])).code, 0);
  admin = await mint('--sub', 'ops', '--scope', 'admin:read');
  superuser = await mint('--sub', 'ops', '--superuser', '--ttl', 'never', '--format', 'v2');
  nodes = await startCluster(['eu', 'us', 'eu'], { args: ['--keys', keys], token: admin });
});
after(() => stopAll(nodes));

// --- subscribers: each has text, what it heard, and the time of its end ------

class Subscriber {
  constructor(door) { this.door = door; this.text = ''; this.ended = 0; }

  hear(data) { this.text += data; }

  end() { this.ended ||= Date.now(); }

  // A WebSocket stays; what it was subscribed to does not.
  over() {
    if (this.isOver?.()) this.end();
    return this.ended;
  }
}

function stream(door, node, token, headers, method = 'GET', where = '/topics/demo/a', body = undefined) {
  const subscriber = new Subscriber(door);
  const controller = new AbortController();
  subscriber.close = () => controller.abort();
  fetch(node.url + where, { method, body, headers: { Authorization: token, ...headers }, signal: controller.signal })
    .then(async (response) => {
      subscriber.status = response.status;
      for await (const part of response.body) subscriber.hear(Buffer.from(part).toString('latin1'));
      subscriber.end();
    }).catch(() => subscriber.end());
  return subscriber;
}

const sse = (node, token) => {
  const subscriber = stream('sse', node, token, { Accept: 'text/event-stream' });
  subscriber.isReady = () => subscriber.text.includes('id: ');
  subscriber.says = (err, code) => subscriber.text.includes(`event: end\ndata: {"code":${code},"error":"${err}"`);
  return subscriber;
};

// Nothing is sent before it is over, so it is ready when the node says that it is subscribed.
const poll = (node, token) => {
  const subscriber = stream('poll', node, token, {});
  subscriber.isReady = () => true;
  subscriber.says = (err, code) => subscriber.status === 401 && subscriber.text.includes(`{"code":${code},"error":"${err}"`);
  return subscriber;
};

const resp = (node, token, command = 'SUBSCRIBE a') => {
  const subscriber = new Subscriber(command);
  const socket = net.connect(node.port, '127.0.0.1', () => socket.write(`AUTH demo ${token}\r\n${command}\r\n`));
  socket.on('data', (data) => subscriber.hear(data.toString('latin1')));
  socket.on('error', () => {});
  socket.on('close', () => subscriber.end());
  subscriber.close = () => socket.destroy();
  subscriber.isReady = () => subscriber.text.includes('subscribe\r\n');
  subscriber.says = (err) => subscriber.text.includes(
    err === 'REVOKED' ? '-NOAUTH the token was revoked\r\n' : '-NOAUTH the token has expired\r\n');
  return subscriber;
};

// What a server sends is short and not masked; the JSON is readable in between.
const native = (node, token) => {
  const subscriber = new Subscriber('native');
  const say = (text) => {
    const body = Buffer.from(text);
    assert.ok(body.length < 126);
    socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | body.length, 0, 0, 0, 0]), body]));
  };
  const socket = net.connect(node.port, '127.0.0.1', () => socket.write(
    `GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n`
    + `Sec-WebSocket-Key: ${crypto.randomBytes(16).toString('base64')}\r\nAuthorization: ${token}\r\n`
    + 'Sec-WebSocket-Protocol: starling.v1.json\r\n\r\n'));
  socket.on('data', (data) => {
    const welcomed = subscriber.text.includes('"welcome"');
    subscriber.hear(data.toString('latin1'));
    if (!welcomed && subscriber.text.includes('"welcome"')) {
      say('{"op":"subscribe","id":1,"cache":"demo","topic":"a"}');
    }
  });
  socket.on('error', () => {});
  socket.on('close', () => subscriber.end());
  subscriber.close = () => socket.destroy();
  subscriber.say = say;
  subscriber.isReady = () => subscriber.text.includes('"op":"subscribed"');
  subscriber.isOver = () => subscriber.text.includes('"op":"ended"');
  subscriber.says = (err, code) => subscriber.text.includes(`"code":${code},"error":"${err}"`);
  return subscriber;
};

const field = (number, bytes) => Buffer.concat([Buffer.from([number << 3 | 2, bytes.length]), bytes]);
const frame = (message) => Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]);
const subscription = frame(Buffer.concat([field(1, Buffer.from('demo')), field(2, Buffer.from('a'))]));
const subscribePath = '/cache_client.pubsub.Pubsub/Subscribe';

const grpc = (node, token) => {
  const subscriber = new Subscriber('grpc');
  const session = http2.connect(node.url);
  session.on('error', () => {});
  const call = session.request({ ':method': 'POST', ':path': subscribePath, 'content-type': 'application/grpc',
    te: 'trailers', authorization: token });
  const take = (headers) => {
    if (headers['grpc-status'] !== undefined) {
      subscriber.hear(`status ${headers['grpc-status']} ${decodeURIComponent(headers['grpc-message'] || '')}`);
    }
  };
  call.on('response', take);
  call.on('trailers', take);
  call.on('data', (data) => subscriber.hear(data.toString('latin1')));
  call.on('error', () => {});
  call.on('close', () => subscriber.end());
  call.end(subscription);
  subscriber.close = () => session.destroy();
  subscriber.isReady = () => subscriber.text.includes('\x1a\x00');
  subscriber.says = (err) => subscriber.text.includes(
    err === 'REVOKED' ? 'status 16 the token was revoked' : 'status 16 the token has expired');
  return subscriber;
};

const web = (node, token) => {
  const subscriber = stream('grpc-web', node, token, { 'content-type': 'application/grpc-web' }, 'POST',
    subscribePath, subscription);
  subscriber.isReady = () => subscriber.text.includes('\x1a\x00');
  subscriber.says = () => subscriber.text.includes('grpc-status:16\r\n');
  return subscriber;
};

const doors = [sse, poll, resp, (node, token) => resp(node, token, 'PSUBSCRIBE *'), native, grpc, web];

async function subscribeAll(node, token) {
  const all = doors.map((door) => door(node, token));
  const text = () => all.filter((s) => !s.isReady()).map((s) => `${s.door}: ${s.text}`).join('; ');
  await until('all are subscribed', 5000, () => all.every((s) => s.isReady())).catch((error) => {
    throw new Error(`${error.message} ${text()}`);
  });
  return all;
}

// Subscriptions on a node, of which a poll says nothing.
const subscriptions = async (node) => Number((await get(`${node.url}/metrics`, { headers: { Authorization: admin } }))
  .text.match(/^starling_subscriptions (\d+)/m)[1]);

async function endedWithin(all, ms, since, err, code) {
  await until(`all end by ${err}`, ms + 4000, () => all.every((s) => s.over())).catch((error) => {
    throw new Error(`${error.message}: ${all.filter((s) => !s.ended).map((s) => `${s.door} ${s.text}`).join('; ')}`);
  });
  for (const s of all) {
    assert.ok(s.says(err, code), `${s.door}: ${s.status} ${s.text}`);
    assert.ok(s.ended - since <= ms, `${s.door}: ${s.ended - since} ms`);
  }
  return Math.max(...all.map((s) => s.ended - since));
}

// --- tests ------------------------------------------------------------------

test('what one node mints, all nodes take, in each form', { timeout: 30000 }, async () => {
  const made = await disposable();
  assert.match(made.id, /^st00[0-9a-f]{8}\.[0-9a-f]{24}$/);
  assert.equal(made.endpoint, `127.0.0.1:${nodes[0].port}`);
  assert.ok(Math.abs(made.valid_until - Date.now() / 1000 - 3600) < 60);
  const v1 = await post(nodes[2], '/v1/tokens', superuser, { kind: 'api_key', format: 'v1', ttl_s: 'never', grants });
  assert.equal(v1.valid_until, 0);
  const inner = JSON.parse(Buffer.from(v1.token, 'base64').toString());
  assert.equal(inner.endpoint, `127.0.0.1:${nodes[2].port}`);
  for (const node of nodes) {
    for (const token of [made.token, v1.token, inner.api_key]) {
      assert.equal((await publish(node, token, 'a', 'x')).status, 204);
      assert.equal((await publish(node, token, 'b', 'x')).status, 403);
    }
  }
  const shown = (await run(['token', 'show', v1.token])).stdout.toString();
  assert.match(shown, /"t": "g"/);
  assert.match(shown, /never expires/);
});

test('a refusal names the missing grant', { timeout: 30000 }, async () => {
  const { token } = await disposable();
  const denied = await publish(nodes[1], token, 'b', 'x');
  assert.equal(JSON.parse(denied.text).message,
    'the token does not grant this: needs "publish" on cache "demo", topic "b"');
  const minted = await post(nodes[1], '/v1/tokens', token, { ttl_s: 1 });
  assert.equal(minted.status, 403);
  assert.match(minted.message, /needs the scope "admin:tokens"$/);
  const wider = await post(nodes[1], '/v1/tokens', superuser,
    { kind: 'api_key', subject: 'x', ttl_s: 1, scopes: ['admin:write'] });
  assert.match(wider.message, /needs the scope "admin:write"$/);
  const reader = resp(nodes[1], token, 'SUBSCRIBE b');
  await until('RESP says it', 3000, () => /-NOPERM .*: needs "subscribe" on cache "demo", topic "b"\r\n/.test(reader.text));
  reader.close();
  const socket = native(nodes[1], token);
  await until('subscribed', 3000, () => socket.isReady());
  socket.say('{"op":"subscribe","id":2,"cache":"other","topic":"a"}');
  await until('WebSocket says it', 3000, () => socket.text.includes('needs \\"subscribe\\" on cache \\"other\\", topic \\"a\\"'));
  socket.close();
  const foreign = await mint('--cache', 'other');
  const call = grpc(nodes[1], foreign);
  await until('gRPC says it', 3000, () => call.text.includes('status 7 the token does not grant this: '
    + 'needs "subscribe" on cache "demo", topic "a"'));
  call.close();
});

test('revoked in one region, gone in all within a second', { timeout: 60000 }, async () => {
  const before_ = await subscriptions(nodes[1]);
  const [made, other] = [await disposable(), await disposable()];
  const all = await subscribeAll(nodes[1], made.token);
  const near = await subscribeAll(nodes[2], made.token);
  const stays = sse(nodes[1], other.token);
  await until('the other one listens', 5000, () => stays.isReady());
  await until('so do the polls', 5000, async () => await subscriptions(nodes[1]) === before_ + doors.length + 1);
  const since = Date.now();
  const revoked = await run(['token', 'revoke', made.id], { url: nodes[0].url, env: { STARLING_TOKEN: superuser } });
  assert.equal(revoked.code, 0, revoked.stderr);
  assert.equal(revoked.stdout.toString(), `revoked on all nodes: ${made.id}\n`);
  const ms = await endedWithin([...all, ...near], 1000, since, 'REVOKED', 4012);
  console.log(`# ${doors.length} doors on two nodes of two regions: ended ${ms} ms after the command began`);
  assert.equal((await publish(nodes[0], other.token, 'a', 'still here')).status, 204);
  await until('who is not revoked hears', 3000, () => stays.text.includes('still here'));
  for (const node of nodes) {
    const refused = await publish(node, made.token, 'a', 'x');
    assert.equal(refused.status, 401);
    assert.equal(JSON.parse(refused.text).code, 4012);
  }
  assert.match(nodes[0].log, new RegExp(`token-revoked node=n1 token=${made.id} by=ops`));
  for (const s of [...all, ...near, stays]) s.close();
});

test('who starts afterwards is told by the others', { timeout: 60000 }, async () => {
  const made = await disposable();
  assert.equal((await publish(nodes[1], made.token, 'a', 'x')).status, 204);
  assert.equal((await post(nodes[1], '/v1/tokens/revoke', superuser, { token: made.token })).status, 200);
  assert.equal((await publish(nodes[1], made.token, 'a', 'x')).status, 401);
  nodes[1].options.join = [nodes[0], nodes[2]];
  await nodes[1].kill();
  nodes[1].spawn();
  await nodes[1].ready();
  for (const node of nodes) await until('all are linked', 20000, () => node.sees(['n1', 'n2', 'n3']));
  const refused = await publish(nodes[1], made.token, 'a', 'x');
  assert.equal(refused.status, 401, refused.text);
  assert.equal(JSON.parse(refused.text).code, 4012);
});

test('an expired token ends on every door within a second', { timeout: 60000 }, async () => {
  const made = await disposable(4);
  const all = await subscribeAll(nodes[1], made.token);
  assert.equal((await publish(nodes[0], made.token, 'a-in-time', 'x')).status, 204);
  const ms = await endedWithin(all, 1000, made.valid_until * 1000, 'EXPIRED', 4011);
  for (const s of all) assert.ok(s.ended >= made.valid_until * 1000, `${s.door}: too early`);
  console.log(`# ended ${ms} ms after the expiry`);
  assert.equal(JSON.parse((await publish(nodes[0], made.token, 'a', 'late')).text).code, 4011);
  for (const s of all) s.close();
});

test('what cannot be revoked is said in a sentence', { timeout: 30000 }, async () => {
  const as = (token, ...words) => run(['token', 'revoke', ...words], { url: nodes[0].url, env: { STARLING_TOKEN: token } });
  const { token } = await disposable();
  const denied = await as(token, 'st1');
  assert.equal(denied.code, 77);
  assert.match(denied.stderr, /needs the scope "admin:tokens"/);
  const wrong = await as(superuser, 'a.b.c');
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /a token that does not hold needs no revocation/);
  assert.equal((await as(superuser)).code, 2);
  const piped = await run(['token', 'revoke', '-', '--json'],
    { url: nodes[2].url, env: { STARLING_TOKEN: superuser }, input: `${token}\n` });
  assert.equal(piped.code, 0, piped.stderr);
  assert.match(JSON.parse(piped.stdout.toString()).id, /^st00/);
  for (const node of nodes) {
    await until('gone', 1000, async () => (await publish(node, token, 'a', 'x')).status === 401);
    assert.ok(!node.log.includes(token));
    assert.ok(!node.log.includes(superuser));
  }
});
