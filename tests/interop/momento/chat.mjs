// SPDX-License-Identifier: Apache-2.0
//
// docs/examples/chat as its README starts it: two people in two pages, on two nodes
// of two regions, while their tokens are renewed again and again.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { portRow, program } from '../../e2e/harness.mjs';
import { pause, until } from './cases.mjs';
import { modules } from './sdk.mjs';

const TOKEN_SECONDS = 8; // renewed after 5.6 s: 2.4 s for a machine that is busy
const MESSAGES = 40;
const script = fileURLToPath(new URL('../../../docs/examples/chat/run.mjs', import.meta.url));
const running = new Set();
process.on('exit', () => { for (const child of running) child.kill(); });

// Its address. It takes a row of ports of which only the first are known to be free.
async function start(later) {
  for (let tries = 0; ; tries += 1) {
    let said = '';
    let code = null;
    const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, STARLING: program, MODULES: modules, PORT: await portRow(), TOKEN_SECONDS } });
    running.add(child);
    child.stdout.on('data', (data) => { said += data; });
    child.stderr.on('data', (data) => { said += data; });
    const ended = new Promise((done) => { child.on('exit', (n) => { code = n ?? 1; running.delete(child); done(); }); });
    await until(`the example runs\n${said}`, () => code !== null || said.includes('in two windows'));
    if (code === null) {
      later({ close: () => { child.kill(); return ended; } });
      return /Open (\S+) in/.exec(said)[1];
    }
    assert.ok(tries < 3, `the example ended with ${code}\n${said}`);
  }
}

async function enter(page, name, node) {
  await page.fill('#name', name);
  await page.fill('#room', 'test');
  await page.selectOption('#node', { index: node });
  await page.click('#enter button');
  await until(`${name} is in`, async () => (await page.textContent('#status')).startsWith('in test'));
}

async function say(page, text) {
  await page.fill('#text', text);
  await page.click('#say button');
}

const log = (page) => page.$$eval('#log li', (lines) => lines.map((line) => line.textContent));

export function chatCases(browser) {
  return {
    'chat: two pages on two nodes, while their tokens are renewed': async (later) => {
      const url = await start(later);
      const [{ page: ann }, { page: bob }] = [later(await (await browser()).page(url)), later(await (await browser()).page(url))];
      await enter(ann, 'Ann', 0);
      await enter(bob, 'Bob', 1);
      let warm = 0;
      await until('they hear each other', async () => {
        warm += 1;
        await say(ann, `hello ${warm}`);
        await say(bob, `hello ${warm}`);
        await pause(100);
        const [a, b] = [await log(ann), await log(bob)];
        return a.some((line) => line.startsWith('Bob')) && b.some((line) => line.startsWith('Ann'));
      });
      await pause(300);
      for (let i = 1; i <= MESSAGES; i += 1) {
        await say(i % 2 ? ann : bob, `message ${i}`);
        await pause(2.5 * TOKEN_SECONDS * 1000 / MESSAGES);
      }
      const wanted = Array.from({ length: MESSAGES }, (_, i) => `${i % 2 ? 'Bob' : 'Ann'}message ${i + 1}`).sort();
      for (const page of [ann, bob]) {
        const shown = async () => (await log(page)).filter((line) => line.includes('message')).sort();
        await until('all came', async () => (await shown()).length >= MESSAGES, 5000).catch(() => {});
        assert.deepEqual(await shown(), wanted);
        assert.ok((await page.textContent('#status')).startsWith('in test'));
      }
    },
    'chat: the vending gives one room, and to nobody without a name': async (later) => {
      const url = await start(later);
      const ask = (body) => fetch(`${url}/token`, { method: 'POST', body: JSON.stringify(body) });
      for (const wish of [{}, { name: '', room: 'test' }, { name: 'Ann', room: '../x' }, { name: 'Ann', room: ['test'] }, 'x', null]) {
        assert.equal((await ask(wish)).status, 400, JSON.stringify(wish));
      }
      const [node] = await (await fetch(`${url}/nodes`)).json();
      const { token } = await (await ask({ name: 'Ann', room: 'test' })).json();
      const post = (room) => fetch(`${node}/topics/chat/${room}`, { method: 'POST', headers: { Authorization: token }, body: 'x' });
      assert.equal((await post('test')).status, 204);
      assert.equal((await post('else')).status, 403);
    },
  };
}
