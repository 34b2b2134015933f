// SPDX-License-Identifier: Apache-2.0
//
// A node under a service manager: what it tells it and when, by a socket that
// plays the manager; and the unit of deploy/systemd.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Node, get, portRow, running, sleep, stopAll, temporaryFolder, until } from './harness.mjs';

// Node has no datagrams of this family.
const MANAGER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("\\0" + sys.argv[1])
print("bound", flush=True)
while True:
    print(s.recv(4096).decode().replace("\\n", " "), flush=True)
`;
const name = `starling-e2e-${process.pid}`;
const env = { NOTIFY_SOCKET: `@${name}`, WATCHDOG_USEC: '900000' };
const nodes = [];
let manager;
let lines = [];
const heard = (pattern) => lines.filter((line) => pattern.test(line)).length;

before(async () => {
  manager = spawn('python3', ['-c', MANAGER, name], { stdio: ['ignore', 'pipe', 'inherit'] });
  running.add(manager);
  let rest = '';
  manager.stdout.on('data', (data) => {
    const all = (rest + data).split('\n');
    rest = all.pop();
    lines.push(...all);
  });
  await until('the manager', 5000, () => heard(/^bound$/) === 1);
});
after(async () => {
  await stopAll(nodes);
  manager.kill();
  running.delete(manager);
});

test('ready is said when it is, a reload when it is done, and the end', async () => {
  lines = [];
  const port = await portRow();
  const other = await portRow(); // nobody there: it has to wait for the seed
  const node = await Node.start({ name: 'n1', port, ready: false, env,
    args: ['--join', `127.0.0.1:${other + 1}`] });
  nodes.push(node);
  await until('it listens', 5000, async () => (await get(`${node.url}/readyz`)).status === 503);
  await until('the status', 5000, () => heard(/^STATUS=joining, 1 nodes/) >= 1);
  assert.equal(heard(/^READY/), 0, 'ready before the first synchronisation');
  await until('ready', 10000, () => heard(/^READY=1$/) === 1);
  assert.equal((await get(`${node.url}/readyz`)).status, 200);
  await until('the status', 3000, () => heard(/^STATUS=ready, 1 nodes, /) >= 1);
  await until('the watchdog is fed', 3000, () => heard(/^WATCHDOG=1$/) >= 3);
  node.process.kill('SIGHUP');
  await until('reloaded', 3000, () => heard(/^READY=1$/) === 2);
  const at = lines.findIndex((line) => /^RELOADING=1 MONOTONIC_USEC=\d+$/.test(line));
  assert.ok(at > 0 && lines.indexOf('READY=1', at) > at);
  node.process.kill('SIGTERM');
  assert.equal(await node.ended, 0);
  assert.equal(heard(/^STOPPING=1$/), 1);
});

test('one worker that stands still is told by silence', async () => {
  lines = [];
  const node = await Node.start({ name: 'n2', args: ['--workers', '2'], env });
  nodes.push(node);
  await until('fed', 10000, () => heard(/^READY=1$/) === 1 && heard(/^WATCHDOG=1$/) >= 2);
  const tasks = `/proc/${node.process.pid}/task`;
  const [tid] = fs.readdirSync(tasks).filter((id) => fs.readFileSync(`${tasks}/${id}/comm`, 'utf8').trim() === 'worker-2')
    .sort((a, b) => a - b); // the oldest: helpers of libuv inherit the name
  const holder = spawn(path.join(process.env.BUILD || 'build', 'e2e_hold'), [tid], { stdio: ['pipe', 'pipe', 'inherit'] });
  running.add(holder);
  await new Promise((done) => { holder.stdout.once('data', done); });
  await sleep(1200); // the time that the manager allows, and some
  const before = heard(/^WATCHDOG=1$/);
  await sleep(1000);
  assert.equal(heard(/^WATCHDOG=1$/), before, 'fed while a loop stood still');
  holder.stdin.end();
  await until('fed again', 5000, () => heard(/^WATCHDOG=1$/) > before);
  running.delete(holder);
  await node.kill('SIGTERM');
});

const has = (tool) => { try { execFileSync(tool, ['--version']); return true; } catch { return false; } };
const unit = 'deploy/systemd/starling.service';

test('the unit gives it nothing that it does not need', { skip: !has('systemd-analyze') && 'no systemd-analyze' }, () => {
  const text = execFileSync('systemd-analyze', ['security', '--offline=true', '--threshold=20', unit]).toString();
  const [, level] = /Overall exposure level for starling\.service: ([\d.]+)/.exec(text);
  assert.ok(Number(level) <= 2.0, level);
});

test('the unit waits longer than a drain takes, and starts what there is', () => {
  const lines_ = fs.readFileSync(unit, 'utf8').split('\n');
  const value = (key) => lines_.find((line) => line.startsWith(`${key}=`)).slice(key.length + 1);
  assert.ok(Number(value('TimeoutStopSec')) > 20 + 5);
  assert.equal(value('Type'), 'notify');
  assert.match(value('ExecReload'), /kill -HUP \$MAINPID/);
  assert.equal(value('AssertPathExists'), /^keys: (.*)$/m.exec(fs.readFileSync('deploy/debian/starling.yaml', 'utf8'))[1]);
});
