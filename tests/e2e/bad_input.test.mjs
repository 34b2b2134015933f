// SPDX-License-Identifier: Apache-2.0
//
// What strangers send to a real node: a clear error, the process lives, and a
// bystander who subscribed before notices nothing.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import dgram from 'node:dgram';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { Node, command, get, raw, run, until } from './harness.mjs';

let node;
let bystander;
let sent = 0;

before(async () => {
  node = await Node.start({ name: 'target', args: ['--limits', 'hello_ms=700,subs_per_client=50'] });
  bystander = command(['sub', 'demo', 'quiet', '--json'], { url: node.url });
  await until('the bystander listens', 5000, async () => (await node.cluster()).subscriptions === 1);
  bystander.out = '';
  bystander.child.stdout.on('data', (data) => { bystander.out += data; });
});

after(async () => {
  bystander.child.kill();
  await node.kill();
});

// After each case: the node answers, and the bystander still hears everything.
async function unharmed() {
  sent += 1;
  assert.equal(node.code, null, 'the node lives');
  assert.equal((await run(['pub', 'demo', 'quiet', `still ${sent}`], { url: node.url })).code, 0);
  await until('the bystander hears it', 3000, () => bystander.out.includes(`"still ${sent}"`));
  assert.ok(!bystander.out.includes('"op":"gap"'));
}

const http = (lines, body = '') => `${lines.join('\r\n')}\r\n\r\n${body}`;
const host = 'Host: 127.0.0.1';

// name, bytes, expected answer, and whether the connection must end.
const cases = [
  ['A2 a giant RESP request', '*1000000\r\n$536870912\r\n', /^-ERR Protocol error/, true],
  ['A3 a giant HTTP body', http(['POST /topics/demo/a HTTP/1.1', host, 'Content-Length: 9999999999']),
    /^HTTP\/1\.1 413 /, true],
  ['B11 a TLS hello', Buffer.from([0x16, 0x03, 0x01, 0x00, 0x05, 1, 0, 0, 1, 0]), /^\x15\x03/, true],
  ['B11 HTTP/2 of another version', 'PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n', /^$/, true],
  ['B11 MQTT', Buffer.from('\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a', 'latin1'), /^\x20\x02\x00\x03/, true],
  ['B11 zeros', Buffer.alloc(64), /^/, true],
  ['B8 an empty RESP command, then a real one', '*0\r\n\r\nPING\r\n', /^\+PONG/, false],
  ['B9 a login without a password', 'AUTH\r\n', /^-ERR wrong number of arguments/, false],
  ['C1 a long topic', http([`POST /topics/demo/${'x'.repeat(600)} HTTP/1.1`, host, 'Content-Length: 1'], 'v'),
    /^HTTP\/1\.1 400 /, false],
  ['C2 an overlong NUL', http(['POST /topics/demo/%C0%80 HTTP/1.1', host, 'Content-Length: 1'], 'v'),
    /^HTTP\/1\.1 400 /, false],
  ['C2 the same by RESP', '*3\r\n$7\r\nPUBLISH\r\n$2\r\n\xc0\x80\r\n$1\r\nv\r\n', /^-ERR invalid topic/, false],
  ['C9 a host that is none', http(['GET /livez HTTP/1.1', 'Host: :']), /^HTTP\/1\.1 400 /, false],
  ['C9 no host', http(['GET /livez HTTP/1.1']), /^HTTP\/1\.1 400 /, false],
  ['C9 two hosts', http(['GET /livez HTTP/1.1', host, 'Host: x']), /^HTTP\/1\.1 400 /, false],
  ['C10 dots are not a path', http(['POST /topics/../admin HTTP/1.1', host, 'Content-Length: 1'], 'v'),
    /^HTTP\/1\.1 (400|404|204) /, false],
  ['D1 length and chunks', http(['POST /topics/demo/a HTTP/1.1', host, 'Content-Length: 3',
    'Transfer-Encoding: chunked'], '0\r\n\r\n'), /^HTTP\/1\.1 400 /, true],
  ['D1 two lengths', http(['POST /topics/demo/a HTTP/1.1', host, 'Content-Length: 1', 'Content-Length: 2'], 'vv'),
    /^HTTP\/1\.1 400 /, true],
  ['D1 a signed length', http(['POST /topics/demo/a HTTP/1.1', host, 'Content-Length: +5'], 'hello'),
    /^HTTP\/1\.1 400 /, true],
  ['D1 a space before the colon', http(['POST /topics/demo/a HTTP/1.1', host, 'Transfer-Encoding : chunked'],
    '0\r\n\r\n'), /^HTTP\/1\.1 400 /, true],
  ['D2 bare line feeds', `GET /livez HTTP/1.1\n${host}\n\n`, /^HTTP\/1\.1 400 /, true],
  ['D2 a folded header', http(['GET /livez HTTP/1.1', host, 'X: a', ' b']), /^HTTP\/1\.1 400 /, true],
  ['D2 a chunk size in C', http(['POST /topics/demo/a HTTP/1.1', host, 'Transfer-Encoding: chunked'],
    '0x1\r\nv\r\n0\r\n\r\n'), /^HTTP\/1\.1 400 /, true],
  ['D11 another name for loopback', http(['GET /v1/cluster HTTP/1.1', 'Host: attacker.example']),
    /^HTTP\/1\.1 403 /, false],
];

