// SPDX-License-Identifier: Apache-2.0
//
// Changing the cluster key of running nodes: under load nothing is lost and no
// link breaks; whoever missed a step is named, and repaired by a repeat; whoever
// starts with the old key file afterwards is told why nobody answers.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Node, command, get, run, sleep, startCluster, stopAll, temporaryFolder, until } from './harness.mjs';

const folder = temporaryFolder();
const keyFile = path.join(folder, 'keys');
const oldFile = path.join(folder, 'keys-of-before');
const names = ['n1', 'n2', 'n3'];
let nodes = [];
let token = '';

const client = (...args) => run(args, { url: nodes[0].url, env: { STARLING_TOKEN: token } });
const keys = async (...args) => {
  const { code, stdout, stderr } = await client('keys', ...args);
  return { code, text: stdout.toString() + stderr };
};
const listed = async () => JSON.parse((await client('keys', 'list', '--json')).stdout.toString());
const own = async () => (await listed()).nodes.find((node) => node.self).keys;
const linkLines = () => nodes.map((node) => node.log.match(/ link-(up|down|cut) /g).length);
const fileKeys = (file) => fs.readFileSync(file, 'utf8').match(/ {2}- "[0-9a-f]{64}"/g);

async function whole() {
  for (const node of nodes) {
    await until(`${node.name} sees all`, 20000, () => node.sees(names));
  }
}

before(async () => {
  assert.equal((await run(['keygen', keyFile])).code, 0);
  const mint = ['token', 'mint', '--keys', keyFile, '--sub', 'ops',
    '--scope', 'admin:read', '--scope', 'admin:write'];
  token = (await run(mint)).stdout.toString().trim();
  nodes = await startCluster(['eu', 'us', 'eu'], { args: ['--keys', keyFile], token });
});
after(() => stopAll(nodes));

test('all start with the key of the file; it is refused to remove it', { timeout: 30000 }, async () => {
  const [first] = await own();
  assert.match(first, /^[0-9a-f]{16}$/);
  const list = await keys('list');
  assert.equal(list.code, 0, list.text);
  assert.match(list.text, new RegExp(`${first} {2}installed on all 3 nodes; seals on all 3 nodes`));
  const removed = await keys('remove', first, '--keys', keyFile);
  assert.equal(removed.code, 1);
  for (const name of names) assert.match(removed.text, new RegExp(`${name} \\(..\\): seals with it`));
  assert.equal(fileKeys(keyFile).length, 1);
  assert.equal((await keys('use', '0000000000000001')).code, 1);
  assert.equal((await keys('list')).code, 0);
});

test('a rotation under load loses nothing and breaks no link', { timeout: 90000 }, async () => {
  const [first] = await own();
  const secret = fileKeys(keyFile)[0];
  fs.copyFileSync(keyFile, oldFile, fs.constants.COPYFILE_EXCL);
  const links = linkLines();
  const checking = command(['verify', '--seconds', '18', '--rate', '100'],
    { url: nodes[0].url, env: { STARLING_TOKEN: token } });
  await sleep(1500);
  const installed = await keys('install', '--keys', keyFile);
  assert.equal(installed.code, 0, installed.text);
  assert.match(installed.text, /copy it to every machine/);
  const second = (await own())[1];
  assert.equal((await keys('list')).code, 0);
  for (const key of [second, first, second]) { // to and fro: no nonce comes twice
    const used = await keys('use', key, '--keys', keyFile);
    assert.equal(used.code, 0, used.text);
    await sleep(300);
  }
  assert.equal((await keys('remove', second)).code, 1);
  const removed = await keys('remove', first, '--keys', keyFile);
  assert.equal(removed.code, 0, removed.text);
  const list = await keys('list');
  assert.equal(list.code, 0);
  assert.match(list.text, new RegExp(`^${second} {2}installed on all 3 nodes; seals on all 3 nodes\n`));
  assert.ok(!list.text.includes(first));

  const checked = await checking.done; // longer than a removed key is still opened
  const text = checked.stdout.toString();
  console.log(text.trim().split('\n').map((line) => `# ${line}`).join('\n'));
  assert.equal(checked.code, 0, text + checked.stderr);
  const [items, delivered, told, untold] = text
    .match(/(\d+) items, (\d+) delivered, (\d+) told, (\d+) untold/).slice(1).map(Number);
  assert.ok(items > 1000);
  assert.deepEqual([delivered, told, untold], [items * 9, 0, 0]);
  assert.deepEqual(linkLines(), links);
  for (const node of nodes) {
    assert.match(node.log, new RegExp(`key-installed .*key=${second}`));
    assert.match(node.log, new RegExp(`key-sealing .*key=${second}`));
    assert.match(node.log, new RegExp(`key-removed .*key=${first}`));
    assert.doesNotMatch(node.log, /key-unknown|items-lost/);
    assert.ok(!node.log.includes(secret.slice(5, 69)));
  }
  assert.match(nodes[0].log, /keys-changed .*op=use .*by=ops result=done/);

  // The file follows: only the new key is in it, and nobody else may read it.
  assert.equal(fileKeys(keyFile).length, 1);
  assert.notEqual(fileKeys(keyFile)[0], secret);
  assert.equal(fs.statSync(keyFile).mode & 0o777, 0o600);
  assert.deepEqual(fs.readdirSync(folder).sort(), ['keys', 'keys-of-before']);
});

