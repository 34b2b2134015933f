// SPDX-License-Identifier: Apache-2.0
//
// What can be wrong at the start, and what an operator is told.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, test } from 'node:test';
import { Node, get, portRow, run, sleep, stopAll, temporaryFolder, until } from './harness.mjs';

const folder = temporaryFolder();
const nodes = [];
after(() => stopAll(nodes));

async function start(options) {
  const node = await Node.start(options);
  nodes.push(node);
  return node;
}

async function keyFile(name) {
  const file = `${folder}/${name}`;
  assert.equal((await run(['keygen', file])).code, 0);
  return file;
}

test('a taken port that was named ends the start with 73', async () => {
  const first = await start({ name: 'first' });
  const second = await start({ name: 'second', port: first.port, ready: false });
  assert.equal(await second.ended, 73);
  assert.match(second.log, new RegExp(`${first.port}`));
});

test('wrong usage and wrong configuration are told apart', async () => {
  const file = `${folder}/bad.yaml`;
  fs.writeFileSync(file, 'name: n1\nregoin: eu\n');
  const checked = await run(['check', file]);
  assert.equal(checked.code, 78);
  assert.match(checked.stderr, /bad\.yaml:2:1: unknown key 'regoin' \(did you mean 'region'\?\)/);
  assert.equal((await run(['node', '--config', file])).code, 78);
  assert.equal((await run(['node', '--nmae', 'x'])).code, 2);
  assert.equal((await run(['publish'])).code, 2);
  const open = await run(['node', '--listen', `0.0.0.0:${await portRow()}`]);
  assert.equal(open.code, 78);
  assert.match(open.stderr, /without keys/);
  fs.writeFileSync(file, 'name: n1\n');
  assert.equal((await run(['check', file])).code, 0);
});

test('a key file that others can read is refused', async () => {
  const keys = await keyFile('wide');
  assert.equal(fs.statSync(keys).mode & 0o777, 0o600);
  assert.equal((await run(['keygen', keys])).code, 1);
  fs.chmodSync(keys, 0o644);
  const port = await portRow();
  const refused = await run(['node', '--name', 'n', '--listen', `127.0.0.1:${port}`, '--keys', keys]);
  assert.equal(refused.code, 78);
});

test('silent seeds: alone after three seconds, and said so', { timeout: 20000 }, async () => {
  const nobody = { port: await portRow() };
  const node = await start({ name: 'lonely', join: [nobody], ready: false });
  await until('it answers', 5000, async () => (await get(`${node.url}/readyz`)).status === 503);
  await until('ready alone', 8000, async () => {
    const { status, text } = await get(`${node.url}/readyz`);
    return status === 200 && JSON.parse(text).alone === true;
  });
});

test('another key cannot join, and harms nobody', { timeout: 30000 }, async () => {
  const ours = await keyFile('ours');
  const theirs = await keyFile('theirs');
  const token = (await run(['token', 'mint', '--keys', ours, '--sub', 'test', '--scope', 'admin:read']))
    .stdout.toString().trim();
  const member = await start({ name: 'member', args: ['--keys', ours] });
  const stranger = await start({ name: 'stranger', join: [member], args: ['--keys', theirs], ready: false });
  await sleep(1500);
  assert.equal(stranger.code, null);
  assert.equal((await get(`${member.url}/v1/cluster`)).status, 401);
  const cluster = JSON.parse((await get(`${member.url}/v1/cluster`, { headers: { Authorization: token } })).text);
  assert.deepEqual(cluster.members.map((m) => m.name), ['member']);
  const metrics = (await get(`${member.url}/metrics`, { headers: { Authorization: `Bearer ${token}` } })).text;
  assert.match(metrics, /starling_gossip_refused_total\{reason="forged"\} [1-9]/);
});

test('one name twice: both stay, told apart', { timeout: 30000 }, async () => {
  const one = await start({ name: 'twin' });
  const two = await start({ name: 'twin', join: [one] });
  await until('both are shown', 10000, async () => {
    const cluster = await one.cluster();
    const names = cluster.members.filter((m) => m.state === 'alive').map((m) => m.name);
    return names.length === 2 && names.every((name) => /^twin#[0-9a-f]{4}$/.test(name));
  });
  assert.equal(two.code, null);
});
