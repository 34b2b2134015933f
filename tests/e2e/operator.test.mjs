// SPDX-License-Identifier: Apache-2.0
//
// The operator's questions on real nodes with keys: who is connected, to what,
// who was refused, what happened, what is published; and the end of a client of
// every door in that door's words. Asked at one node, of clients of another.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { command, get, Node, raw, run, startCluster, stopAll, temporaryFolder, until } from './harness.mjs';
import { connect, subscribe } from './momento.mjs';

const keys = path.join(temporaryFolder(), 'keys');
let nodes = [];
let admin = '';
let ann = '';
let looker = '';

const mint = async (...options) => {
  const { code, stdout, stderr } = await run(['token', 'mint', '--keys', keys, ...options]);
  assert.equal(code, 0, stderr);
  return stdout.toString().trim();
};
const ask = async (node, where, token = admin, method = 'GET') => {
  const { status, text } = await get(node.url + where, { method, headers: { Authorization: token } });
  return { status, ...(text ? JSON.parse(text) : {}) };
};
const cli = async (...args) => {
  const { code, stdout, stderr } = await run(args, { url: nodes[0].url, env: { STARLING_TOKEN: admin } });
  return { code, out: stdout.toString(), err: stderr };
};
const publish = (node, topic, body, token = ann) => get(`${node.url}/topics/demo/${topic}`,
  { method: 'POST', headers: { Authorization: token }, body });

before(async () => {
  assert.equal((await run(['keygen', keys])).code, 0);
  admin = await mint('--sub', 'ops', '--scope', 'admin:*');
  looker = await mint('--sub', 'looker', '--scope', 'admin:read', '--cache', 'other');
  ann = await mint('--sub', 'ann<script>', '--cache', 'demo');
  nodes = await startCluster(['eu', 'us'], { args: ['--keys', keys], token: admin });
});
after(() => stopAll(nodes));

// --- a subscriber of each door: `text` is what it heard ---

function socketOf(door, port, first) {
  const one = { door, text: '', over: false };
  const socket = net.connect(port, '127.0.0.1', () => socket.write(first));
  socket.on('data', (data) => { one.text += data.toString('latin1'); });
  socket.on('error', () => {});
  socket.on('close', () => { one.over = true; });
  one.say = (bytes) => socket.write(bytes);
  one.close = () => socket.destroy();
  return one;
}

const http = (headers) => `GET /topics/demo/kicked HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: ${ann}\r\n${headers}\r\n`;
const doors = {
  sse: (port) => socketOf('sse', port, http('Accept: text/event-stream\r\n')),
  poll: (port) => socketOf('poll', port, http('')),
  resp: (port) => socketOf('resp', port, `AUTH demo ${ann}\r\nSUBSCRIBE kicked\r\n`),
  native: (port) => {
    const one = socketOf('native', port, 'GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n'
      + `Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${crypto.randomBytes(16).toString('base64')}\r\n`
      + `Authorization: ${ann}\r\nSec-WebSocket-Protocol: starling.v1.json\r\n\r\n`);
    const body = Buffer.from('{"op":"subscribe","id":1,"cache":"demo","topic":"kicked"}');
    until('the welcome', 5000, () => one.text.includes('"welcome"')).then(() =>
      one.say(Buffer.concat([Buffer.from([0x81, 0x80 | body.length, 0, 0, 0, 0]), body])));
    return one;
  },
  grpc: (port) => {
    const one = { door: 'grpc', text: '', over: false };
    const session = connect(port);
    const sub = subscribe(session, 'demo', 'kicked', { headers: { authorization: ann } });
    sub.ended.then((made) => { one.text = `status ${made.status} ${made.trailers['grpc-message']}`; one.over = true; });
    one.close = () => session.destroy();
    return one;
  },
};
const words = {
  sse: /event: end\ndata: \{"code":4009,"error":"KICKED","message":"closed by an operator"\}/,
  poll: /^HTTP\/1\.1 400 [^]*\{"code":4009,"error":"KICKED","message":"closed by an operator"\}/,
  resp: /-ERR closed by an operator\r\n$/,
  native: /"op":"error"[^]*"code":4009,"error":"KICKED"[^]*\x03\xf0KICKED$/, // close 1008
  grpc: /^status 10 closed by an operator$/,
};