for (const [name, bytes, expected, ends] of cases) {
  test(name, async () => {
    const answer = await raw(node.port, Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes, 'latin1'),
      ends ? 4000 : 400);
    assert.match(answer.text, expected);
    if (ends) assert.ok(answer.closed, 'the connection ended');
    await unharmed();
  });
}

test('D3 a second request hidden in the body of a refused one never runs', async () => {
  const hidden = http(['POST /topics/demo/quiet HTTP/1.1', host, 'Content-Length: 6'], 'hidden');
  const answer = await raw(node.port, http(['POST /topics/demo/a HTTP/1.1', host, 'Content-Length: 3',
    'Transfer-Encoding: chunked'], hidden));
  assert.equal(answer.text.match(/HTTP\/1\.1 /g).length, 1);
  await unharmed();
  assert.ok(!bystander.out.includes('hidden'));
});

test('A8 A10 whoever does not say who they are is closed at an absolute time', async () => {
  const start = Date.now();
  const silent = raw(node.port, '', 4000);
  const slow = new Promise((resolve) => {
    const socket = net.connect(node.port, '127.0.0.1');
    const drip = setInterval(() => socket.write('G'), 100);
    socket.on('error', () => {});
    socket.on('close', () => { clearInterval(drip); resolve(Date.now() - start); });
  });
  assert.ok((await silent).closed);
  const took = await slow;
  assert.ok(took < 2500, `the slow one ended after ${took} ms`);
  await unharmed();
});

test('A11 subscriptions of one connection are bounded', async () => {
  let request = '';
  for (let i = 0; i < 60; i += 1) request += `SUBSCRIBE t${i}\r\n`;
  const answer = await raw(node.port, request, 500);
  assert.equal(answer.text.match(/subscribe\r\n/g).length, 50);
  assert.match(answer.text, /-ERR /);
  await unharmed();
});

test('C4 a hostile pattern costs nothing', async () => {
  const socket = net.connect(node.port, '127.0.0.1');
  socket.write(`PSUBSCRIBE ${'a*'.repeat(250)}b\r\n`);
  await new Promise((done) => { socket.once('data', done); });
  const start = Date.now();
  for (let i = 0; i < 50; i += 1) {
    await get(`${node.url}/topics/demo/${'a'.repeat(500)}`, { method: 'POST', body: 'x' });
  }
  assert.ok(Date.now() - start < 3000);
  socket.destroy();
  await unharmed();
});

function upgrade(frame, headers = []) {
  const key = crypto.randomBytes(16).toString('base64');
  return raw(node.port, [http(['GET /v1/ws HTTP/1.1', host, 'Connection: Upgrade', 'Upgrade: websocket',
    'Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${key}`, 'Sec-WebSocket-Protocol: starling.v1.json',
    ...headers]), Buffer.from(frame)], 3000);
}

