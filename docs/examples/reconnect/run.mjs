#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
//
// Two nodes, a reader on the first, numbers from the second; then the first is
// killed. STARLING: the program. PORT, OTHER_PORT: of the nodes; each uses the two after it, too.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect } from '../../../node/console/starling.js';
import { read } from './reader.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const starling = process.env.STARLING ?? path.join(here, '../../../build/starling');
const ports = [process.env.PORT ?? 7400, process.env.OTHER_PORT ?? 7410].map(Number);
const urls = ports.map((port) => `http://127.0.0.1:${port}`);
const sleep = (ms) => new Promise((done) => { setTimeout(done, ms); });

function start(i) {
  const node = spawn(starling, ['node', '--name', `n${i + 1}`, '--region', 'eu', '--listen', `127.0.0.1:${ports[i]}`,
    '--cluster', `127.0.0.1:${ports[i] + 1}`, '--endpoint', urls[i], '--join', `127.0.0.1:${ports[1 - i] + 1}`],
  { stdio: 'ignore' });
  process.on('exit', () => node.kill('SIGKILL'));
  return node;
}

async function isReady(url) {
  const answer = await fetch(`${url}/readyz`).catch(() => null);
  return answer?.status === 200;
}

const nodes = [start(0), start(1)];
for (const url of urls) while (!await isReady(url)) await sleep(50);

// What it says, one promise each.
function hear() {
  const heard = [];
  const reader = read(urls, (text) => {
    console.log(text);
    heard.shift()();
  });
  return { reader, said: [1, 2].map(() => new Promise((done) => { heard.push(done); })) };
}

const { reader, said } = hear();
await said[0];
const [its, other] = reader.node === 'n1' ? [0, 1] : [1, 0];
const writer = connect({ endpoints: urls[other], discover: false });
let number = 0;
setInterval(() => writer.publish('demo', 'numbers', String(number++)).catch(() => {}), 50);
setTimeout(() => nodes[its].kill('SIGKILL'), 1000);
await said[1];
process.exit(0);
