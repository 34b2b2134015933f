// SPDX-License-Identifier: Apache-2.0
//
// Several workers in one process: one client port, one cluster, one end.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, test } from 'node:test';
import { Node, get, portRow, run, running, stopAll, until } from './harness.mjs';

const DEADLINE_MS = 10000;
const nodes = [];
const open = [];
after(() => { for (const socket of open) socket.destroy(); return stopAll(nodes); });

async function start(options) {
  const node = await Node.start({ args: ['--workers', '2'], ...options });
  nodes.push(node);
  return node;
}

// Three ports for each worker from the cluster port on, the last one its own.
const own = (node, worker) => `http://127.0.0.1:${node.port + 3 * worker}`;
const json = async (url) => JSON.parse((await get(url)).text);
const metric = async (url, name) => Number(new RegExp(`^${name} (\\d+)$`, 'm')
  .exec((await get(`${url}/metrics`)).text)[1]);
const workersOf = (node, workers = [1, 2]) => Promise.all(workers.map((worker) =>
  json(`${own(node, worker)}/v1/cluster`)));

async function whole(node, members, workers) {
  await until(`${members} members are linked`, DEADLINE_MS, async () => (await workersOf(node, workers))
    .every((view) => view.ready && view.links.up === members - 1));
}

// A subscriber over RESP; text is all it heard.
function subscribe(port, topic) {
  const socket = net.connect(port, '127.0.0.1', () => socket.write(`SUBSCRIBE ${topic}\r\n`));
  const user = { socket, text: '', ended: false };
  open.push(socket);
  socket.on('data', (data) => { user.text += data; });
  socket.on('close', () => { user.ended = true; });
  socket.on('error', () => {});
  return user;
}

async function subscribers(port, topic, count) {
  const users = Array.from({ length: count }, () => subscribe(port, topic));
  await until('all are subscribed', DEADLINE_MS, () => users.every((user) => user.text.includes('\r\n:1\r\n')));
  return users;
}

// Holds the loop of a worker still, as a debugger would; returns what ends it.
async function hold(node, worker) {
  const { pid } = node.process;
  const name = (task) => fs.readFileSync(`/proc/${pid}/task/${task}/comm`, 'utf8').trim();
  // The oldest of that name: libuv's helpers inherit it from who first needs them.
  const [task] = fs.readdirSync(`/proc/${pid}/task`).filter((id) => name(id) === `worker-${worker}`)
    .sort((a, b) => a - b);
  const child = spawn(path.join(process.env.BUILD || 'build', 'e2e_hold'), [task],
    { stdio: ['pipe', 'pipe', 'inherit'] });
  running.add(child);
  child.on('exit', () => running.delete(child));
  await new Promise((done, fail) => {
    child.stdout.once('data', done);
    child.once('exit', () => fail(new Error('it cannot be held')));
  });
  return () => child.stdin.end();
}

test('connections land on both workers, items on all connections', { timeout: 30000 }, async () => {
  const node = await start({ name: 'host' });
  await whole(node, 2);
  const users = await subscribers(node.port, 'news', 64);
  const views = await workersOf(node);
  assert.deepEqual(views.map((view) => view.name), ['host.1', 'host.2']);
  for (const view of views) assert.ok(view.subscriptions >= 8, `${view.name}: ${view.subscriptions}`);
  assert.equal(views[0].subscriptions + views[1].subscriptions, 64);
  for (const worker of [1, 2]) {
    const url = `${own(node, worker)}/topics/default/news`;
    assert.equal((await get(url, { method: 'POST', body: `from ${worker}` })).status, 204);
  }
  await until('all have both', DEADLINE_MS, () => users.every((user) => user.text.includes('from 1') &&
    user.text.includes('from 2')));
  for (const user of users) assert.equal(user.text.match(/message/g).length, 2);
  // The client port speaks for both, at the same moment the admin ports for one.
  const all = await json(`${node.url}/v1/cluster`);
  assert.deepEqual(all.workers.map((worker) => worker.name), ['host.1', 'host.2']);
  assert.equal(all.subscriptions, 64);
  assert.equal(await metric(node.url, 'starling_subscriptions'), 64);
  assert.equal(await metric(node.url, 'starling_messages_published_total'), 2);
  assert.equal(await metric(node.url, 'starling_messages_delivered_total'), 128);
  for (const worker of [1, 2]) {
    assert.equal(await metric(own(node, worker), 'starling_messages_published_total'), 1);
  }
  const { regions } = await json(`${node.url}/v1/regions`);
  assert.deepEqual(regions[0].endpoints, [node.url]);

  assert.equal(await node.kill('SIGTERM'), 0);
  assert.equal(node.log.match(/node-stopped/g).length, 2);
  await until('all are told', DEADLINE_MS, () => users.every((user) => user.ended));
});