test('a node that stands still is named, and repaired by a repeat', { timeout: 90000 }, async () => {
  nodes[2].process.kill('SIGSTOP');
  const installed = await keys('install', '--keys', keyFile);
  assert.equal(installed.code, 1);
  assert.match(installed.text, /n3 \(eu\): (no answer|dead, or cut off)/);
  const next = installed.text.match(/repeat it with: starling keys install ([0-9a-f]{16})/)[1];
  const list = await keys('list');
  assert.equal(list.code, 1);
  assert.match(list.text, /n3 \(eu\): (no answer|dead, or cut off)/);
  const [now] = await own();
  for (const step of [['use', next], ['remove', next]]) {
    const refused = await keys(...step, '--keys', keyFile);
    assert.equal(refused.code, 1);
    assert.match(refused.text, /refused/);
    assert.match(refused.text, /n3 \(eu\): (no answer|dead, or cut off)/);
  }
  assert.equal((await own())[0], now);
  nodes[2].process.kill('SIGCONT');
  await whole();
  const repeated = await keys('install', next, '--keys', keyFile);
  assert.equal(repeated.code, 0, repeated.text);
  assert.equal((await keys('list')).code, 0);
  assert.equal((await keys('remove', next, '--keys', keyFile)).code, 0);
});

test('a node that was down is named until it is given the key', { timeout: 90000 }, async () => {
  const before_ = path.join(folder, 'keys-of-n3');
  fs.copyFileSync(keyFile, before_);
  await nodes[2].kill('SIGKILL');
  const installed = await keys('install', '--keys', keyFile);
  assert.equal(installed.code, 1);
  assert.match(installed.text, /n3 \(eu\): (no answer|dead, or cut off)/);
  const next = installed.text.match(/install ([0-9a-f]{16})/)[1];
  const [old] = await own();

  // It comes back as it was: the old key still seals, so it joins.
  nodes[2].options.join = [nodes[0], nodes[1]];
  nodes[2].options.args = ['--keys', before_];
  nodes[2].spawn();
  await nodes[2].ready();
  await whole();
  const list = await keys('list');
  assert.equal(list.code, 1);
  assert.match(list.text, new RegExp(`${next} {2}installed on n1, n2; seals on no node; MISSING on n3`));
  const refused = await keys('use', next, '--keys', keyFile);
  assert.equal(refused.code, 1);
  assert.match(refused.text, /n3 \(eu\): does not have it/);
  assert.doesNotMatch(refused.text, /n2/);

  // The node that is asked has the key: no file is needed to repeat it.
  assert.equal((await keys('install', next)).code, 0);
  assert.equal((await keys('list')).code, 0);
  assert.equal((await keys('use', next, '--keys', keyFile)).code, 0);
  assert.equal((await keys('remove', old, '--keys', keyFile)).code, 0);
});

