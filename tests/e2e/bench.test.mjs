// SPDX-License-Identifier: Apache-2.0
//
// `starling bench`: each mode, for a fraction of a second, against real nodes;
// what it says of itself must be what the node counts.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { run, startCluster, stopAll } from './harness.mjs';

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
  { mode: 'topics', args: ['--topics', '100', '--conns', '10'], copies: 1, not: 'sse' },
  { mode: 'topics', args: ['--topics', '100'], copies: 1, not: 'resp' },
  { mode: 'latency', args: ['--subs', '2', '--rate', '5000'], copies: 2 },
];

for (const door of ['resp', 'ws', 'sse']) {
  for (const { mode, args, copies } of flows.filter(({ not }) => not !== door)) {
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

for (const door of ['resp', 'ws', 'sse']) {
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

for (const [what, words] of [
  [/how fast/, []],
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
  [/no such door: 'telnet'/, ['fanout', '--door', 'telnet']],
  [/expected http:\/\/HOST:PORT, redis:\/\/\.\.\. or nats:\/\/\.\.\., not 'ftp:\/\/x'/, ['fanout', '--url', 'ftp://x']],
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
