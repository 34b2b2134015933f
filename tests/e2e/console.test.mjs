// SPDX-License-Identifier: Apache-2.0
//
// The console as a browser is served it: its files, their types and headers,
// and nothing from elsewhere. What it looks like is for people.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { Node, run, stopAll, temporaryFolder } from './harness.mjs';

const nodes = [];
let node;
before(async () => {
  const keys = `${temporaryFolder()}/keys`;
  assert.equal((await run(['keygen', keys])).code, 0);
  node = await Node.start({ name: 'one', args: ['--keys', keys] });
  nodes.push(node);
});
after(() => stopAll(nodes));

const kinds = {
  html: 'text/html; charset=utf-8', css: 'text/css; charset=utf-8', js: 'text/javascript; charset=utf-8', svg: 'image/svg+xml',
};
const folder = new URL('../../node/console/', import.meta.url);
const files = fs.readdirSync(folder).filter((name) => name.split('.').pop() in kinds && name !== 'starling.js');
const types = { '/console': kinds.html, '/console/': kinds.html };
for (const name of files) types[`/console/${name}`] = kinds[name.split('.').pop()];
const ask = (path, options = {}) => fetch(node.url + path, { signal: AbortSignal.timeout(5000), ...options });

test('every file has its type and the headers that fence it in, without a token', async () => {
  for (const [path, type] of Object.entries(types)) {
    const response = await ask(path);
    const policy = response.headers.get('content-security-policy');
    assert.equal(response.status, 200, path);
    assert.equal(response.headers.get('content-type'), type);
    assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
    assert.equal(response.headers.get('referrer-policy'), 'no-referrer');
    assert.match(policy, /^default-src 'self';/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.doesNotMatch(policy, /unsafe|\*|data:/);
    assert.ok((await response.text()).length > 0);
  }
});

test('what the page names is served, and nothing is of another host', async () => {
  const page = await (await ask('/console')).text();
  const named = [...page.matchAll(/(?:src|href)="([^"]*)"/g)].map((match) => match[1]);
  assert.ok(named.length >= 3);
  for (const path of named) {
    assert.match(path, /^\/console\//);
    assert.ok(path in types, path);
  }
  assert.doesNotMatch(page, /<script(?![^>]*src=)|<style|\sstyle=|\son\w+=/i); // the policy forbids it
  for (const path of Object.keys(types)) {
    const text = (await (await ask(path)).text()).replaceAll('http://www.w3.org/2000/svg', ''); // a name, not an address
    assert.doesNotMatch(text, /(?:https?|wss?):\/\/|["'(]\/\/[a-z]|@import/i, path);
    for (const [, imported] of text.matchAll(/^import .* from '([^']*)';$/gm)) {
      assert.ok(imported === '/starling.js' || imported.replace('.', '/console') in types, `${path} imports ${imported}`);
    }
  }
});

test('text is only ever text: no page code makes markup of it', () => {
  for (const name of files.filter((one) => one.endsWith('.js'))) {
    const text = fs.readFileSync(new URL(name, folder), 'utf8');
    assert.doesNotMatch(text, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc|javascript:/, name);
  }
});

test('all of it weighs less than 150 KB', async () => {
  let size = 0;
  for (const path of [...files.map((name) => `/console/${name}`), '/starling.js']) {
    size += (await (await ask(path)).arrayBuffer()).byteLength;
  }
  assert.ok(size < 150000, `${size} bytes`);
});

test('there is nothing else', async () => {
  for (const path of ['/console/nothing.js', '/console/console.js/', '/console/console.js%00', '/console//console.js',
    '/console/%2e%2e/console.js', '/consolex', '/console/files.h', '/console/Console.js']) {
    const response = await ask(path);
    assert.equal(response.status, 404, path);
    assert.equal(response.headers.get('content-type'), 'application/json');
  }
  assert.equal((await ask('/console', { method: 'POST' })).status, 405);
});

test('the page needs no token, what it asks for does', async () => {
  for (const path of ['/v1/cluster', '/v1/regions']) assert.equal((await ask(path)).status, 401);
});
