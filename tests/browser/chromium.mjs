// SPDX-License-Identifier: Apache-2.0
//
// Debian's chromium without a window. A page tells what went wrong in it, and
// which hosts it asked for anything.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

const load = createRequire(`${process.env.BROWSER_MODULES}/package.json`);
export { load };

export class Browser {
  static async start() {
    const browser = new Browser();
    browser.chromium = await load('playwright-core').chromium.launch({
      executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
      headless: true,
      args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking'],
    });
    return browser;
  }

  // A page with storage and connections of its own. options: as playwright's
  // newContext(), e.g. viewport. Its `problems`: errors in its console,
  // exceptions nobody caught; its `hosts`: whom it asked, WebSockets too.
  async open(url, options = {}) {
    const context = await this.chromium.newContext(options);
    const page = await context.newPage();
    page.problems = [];
    page.hosts = new Set();
    page.on('console', (message) => { if (message.type() === 'error') page.problems.push(message.text()); });
    page.on('pageerror', (error) => page.problems.push(String(error)));
    page.on('request', (request) => page.hosts.add(new URL(request.url()).host));
    page.on('websocket', (socket) => page.hosts.add(new URL(socket.url()).host));
    await page.goto(url);
    return page;
  }

  close() { return this.chromium.close(); }
}

export function assertClean(page, ...hosts) {
  assert.deepEqual(page.problems, []);
  for (const host of page.hosts) assert.ok(hosts.includes(host), `asked ${host}`);
}