test('D7 B4 wrong WebSocket frames end with their code', async () => {
  const wrong = {
    unmasked: [0x81, 0x02, 0x7b, 0x7d],
    'a reserved bit': [0xc1, 0x80, 0, 0, 0, 0],
    'a reserved opcode': [0x83, 0x80, 0, 0, 0, 0],
    'a long control frame': [0x89, 0xfe, 0x00, 0x7e, 0, 0, 0, 0],
    'a fragmented control frame': [0x09, 0x80, 0, 0, 0, 0],
    'a negative length': [0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0],
    'a length that is not the shortest': [0x81, 0xfe, 0x00, 0x01, 0, 0, 0, 0, 0x41],
  };
  for (const [name, frame] of Object.entries(wrong)) {
    const answer = await upgrade(frame);
    assert.ok(answer.closed, name);
    assert.match(answer.text, /\x88[\x02-\x7d]\x03\xea/, name); // close 1002
  }
  const text = await upgrade([0x81, 0x81, 0, 0, 0, 0, 0xff]);
  assert.match(text.text, /\x88[\x02-\x7d]\x03\xef/); // 1007
  await unharmed();
});

test('D9 D10 a foreign page may not use it', async () => {
  const answer = await upgrade([], ['Origin: https://evil.example']);
  assert.match(answer.text, /^HTTP\/1\.1 403 /);
  const preflight = await fetch(`${node.url}/topics/demo/a`, { method: 'OPTIONS',
    headers: { Origin: 'https://evil.example', 'Access-Control-Request-Method': 'POST' } });
  assert.equal(preflight.headers.get('access-control-allow-origin'), null);
  await unharmed();
});

test('D13 a value cannot forge an event', async () => {
  const socket = net.connect(node.port, '127.0.0.1');
  let text = '';
  socket.on('data', (data) => { text += data; });
  socket.write(http(['GET /topics/demo/forge HTTP/1.1', host, 'Accept: text/event-stream']));
  await until('the stream starts', 3000, () => text.includes('id: '));
  await get(`${node.url}/topics/demo/forge`, { method: 'POST', body: 'a\r\n\r\nevent: evil\rid: 7-7\n\ndata: b' });
  await until('the item', 3000, () => text.includes('data: b'));
  assert.ok(!/^event: evil/m.test(text));
  assert.ok(!/^id: 7-7/m.test(text));
  socket.destroy();
  await unharmed();
});

test('A6 a reader that stops is cut or told, and nobody else waits', { timeout: 30000 }, async () => {
  const socket = net.connect(node.port, '127.0.0.1');
  let closed = false;
  socket.on('close', () => { closed = true; });
  socket.on('error', () => {});
  socket.write('SUBSCRIBE flood\r\n');
  await new Promise((done) => { socket.once('data', done); });
  socket.pause();
  const line = `${'x'.repeat(60000)}\n`;
  const flood = await run(['pub', 'default', 'flood', '-'], { url: node.url, input: line.repeat(400) });
  assert.equal(flood.code, 0);
  await until('it is counted', 5000, async () => /starling_slow_consumers_total [1-9]/
    .test((await get(`${node.url}/metrics`)).text));
  socket.resume();
  await until('it is cut', 5000, () => closed);
  await unharmed();
});

test('J4 garbage on the cluster ports is counted and harms nobody', async (t) => {
  const socket = dgram.createSocket('udp4');
  t.after(() => socket.close());
  for (let i = 0; i < 50; i += 1) socket.send(crypto.randomBytes(1 + i * 20), node.port + 1, '127.0.0.1');
  for (const port of [node.port + 1, node.port + 2]) {
    await raw(port, crypto.randomBytes(64), 200);
    await raw(port, Buffer.from('\x00SP\x00\x00\x50\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff', 'latin1'), 200);
    await raw(port, 'GET / HTTP/1.1\r\n\r\n', 200);
  }
  await until('they are counted', 3000, async () => /starling_gossip_refused_total\{reason="(garbage|forged)"\} [1-9]/
    .test((await get(`${node.url}/metrics`)).text));
  await unharmed();
});
