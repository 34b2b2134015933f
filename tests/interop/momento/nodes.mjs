// SPDX-License-Identifier: Apache-2.0
//
// The nodes that the cases talk to: pairs in two regions without keys and with
// them, and pairs of one region for cases that end a node.
import assert from 'node:assert/strict';
import net from 'node:net';
import path from 'node:path';
import { Node, get, run, startCluster, temporaryFolder, until } from '../../e2e/harness.mjs';

const started = new Set();

async function keep(starting) {
  const nodes = await starting;
  for (const node of nodes) started.add(node);
  return nodes;
}

export const watched = (node) => { started.add(node); return node; };

export const openNodes = () => keep(startCluster(['eu', 'us']));
export const pairOfOneRegion = () => keep(startCluster(['eu', 'eu']));

// One more that is not checked at the end, as it is killed.
export function killed(node) {
  started.delete(node);
  return node.kill();
}

// Mints by the command, with the keys of a file.
export const minter = (keyFile) => async (...words) => {
  const { code, stdout, stderr } = await run(['token', 'mint', '--keys', keyFile, ...words]);
  assert.equal(code, 0, stderr);
  return String(stdout).trim();
};

// Two nodes with keys, the caches `demo` and `other` and no others, and v1 keys
// for who may what.
export async function keyedNodes(extra = []) {
  const keyFile = path.join(temporaryFolder(), 'keys');
  const made = await run(['keygen', keyFile]);
  assert.equal(made.code, 0, made.stderr);
  const mint = minter(keyFile);
  const token = await mint('--sub', 'watch', '--scope', 'admin:read');
  const args = ['--keys', keyFile, '--auto-create-caches', 'false', ...extra];
  const first = await Node.start({ name: 'k1', region: 'eu', args, token });
  const second = await Node.start({ name: 'k2', region: 'us', args, token, join: [first] });
  const nodes = await keep(Promise.resolve([first, second]));
  const v1 = (...words) => mint('--format', 'v1', '--endpoint', `127.0.0.1:${first.port}`, ...words);
  const keys = {
    demo: await v1('--sub', 'demo', '--cache', 'demo', '--role', 'both'),
    reader: await v1('--sub', 'reader', '--cache', 'demo', '--role', 'sub'),
    all: await v1('--sub', 'all'),
    admin: await v1('--sub', 'admin', '--superuser', '--ttl', 'never'),
  };
  for (const cache of ['demo', 'other']) {
    const { code, stderr } = await run(['cache', 'create', cache], { url: first.url, env: { STARLING_TOKEN: keys.admin } });
    assert.equal(code, 0, stderr);
  }
  await until('the other node knows the caches', 10000, async () =>
    (await get(`${second.url}/topics/other/x`, { method: 'POST', body: 'x', headers: { Authorization: keys.all } })).status === 204);
  return { nodes, keyFile, mint, keys };
}

// One that goes in peace while others stay.
export async function drained(node) {
  started.delete(node);
  assert.equal(await node.kill('SIGTERM'), 0, node.log);
}

// Ends all of them; the names of those that did not end as they should: under a
// sanitizer that is how it reports.
export async function endAll() {
  const bad = [];
  await Promise.all([...started].map(async (node) => {
    const early = node.code;
    await node.kill('SIGTERM');
    if (early !== null || node.code !== 0 || node.log.includes('Sanitizer')) {
      bad.push(`${node.name} ended with ${node.code}${early === null ? '' : ' early'}\n${node.log.slice(-4000)}`);
    }
  }));
  return bad;
}

// A TCP proxy whose target changes for the connections to come; what there is stays.
export class Proxy {
  static async to(port) {
    const proxy = new Proxy();
    proxy.target = port;
    proxy.sockets = new Set();
    proxy.server = net.createServer((near) => {
      const far = net.connect(proxy.target, '127.0.0.1');
      for (const socket of [near, far]) {
        socket.setNoDelay(true);
        proxy.sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => { proxy.sockets.delete(socket); near.destroy(); far.destroy(); });
      }
      near.pipe(far);
      far.pipe(near);
    });
    await new Promise((done) => { proxy.server.listen(0, '127.0.0.1', done); });
    proxy.port = proxy.server.address().port;
    return proxy;
  }

  close() {
    for (const socket of this.sockets) socket.destroy();
    return new Promise((done) => { this.server.close(done); });
  }
}
