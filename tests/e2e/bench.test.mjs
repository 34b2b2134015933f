// SPDX-License-Identifier: Apache-2.0
//
// `starling bench`: each mode, for a fraction of a second, against real nodes;
// what it says of itself must be what the node counts.
import assert from 'node:assert/strict';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Node, run, startCluster, stopAll, temporaryFolder } from './harness.mjs';

let nodes = [];
before(async () => { nodes = await startCluster(['eu', 'eu']); });
after(() => stopAll(nodes));

const bench = (...args) => run(['bench', ...args], { url: nodes[0].url });

async function measured(...args) {
  const { code, stdout, stderr } = await bench(...args, '--seconds', '0.2', '--json');
  assert.equal(stderr, '');
  assert.equal(code, 0);
  const lines = stdout.toString().split('\n');
  assert.equal(lines.length, 2);
  return JSON.parse(lines[0]);
}

function assertWhole(report, copies) {
  assert.ok(report.published > 0);
  assert.equal(report.delivered, report.published * copies);
  assert.equal(report.server_delivered, report.delivered);
  for (const key of ['lost', 'disorder', 'duplicates']) assert.equal(report[key], 0);
}

const flows = [
  { mode: 'fanout', args: ['--subs', '20'], copies: 20 },
  { mode: 'fanin', args: ['--pubs', '20'], copies: 1 },
  { mode: 'pairs', args: ['--pubs', '20'], copies: 1 },
  { mode: 'topics', args: ['--topics', '100', '--conns', '10'], copies: 1, not: ['sse', 'grpc'] },
  { mode: 'topics', args: ['--topics', '100'], copies: 1, not: ['resp'] },
  { mode: 'latency', args: ['--subs', '2', '--rate', '5000'], copies: 2 },
];

for (const door of ['resp', 'ws', 'sse', 'grpc']) {
  for (const { mode, args, copies } of flows.filter(({ not }) => !not?.includes(door))) {
    test(`${mode} ${args.join(' ')} over ${door}`, { timeout: 30000 }, async () => {
      const report = await measured(mode, '--door', door, ...args);
      assertWhole(report, copies);
      assert.equal(report.mode, mode);
      assert.equal(report.door, door);
      assert.equal('p99_us' in report, mode === 'latency');
    });
  }

  test(`from node to node over ${door}`, { timeout: 30000 }, async () => {
    for (const [args, copies] of [[['--subs', '5'], 5], [['--pubs', '5'], 1]]) {
      assertWhole(await measured('cluster', '--door', door, '--publish-url', nodes[1].url, ...args), copies);
    }
  });
}

for (const door of ['resp', 'ws', 'sse', 'grpc']) {
  test(`idle connections over ${door}`, { timeout: 30000 }, async () => {
    const report = await measured('connections', '--door', door, '--conns', '300', '--pid', String(nodes[0].process.pid));
    assert.equal(report.conns, 300);
    assert.ok(report.connects_per_s > 0 && report.rss_bytes > 0 && report.cpu_percent >= 0);
  });
}

for (const door of ['resp', 'ws']) {
  const churn = (...args) => measured('churn', '--door', door, '--publish-url', nodes[1].url, ...args);
  test(`subscribed when acknowledged over ${door}`, { timeout: 30000 }, async () => {
    const report = await churn('--conns', '5');
    assertWhole(report, 1);
    assert.ok(report.p50_us > 0 && !('all_ms' in report));
  });
  test(`subscribed on schedule over ${door}`, { timeout: 30000 }, async () => {
    const report = await churn('--conns', '5', '--rate', '200', '--warmup', '0');
    assertWhole(report, 1);
    assert.ok(report.published <= 41);
  });
  test(`a thousand subscribes at once over ${door}`, { timeout: 30000 }, async () => {
    const report = await churn('--conns', '7', '--topics', '1000');
    assertWhole(report, 1);
    assert.equal(report.published, 1000);
    assert.ok(report.all_ms > 0);
  });
}

test('a schedule of several publishers', { timeout: 30000 }, async () => {
  const report = await measured('pairs', '--pubs', '3', '--rate', '1000');
  assertWhole(report, 1);
  assert.equal(report.published, 200);
  assert.ok(report.max_us >= report.p999_us && report.p999_us >= report.p50_us);
});

test('long values', { timeout: 30000 }, async () => {
  assertWhole(await measured('fanout', '--subs', '3', '--size', '300000'), 3);
});

