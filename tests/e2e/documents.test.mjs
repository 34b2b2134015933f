// SPDX-License-Identifier: Apache-2.0
//
// /openapi.json and /asyncapi.json: what they say is there, what is there they
// say, and what goes over the wire is as they have it.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { Node, get, run, stopAll, until } from './harness.mjs';

const nodes = [];
let node;
let openapi;
let asyncapi;
before(async () => {
  node = await Node.start({ name: 'n1' });
  nodes.push(node);
  openapi = JSON.parse((await get(`${node.url}/openapi.json`)).text);
  asyncapi = JSON.parse((await get(`${node.url}/asyncapi.json`)).text);
});
after(() => stopAll(nodes));

// Every {"$ref": "#/a/b"} of a document leads somewhere.
function assertReferences(root) {
  let found = 0;
  const visit = (value) => {
    if (value === null || typeof value !== 'object') return;
    if (typeof value.$ref === 'string') {
      const steps = value.$ref.replace(/^#\//, '').split('/');
      assert.notEqual(steps.reduce((at, step) => at?.[step], root), undefined, value.$ref);
      found += 1;
    }
    Object.values(value).forEach(visit);
  };
  visit(root);
  assert.ok(found > 10);
}

const operations = () => Object.entries(openapi.paths).flatMap(([path, item]) =>
  Object.entries(item).map(([method, operation]) => ({ path, method, operation })));

test('the OpenAPI document is one', () => {
  assert.equal(openapi.openapi, '3.1.0');
  assert.ok(openapi.info.title && openapi.info.version);
  assertReferences(openapi);
  const ids = operations().map(({ operation }) => operation.operationId);
  assert.equal(new Set(ids).size, ids.length);
  for (const { path, method, operation } of operations()) {
    const where = `${method} ${path}`;
    assert.ok(['get', 'put', 'post', 'delete'].includes(method), where);
    assert.ok(operation.summary, where);
    const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    const ofPath = operation.parameters.filter((one) => one.in === 'path');
    assert.deepEqual(ofPath.map((one) => one.name), named, where);
    for (const one of operation.parameters) {
      assert.ok(one.description, `${where} ${one.name}`);
      assert.ok(['string', 'integer'].includes(one.schema.type), `${where} ${one.name}`);
      assert.equal(one.required === true, one.in === 'path');
    }
    const statuses = Object.keys(operation.responses);
    assert.ok(statuses.some((status) => /^[12]\d\d$/.test(status)), where);
    for (const status of statuses) {
      assert.match(status, /^([1-5]\d\d|default)$/);
      assert.ok(operation.responses[status].$ref || operation.responses[status].description, where);
    }
    for (const one of operation.security) assert.ok(openapi.components.securitySchemes[Object.keys(one)[0]], where);
  }
});

// Another method than the documented ones is answered with exactly these.
test('every documented path exists, with the documented methods', { timeout: 30000 }, async () => {
  for (const [template, item] of Object.entries(openapi.paths)) {
    if (template === asyncapi.channels.native.address) continue; // an upgrade, below
    const path = template.replace(/\{\w+\}/g, 'x');
    const response = await fetch(node.url + path, { method: 'PATCH', signal: AbortSignal.timeout(5000) });
    assert.equal(response.status, 405, path);
    const allowed = response.headers.get('allow').split(', ').filter((one) => one !== 'OPTIONS').sort();
    assert.deepEqual(allowed, Object.keys(item).map((one) => one.toUpperCase()).sort(), path);
    await response.arrayBuffer();
  }
  assert.equal((await get(`${node.url}/v1/no-such-path`, { method: 'PATCH' })).status, 404);
});

test('every page that a GET has answers as documented', { timeout: 30000 }, async () => {
  for (const { path, method, operation } of operations()) {
    if (method !== 'get' || path.includes('{') || path === asyncapi.channels.native.address) continue;
    const answer = await get(node.url + path);
    if (answer.status in operation.responses) continue;
    // By "default": refused, as without the scope; and /v1/dev is there in a `starling dev` only.
    assert.equal(answer.status, path === '/v1/dev' ? 404 : 403, path);
    assert.equal(Math.floor(JSON.parse(answer.text).code / 10), answer.status, path);
  }
});

test('every path that docs/PROTOCOLS.md names is documented', () => {
  const page = fs.readFileSync('docs/PROTOCOLS.md', 'utf8');
  const known = Object.keys(openapi.paths).map((path) => path.replace(/\{\w+\}/g, '*'));
  const named = [...page.matchAll(/(?:GET|POST|PUT|DELETE) (\/v1\/[\w/{}.-]+)/g)].map(([, path]) => path)
    .filter((path) => !path.endsWith('/...'));
  assert.ok(named.length > 5);
  for (const path of named) {
    const form = path.replace(/\.+$/, '').replace(/\{[\w.]+\}/g, '*');
    assert.ok(known.includes(form), path);
  }
});

test('the regions have round trips', { timeout: 20000 }, async () => {
  const { code, stdout } = await run(['regions'], { url: node.url });
  assert.equal(code, 0);
  assert.match(String(stdout), new RegExp(`^eu +1 +\\d+(\\.\\d+)? (us|ms) +${node.url}`, 'm'));
});

test('the AsyncAPI document is one', () => {
  assert.equal(asyncapi.asyncapi, '3.0.0');
  assertReferences(asyncapi);
  for (const [name, operation] of Object.entries(asyncapi.operations)) {
    assert.ok(['send', 'receive'].includes(operation.action), name);
    assert.ok(operation.messages.length > 0, name);
    for (const { $ref } of operation.messages) assert.ok($ref.startsWith(`${operation.channel.$ref}/messages/`), $ref);
  }
  for (const [name, { payload }] of Object.entries(asyncapi.components.messages)) {
    for (const one of payload.required) assert.ok(payload.properties[one], `${name} ${one}`);
  }
});

// | `op` | `field`, ... |: of the two tables of the native protocol.
test('the messages are those of docs/PROTOCOLS.md', () => {
  const page = fs.readFileSync('docs/PROTOCOLS.md', 'utf8');
  for (const [heading, operation] of [['| client sends `op` |', 'commands'], ['| server sends `op` |', 'answers']]) {
    const from = page.indexOf(heading);
    const rows = page.slice(from, page.indexOf('\n\n', from)).split('\n').slice(2).map((row) => row.split('|').slice(1, 3));
    const named = (cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, word]) => word);
    const ops = rows.flatMap(([op]) => named(op));
    assert.deepEqual(ops.sort(), asyncapi.operations[operation].messages.map(({ $ref }) => $ref.split('/').pop()).sort());
    for (const [op, cell] of rows) {
      for (const field of named(cell)) {
        for (const one of named(op)) assert.ok(asyncapi.components.messages[one].payload.properties[field], `${one}.${field}`);
      }
    }
  }
});

