// SPDX-License-Identifier: Apache-2.0
//
// The console in a browser: on three real nodes in two regions, with keys, and
// on a cluster that is only numbers where real nodes would take too long.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Node, command, portRow, run, startCluster, stopAll, temporaryFolder, until } from '../e2e/harness.mjs';
import { Browser } from './chromium.mjs';
import { serveFake } from './console_fake.mjs';

const EVIL = '<img src=x onerror="document.title=\'evil\'"><script>document.title="evil"</script>';
const WAIT_MS = 10000;

let browser;
let nodes;
const others = []; // nodes and servers to be ended
before(async () => {
  browser = await Browser.start();
  nodes = await startCluster(['eu', 'us', 'eu']);
});
after(async () => {
  await browser.close();
  await stopAll(nodes);
  for (const end of others) await end();
});

async function open(url, options) {
  const page = await browser.open(url, options);
  page.setDefaultTimeout(WAIT_MS);
  return page;
}

async function openLive(url, options) {
  const page = await open(url, options);
  await page.getByText('● live').waitFor();
  await page.locator('#panes .state.good').nth(1).waitFor();
  return page;
}

async function fake(model) {
  const server = await serveFake(model);
  others.push(server.close);
  return server.url;
}

const rowOf = (page, pane, text) => page.locator('.pane').nth(pane).locator('tr.item', { hasText: text });
const nodeOf = (page, name) => page.locator(`.node[aria-label^="${name},"]`);

async function send(page, text) {
  await page.fill('#message', text);
  await page.click('#send');
}

test('an item sent through the us node crosses to the eu one, and is seen to', async () => {
  const page = await openLive(`${nodes[0].url}/console`);
  assert.equal(await page.locator('#where').textContent(), 'n1 · eu');
  await page.locator('#from option', { hasText: 'n2 (us)' }).waitFor({ state: 'attached' });
  await page.selectOption('#from', { label: 'n2 (us)' });
  await send(page, 'over the sea');
  const row = rowOf(page, 0, 'over the sea');
  await row.waitFor();
  assert.match(await row.locator('.hop').textContent(), /region hop · n2 \(us\)/);
  assert.match(await row.locator('.seq').textContent(), /^\d+$/);
  assert.match(await row.locator('.ms').textContent(), /^\d+\.\d$/);
  assert.match(await rowOf(page, 1, 'over the sea').locator('.hop').textContent(), /same node · n2/);
  await page.locator('#sent', { hasText: 'sent in' }).waitFor();
  assert.deepEqual(page.problems, []);
  for (const host of page.hosts) assert.ok(nodes.some((node) => node.url.endsWith(host)), host);
  await page.context().close();
});