const clientsOf = async (node) => (await ask(nodes[0], `/v1/admin/clients?sort=id&node=${node.name}&limit=1000`)).clients;

test('a client of every door is seen from another node, and closed in its own words', async () => {
  const all = Object.values(doors).map((open) => open(nodes[1].port));
  const rows = await until('all are subscribed', 5000, async () => {
    const found = (await clientsOf(nodes[1])).filter((c) => c.who === 'ann<script>' && c.subs === 1);
    return found.length === all.length && found;
  }).catch((error) => { throw new Error(`${error.message}: ${JSON.stringify(all.map((one) => one.text))}`); });
  for (const one of all) {
    const row = rows.find((r) => r.door === one.door);
    assert.match(row.client, /^[0-9a-f]{16}-[0-9]+$/);
    const { status } = await ask(nodes[0], `/v1/admin/clients/${row.client}/kick`, admin, 'POST');
    assert.equal(status, 204, one.door);
    await until(`${one.door} hears it`, 3000, () => words[one.door].test(one.text)).catch((error) => {
      throw new Error(`${error.message}: ${JSON.stringify(one.text)}`);
    });
    await until(`${one.door} is over`, 5000, () => one.over);
    assert.equal((await ask(nodes[0], `/v1/admin/clients/${row.client}/kick`, admin, 'POST')).status, 404);
    one.close();
  }
  assert.equal(nodes[1].log.match(/client-kicked .* by=ops /g).length, all.length);
});

test('starling clients, kick, topics', async () => {
  const one = doors.resp(nodes[1].port);
  const row = await until('it is there', 5000, async () => (await clientsOf(nodes[1])).find((c) => c.subs === 1));
  const listed = await cli('clients', '--sort', 'subs', '--limit', '1');
  assert.match(listed.out, new RegExp(`^CLIENT.*\n${row.client} +n2 +resp +127\\.0\\.0\\.1:`));
  assert.deepEqual(JSON.parse((await cli('clients', '--node', 'n2', '--json')).out).clients.map((c) => c.client), [row.client]);
  assert.match((await cli('topics', 'demo', 'kicked')).out, /^demo +kicked +subs 1 \(n2 1\)\n$/);
  assert.deepEqual(JSON.parse((await cli('topics', 'demo', '--prefix', 'kic', '--json')).out).topics,
    [{ cache: 'demo', topic: 'kicked', subs: 1, nodes: [{ name: 'n2', subs: 1 }] }]);
  assert.deepEqual(await cli('kick', row.client), { code: 0, out: `${row.client} closed (4009)\n`, err: '' });
  assert.equal((await cli('kick', row.client)).code, 1);
  assert.equal((await run(['kick', row.client], { url: nodes[0].url, env: { STARLING_TOKEN: looker } })).code, 77);
  one.close();
});

test('who was refused, and what happened', async () => {
  assert.equal((await publish(nodes[1], 'chat', 'x', looker)).status, 403);
  const { denied } = await ask(nodes[0], '/v1/admin/denied?limit=1');
  assert.equal(denied[0].node, 'n2');
  assert.equal(denied[0].who, 'looker');
  assert.equal(denied[0].what, 'publish demo/chat');
  assert.equal(denied[0].code, 4030);
  assert.match((await cli('denied', '--limit', '1')).out, /n2 +publish .* looker +4030 DENIED +publish demo\/chat/);
  assert.match((await cli('events')).out, /info +n2 +client-kicked +client=/);
  const following = command(['events', '--follow', '--json'], { url: nodes[0].url, env: { STARLING_TOKEN: admin } });
  let seen = '';
  following.child.stdout.on('data', (data) => { seen += data; });
  await until('events are followed', 8000, async () => {
    await get(`${nodes[1].url}/v1/admin/clients?token=${ann}`); // admin-refused
    return seen.includes('"event":"admin-refused"');
  });
  following.child.kill('SIGTERM');
  await following.done;
});