test('the cost of processes', { timeout: 30000 }, async () => {
  const pids = nodes.map((node) => node.process.pid).join(',');
  const report = await measured('fanout', '--pid', pids);
  for (const key of ['cpu_ns_per_delivery', 'cpu_percent', 'rss_bytes', 'generator_cpu_ns_per_delivery']) {
    assert.ok(report[key] > 0, key);
  }
  const { code, stderr } = await bench('fanout', '--seconds', '0.2', '--pid', '4194305');
  assert.match(stderr, /no process 4194305/);
  assert.equal(code, 1);
});

test('a table for people', { timeout: 30000 }, async () => {
  const { code, stdout } = await bench('fanout', '--seconds', '0.2');
  assert.match(stdout.toString(), /deliveries +[0-9.]+ .*\/s\n[^]*lost +0\n/);
  assert.equal(code, 0);
});

test('nobody is there', { timeout: 30000 }, async () => {
  const { code, stderr } = await bench('fanout', '--url', 'http://127.0.0.1:1');
  assert.match(stderr, /^starling bench: 127\.0\.0\.1:1: /);
  assert.equal(code, 69);
});

test('with keys', { timeout: 60000 }, async (t) => {
  const keys = path.join(temporaryFolder(), 'keys');
  assert.equal((await run(['keygen', keys])).code, 0);
  const mint = async (...options) => (await run(['token', 'mint', '--keys', keys, '--sub', 'ann', ...options]))
    .stdout.toString().trim();
  const all = await mint('--cache', 'default', '--role', 'both', '--scope', 'admin:read');
  const plain = await mint('--cache', 'default', '--role', 'both');
  const deaf = await mint('--cache', 'default', '--role', 'pub');
  const node = await Node.start({ name: 'k1', args: ['--keys', keys], token: all });
  const with_ = (token, door) => run(['bench', 'fanout', '--door', door, '--subs', '3', '--seconds', '0.1', '--json'],
    { url: node.url, env: { STARLING_TOKEN: token } });
  for (const door of ['resp', 'ws', 'sse', 'grpc']) {
    await t.test(door, async () => {
      const { code, stdout, stderr } = await with_(all, door);
      assert.equal(stderr, '');
      assertWhole(JSON.parse(stdout), 3);
      assert.equal(code, 0);
      const uncounted = JSON.parse((await with_(plain, door)).stdout);
      assert.ok(uncounted.delivered > 0 && !('server_delivered' in uncounted));
      for (const token of ['', deaf, 'wrong']) {
        const refused = await with_(token, door);
        assert.match(refused.stderr, /^starling bench: 127\.0\.0\.1:\d+: .*STARLING_TOKEN/);
        assert.equal(refused.code, 77, refused.stderr);
      }
    });
  }
  await node.kill();
});

// A server of RESP that delivers as `deliver` says: it gets the frames of one
// read and returns what to send.
function brokenServer(deliver) {
  const subscribers = new Set();
  const server = net.createServer((socket) => {
    let rest = '';
    socket.on('error', () => {});
    socket.on('close', () => subscribers.delete(socket));
    socket.on('data', (data) => {
      const frames = [];
      let words;
      rest += data.toString('latin1');
      while ((words = /^\*(\d)\r\n(?:\$\d+\r\n[^\r]*\r\n){2,3}/.exec(rest)) !== null) {
        rest = rest.slice(words[0].length);
        const [command, topic, value] = words[0].split('\r\n').filter((line) => !/^[*$]\d/.test(line));
        if (command === 'SUBSCRIBE') {
          subscribers.add(socket);
          socket.write(`*3\r\n$9\r\nsubscribe\r\n$${topic.length}\r\n${topic}\r\n:1\r\n`);
        } else {
          socket.write(':1\r\n');
          frames.push(`*3\r\n$7\r\nmessage\r\n$${topic.length}\r\n${topic}\r\n$${value.length}\r\n${value}\r\n`);
        }
      }
      for (const subscriber of subscribers) subscriber.write(deliver(frames).join(''));
    });
  });
  return new Promise((done) => server.listen(0, '127.0.0.1', () => done(server)));
}

