#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
//
// Everything of the example on this machine: two nodes of two regions with keys,
// and the server with the page and the token vending. Stays until Ctrl-C.
// STARLING: the program. PORT: of the first node; those up to PORT + 15 are used.
// MODULES: where node_modules are; without it they are installed here.
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const starling = process.env.STARLING ?? path.join(here, '../../../build/starling');
const modules = process.env.MODULES ?? here;
const port = Number(process.env.PORT ?? 7400);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'starling-chat-'));
const keys = path.join(folder, 'keys');
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

if (!fs.existsSync(path.join(modules, 'node_modules'))) {
  execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: modules, stdio: 'inherit' });
}
execFileSync(starling, ['keygen', keys]);
const apiKey = String(execFileSync(starling, ['token', 'mint', '--keys', keys, '--sub', 'chat-backend', '--ttl', '30d',
  '--cache', 'chat', '--role', 'both', '--scope', 'admin:tokens'])).trim();

const web = `http://127.0.0.1:${port + 15}`;
const nodes = [];
for (const [i, region] of ['eu', 'us'].entries()) {
  const at = port + 10 * i;
  const url = `http://127.0.0.1:${at}`;
  await start('ready', starling, ['node', '--name', `n${i + 1}`, '--region', region, '--listen', `127.0.0.1:${at}`,
    '--cluster', `127.0.0.1:${at + 1}`, '--endpoint', url, '--keys', keys, '--auto-create-caches', 'true',
    ...(i > 0 ? ['--join', `127.0.0.1:${port + 1}`] : [])]);
  nodes.push(url);
}
await start('listens', process.execPath, [path.join(here, 'server.mjs')],
  { PORT: port + 15, NODES: nodes.join(','), MODULES: modules, STARLING_URL: nodes[0], STARLING_TOKEN: apiKey });
console.log(`\nOpen ${web} in two windows, on two nodes.\n`);
