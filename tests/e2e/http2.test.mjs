// SPDX-License-Identifier: Apache-2.0
//
// HTTP/2 against real nodes: what honest clients do, and what strangers do to it.
// After each of the latter the node answers, and a bystander on another
// connection has heard everything.
import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { once } from 'node:events';
import { spawnSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { command, get, run, startCluster, stopAll, until } from './harness.mjs';
import * as h2 from './http2.mjs';

const { frame, u32, ask } = h2;
let nodes;
let bystander;
let sent = 0;

before(async () => {
  nodes = await startCluster(['eu', 'us'], { args: ['--limits', 'out_soft_len=65536,out_soft_ms=500'] });
  bystander = command(['sub', 'demo', 'quiet', '--json'], { url: nodes[0].url });
  await until('the bystander listens', 5000, async () => (await nodes[0].cluster()).subscriptions === 1);
  bystander.out = '';
  bystander.child.stdout.on('data', (data) => { bystander.out += data; });
});

after(async () => {
  bystander.child.kill();
  await stopAll(nodes);
});

async function unharmed() {
  sent += 1;
  assert.equal(nodes[0].code, null, 'the node lives');
  assert.equal((await run(['pub', 'demo', 'quiet', `still ${sent}`], { url: nodes[0].url })).code, 0);
  await until('the bystander hears it', 3000, () => bystander.out.includes(`"still ${sent}"`));
  assert.ok(!bystander.out.includes('"op":"gap"'));
}

async function metric(name) {
  const { text } = await get(`${nodes[0].url}/metrics`);
  return Number(text.match(new RegExp(`^${name} (\\d+)$`, 'm'))[1]);
}

// One request; resolves with status, headers and body when it has ended.
async function request(session, headers, body = '') {
  const stream = session.request({ ':method': body ? 'POST' : 'GET', ...headers }, { endStream: !body });
  if (body) stream.end(body);
  const answer = { body: '' };
  stream.setEncoding('utf8');
  stream.on('response', (fields) => { Object.assign(answer, { fields, status: fields[':status'] }); });
  stream.on('data', (data) => { answer.body += data; });
  await once(stream, 'close');
  return answer;
}

// An event stream that has begun.
async function listen(session, path) {
  const stream = session.request({ ':path': path, accept: 'text/event-stream' });
  stream.text = '';
  stream.setEncoding('utf8');
  stream.on('data', (data) => { stream.text += data; });
  stream.on('error', () => {});
  await until('its position', 3000, () => stream.text.includes('id: '));
  return stream;
}

async function connect(node) {
  const session = http2.connect(node.url);
  session.on('error', () => {});
  await once(session, 'connect');
  return session;
}

// --- honest clients ---

test('a request, a stream and a long-poll share a connection', async () => {
  const session = await connect(nodes[0]);
  const events = await listen(session, '/topics/demo/a');
  const poll = request(session, { ':path': '/topics/demo/a' });
  await until('both subscribe', 3000, async () => (await nodes[0].cluster()).subscriptions === 3);
  const published = await request(session, { ':path': '/topics/demo/a', 'content-type': 'text/plain' }, 'hello');
  assert.equal(published.status, 204);
  assert.match((await poll).body, /"text":"hello"/);
  await until('the event', 3000, () => events.text.includes('data: hello\n'));
  events.close(http2.constants.NGHTTP2_CANCEL);
  await until('it is released', 3000, async () => (await nodes[0].cluster()).subscriptions === 1);
  assert.equal((await request(session, { ':path': '/nowhere' })).status, 404);
  session.close();
  await once(session, 'close');
});

test('an item crosses to a stream in another region', async () => {
  const here = await connect(nodes[0]);
  const there = await connect(nodes[1]);
  const events = await listen(there, '/topics/demo/far?barrier=all');
  await request(here, { ':path': '/topics/demo/far' }, 'over there');
  await until('the event', 3000, () => events.text.includes('data: over there\n'));
  here.close();
  there.destroy();
});

test('a value of a mebibyte goes both ways', async () => {
  const session = await connect(nodes[0]);
  const events = await listen(session, '/topics/demo/large');
  const value = 'v'.repeat(1 << 20);
  assert.equal((await request(session, { ':path': '/topics/demo/large' }, value)).status, 204);
  await until('the event', 5000, () => events.text.includes(`data: ${value}\n`));
  assert.equal((await request(session, { ':path': '/topics/demo/large' }, `${value}${'v'.repeat(70000)}`)).status, 413);
  assert.equal((await request(session, { ':path': '/livez' })).status, 200);
  session.destroy();
});

test('256 streams are open at a time, and each hears', async () => {
  const session = await connect(nodes[0]);
  await until('its settings', 3000, () => session.remoteSettings.maxConcurrentStreams === 256);
  const all = await Promise.all(Array.from({ length: 255 }, () => listen(session, '/topics/demo/crowd')));
  await request(session, { ':path': '/topics/demo/crowd' }, 'all of you');
  await until('all hear', 5000, () => all.every((events) => events.text.includes('data: all of you\n')));
  assert.equal(await metric('starling_http2_streams'), 255);
  session.destroy();
  await until('all are released', 3000, async () => await metric('starling_http2_streams') === 0);
});

test('curl and h2load are served', async () => {
  const curl = spawnSync('curl', ['-s', '--http2-prior-knowledge', '--max-time', '5', '-d', 'from curl', '-w',
    '%{http_code} %{http_version}', `${nodes[0].url}/topics/demo/curl`]);
  assert.equal(curl.stdout.toString(), '204 2');
  const load = spawnSync('h2load', ['-n', '5000', '-c', '4', '-m', '100', `${nodes[0].url}/livez`]);
  if (load.error) return; // not installed
  assert.match(load.stdout.toString(), /5000 succeeded, 0 failed, 0 errored/);
});

test('a drain says goodbye to each stream and to the connection', async () => {
  const [node] = await startCluster(['eu']);
  const session = await connect(node);
  const events = await listen(session, '/topics/demo/a');
  const poll = request(session, { ':path': '/topics/demo/a' });
  await until('both subscribe', 3000, async () => (await node.cluster()).subscriptions === 2);
  const goodbye = once(session, 'goaway');
  node.process.kill('SIGTERM');
  assert.equal((await goodbye)[0], http2.constants.NGHTTP2_NO_ERROR);
  assert.equal((await poll).status, 200);
  await until('its end', 3000, () => events.text.includes('event: end\n'));
  assert.equal(events.rstCode, http2.constants.NGHTTP2_NO_ERROR);
  assert.equal(await node.ended, 0);
});

// --- strangers ---

const wrong = [
  ['data of no stream', frame(h2.DATA, 0, 0, 'x'), { goaway: 1 }],
  ['a frame longer than any may be', Buffer.concat([Buffer.from([0x10, 0, 0, 0, 0, 0, 0, 0, 1]), Buffer.alloc(64)]),
    { goaway: 6 }],
  ['a short ping', frame(h2.PING, 0, 0, '1234567'), { goaway: 6 }],
  ['settings of five bytes', frame(h2.SETTINGS, 0, 0, '12345'), { goaway: 6 }],
  ['a window beyond its bound', h2.setting(4, 0x80000000), { goaway: 3 }],
  ['too much window', frame(h2.WINDOW, 0, 0, u32(0x7fffffff)), { goaway: 3 }],
  ['no window at all', frame(h2.WINDOW, 0, 0, u32(0)), { goaway: 1 }],
  ['too much window for a stream', frame(h2.WINDOW, 0, 1, u32(0x7fffffff)), { reset: 3 }],
  ['a push', frame(h2.PUSH, h2.END_HEADERS, 1, Buffer.concat([u32(2), Buffer.from([0x82])])), { goaway: 1 }],
  ['a continuation of nothing', frame(h2.CONTINUATION, h2.END_HEADERS, 1, '\x82'), { goaway: 1 }],
  ['an index of nothing', frame(h2.HEADERS, h2.END_HEADERS | h2.END, 3, Buffer.from([0xff, 0x7f])), { goaway: 9 }],
  ['data after the end', Buffer.concat([frame(h2.DATA, h2.END, 1), frame(h2.DATA, 0, 1, 'x')]), { any: [5] }],
  ['upper case', ask(3, 'GET', '/livez', { 'X-Up': '1' }), { reset: 1, of: 3 }],
  ['a header of HTTP/1', ask(3, 'GET', '/livez', { 'transfer-encoding': 'chunked' }), { reset: 1, of: 3 }],
  ['a line break in a value', ask(3, 'GET', '/livez', { x: 'a\r\nb: c' }), { reset: 1, of: 3 }],
];

for (const [name, bytes, want] of wrong) {
  test(`E7 ${name} is an error of its stream or connection`, async () => {
    const raw = h2.Raw.open(nodes[0].port);
    raw.say(ask(1, 'POST', '/topics/demo/a', {}, 0), bytes);
    if (want.reset) {
      await until('the reset', 3000, () => raw.reset(want.of || 1) === want.reset);
      raw.say(ask(101, 'GET', '/livez'));
      await until('another answer', 3000, () => raw.body(101).includes('live'));
      raw.end();
    } else {
      await until('the end', 3000, () => raw.closed || raw.reset(1) !== undefined);
      if (want.any) assert.ok(want.any.includes(raw.goaway ?? raw.reset(1)));
      else assert.equal(raw.goaway, want.goaway);
      raw.end();
    }
    await unharmed();
  });
}

const floods = [
  ['E1 a rapid reset', (i) => Buffer.concat([ask(2 * i + 1, 'GET', '/livez'), frame(h2.RST, 0, 2 * i + 1, u32(8))])],
  ['E3 streams that make us reset them', (i) => Buffer.concat([ask(2 * i + 1, 'POST', '/topics/demo/a', {}, 0),
    frame(h2.WINDOW, 0, 2 * i + 1, u32(0x7fffffff))])],
  ['E4 pings', () => frame(h2.PING, 0, 0, '12345678')],
  ['E4 settings', () => frame(h2.SETTINGS, 0, 0)],
  ['E4 2400 settings in a frame', () => frame(h2.SETTINGS, 0, 0,
    Buffer.concat(Array.from({ length: 2400 }, () => Buffer.from([0, 3, 0, 0, 0, 1]))))],
  ['E4 priorities', (i) => frame(h2.PRIORITY, 0, 2 * i + 1, Buffer.concat([u32(0), Buffer.from([1])]))],
  ['E4 windows', () => frame(h2.WINDOW, 0, 0, u32(1))],
  ['E4 empty data', (i) => (i === 0 ? ask(1, 'POST', '/topics/demo/a', {}, 0) : frame(h2.DATA, 0, 1))],
  ['E2 a head without an end', (i) => frame(i === 0 ? h2.HEADERS : h2.CONTINUATION, 0, 1, '\x82')],
  ['E6 a head of megabytes', (i) => frame(i === 0 ? h2.HEADERS : h2.CONTINUATION, 0, 1,
    h2.field('x', 'v'.repeat(9000)))],
];

for (const [name, next] of floods) {
  test(`${name}: cut`, async () => {
    const raw = h2.Raw.open(nodes[0].port);
    for (let i = 0; i < 3000 && !raw.closed; i += 1) {
      raw.say(next(i));
      if (i % 500 === 499) await new Promise((done) => { setImmediate(done); });
    }
    await until('the end', 5000, () => raw.closed || raw.goaway !== undefined);
    assert.ok(raw.goaway === h2.CALM || raw.goaway === undefined, `sent away with ${raw.goaway}`);
    await until('it is gone', 5000, async () => await metric('starling_http2_connections') === 0);
    raw.end();
    await unharmed();
  });
}

test('E6 a head that is somewhat too long is answered', async () => {
  const raw = h2.Raw.open(nodes[0].port);
  raw.say(ask(1, 'GET', '/livez', { x: 'v'.repeat(11000) }), ask(3, 'GET', '/livez'));
  await until('both answers', 3000, () => raw.body(1).includes('4310') && raw.body(3).includes('live'));
  raw.end();
  await unharmed();
});

test('E6 a bomb of four kibibytes, named thousands of times, is cut at once', async () => {
  const raw = h2.Raw.open(nodes[0].port);
  const value = Buffer.alloc(4000, 'v');
  const entry = Buffer.concat([Buffer.from([0x40, 1, 0x78, 127, 0x80 | ((4000 - 127) % 128), (4000 - 127) >> 7]), value]);
  const begun = Date.now();
  for (let i = 0; i < 20; i += 1) {
    raw.say(frame(i === 0 ? h2.HEADERS : h2.CONTINUATION, 0, 1, i === 0
      ? Buffer.concat([h2.block('GET', '/livez'), entry]) : Buffer.alloc(16000, 0xbe)));
  }
  await until('the end', 3000, () => raw.goaway === h2.CALM);
  assert.ok(Date.now() - begun < 2000);
  raw.end();
  await unharmed();
});

test('E5 a stream that opens no window is told what it missed, its neighbours miss nothing', async () => {
  const raw = h2.Raw.open(nodes[0].port);
  raw.say(h2.setting(4, 0), ask(1, 'GET', '/topics/demo/hot', { accept: 'text/event-stream' }),
    ask(3, 'GET', '/topics/demo/hot', { accept: 'text/event-stream' }), frame(h2.WINDOW, 0, 0, u32(1 << 28)),
    frame(h2.WINDOW, 0, 3, u32(1 << 28)));
  await until('the open one listens', 3000, () => raw.body(3).includes('id: '));
  const session = await connect(nodes[0]);
  for (let i = 1; i <= 40; i += 1) {
    assert.equal((await request(session, { ':path': '/topics/demo/hot' }, `${i} ${'v'.repeat(5000)}`)).status, 204);
  }
  await until('the open one heard all', 5000, () => raw.body(3).includes('data: 40 '));
  for (let i = 1; i <= 40; i += 1) assert.ok(raw.body(3).includes(`data: ${i} `));
  assert.equal(raw.body(1), '');
  await until('the other is slow', 3000, async () => await metric('starling_slow_consumers_total') >= 1);
  raw.say(frame(h2.WINDOW, 0, 1, u32(1 << 28)));
  await until('it is told', 3000, () => raw.body(1).includes('event: discontinuity\n'));
  session.destroy();
  raw.end();
  await unharmed();
});

test('a body that never ends is refused, and its neighbours are served', async () => {
  const raw = h2.Raw.open(nodes[0].port);
  raw.say(ask(1, 'POST', '/topics/demo/a', {}, 0));
  const part = frame(h2.DATA, 0, 1, Buffer.alloc(16000));
  // What the window lets: it opens as long as the body is wanted.
  let open = 65535;
  let seen = 0;
  for (let i = 0; i < 4000 && raw.reset(1) === undefined; i += 1) {
    if (open >= 16000) {
      raw.say(part);
      open -= 16000;
    } else {
      await new Promise((done) => { setTimeout(done, 1); });
    }
    for (const f of raw.of(h2.WINDOW, 1).slice(seen)) open += f.payload.readUInt32BE(0);
    seen = raw.of(h2.WINDOW, 1).length;
  }
  assert.match(raw.body(1), /4130/);
  assert.equal(raw.reset(1), 0);
  raw.say(ask(3, 'GET', '/livez'));
  await until('an answer', 3000, () => raw.body(3).includes('live'));
  raw.end();
  await unharmed();
});