// Of the tenth item of all.
function once(change) {
  let seen = 0;
  return (frames) => frames.flatMap((frame, i) => {
    seen += 1;
    return seen === 10 ? change(frame, frames, i) : [frame];
  });
}
const swapped = () => {
  let seen = 0;
  let held = [];
  return (frames) => frames.flatMap((frame) => {
    seen += 1;
    if (seen === 10) { held = [frame]; return []; }
    const late = held;
    held = [];
    return [frame, ...late];
  });
};

for (const [what, deliver, counts] of [
  ['loses', once(() => []), { lost: 1, disorder: 0, duplicates: 0 }],
  ['doubles', once((frame) => [frame, frame]), { lost: 0, disorder: 0, duplicates: 1 }],
  ['delays', swapped(), { lost: 0, disorder: 1, duplicates: 0 }],
  ['changes', once((frame) => [frame.replace('xxxx', 'xxyx')]), { lost: 1, disorder: 0, duplicates: 0, strange: 1 }],
]) {
  test(`a server that ${what} one item`, { timeout: 30000 }, async () => {
    const server = await brokenServer(deliver);
    const { code, stdout } = await run(['bench', 'fanout', '--subs', '1', '--seconds', '0.2', '--window', '16',
      '--json', '--url', `redis://127.0.0.1:${server.address().port}`]);
    server.close();
    const report = JSON.parse(stdout);
    assert.deepEqual(Object.fromEntries(Object.keys(counts).map((key) => [key, report[key]])), counts);
    assert.equal(code, 1);
  });
}

test('a server of another protocol, one that hangs up, one that is silent', { timeout: 60000 }, async () => {
  for (const [answer, what, exit] of [
    [(socket) => socket.end('220 mail.example ESMTP\r\n'), /does not speak resp as expected: '220 mail/, 1],
    [(socket) => socket.destroy(), /closed the connection|reset/i, 69],
    [() => {}, /does not answer on door resp \(0 of/, 69],
  ]) {
    const server = await new Promise((done) => {
      const s = net.createServer((socket) => { socket.on('error', () => {}); answer(socket); });
      s.listen(0, '127.0.0.1', () => done(s));
    });
    const { code, stderr } = await bench('fanout', '--url', `redis://127.0.0.1:${server.address().port}`);
    server.close();
    assert.match(stderr, what);
    assert.equal(code, exit, stderr);
  }
});

for (const [what, words] of [
  [/a mode is needed, one of 'fanout\|/, []],
  [/unknown mode 'fanuot' \(did you mean 'fanout'\?\)/, ['fanuot']],
  [/--subs means nothing in mode 'pairs'/, ['pairs', '--subs', '3']],
  [/--warmup means nothing in mode 'connections'/, ['connections', '--warmup', '1']],
  [/--publish-url means nothing in mode 'connections'/, ['connections', '--publish-url', 'http://127.0.0.1:1']],
  [/10 topics cannot be spread over 11 connections/, ['topics', '--topics', '10', '--conns', '11']],
  [/that door is not to be had at 'nats:\/\/x'/, ['fanout', '--url', 'nats://x', '--door', 'resp']],
  [/--subs takes a number from 1 to 1000000, not 'many'/, ['fanout', '--subs', 'many']],
  [/--size takes a number from 16/, ['fanout', '--size', '1']],
  [/--seconds takes seconds/, ['fanout', '--seconds', '0']],
  [/a value is missing after '--subs'/, ['fanout', '--subs']],
  [/unknown option '--sbus'/, ['fanout', '--sbus', '1']],
  [/one mode only, not also 'pairs'/, ['fanout', 'pairs']],
  [/--pid takes process ids, not 'me'/, ['fanout', '--pid', 'me']],
  [/cluster needs --publish-url/, ['cluster']],
  [/--door takes resp\|ws\|sse\|grpc\|nats, not 'telnet'/, ['fanout', '--door', 'telnet']],
  [/expected http\[s\]:\/\/HOST:PORT, redis\[s\]:\/\/\.\.\. or nats:\/\/\.\.\., not 'ftp:\/\/x'/, ['fanout', '--url', 'ftp://x']],
]) {
  test(`wrong usage: ${words.join(' ')}`, { timeout: 30000 }, async () => {
    const { code, stdout, stderr } = await bench(...words);
    assert.match(stderr, what);
    assert.equal(stdout.toString(), '');
    assert.equal(code, 2);
  });
}

test('help', { timeout: 30000 }, async () => {
  const { code, stdout } = await bench('--help');
  assert.match(stdout.toString(), /fanout[^]*--seconds/);
  assert.equal(code, 0);
});
