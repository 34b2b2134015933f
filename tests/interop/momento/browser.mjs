// SPDX-License-Identifier: Apache-2.0
//
// Debian's chromium, without a window, and pages of ours in it.
import assert from 'node:assert/strict';
import http from 'node:http';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { until } from './cases.mjs';
import { modules } from './sdk.mjs';

const load = createRequire(`${modules}/package.json`);

// The names of the TLS recipe lead to this machine.
export const DOMAIN = 'starling.test';

async function bundle() {
  const { outputFiles: [file] } = await load('esbuild').build({
    entryPoints: [fileURLToPath(new URL('page.js', import.meta.url))],
    bundle: true, format: 'iife', platform: 'browser', write: false, logLevel: 'error',
    nodePaths: [`${modules}/node_modules`], define: { global: 'window' },
  });
  return file.text;
}

export class Browser {
  static async start() {
    const browser = new Browser();
    const script = await bundle();
    browser.server = http.createServer((request, response) => {
      const isScript = request.url === '/page.js';
      response.setHeader('Content-Type', isScript ? 'text/javascript' : 'text/html; charset=utf-8');
      response.end(isScript ? script : '<!doctype html><title>page</title><script src="/page.js"></script>');
    });
    await new Promise((done) => { browser.server.listen(0, '127.0.0.1', done); });
    browser.origin = `http://127.0.0.1:${browser.server.address().port}`;
    browser.chromium = await load('playwright-core').chromium.launch({
      executablePath: process.env.CHROMIUM || '/usr/bin/chromium', headless: true,
      args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', `--host-resolver-rules=MAP *.${DOMAIN} 127.0.0.1`],
    });
    return browser;
  }

  // A page with connections of its own; at `url`, or ours.
  async page(url = this.origin) {
    const context = await this.chromium.newContext({ ignoreHTTPSErrors: true });
    const page = await context.newPage();
    page.said = [];
    page.on('console', (message) => page.said.push(message.text()));
    page.on('pageerror', (error) => page.said.push(String(error)));
    await page.goto(url);
    return { page, close: () => context.close() };
  }

  async close() {
    await this.chromium.close();
    this.server.close();
  }
}

// Our page, as an object of this side.
export class WebClient {
  static async open(browser, url, key) {
    const client = new WebClient();
    const { page, close } = await browser.page();
    Object.assign(client, { page, close });
    await until('the page is loaded', () => page.evaluate(() => window.loaded));
    await page.evaluate(([u, k]) => window.connect(u, k), [url, key]);
    return client;
  }

  async subscribe(cache, topic) {
    const number = await this.page.evaluate(([c, t]) => window.subscribe(c, t), [cache, topic]);
    if (typeof number !== 'number') throw Object.assign(new Error(`subscribe: ${number}`), { code: number });
    return {
      told: () => this.page.evaluate((n) => window.told(n), number),
      close: () => this.page.evaluate((n) => window.unsubscribe(n), number),
    };
  }

  async publish(cache, topic, value) {
    const code = await this.page.evaluate(([c, t, v]) => window.publish(c, t, v), [cache, topic, value]);
    if (code !== null) throw Object.assign(new Error(`publish: ${code}`), { code });
  }
}

// What was told, when there are this many items.
export async function items(reader, count, ms) {
  let told;
  await until(`${count} items in the browser`, async () => {
    told = await reader.told();
    return told.items.length >= count;
  }, ms);
  return told;
}

export const same = (told, values) => {
  assert.deepEqual(told.items.map((item) => item.value), values);
  assert.deepEqual([told.gaps, told.errors], [0, []]);
};
