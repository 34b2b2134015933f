// SPDX-License-Identifier: Apache-2.0
//
// Serves the page, the browser SDK bundled with it, and POST /token.
//   PORT, NODES (URLs that browsers reach, with commas), MODULES (has node_modules)
import fs from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { vend } from './vend.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const modules = process.env.MODULES ?? here;
const { build } = createRequire(path.join(modules, 'package.json'))('esbuild');
const { outputFiles: [script] } = await build({
  entryPoints: [path.join(here, 'chat.js')], bundle: true, format: 'esm', platform: 'browser', write: false,
  logLevel: 'error', nodePaths: [path.join(modules, 'node_modules')], define: { global: 'window' },
});

const html = fs.readFileSync(path.join(here, 'index.html'));
const pages = {
  '/': ['text/html; charset=utf-8', html],
  '/chat.js': ['text/javascript', script.contents],
  '/nodes': ['application/json', JSON.stringify(process.env.NODES.split(','))],
};

async function token(request) {
  let body = '';
  for await (const chunk of request) {
    body += chunk;
    if (body.length > 1000) throw Object.assign(new Error('too long'), { status: 413 });
  }
  return JSON.stringify(await vend(JSON.parse(body)));
}

http.createServer(async (request, response) => {
  try {
    const page = pages[new URL(request.url, 'http://x').pathname];
    if (request.method === 'POST' && request.url === '/token') {
      const answer = await token(request);
      response.writeHead(200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' }).end(answer);
    } else if (request.method === 'GET' && page) {
      response.writeHead(200, { 'Content-Type': page[0] }).end(page[1]);
    } else {
      response.writeHead(404).end();
    }
  } catch (error) {
    response.writeHead(error.status ?? 400).end(`${error.message}\n`);
  }
}).listen(process.env.PORT, '127.0.0.1', () => console.log('server: listens'));