test('not ready before all are, and who is not is named', { timeout: 30000 }, async () => {
  const nobody = await portRow();
  const node = await start({ name: 'late', join: [{ port: nobody }], ready: false });
  const first = await until('it answers', DEADLINE_MS, async () => {
    const { status, text } = await get(`${node.url}/readyz`);
    return status === 503 && JSON.parse(text);
  });
  assert.match(first.why, /^worker [12]: /);
  await until('ready alone', DEADLINE_MS, async () => (await get(`${node.url}/readyz`)).status === 200);
  for (const view of await workersOf(node)) assert.equal(view.ready, true);
});

test('a signal before the others have started ends it in order', { timeout: 30000 }, async () => {
  const node = await start({ name: 'early', join: [{ port: await portRow() }], ready: false });
  await until('the first listens', DEADLINE_MS, () => node.log.includes('node-listening'));
  assert.equal(await node.kill('SIGTERM'), 0);
  assert.equal(node.log.match(/node-listening/g).length, 1);
});

test('workers of two processes are one cluster', { timeout: 60000 }, async () => {
  const one = await start({ name: 'one' });
  const two = await start({ name: 'two', join: [one] });
  await Promise.all([whole(one, 4), whole(two, 4)]);
  const users = await subscribers(two.port, 'far', 16);
  assert.equal((await get(`${own(one, 2)}/topics/default/far`, { method: 'POST', body: 'hello' })).status, 204);
  await until('all have it', DEADLINE_MS, () => users.every((user) => user.text.includes('hello')));
  const ports = [own(one, 1), own(one, 2), own(two, 1), own(two, 2)];
  const verified = await run(['verify', ...ports, '--seconds', '3']);
  assert.equal(verified.code, 0, verified.stdout.toString() + verified.stderr);
  assert.match(verified.stdout.toString(), / 0 told, 0 untold, 0 duplicate, 0 out of order/);
  assert.equal(await one.kill('SIGTERM'), 0);
  await whole(two, 2);
});

// One copy a process: whoever of it wants an item, one worker receives it.
test('an item crosses once between two processes', { timeout: 60000 }, async () => {
  const all = [1, 2, 3];
  const args = ['--workers', '3'];
  const one = await start({ name: 'one', args });
  const two = await start({ name: 'two', args, join: [one] });
  await Promise.all([whole(one, 6, all), whole(two, 6, all)]);
  const topics = Array.from({ length: 60 }, (_, i) => `topic-${i}`);
  const users = all.map((worker) => subscribe(two.port + 3 * worker, topics.join(' ')));
  await until('all are subscribed', DEADLINE_MS, () => users.every((user) => user.text.includes('\r\n:60\r\n')));
  const count = async (node, name) => Promise.all(all.map((worker) => metric(own(node, worker), name)));
  const before = await count(two, 'starling_link_items_received_total');
  for (const topic of topics) {
    assert.equal((await get(`${own(one, 1)}/topics/default/${topic}`, { method: 'POST', body: `of ${topic};` })).status,
      204);
  }
  await until('all have all', DEADLINE_MS, () => users.every((user) =>
    topics.every((topic) => user.text.includes(`of ${topic};`))));
  assert.deepEqual(await count(one, 'starling_link_items_sent_total'), [60, 0, 0]);
  const passed = await count(two, 'starling_link_items_sent_total');
  assert.equal(passed.reduce((sum, items) => sum + items), 120); // each to both others
  for (const items of passed) assert.ok(items >= 2 * 6, `each receives some: ${passed}`);
  const came = await count(two, 'starling_link_items_received_total');
  assert.equal(came.reduce((sum, items) => sum + items) - before.reduce((sum, items) => sum + items), 180);

  const ports = all.flatMap((worker) => [own(one, worker), own(two, worker)]);
  const verified = await run(['verify', ...ports, '--seconds', '3']);
  assert.equal(verified.code, 0, verified.stdout.toString() + verified.stderr);
  assert.match(verified.stdout.toString(), / 0 told, 0 untold, 0 duplicate, 0 out of order/);
  assert.equal(await two.kill('SIGTERM'), 0);
  await whole(one, 3, all);
});