test('the old key file joins nothing any more, and the log says why', { timeout: 90000 }, async () => {
  const refused = async () => Number((await get(`${nodes[0].url}/metrics`, { headers: { Authorization: token } }))
    .text.match(/^starling_gossip_refused_total\{reason="forged"\} (\d+)/m)[1]);
  const counted = await refused();
  const [now] = await own();

  // A machine that nobody knows, and one whose address is remembered.
  const stranger = await Node.start({ name: 'n4', join: nodes.slice(0, 2), args: ['--keys', oldFile], ready: false });
  await nodes[2].kill('SIGKILL');
  nodes[2].options.args = ['--keys', oldFile];
  nodes[2].spawn();
  await until('the stranger says that nobody answers', 20000, () =>
    /seeds-silent .*key=[0-9a-f]{16} why=none of the addresses to join answers.*not this key/.test(stranger.log));
  await until('n1 names a key that it does not have', 20000, () => /key-unknown .*from=127.0.0.1:/.test(nodes[0].log));
  await until('the packets are counted', 20000, async () => await refused() > counted);
  await until('n3 hears of a key that it does not have', 30000, () =>
    new RegExp(`key-unknown .*key=${now} why=.*out of date`).test(nodes[2].log));
  assert.deepEqual((await nodes[0].cluster()).members.filter((m) => m.state === 'alive').map((m) => m.name).sort(),
    ['n1', 'n2']);

  await stranger.kill();
  await nodes[2].kill();
  nodes[2].options.args = ['--keys', keyFile];
  nodes[2].spawn();
  await nodes[2].ready();
  await whole();
  const list = await keys('list');
  assert.equal(list.code, 0, list.text);
});

test('a key of the operator\'s own; eight are enough', { timeout: 30000 }, async () => {
  const made = path.join(folder, 'secret');
  fs.writeFileSync(made, `${'0123456789abcdef'.repeat(4)}\n`, { mode: 0o644 });
  const install = () => keys('install', '--keys', keyFile, '--key-file', made);
  const open = await install();
  assert.equal(open.code, 78);
  assert.match(open.text, /mode 0644 lets others read it/);
  fs.chmodSync(made, 0o600);
  for (let i = 0; i < 2; i += 1) assert.equal((await install()).code, 0); // again: nothing new
  assert.equal((await own()).length, 2);
  assert.equal(fileKeys(keyFile)[1], `  - "${'0123456789abcdef'.repeat(4)}"`);
  fs.writeFileSync(made, '0'.repeat(64));
  assert.match((await install()).text, /a key of zeros is no key/);
  for (let i = 0; i < 6; i += 1) assert.equal((await keys('install', '--keys', keyFile)).code, 0);
  const ninth = await keys('install', '--keys', keyFile);
  assert.equal(ninth.code, 1);
  assert.match(ninth.text, /the cluster has 8 keys: remove one/);
  assert.equal(fileKeys(keyFile).length, 8);
  for (const key of (await own()).slice(1)) assert.equal((await keys('remove', key, '--keys', keyFile)).code, 0);
  assert.equal(fileKeys(keyFile).length, 1);
  assert.equal((await keys('list')).code, 0);
});

test('what is missing is said in a sentence', { timeout: 30000 }, async () => {
  const without = await run(['keys', 'list'], { url: nodes[0].url });
  assert.equal(without.code, 77);
  const looker = (await run(['token', 'mint', '--keys', keyFile, '--sub', 'bob', '--scope', 'admin:read']))
    .stdout.toString().trim();
  const denied = await run(['keys', 'use', '0000000000000001'], { url: nodes[0].url, env: { STARLING_TOKEN: looker } });
  assert.equal(denied.code, 77);
  const homeless = await keys('install');
  assert.equal(homeless.code, 2);
  assert.match(homeless.text, /nodes keep nothing on disk/);
  const other = path.join(folder, 'other');
  assert.equal((await run(['keygen', other])).code, 0);
  const wrong = await keys('install', '--keys', other);
  assert.equal(wrong.code, 78);
  assert.match(wrong.text, /has none of the keys of this cluster/);
  assert.equal(fileKeys(other).length, 1);
  assert.equal((await keys('use', 'abc')).code, 2);
  const far = await run(['keys', 'use', '0000000000000001'],
    { url: nodes[0].url.replace('127.0.0.1', '0.0.0.0'), env: { STARLING_TOKEN: token } });
  assert.match(far.stderr, /warning: the token travels to 0\.0\.0\.0 unencrypted/);

  const insecure = await Node.start({ name: 'alone' });
  const refused = await run(['keys', 'list'], { url: insecure.url });
  await insecure.kill();
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /this cluster has no keys/);
});
