#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
//
// Everything of the example on this machine: a node with keys, the function, what
// calls it, an order and its invoice. Then it stays until Ctrl-C; with --once it
// ends. STARLING: the program. PORT: of the node; the next ones up to PORT + 3 are used, too.
import { execFileSync, spawn } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const starling = process.env.STARLING ?? path.join(here, '../../../build/starling');
const port = Number(process.env.PORT ?? 7400);
const url = `http://127.0.0.1:${port}`;
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'starling-microservice-'));
const keys = path.join(folder, 'keys');
const secretFile = path.join(folder, 'secret');
const running = [];

function end(code) {
  for (const child of running) child.kill();
  fs.rmSync(folder, { recursive: true, force: true });
  process.exit(code);
}
process.on('SIGINT', () => end(0));
process.on('SIGTERM', () => end(0));

// Starts a process and waits until it says `word`.
function start(word, command, args, env) {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  running.push(child);
  return new Promise((ready) => {
    const hear = (text) => {
      process.stdout.write(text);
      if (String(text).includes(word)) ready(child);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.on('exit', (code) => { console.error(`${command} ended with ${code}`); end(1); });
  });
}

const mint = (...words) => String(execFileSync(starling, ['token', 'mint', '--keys', keys, ...words])).trim();

// Each part gets a token for what it does, and no other right.
execFileSync(starling, ['keygen', keys]);
const secret = crypto.randomBytes(32).toString('hex');
fs.writeFileSync(secretFile, secret, { mode: 0o600 });
const callsIt = mint('--sub', 'trigger', '--cache', 'shop', '--topic', 'orders', '--role', 'sub');
const theFunction = mint('--sub', 'invoicing', '--cache', 'shop', '--topic', 'invoices', '--role', 'pub');
const theShop = mint('--sub', 'shop', '--cache', 'shop', '--role', 'both');

await start('ready', starling, ['node', '--name', 'n1', '--listen', `127.0.0.1:${port}`, '--cluster', `127.0.0.1:${port + 1}`,
  '--endpoint', url, '--keys', keys, '--auto-create-caches', 'true']);
await start('listens', process.execPath, [path.join(here, 'function.mjs')],
  { PORT: port + 3, SECRET: secret, STARLING_URL: url, STARLING_TOKEN: theFunction });
await start('subscribed', starling, ['sub', 'shop', 'orders', '--json', '--post', `http://127.0.0.1:${port + 3}/`,
  '--secret-file', secretFile], { STARLING_URL: url, STARLING_TOKEN: callsIt });

// The shop: hears invoices, and orders something.
const headers = { Authorization: theShop };
const poll = async (query) => (await fetch(`${url}/topics/shop/invoices?${query}`, { headers })).json();
const first = poll('');
const order = { id: 'A-1', items: ['bread', 'milk', 'milk'] };
console.log(`shop: orders ${JSON.stringify(order)}`);
await fetch(`${url}/topics/shop/orders`, { method: 'POST', headers, body: JSON.stringify(order) });
const { items: [{ item }] } = await first;
console.log(`shop: invoice ${item.value.text} from ${item.publisher_id}`);
if (process.argv.includes('--once')) end(0);
console.log(`\nOne more:\n  curl -H "Authorization: ${theShop}" -d '${JSON.stringify({ ...order, id: 'A-2' })}' ${url}/topics/shop/orders\n`);
