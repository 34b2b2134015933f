// SPDX-License-Identifier: Apache-2.0
//
// Is this installation healthy? A cluster that is well, one with a node that
// stands still or is dead, a certificate that ends soon, who may not look, and
// nobody there.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Node, portRow, run, startCluster, stopAll, temporaryFolder, until } from './harness.mjs';

const DEADLINE_MS = 15000;
const folder = temporaryFolder();
const keyFile = path.join(folder, 'keys');
let nodes = [];
let token = '';

async function doctor(url, env = {}, part = 'cluster') {
  const { code, stdout, stderr } = await run(['doctor', '--only', part, '--json'],
    { url, env: { STARLING_TOKEN: token, ...env } });
  assert.equal(stderr, '');
  const { status, checks } = JSON.parse(stdout.toString());
  assert.equal(code, { ok: 0, warn: 1, critical: 2, unknown: 3 }[status]);
  return { code, of: (name) => checks.find(({ check }) => check === name), checks };
}

before(async () => {
  assert.equal((await run(['keygen', keyFile])).code, 0);
  token = (await run(['token', 'mint', '--keys', keyFile, '--sub', 'ops', '--scope', 'admin:read'])).stdout.toString().trim();
  nodes = await startCluster(['eu', 'eu', 'us'], { args: ['--keys', keyFile], token });
});
after(() => stopAll(nodes));

test('a cluster that is well', { timeout: 30000 }, async () => {
  const found = await doctor(nodes[0].url);
  // Not what the load of the machine may bring about.
  for (const name of ['node', 'ready', 'keys', 'cluster-key', 'members', 'names', 'answers', 'nodes', 'versions', 'links', 'clocks']) {
    assert.equal(found.of(name)?.status, 'ok', JSON.stringify(found.of(name)));
  }
});

test('this machine', { timeout: 30000 }, async () => {
  const found = await doctor(nodes[0].url, {}, 'machine');
  for (const name of ['files', 'backlog', 'tcp-memory', 'free-memory', 'clock']) {
    assert.ok(found.of(name), name);
  }
  assert.equal(found.of('links'), undefined);
});

test('who may not look knows little, and who asks nobody less', { timeout: 30000 }, async () => {
  const stranger = await doctor(nodes[0].url, { STARLING_TOKEN: '' });
  assert.equal(stranger.code, 3);
  assert.equal(stranger.of('permitted').status, 'unknown');
  assert.equal(stranger.of('ready').status, 'ok');
  const nobody = await doctor(`http://127.0.0.1:${await portRow()}`);
  assert.equal(nobody.code, 2);
  assert.equal(nobody.of('node').status, 'critical');
  const { code, stderr } = await run(['doctor', '--only', 'moon'], { url: nodes[0].url });
  assert.equal(code, 3);
  assert.match(stderr, /moon/);
});

test('nodes without keys', { timeout: 30000 }, async () => {
  const node = await Node.start({ name: 'lone' });
  const found = await doctor(node.url, { STARLING_TOKEN: '' });
  await node.kill();
  assert.equal(found.of('keys').status, 'warn');
});

test('a certificate that ends soon', { timeout: 30000 }, async () => {
  const cert = path.join(folder, 'cert.pem');
  const key = path.join(folder, 'key.pem');
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
    '-keyout', key, '-out', cert, '-days', '20', '-subj', '/CN=test', '-addext', 'subjectAltName=IP:127.0.0.1'],
  { stdio: 'ignore' });
  const port = await portRow();
  const node = new Node({ name: 'tls', port, args: ['--tls-cert', cert, '--tls-key', key], ready: false });
  node.spawn();
  const url = `https://127.0.0.1:${port}`;
  const found = await until('it answers', DEADLINE_MS, async () => {
    const { of } = await doctor(url, { STARLING_TOKEN: '', STARLING_CA: cert });
    return of('certificate');
  });
  assert.equal(found.status, 'warn');
  assert.match(found.text, /holds for (19|20) more days/);
  const untrusted = await doctor(url, { STARLING_TOKEN: '', STARLING_CA: keyFile });
  await node.kill();
  assert.equal(untrusted.of('node').status, 'critical');
});

test('a node that stands still, and one that is dead', { timeout: 60000 }, async () => {
  nodes[1].process.kill('SIGSTOP');
  const still = await doctor(nodes[0].url);
  nodes[1].process.kill('SIGCONT');
  assert.equal(still.code, 2);
  assert.equal(still.of('answers').status, 'critical');
  assert.match(still.of('answers').text, /n2 does not answer/);
  await until('n2 is back', DEADLINE_MS, () => nodes[0].sees(['n1', 'n2', 'n3']));
  await nodes[2].kill();
  await until('n3 is dead', DEADLINE_MS, async () => (await doctor(nodes[0].url)).of('members').text.includes('n3 is dead'));
  const { code, stdout } = await run(['doctor', '--only', 'cluster'], { url: nodes[0].url, env: { STARLING_TOKEN: token } });
  const text = stdout.toString();
  assert.ok(code === 1 || code === 2, text);
  assert.match(text, /^warn {6}members {8}n3 is dead: it has stopped without leaving/m);
  assert.match(text, /^(warn|critical): \d+ ok, \d+ warn, \d+ critical, 0 unknown$/m);
});
