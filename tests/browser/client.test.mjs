// SPDX-License-Identifier: Apache-2.0
//
// starling.js as a node serves it: in Chromium, and in Node with a WebSocket
// and without.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { connect, StarlingError } from '../../node/console/starling.js';
import { startCluster, stopAll, until } from '../e2e/harness.mjs';
import { assertClean, Browser, load } from './chromium.mjs';

let nodes;
let browser;
before(async () => {
  nodes = await startCluster(['eu', 'us']);
  browser = await Browser.start();
});
after(async () => {
  await browser?.close();
  await stopAll(nodes || []);
});

test('every node serves the module and its types to pages of any origin', async () => {
  for (const [path, type] of [['/starling.js', 'text/javascript; charset=utf-8'],
    ['/starling.d.ts', 'application/typescript; charset=utf-8']]) {
    for (const node of nodes) {
      const response = await fetch(node.url + path, { headers: { Origin: 'https://elsewhere.example' } });
      assert.equal(response.status, 200);
      assert.equal(response.headers.get('content-type'), type);
      assert.equal(response.headers.get('access-control-allow-origin'), '*');
      assert.match(response.headers.get('cache-control'), /max-age=\d+/);
      const file = fs.readFileSync(new URL(`../../node/console${path}`, import.meta.url), 'utf8');
      assert.ok(await response.text() === file, `${path} is another than that of the sources`);
    }
  }
});

test('a page subscribes on one node and hears what is published on another', async () => {
  const [a, b] = nodes;
  const page = await browser.open(`${a.url}/console`);
  page.problems.length = 0;
  const got = await page.evaluate(async ([here, there]) => {
    const { connect } = await import('/starling.js');
    const reader = connect({ endpoints: here, region: 'eu' });
    const writer = connect({ endpoints: there, region: 'us' });
    const sub = await reader.subscribe('demo', 'page', { barrier: 'all' }).ready;
    const receipt = await writer.publish('demo', 'page', 'hello', { receipt: true, id: 'x1', event: 'greeting' });
    await writer.publish('demo', 'page', new Uint8Array([0, 255, 7]));
    const items = [];
    for await (const item of sub) {
      items.push({ ...item, value: typeof item.value === 'string' ? item.value : [...item.value] });
      if (items.length === 2) break;
    }
    const where = [reader.node, reader.region, writer.node, reader.transport];
    reader.close();
    writer.close();
    return { items, receipt, where, state: sub.state };
  }, [a.url, b.url]);
  assert.deepEqual(got.where, ['n1', 'eu', 'n2', 'websocket']);
  assert.deepEqual(got.receipt, { subscriptions: 0, nodes: 1, partial: false });
  assert.deepEqual(got.items.map((item) => item.value), ['hello', [0, 255, 7]]);
  assert.deepEqual([got.items[0].id, got.items[0].event, got.items[0].seq, got.items[1].seq], ['x1', 'greeting', 1, 2]);
  assert.equal(got.state, 'ended');
  assertClean(page, new URL(a.url).host, new URL(b.url).host);
});

for (const transport of globalThis.WebSocket ? ['websocket', 'stream'] : ['stream']) {
  test(`Node by ${transport}: the same items, receipts and refusals`, async (t) => {
    const star = connect({ endpoints: nodes[0].url, region: 'eu', transport });
    t.after(() => star.close());
    const items = [];
    const sub = star.subscribe('demo', `node/${transport} ü`, { onItem: (item) => items.push(item) });
    await sub.ready;
    assert.equal(star.transport, transport);
    assert.equal(star.region, 'eu');
    const receipt = await star.publish('demo', sub.topic, 'line\r\n1', { receipt: true, replyTo: 'r', expiryMs: 7 });
    assert.deepEqual(receipt, { subscriptions: 1, nodes: 0, partial: false });
    await star.publish('demo', sub.topic, new Uint8Array([1, 0]), { contentType: 'image/png' });
    await until('two items', 5000, () => items.length === 2);
    assert.deepEqual(items.map(({ value, seq, replyTo, expiryMs, contentType }) => ({ value, seq, replyTo, expiryMs, contentType })), [
      { value: 'line\r\n1', seq: 1, replyTo: 'r', expiryMs: 7, contentType: undefined },
      { value: new Uint8Array([1, 0]), seq: 2, replyTo: undefined, expiryMs: undefined, contentType: 'image/png' }]);
    assert.match(items[0].origin, /^[0-9a-f]{16}$/);
    await assert.rejects(star.publish('de mo', 'x', 'y', { receipt: true }), { code: 4001, name: 'NAME', retry: false });
    await assert.rejects(star.subscribe('demo', '').ready, { code: 4001 });
    star.close();
    assert.equal(sub.state, 'ended');
  });
}

// The names that starling.d.ts gives a class or an interface.
function declared(ts, file, name) {
  const names = [];
  file.forEachChild((node) => {
    if (node.name?.text === name) node.members.forEach((member) => { if (member.name) names.push(member.name.text); });
  });
  return [...new Set(names)].filter(Boolean);
}

test('what the types name is there', async (t) => {
  const ts = load('typescript');
  const text = fs.readFileSync(new URL('../../node/console/starling.d.ts', import.meta.url), 'utf8');
  const file = ts.createSourceFile('starling.d.ts', text, ts.ScriptTarget.ES2022, true);
  const module = await import('../../node/console/starling.js');
  assert.deepEqual(Object.keys(module).sort(), ['Starling', 'StarlingError', 'connect']);
  const star = connect({ endpoints: nodes[0].url, discover: false });
  t.after(() => star.close());
  const items = [];
  const sub = star.subscribe('demo', 'types', { onItem: (item) => items.push(item) });
  await sub.ready;
  const receipt = await star.publish('demo', 'types', 'x', { receipt: true });
  await until('it comes', 5000, () => items.length === 1);
  await star.measure();
  const named = {
    Starling: star, Subscription: sub, Item: { ...items[0], gap: null }, Receipt: receipt, Position: sub.position,
    StarlingError: new StarlingError(4030, 'DENIED', 'no'),
  };
  for (const [name, object] of Object.entries(named)) {
    const names = declared(ts, file, name);
    assert.ok(names.length > 1, name);
    for (const member of names) assert.ok(member in object, `${name}.${member}`);
  }
});

test('the types are those of the module', () => {
  const ts = load('typescript');
  const file = new URL('./types.ts', import.meta.url).pathname;
  const program = ts.createProgram([file], {
    strict: true, noEmit: true, target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ES2022,
    moduleResolution: ts.ModuleResolutionKind.Bundler, lib: ['lib.es2022.d.ts', 'lib.dom.d.ts'], types: [], skipLibCheck: true, skipDefaultLibCheck: true,
  });
  const problems = ts.getPreEmitDiagnostics(program).map((d) => ts.flattenDiagnosticMessageText(d.messageText, '\n'));
  assert.deepEqual(problems, []);
});