test('a worker that stands still delays no other, and is named', { timeout: 60000 }, async () => {
  const node = await start({ name: 'half' });
  await whole(node, 2);
  const [here] = await subscribers(node.port + 3, 'news', 1);
  const [there] = await subscribers(node.port + 6, 'news', 1);
  const publish = (value) => get(`${own(node, 1)}/topics/default/news`, { method: 'POST', body: value });
  const letGo = await hold(node, 2);
  for (let i = 1; i <= 20; i += 1) {
    assert.equal((await publish(`item ${i};`)).status, 204);
    await until('it is here', DEADLINE_MS, () => here.text.includes(`item ${i};`));
  }
  // New connections are given to both; those of worker 1 are answered.
  const { text } = await until('one is not ready', DEADLINE_MS, async () => {
    const answer = await get(`${node.url}/readyz`);
    return answer.status === 503 && answer;
  });
  assert.equal(JSON.parse(text).why, 'worker 2: does not answer');
  assert.equal((await get(`${own(node, 1)}/readyz`)).status, 200);
  letGo();
  await until('both answer', DEADLINE_MS, async () => (await get(`${node.url}/readyz`)).status === 200);
  await whole(node, 2);
  assert.equal((await publish('the last;')).status, 204);
  await until('it is there', DEADLINE_MS, () => there.text.includes('the last;'));
  assert.equal(await node.kill('SIGTERM'), 0);
});

test('a second signal hurries all workers', { timeout: 30000 }, async () => {
  const node = await start({ name: 'slow', args: ['--workers', '2', '--limits', 'drain_ms=600000'] });
  await whole(node, 2);
  // Half-closed by the server and kept open here: the drain waits for it.
  const stay = net.connect({ port: node.port, host: '127.0.0.1', allowHalfOpen: true });
  open.push(stay);
  stay.on('error', () => {});
  await new Promise((done) => { stay.on('connect', done); });
  node.process.kill('SIGTERM');
  await until('both drain', DEADLINE_MS, () => (node.log.match(/node-draining/g) || []).length === 2);
  assert.equal(await node.kill('SIGTERM'), 0);
});

test('a port that is taken ends the start with 73 and is named', { timeout: 30000 }, async () => {
  const first = await start({ name: 'first' });
  const second = await start({ name: 'second', port: first.port, ready: false,
    args: ['--workers', '2', '--cluster', `127.0.0.1:${await portRow() + 1}`] });
  assert.equal(await second.ended, 73);
  assert.match(second.log, new RegExp(`port=client at=127.0.0.1:${first.port} why=taken`));

  const port = await portRow();
  const holder = net.createServer().listen(port + 6, '127.0.0.1');
  const third = await start({ name: 'third', port, ready: false });
  assert.equal(await third.ended, 73);
  assert.match(third.log, new RegExp(`node=third.2 .*port=admin at=127.0.0.1:${port + 6} why=taken`));
  holder.close();
});