const types = {
  string: (value) => typeof value === 'string',
  integer: (value) => Number.isSafeInteger(value),
  boolean: (value) => typeof value === 'boolean',
  object: (value) => value !== null && typeof value === 'object' && !Array.isArray(value),
  array: (value) => Array.isArray(value),
};
function assertConforms(name, message) {
  const { payload } = asyncapi.components.messages[name];
  for (const one of payload.required) assert.ok(one in message, `${name} without ${one}`);
  for (const [key, value] of Object.entries(message)) {
    const schema = payload.properties[key];
    assert.ok(schema, `${name} has ${key}, which is not documented`);
    if (schema.const !== undefined) assert.equal(value, schema.const);
    else assert.ok(types[schema.type](value), `${name}.${key} is no ${schema.type}: ${value}`);
  }
}

// A native connection: send(), and what was received so far.
function open(port) {
  const socket = net.connect(port, '127.0.0.1');
  const received = [];
  let waiting = Buffer.alloc(0);
  let upgraded = false;
  socket.on('data', (data) => {
    waiting = Buffer.concat([waiting, data]);
    if (!upgraded && waiting.includes('\r\n\r\n')) {
      upgraded = true;
      waiting = waiting.subarray(waiting.indexOf('\r\n\r\n') + 4);
    }
    while (upgraded && waiting.length >= 2) {
      const long = waiting[1] === 126;
      const start = long ? 4 : 2;
      const length = long && waiting.length >= 4 ? waiting.readUInt16BE(2) : waiting[1];
      if (waiting.length < start + length) break;
      if ((waiting[0] & 15) === 1) received.push(JSON.parse(waiting.subarray(start, start + length)));
      waiting = waiting.subarray(start + length);
    }
  });
  socket.write(`GET ${asyncapi.channels.native.address} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n` +
    'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n');
  const send = (message) => {
    const text = Buffer.from(JSON.stringify(message));
    socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), text]));
  };
  return { received, send, close: () => socket.destroy() };
}

test('what goes over the native channel is as documented', { timeout: 30000 }, async () => {
  const values = { id: 7, cache: 'demo', topic: 'chat', token: 'none', text: 'hello', receipt: true };
  const { received, send, close } = open(node.port);
  const heard = (op) => until(op, 5000, () => received.find((message) => message.op === op));
  await heard('welcome');
  for (const { $ref } of asyncapi.operations.commands.messages) {
    const op = $ref.split('/').pop();
    if (op === 'unsubscribe') continue; // last
    const message = { op };
    for (const one of asyncapi.components.messages[op].payload.required) if (one !== 'op') message[one] = values[one];
    if (op === 'publish') Object.assign(message, { id: 8, text: 'hello', receipt: true, event: 'e', item_id: 'i' });
    assertConforms(op, message);
    send(message);
  }
  for (const op of ['subscribed', 'published', 'item', 'pong']) await heard(op);
  send({ op: 'unsubscribe', id: 9, cache: 'demo', topic: 'chat' });
  await heard('unsubscribed');
  send({ op: 'no-such-op' });
  await heard('error');
  close();
  for (const message of received) {
    assertConforms(message.op, message);
    if (message.op === 'error') assert.ok(message.code !== 4003 || message === received.at(-1), JSON.stringify(message));
  }
});

test('what _sys says is as documented', { timeout: 30000 }, async () => {
  const { received, send, close } = open(node.port);
  send({ op: 'subscribe', id: 1, cache: '_sys', topic: asyncapi.channels.stats.address.split('/')[1] });
  const item = await until('a report', 10000, () => received.find((message) => message.op === 'item'));
  assertConforms('stats', JSON.parse(item.text));
  send({ op: 'subscribe', id: 2, cache: '_sys', topic: asyncapi.channels.events.address.split('/')[1] });
  await until('both', 5000, () => received.filter((message) => message.op === 'subscribed').length === 2);
  const other = await Node.start({ name: 'n2', join: [node] });
  nodes.push(other);
  const event = await until('an event', 10000, () =>
    received.find((message) => message.op === 'item' && message.topic === 'events'));
  assertConforms('events', JSON.parse(event.text));
  close();
});