test('the way of a traced item is told node by node', async () => {
  const page = await openLive(`${nodes[0].url}/console`);
  await page.check('#traced');
  await send(page, 'traced');
  const steps = page.locator('.trace li');
  await steps.nth(1).waitFor();
  assert.match(await steps.nth(0).textContent(), /^n1 eu · published here.*→ to n2: sent/);
  assert.match(await steps.nth(1).textContent(), /^n2 us · into the region.*subscriptions? \(\d native\)/);
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

test('a killed node turns on the map within 3 s, and heals when it is back', async () => {
  const page = await openLive(`${nodes[0].url}/console`);
  await page.locator('.node.up').nth(2).waitFor();
  await page.locator('.census', { hasText: 'clients' }).first().waitFor(); // reports come
  const start = Date.now();
  await nodes[1].kill();
  await page.locator('.node.dead, .node.silent, .node.suspect').waitFor();
  await page.locator('.lane.down').first().waitFor();
  assert.ok(Date.now() - start < 3000, `the map turned after ${Date.now() - start} ms`);
  nodes[1].spawn();
  await nodes[1].ready();
  await page.locator('.node.up').nth(2).waitFor();
  await until('no link is down', WAIT_MS, async () => await page.locator('.lane.down').count() === 0);
  assert.equal(await page.locator('.node').count(), 3); // a node started anew is no fourth one
  await page.locator('#panes .state.good').nth(1).waitFor();
  await page.selectOption('#from', { label: 'n1 (eu)' });
  await send(page, 'healed');
  await rowOf(page, 1, 'healed').waitFor();
  // What a browser says of connections to a dead node is true, and all it says.
  for (const problem of page.problems) assert.match(problem, /ERR_CONNECTION|WebSocket/);
  await page.context().close();
});

test('markup in a topic and a payload is text', async () => {
  const page = await openLive(`${nodes[0].url}/console`);
  await page.fill('#topic', EVIL);
  await page.keyboard.press('Tab');
  await page.locator('#panes .state.good').nth(1).waitFor();
  await send(page, EVIL);
  await rowOf(page, 0, EVIL).waitFor();
  await page.click('#tab-snippets');
  for (const kind of ['curl', 'EventSource', 'starling.js', 'redis-cli', 'Momento SDK']) {
    await page.locator('.choice button', { hasText: kind }).click();
    assert.ok((await page.locator('#snippets code').textContent()).length > 40, kind);
  }
  assert.equal(await page.title(), 'Starling console');
  assert.equal(await page.locator('img[src="x"]').count(), 0);
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

test('subscribing and sending need no mouse', async () => {
  const page = await openLive(`${nodes[0].url}/console`);
  const tabTo = async (id) => {
    for (let i = 0; i < 40; i += 1) {
      if (await page.evaluate(() => document.activeElement.id) === id) return;
      await page.keyboard.press('Tab');
    }
    assert.fail(`${id} cannot be reached by the keyboard`);
  };
  await tabTo('topic');
  await page.keyboard.press('Control+a');
  await page.keyboard.type('keys');
  await tabTo('subscribe');
  await page.locator('#panes .state.good').nth(1).waitFor();
  await page.keyboard.press('Enter');
  await page.locator('#panes .state', { hasText: 'not subscribed' }).nth(1).waitFor();
  await page.keyboard.press('Enter');
  await page.locator('#panes .state.good').nth(1).waitFor();
  await tabTo('message');
  await page.keyboard.press('Control+a');
  await page.keyboard.type('typed');
  await page.keyboard.press('Enter');
  await rowOf(page, 1, 'typed').waitFor();
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.notEqual(outline, 'none'); // the focus is seen
  await page.context().close();
});

// The last one of these three nodes.
test('the page goes on when the node that served it dies', async () => {
  const [home] = nodes;
  const page = await openLive(`${home.url}/console`);
  await page.locator('.node.up').nth(2).waitFor();
  await home.kill();
  await page.locator('#where', { hasText: 'n3 · eu' }).waitFor();
  await page.getByText('● live').waitFor();
  await send(page, 'n1 is dead');
  await page.locator('#sent .bad').waitFor(); // from a node that is gone
  await page.selectOption('#from', { label: 'n3 (eu)' });
  await send(page, 'long live n3');
  await rowOf(page, 1, 'long live n3').waitFor();
  await page.context().close();
});

async function startDev() {
  for (let tries = 0; tries < 5; tries += 1) {
    const dev = command(['dev', '--nodes', '2', '--regions', 'eu,us', '--port', String(await portRow())]);
    let text = '';
    dev.child.stdout.on('data', (data) => { text += data; });
    await until('dev is ready', WAIT_MS, () => dev.child.exitCode !== null || text.includes('ready in'));
    if (dev.child.exitCode === null) {
      others.push(() => {
        dev.child.kill('SIGTERM');
        return dev.done;
      });
      return text.match(/http:\/\/127\.0\.0\.1:\d+/)[0];
    }
  }
  throw new Error('no free ports');
}

test('the buttons of a dev cluster kill, restart, cut, heal and delay', async () => {
  const page = await openLive(`${await startDev()}/console`);
  await page.locator('.events li', { hasText: 'node-ready' }).first().waitFor(); // of before the page was there
  const press = (name) => page.getByRole('button', { name }).click();
  await press('kill n2');
  await page.getByRole('button', { name: 'restart n2' }).waitFor();
  await press('restart n2');
  await page.locator('.node.up').nth(1).waitFor();
  await press('cut eu ⁄ us');
  await page.locator('.node.dead').waitFor();
  await press('heal');
  await page.locator('.node.up').nth(1).waitFor();
  await page.fill('#wan', '30');
  await page.keyboard.press('Enter');
  await until('the way is long', WAIT_MS, async () => {
    await page.click('#send');
    const ms = page.locator('.pane').nth(1).locator('tr.item .ms').first();
    return await ms.count() > 0 && Number(await ms.textContent()) >= 30;
  });
  await page.context().close();
});

// --- with keys ---

async function keyed() {
  const keys = `${temporaryFolder()}/keys`;
  assert.equal((await run(['keygen', keys])).code, 0);
  const node = await Node.start({ name: 'k1', args: ['--keys', keys] });
  others.push(() => node.kill());
  const mint = async (...args) => {
    const { stdout } = await run(['token', 'mint', '--keys', keys, '--ttl', '1h', ...args]);
    return stdout.toString().trim();
  };
  return { node, mint };
}

let small; // the node with keys, and a token without scopes
let strong;
before(async () => {
  const { node, mint } = await keyed();
  small = { node, token: await mint('--sub', EVIL, '--cache', 'demo', '--topic', 'chat', '--role', 'both') };
  strong = { node, mint, token: await mint('--sub', 'ops', '--scope', 'admin:*') };
});

test('an anonymous visitor sees a token box, and nothing of a token is left in the address', async () => {
  const { node, token } = small;
  const page = await open(`${node.url}/console`);
  await page.locator('#token').waitFor();
  assert.equal(await page.locator('#app').isVisible(), false);
  await page.fill('#token', `${token}x`);
  await page.keyboard.press('Enter');
  await page.locator('#login-note', { hasText: 'invalid credentials' }).waitFor();
  await page.fill('#token', token);
  await page.keyboard.press('Enter');
  await page.locator('#app').waitFor();
  await page.context().close();

  const invited = await open(`${node.url}/console#t=${token}&c=demo&topic=chat`);
  await invited.locator('#panes .state.good').nth(1).waitFor();
  assert.equal(new URL(invited.url()).hash, '');
  assert.equal(await invited.title(), 'Starling console');
  await invited.context().close();
});

test('a token that expires ends what the page shows', async () => {
  const token = await strong.mint('--sub', 'ops', '--scope', 'admin:*', '--ttl', '3s');
  const page = await open(`${strong.node.url}/console#t=${token}`);
  await page.locator('#app').waitFor();
  await page.locator('#login-note', { hasText: 'expired' }).waitFor();
  assert.equal(await page.locator('#app').isVisible(), false);
  assert.equal(await page.evaluate(() => sessionStorage.getItem('token')), null);
  await page.context().close();
});

test('a token without admin:read tries, and reads which scope the rest needs', async () => {
  const { node, token } = small;
  const page = await open(`${node.url}/console#t=${token}`);
  await page.locator('#subscribe').click();
  await page.locator('#panes .state.good').nth(1).waitFor();
  await send(page, 'small');
  await rowOf(page, 0, 'small').waitFor();
  assert.equal(await rowOf(page, 0, 'small').locator('.publisher').textContent(), EVIL);
  assert.match(await rowOf(page, 0, 'small').locator('.hop').textContent(), /same node/);
  await page.locator('#events-card .lack', { hasText: 'admin:read' }).waitFor();
  await page.click('#tab-snippets');
  assert.ok(!(await page.locator('#snippets code').textContent()).includes(token)); // masked until asked
  await page.getByRole('button', { name: 'Show token' }).click();
  assert.ok((await page.locator('#snippets code').textContent()).includes(token));
  await page.click('#tab-tokens');
  await page.getByText('takes the scope admin:tokens').waitFor();
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

test('an operator closes a client, and mints less than his own token for a phone', async () => {
  const { node, token } = strong;
  const page = await open(`${node.url}/console#t=${token}&c=demo&topic=chat`);
  await page.locator('#panes .state.good').nth(1).waitFor();
  await page.getByRole('button', { name: 'Show all clients' }).click();
  await page.locator('.clients li').nth(2).waitFor();
  const kick = page.locator('.clients li', { hasText: 'native' }).first().getByRole('button');
  await kick.click();
  await page.getByRole('button', { name: 'Sure?' }).click();
  await page.locator('#clients', { hasText: 'is closed' }).waitFor();
  await page.locator('#panes .state.good').nth(1).waitFor();
  await page.click('#tab-tokens');
  await page.selectOption('#mint-role', 'subscribe');
  await page.getByRole('button', { name: 'Mint a token' }).click();
  await page.locator('.qr').waitFor();
  assert.doesNotMatch(await page.locator('#minted').textContent(), /^eyJ\w+\./); // masked until asked
  await page.getByRole('button', { name: 'Show', exact: true }).click();
  const minted = await page.locator('#minted').textContent();
  const answer = await fetch(`${node.url}/topics/demo/chat`, { method: 'POST', headers: { Authorization: minted }, body: 'x' });
  assert.equal(answer.status, 403); // it may subscribe, and only that
  assert.deepEqual(page.problems.filter((one) => !/WebSocket/.test(one)), []);
  await page.context().close();
});

// --- a cluster of numbers ---

const fifty = Array.from({ length: 50 }, (_, i) => ({
  name: `node-${i + 1}`, region: ['eu', 'us', 'ap'][i % 3], dead: i === 17, draining: i === 30, filling: i === 40,
}));

test('fifty nodes are readable: none covers another, at 1280 and 390 px', async () => {
  const url = await fake({ nodes: fifty });
  for (const width of [1280, 390]) {
    const page = await open(url, { viewport: { width, height: 844 } });
    await page.locator('.node').nth(49).waitFor();
    const boxes = await page.locator('.node .disc').evaluateAll((all) => all.map((one) => {
      const { left, top, right, bottom } = one.getBoundingClientRect();
      return { left, top, right, bottom };
    }));
    for (const [i, a] of boxes.entries()) {
      assert.ok(a.left >= 0 && a.right <= width, `node ${i} is outside at ${width}`);
      for (const b of boxes.slice(i + 1)) {
        assert.ok(a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top, `${i} covered at ${width}`);
      }
    }
    assert.equal(await page.locator('.node.dead').count(), 1);
    assert.ok(await page.locator('.lane').count() < 200);
    await page.context().close();
  }
});

test('markup in the names of clients, publishers, nodes, caches and events is text', async () => {
  const slow = [{ client: `${EVIL}-1`, door: EVIL, address: EVIL, who: EVIL, queue: 900, limit: 1000, age_ms: 5 }];
  const url = await fake({
    nodes: [{ name: EVIL, region: EVIL, slow }, { name: 'n2', region: 'us' }], topics: [[EVIL, EVIL]], publisher: EVIL,
    clients: slow, answers: { trace: { item: { cache: EVIL, topic: EVIL, bytes: 1 }, silent: [EVIL],
      nodes: [{ id: '0000000000000001', name: EVIL, region: EVIL, from: '', hop: EVIL, at_us: 0, doors: { [EVIL]: 1 },
        sent: [{ to: EVIL, at_us: 1, outcome: EVIL, why: EVIL }], dropped: [{ door: EVIL, count: 1, why: EVIL }] }] } },
  });
  const page = await openLive(url);
  await send(page, EVIL);
  await page.locator('.clients li').waitFor();
  await page.locator('.topics li').waitFor();
  await page.evaluate((evil) => globalThis.deliver('_sys', 'events',
    JSON.stringify({ at: 1, level: evil, event: evil, node: evil, text: evil })), EVIL);
  await page.evaluate(() => ['{}', '[]', '7', 'null', '{', '{"id":"1","name":"x","region":"y","in":null,"hot":7}']
    .forEach((text) => ['stats', 'events'].forEach((topic) => globalThis.deliver('_sys', topic, text)))); // of no version
  await page.locator('.events li').waitFor();
  await page.locator('.node').first().click();
  await page.locator('#nodes-all summary').click();
  await page.click('#tab-trace');
  await page.click('#trace-form button');
  await page.locator('.trace li').waitFor();
  assert.equal(await page.title(), 'Starling console');
  assert.equal(await page.locator('img[src="x"]').count(), 0);
  assert.equal(await page.locator('script').count(), 1);
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

test('the page does not grow, whatever comes', async () => {
  const url = await fake({ nodes: fifty.slice(0, 3) });
  const page = await openLive(url);
  const flood = () => page.evaluate(async () => {
    for (let i = 0; i < 900; i += 1) {
      if (i % 150 === 0) await new Promise(requestAnimationFrame);
      globalThis.deliver('demo', 'chat', `item ${Math.random()}`);
      globalThis.deliver('_sys', 'events', JSON.stringify({ at: Date.now(), level: 'info', event: `e${i}`, node: 'n', text: '' }));
      globalThis.model.topics = [['demo', `topic ${Math.random()}`]];
      if (i % 10 === 0) globalThis.beat();
    }
  });
  const grown = async () => {
    await flood();
    await page.waitForTimeout(1200); // a tick, which draws
    return page.evaluate(() => document.querySelectorAll('*').length);
  };
  await grown();
  const first = await grown();
  const second = await grown();
  assert.ok(second < 7000 && second < first * 1.1, `${first} elements, then ${second}`);
  await page.context().close();
});

test('nothing scrolls sideways at 390 px', async () => {
  const url = await fake({
    nodes: [{ name: 'a-node-with-a-rather-long-name', region: 'a-region-with-a-long-name',
      slow: [{ client: '0000000000000001-9', door: 'native', address: '[2001:db8:1:2:3:4:5:6]:54321', who: 'w'.repeat(128), queue: 9, limit: 10, age_ms: 1 }] },
    { name: 'n2', region: 'us' }], topics: [['demo', 't'.repeat(512)]], publisher: 'p'.repeat(128),
  });
  const page = await openLive(url, { viewport: { width: 390, height: 844 } });
  await send(page, 'x'.repeat(500));
  await page.locator('.clients li').waitFor();
  for (const tab of ['tab-try', 'tab-trace', 'tab-snippets', 'tab-tokens']) {
    await page.click(`#${tab}`);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390, tab);
  }
  await page.context().close();
});

// Runs in the page: the contrast of every text that is shown with what is behind.
function poorTexts() {
  const parse = (colour) => (colour.match(/[\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const shape = at.parentElement?.querySelector?.(':scope > rect, :scope > .disc');
      const fill = at.tagName === 'text' && shape ? getComputedStyle(shape).fill : null;
      if (fill && fill !== 'none') return parse(fill);
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const node of document.querySelectorAll('body *')) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if ((!own && node.tagName !== 'INPUT') || !node.getClientRects().length || node.tagName === 'OPTION') continue;
    const style = getComputedStyle(node);
    const pair = [light(parse(node instanceof SVGElement ? style.fill : style.color)), light(behind(node))].sort((a, b) => b - a);
    const contrast = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (contrast < 4.5) poor.push(`${node.tagName} ${node.className.baseVal ?? node.className} "${node.textContent.slice(0, 20)}" ${contrast.toFixed(2)}`);
  }
  return poor;
}

test('every text has the contrast of AA, in the light and in the dark', async () => {
  const slow = [{ client: '1-1', door: 'resp', address: '::1', who: 'bob', queue: 900, limit: 1000, age_ms: 5 }];
  const url = await fake({ nodes: [{ name: 'n1', region: 'eu', slow }, { name: 'n2', region: 'us', filling: true },
    { name: 'n3', region: 'eu', dead: true }, { name: 'n4', region: 'us', draining: true }] });
  for (const colorScheme of ['light', 'dark']) {
    const page = await openLive(url, { colorScheme });
    await send(page, 'hello');
    await page.locator('.clients li').waitFor();
    await page.evaluate(() => ['info', 'warn', 'error'].forEach((level) => globalThis.deliver('_sys', 'events',
      JSON.stringify({ at: 1, level, event: level, node: 'n1', text: 'text' }))));
    await page.locator('.node').first().click();
    for (const tab of ['tab-try', 'tab-snippets', 'tab-tokens']) {
      await page.click(`#${tab}`);
      assert.deepEqual(await page.evaluate(poorTexts), [], `${colorScheme} ${tab}`);
    }
    await page.context().close();
  }
});

test('who asked for less motion sees none', async () => {
  const url = await fake({ nodes: fifty.slice(0, 3) });
  const page = await openLive(url, { reducedMotion: 'reduce' });
  await page.locator('.lane.s2').first().waitFor({ state: 'attached' });
  const names = await page.evaluate(() => [...document.querySelectorAll('.lane')].map((lane) => getComputedStyle(lane).animationName));
  assert.ok(names.every((name) => name === 'none'));
  await page.context().close();
});
