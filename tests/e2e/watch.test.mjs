// SPDX-License-Identifier: Apache-2.0
//
// What a cluster of two regions says of itself: in the cache _sys, to who asks,
// in /metrics and in `starling top`. The last test kills a node.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Node, command, get, program, raw, run, running, startCluster, stopAll, temporaryFolder,
  until } from './harness.mjs';

const keys = path.join(temporaryFolder(), 'keys');
const NAMES = ['n1', 'n2', 'n3'];
let nodes = [];
let admin; // may look, publish and subscribe
let user; // may not look

const mint = async (...options) => {
  const { code, stdout, stderr } = await run(['token', 'mint', '--keys', keys, '--cache', 'demo', ...options]);
  assert.equal(code, 0, stderr);
  return String(stdout).trim();
};
before(async () => {
  assert.equal((await run(['keygen', keys])).code, 0);
  admin = await mint('--sub', 'ops', '--scope', 'admin:read');
  user = await mint('--sub', 'ann', '--scope', 'admin:caches');
  nodes = await startCluster(['eu', 'us', 'eu'], { args: ['--keys', keys], token: admin });
});
after(() => stopAll(nodes));

const env = (token) => ({ STARLING_TOKEN: token });
const at = (node, token) => ({ url: node.url, env: env(token) });
const headers = (token) => ({ headers: { Authorization: token } });

// What `starling sub` prints, item by item, as the text in it.
function listen(node, topic) {
  const sub = command(['sub', '_sys', topic, '--json'], at(node, admin));
  const said = [];
  let rest = '';
  sub.child.stdout.on('data', (data) => {
    rest += data;
    const lines = rest.split('\n');
    rest = lines.pop();
    for (const line of lines) {
      const message = JSON.parse(line);
      if (message.op === 'item') said.push(JSON.parse(message.text));
    }
  });
  return { said, end: () => sub.child.kill() };
}

const reports = async (node) => JSON.parse((await get(`${node.url}/v1/admin/report`, headers(admin))).text);

test('a subscriber on one node hears all three, each second', async () => {
  const stats = listen(nodes[0], 'stats');
  try {
    await until('a report of all', 4000, () => NAMES.every((name) => stats.said.some((r) => r.name === name)));
    const first = stats.said.findLast((r) => r.name === 'n2');
    assert.equal(first.v, 1);
    assert.equal(first.region, 'us');
    assert.match(first.id, /^[0-9a-f]{16}$/);
    await until('links and clocks', 5000, () => stats.said.some((r) => r.name === 'n2' &&
      r.links.length === 2 && r.links.every((l) => l.up && l.state === 'alive' && l.rtt_us > 0)));
    const times = () => stats.said.filter((r) => r.name === 'n3').map((r) => r.at);
    await until('three in a row', 5000, () => times().length >= 3);
    const [a, b] = times().slice(-2);
    assert.ok(b - a > 500 && b - a < 3000, `${b - a} ms between two`);
    assert.ok(stats.said.every((r) => JSON.stringify(r).length < 16384));
    assert.ok(!JSON.stringify(stats.said).includes(admin), 'no token');
  } finally {
    stats.end();
  }
});

test('what is published is counted where, and the hot topic named', async () => {
  const stats = listen(nodes[0], 'stats');
  const reader = command(['sub', 'demo', 'hot'], at(nodes[1], admin));
  const { url } = nodes[2];
  try {
    await until('both looked at', 5000, () => stats.said.some((r) => r.name === 'n2' && r.subscriptions > 0));
    await until('hot and far', 8000, async () => {
      for (let i = 0; i < 5; i += 1) {
        await fetch(`${url}/topics/demo/hot`, { method: 'POST', body: 'x', ...headers(admin) });
      }
      return stats.said.some((r) => r.name === 'n2' && r.latency.far.some((n) => n > 0) &&
          r.hot.some((h) => h.topic === 'hot' && h.cache === 'demo' && h.out > 0 && h.in === 0 && h.subs === 1)) &&
        stats.said.some((r) => r.name === 'n3' && r.in.items > 0 && r.hot.some((h) => h.in > 0));
    });
    const buckets = stats.said.at(-1).latency.local;
    assert.equal(buckets.length, 17);
  } finally {
    reader.child.kill();
    stats.end();
  }
});

test('who may not look does not, and nobody publishes there', async () => {
  const denied = await get(`${nodes[0].url}/topics/_sys/stats`, headers(user));
  assert.equal(denied.status, 403);
  assert.equal(JSON.parse(denied.text).code, 4030);
  assert.match(denied.text, /admin:read/);
  assert.equal((await get(`${nodes[0].url}/topics/_sys/stats`)).status, 401);
  assert.equal((await get(`${nodes[0].url}/v1/admin/report`, headers(user))).status, 403);
  assert.equal((await run(['sub', '_sys', 'stats'], at(nodes[0], user))).code, 77);

  const post = await get(`${nodes[0].url}/topics/_sys/stats`, { method: 'POST', body: 'x', ...headers(admin) });
  assert.equal(JSON.parse(post.text).code, 4030);
  assert.equal((await run(['pub', '_sys', 'stats', 'x'], at(nodes[0], admin))).code, 77);
  const resp = `HELLO 3 AUTH _sys ${admin}\r\nPUBLISH stats x\r\nPSUBSCRIBE *\r\nSUBSCRIBE stats\r\nQUIT\r\n`;
  const { text } = await raw(nodes[0].port, resp);
  assert.match(text, /-NOPERM [^\r]*only they publish/);
  assert.match(text, /-NOPERM [^\r]*no patterns/);
  assert.match(text, /subscribe\r\n\$5\r\nstats/);
});