test('a tap shows what is published anywhere, sampled, and ends with its connection', async () => {
  const tap = command(['tap', 'demo', 'tapped', '--rate', '5', '--json'], { url: nodes[0].url, env: { STARLING_TOKEN: admin } });
  let out = '';
  tap.child.stdout.on('data', (data) => { out += data; });
  const shown = () => out.split('\n').slice(0, -1).map((line) => JSON.parse(line));
  await until('it began', 5000, () => nodes[0].log.includes('tap-started'));
  await until('it sees', 8000, async () => { await publish(nodes[1], 'tapped/a', '<b>hi</b>'); return shown().length > 0; });
  const [first] = shown();
  assert.deepEqual({ ...first, at: 0, sampled: 1 }, { at: 0, node: 'n2', cache: 'demo', topic: 'tapped/a',
    publisher: 'ann<script>', bytes: 9, text: '<b>hi</b>', sampled: 1 });
  await Promise.all(Array.from({ length: 200 }, (_, i) => publish(nodes[i % 2], 'tapped/b', 'x')));
  await until('others stand for many', 8000, async () => {
    await publish(nodes[1], 'tapped/c', 'x');
    return shown().some((item) => item.sampled > 20);
  });
  assert.ok(shown().length < 60, `${shown().length} shown`);
  const third = await Node.start({ name: 'n3', region: 'eu', join: nodes, args: ['--keys', keys], token: admin });
  nodes.push(third);
  await until('the one that joined is tapped', 8000, async () => {
    await publish(third, 'tapped/d', 'x');
    return shown().some((item) => item.node === 'n3');
  });
  tap.child.kill('SIGTERM');
  await tap.done;
  await until('it is over', 5000, () => nodes[0].log.includes('tap-ended'));
});

test('a path has one spelling, and a wrong number is 400', async () => {
  const { port } = nodes[0];
  const paths = ['/v1/admin/%63lients', '/v1/admin//clients', '/v1/./admin/clients', '/v1/admin/clients;x', '/v1/ADMIN/clients',
    '/v1/admin/../admin/clients', '//v1/admin/clients', '/v1/admin/clients/'];
  for (const where of paths) {
    const { text } = await raw(port, `GET ${where} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: ${admin}\r\nConnection: close\r\n\r\n`);
    assert.match(text, /^HTTP\/1\.1 404 /, where);
  }
  for (const query of ['limit=0', 'limit=-1', 'limit=18446744073709551616', 'limit=1000000000', 'limit=', 'after=zz']) {
    for (const page of ['clients', 'topics', 'denied', 'events']) {
      assert.equal((await ask(nodes[0], `/v1/admin/${page}?${query}`)).status, 400, `${page} ${query}`);
    }
  }
  const foreign = `GET /v1/admin/clients HTTP/1.1\r\nHost: evil.example\r\nAuthorization: ${admin}\r\nConnection: close\r\n\r\n`;
  assert.match((await raw(port, foreign)).text, /^HTTP\/1\.1 403 /);
});

test('no token and no key is in any answer, metric or log', async () => {
  const secrets = [admin, ann, looker, ...fs.readFileSync(keys, 'utf8').match(/[A-Za-z0-9+/=_-]{32,}/g)];
  assert.ok(secrets.length >= 6);
  await get(`${nodes[0].url}/v1/usage?token=${ann.slice(0, -4)}AAAA`);
  await raw(nodes[0].port, `AUTH ${ann} ${ann}\r\nPUBLISH ${ann.slice(0, 40)} x\r\n`, 300);
  const pages = ['/metrics', '/v1/cluster', '/v1/usage', '/v1/regions', '/v1/caches', '/v1/admin/clients', '/v1/admin/topics',
    '/v1/admin/denied?limit=1000', '/v1/admin/events?limit=1000', '/v1/admin/keys', '/v1/admin/report', '/openapi.json'];
  const said = await Promise.all(pages.map((page) => get(nodes[0].url + page, { headers: { Authorization: admin } })));
  for (const [i, { status }] of said.entries()) assert.equal(status, 200, pages[i]);
  const all = said.map(({ text }) => text).join('\n') + nodes.map((node) => node.log).join('\n');
  for (const secret of secrets) assert.ok(!all.includes(secret), `${secret.slice(0, 12)}... is in an answer or a log`);
});