test('all answer who asks one, and top and cluster show it', { timeout: 30000 }, async () => {
  const { nodes: all, silent } = await reports(nodes[1]);
  assert.deepEqual(all.map((r) => r.name).sort(), NAMES);
  assert.deepEqual(silent, []);

  const json = await run(['top', '--once', '--json'], at(nodes[0], admin));
  assert.equal(json.code, 0, json.stderr);
  assert.equal(JSON.parse(json.stdout).nodes.length, 3);
  const table = await run(['top', '--once'], at(nodes[0], admin));
  assert.match(String(table.stdout), /^starling {2}3 nodes, 2 regions\n/);
  assert.match(String(table.stdout), /\nn2 +us +ready /);
  assert.ok(!String(table.stdout).includes('\x1b'));
  assert.equal((await run(['top', '--once'], at(nodes[0], user))).code, 77);

  const cluster = await run(['cluster'], at(nodes[0], admin));
  assert.match(String(cluster.stdout), /\nn2 +us +alive +ready +\S+ +2\/2 +\d+ +\d+ /);
  const whole = JSON.parse((await run(['cluster', '--json'], at(nodes[0], admin))).stdout);
  assert.equal(whole.members.length, 3);
  assert.equal(whole.reports.length, 3);
});

// A command on a terminal of its own, by script(1).
function onTerminal(words, variables) {
  const child = spawn('script', ['-qefc', [program, ...words].join(' '), '/dev/null'],
    { env: { ...process.env, TERM: 'xterm', ...variables }, stdio: ['pipe', 'pipe', 'inherit'] });
  running.add(child);
  const terminal = { child, text: '' };
  child.stdout.on('data', (data) => { terminal.text += data; });
  terminal.ended = new Promise((done) => {
    child.on('exit', (code) => { running.delete(child); done(code); });
  });
  return terminal;
}

test('top fills a terminal and gives it back', { timeout: 30000 }, async () => {
  const variables = { STARLING_URL: nodes[0].url, ...env(admin) };
  const live = onTerminal(['top'], variables);
  await until('all nodes drawn', 8000, () => NAMES.every((name) => live.text.includes(`\n${name} `)));
  live.child.stdin.write('q');
  assert.equal(await live.ended, 0);
  assert.ok(live.text.includes('\x1b[?1049h') && live.text.trimEnd().endsWith('\x1b[?1049l'), 'the screen is back');
  assert.ok(live.text.includes('\x1b[1mNODE'), 'colours');

  const plain = onTerminal(['top'], { ...variables, NO_COLOR: '1' });
  await until('drawn', 8000, () => plain.text.includes('\nn1 '));
  assert.ok(!plain.text.includes('\x1b[1m'));
  plain.child.stdin.write('\x03'); // ^C
  await plain.ended;
  assert.ok(plain.text.trimEnd().endsWith('\x1b[?1049l'), 'the screen is back');
});

test('/metrics is as Prometheus wants it', async () => {
  const { status, text } = await get(`${nodes[0].url}/metrics`, headers(admin));
  assert.equal(status, 200);
  assert.match(text, /\nstarling_clients\{door="http"\} \d/);
  if (!fs.existsSync('/usr/bin/promtool')) return;
  const { status: code, stdout, stderr } = spawnSync('/usr/bin/promtool', ['check', 'metrics'], { input: text });
  assert.equal(code, 0, `${stdout}${stderr}`);
});

test('workers of a process report each for itself', async () => {
  const node = await Node.start({ name: 'w', args: ['--workers', '2', '--keys', keys], token: admin });
  try {
    await until('both', 5000, async () => (await reports(node)).nodes.length === 2);
    const { nodes: both } = await reports(node);
    assert.deepEqual(both.map((r) => r.name).sort(), ['w.1', 'w.2']);
  } finally {
    await node.kill();
  }
});

test('a node that is killed is down in the reports of the others', async () => {
  const stats = listen(nodes[0], 'stats');
  const events = listen(nodes[1], 'events');
  try {
    await until('the first reports', 4000, () => stats.said.length >= 3);
    await nodes[2].kill();
    const from = stats.said.length;
    const isDown = (r) => r.links.some((l) => l.name === 'n3' && (!l.up || l.state === 'dead'));
    await until('down', 3000, () => ['n1', 'n2'].every((name) =>
      stats.said.slice(from).some((r) => r.name === name && isDown(r))));
    await until('dead', 15000, () => stats.said.slice(from).some((r) =>
      r.links.some((l) => l.name === 'n3' && l.state === 'dead')));
    await until('an event', 2000, () => events.said.some((e) => e.event === 'member-dead' && /peer=n3/.test(e.text)));
    const { silent } = await reports(nodes[0]);
    assert.deepEqual(silent, ['n3']);
  } finally {
    stats.end();
    events.end();
  }
});
