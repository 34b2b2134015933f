// SPDX-License-Identifier: Apache-2.0
//
// `starling dev` as somebody plays with it: regions that are far apart, nodes
// that are killed, regions cut off; by lines on its input and over /v1/dev.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { PassThrough } from 'node:stream';
import { after, before, test } from 'node:test';
import { Node, command, get, portRow, run, sleep, temporaryFolder, until } from './harness.mjs';

const WAN_MS = 80;

// A cluster of three, and what it has printed so far.
class Dev {
  static async start(args, options = {}) {
    for (let tries = 0; tries < 5; tries += 1) {
      const dev = new Dev();
      dev.keys = new PassThrough();
      dev.run = command(['dev', '--port', String(await portRow()), ...args], { input: dev.keys, ...options });
      dev.text = '';
      const decoder = new TextDecoder(); // a chunk may end within a character
      dev.run.child.stdout.on('data', (data) => { dev.text += decoder.decode(data, { stream: true }); });
      dev.run.child.on('exit', (code) => { dev.code = code; });
      await until('the keys are listed', 30000, () => dev.code !== undefined || dev.text.includes('Ctrl-C'));
      if (dev.code === undefined) {
        [, dev.token] = dev.text.match(/console#t=(\S+)/) || [];
        dev.nodes = (await dev.state()).nodes;
        return dev;
      }
      assert.match(dev.run.stderr, /no row of free ports|a node ended/); // somebody was faster
    }
    throw new Error('no free ports');
  }

  url(name = 'n1') {
    if (!this.nodes) return this.text.match(/http:\/\/[\d.]+:\d+/)[0];
    return this.nodes.find((node) => node.name === name).endpoint;
  }

  async state() { return JSON.parse((await get(`${this.url()}/v1/dev`, { headers: this.rights() })).text); }

  // Of who presents, or of another token; none without keys.
  rights(token = this.token) { return token ? { Authorization: token } : {}; }

  // Types a line, and waits for the one that says what came of it.
  async type(line, said) {
    const from = this.text.length;
    this.keys.write(`${line}\n`);
    await until(`"${said}" after "${line}"`, 15000, () => this.text.slice(from).includes(said));
  }

  ask(body, headers = {}, name = 'n1') {
    return get(`${this.url(name)}/v1/dev`, { method: 'POST', body: JSON.stringify(body), headers });
  }

  // How one node sees another.
  async sees(other, from = 'n1') {
    const { status, text } = await get(`${this.url(from)}/v1/cluster`);
    return status === 200 && JSON.parse(text).members.find((m) => m.name === other && m.state !== 'dead' && m.state !== 'left');
  }

  async isUp(other) {
    const member = await this.sees(other);
    return member && member.state === 'alive' && member.linked && member.ready;
  }

  async isWhole() {
    for (const { name } of this.nodes) {
      const { status, text } = await get(`${this.url(name)}/v1/cluster`);
      if (status !== 200 || JSON.parse(text).links.up !== 2) return false;
    }
    return true;
  }

  publish(topic, value, name = 'n1') {
    return get(`${this.url(name)}/topics/demo/${topic}`, { method: 'POST', body: String(value) });
  }
}

// What one event stream has brought, each with the time it came.
class Events {
  static async of(url) {
    const events = new Events();
    events.seen = [];
    events.abort = new AbortController();
    const response = await fetch(url, { headers: { Accept: 'text/event-stream' }, signal: events.abort.signal });
    assert.equal(response.status, 200);
    events.read(response.body).catch(() => {});
    return events;
  }

  async read(body) {
    let rest = '';
    for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
      const blocks = (rest + chunk).split('\n\n');
      rest = blocks.pop();
      for (const block of blocks) this.take(block);
    }
  }

  take(block) {
    const event = { at: performance.now(), type: 'message', data: '' };
    for (const line of block.split('\n')) {
      const [, name, value] = line.match(/^(\w*):? ?(.*)$/);
      if (name === 'event') event.type = value;
      if (name === 'data') event.data = value;
    }
    if (event.data !== '') this.seen.push(event);
  }

  items() { return this.seen.filter((event) => event.type === 'message'); }
  has(data) { return this.seen.find((event) => event.data === String(data)); }
  end() { this.abort.abort(); }
}

const isRunning = (pid) => {
  try {
    return !/^\d+ \(.*\) Z/.test(fs.readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
};
const pids = (dev) => dev.nodes.map((node) => node.pid);

let dev;
before(async () => { dev = await Dev.start(['--nodes', '3', '--regions', 'eu,us', '--wan', String(WAN_MS)]); });
after(() => { if (dev.code === undefined) dev.run.child.kill('SIGKILL'); });

test('the first screen is true', { timeout: 30000 }, async () => {
  assert.match(dev.text, /ready in \d+\.\d\d s, links 6\/6 up/);
  const ms = Number(dev.text.match(/arrived on n2 \(us\) after (\d+\.\d\d) ms/)[1]);
  assert.ok(ms >= WAN_MS, `${ms} ms`);
  for (const [, url] of dev.text.matchAll(/(http:\/\/127\.0\.0\.1:\d+\/(?:console|starling\.js))/g)) {
    assert.equal((await get(url)).status, 200, url);
  }
});

test('an item takes its time to another region, and none within', { timeout: 30000 }, async () => {
  const far = await Events.of(`${dev.url('n2')}/topics/demo/far?barrier=all`);
  const near = await Events.of(`${dev.url('n3')}/topics/demo/far`);
  await until('the far region knows', 10000, async () => {
    await dev.publish('far', 'warm');
    return far.items().length > 0;
  });
  const from = performance.now();
  await dev.publish('far', 'now');
  await until('both have it', 5000, () => far.has('now') && near.has('now'));
  assert.ok(far.has('now').at - from >= WAN_MS, `far after ${far.has('now').at - from} ms`);
  console.log(`# near after ${(near.has('now').at - from).toFixed(1)} ms, far after ${(far.has('now').at - from).toFixed(1)} ms`);
  assert.ok(near.has('now').at < far.has('now').at);
  far.end();
  near.end();
});

test('a partition is silent, and its end is told', { timeout: 60000 }, async () => {
  const far = await Events.of(`${dev.url('n2')}/topics/demo/cut?barrier=all`);
  const near = await Events.of(`${dev.url('n3')}/topics/demo/cut`);
  let count = 0;
  const publishUntil = (what, ms, ask) => until(what, ms, async () => {
    count += 1;
    await dev.publish('cut', count);
    return ask();
  });
  await publishUntil('the far one hears', 10000, () => far.items().length > 0);
  await dev.type('p eu us', 'eu and us are cut off from each other');
  assert.deepEqual((await dev.state()).cut, [['eu', 'us']]);
  const cut = count + 1;
  await publishUntil('n2 is thought dead', 20000, async () => !await dev.sees('n2'));
  await until('the near one has all', 5000, () => near.has(count));
  assert.deepEqual(far.items().filter((item) => Number(item.data) >= cut), []);
  assert.ok(await dev.isUp('n3'));

  const healed = count;
  await dev.type('h', 'healed');
  await publishUntil('the far one hears again', 20000, () => far.items().some((item) => Number(item.data) > healed));
  const at = far.seen.findIndex((event) => Number(event.data) > healed);
  assert.ok(far.seen.slice(0, at).some((event) => event.type === 'discontinuity'), 'told before it goes on');
  const numbers = near.items().map((item) => Number(item.data));
  assert.deepEqual(numbers, numbers.map((_, i) => numbers[0] + i), 'the near one missed nothing');
  await until('all is whole', 20000, () => dev.isWhole());
  far.end();
  near.end();
});

test('a node is killed and started again, and all see it', { timeout: 60000 }, async () => {
  const [, before2] = pids(dev);
  const from = performance.now();
  await dev.type('k 2', `n2 (us) killed: process ${before2} is gone`);
  assert.ok(!isRunning(before2));
  await until('n1 sees it', 10000, async () => !await dev.isUp('n2'));
  console.log(`# killed, and seen after ${(performance.now() - from).toFixed(0)} ms`);
  assert.deepEqual((await dev.state()).nodes.map((node) => node.up), [true, false, true]);
  await dev.type('k 2', 'n2 does not run');

  const again = performance.now();
  await dev.type('r 2', 'n2 (us) started again');
  await until('n1 sees it', 10000, () => dev.isUp('n2'));
  console.log(`# started, and seen after ${(performance.now() - again).toFixed(0)} ms`);
  await until('all is whole', 20000, () => dev.isWhole());
  dev.nodes = (await dev.state()).nodes;
  assert.notEqual(pids(dev)[1], before2);
});

test('the same over /v1/dev, for a page of that node', { timeout: 60000 }, async () => {
  const [, , third] = pids(dev);
  for (const origin of ['https://evil.example', 'null', dev.url('n2')]) {
    assert.equal((await dev.ask({ do: 'kill', node: 'n3' }, { Origin: origin })).status, 403, origin);
  }
  assert.ok(isRunning(third));

  const killed = await dev.ask({ do: 'kill', node: 'n3' }, { Origin: dev.url() });
  assert.equal(killed.status, 200);
  assert.equal(JSON.parse(killed.text).nodes[2].up, false);
  assert.ok(!isRunning(third));
  await until('n1 sees it', 10000, async () => !await dev.isUp('n3'));
  assert.equal((await dev.ask({ do: 'restart', node: 'n3' })).status, 200);
  await until('n1 sees it', 10000, () => dev.isUp('n3'));

  const cut = await dev.ask({ do: 'partition', regions: ['us', 'eu'] }, {}, 'n2');
  assert.deepEqual(JSON.parse(cut.text).cut, [['eu', 'us']]);
  assert.deepEqual(JSON.parse((await dev.ask({ do: 'heal' })).text).cut, []);
  assert.equal(JSON.parse((await dev.ask({ do: 'wan', ms: 0 })).text).wan_ms, 0);
  await until('all is whole', 20000, () => dev.isWhole());

  const own = await dev.ask({ do: 'restart', node: 'n3' }, {}, 'n3');
  assert.equal(own.status, 200); // it answers before it goes
  await until('and is back', 10000, async () => dev.text.includes('killed and started again') && await dev.isUp('n3'));
  const both = await Promise.all(['n2', 'n3'].map((node) => dev.ask({ do: 'kill', node }, {}, node)));
  assert.deepEqual(both.map((answer) => answer.status), [200, 200]); // neither wish is forgotten
  await until('both are gone', 5000, async () => (await dev.state()).nodes.map((node) => node.up).join() === 'true,false,false');
  for (const node of ['n2', 'n3']) assert.equal((await dev.ask({ do: 'restart', node })).status, 200);
  await until('all is whole', 20000, () => dev.isWhole());
});

test('what cannot be is refused with a sentence', { timeout: 30000 }, async () => {
  const cases = [
    ['nonsense', 400], [[], 400], [{}, 400], [{ do: 'quit' }, 400], [{ do: 'kill' }, 404], [{ do: 'kill', node: 'n9' }, 404],
    [{ do: 'kill', node: 'n18446744073709551617' }, 404],
    [{ do: 'partition', regions: ['eu', 'eu'] }, 400], [{ do: 'partition', regions: ['eu', 'xx'] }, 404], [{ do: 'wan' }, 400],
    [{ do: 'wan', ms: -1 }, 400], [{ do: 'wan', ms: 1001 }, 400], [{ do: 'wan', ms: '80' }, 400], [{ do: 'x'.repeat(2000) }, 413],
  ];
  for (const [body, status] of cases) {
    const answer = await dev.ask(body);
    assert.equal(answer.status, status, `${JSON.stringify(body)}: ${answer.text}`);
    assert.ok(JSON.parse(answer.text).message.length > 0);
  }
  for (const line of ['x', 'k 4', 'k', 'p eu xx', 'w', 'w 1001', 'k 1 2', 'é'.repeat(300)]) {
    const from = dev.text.length;
    dev.keys.write(`${line}\n`);
    await until(`a word on ${line}`, 5000, () => /not understood|no node|no region|how far/.test(dev.text.slice(from)));
  }
  assert.deepEqual((await dev.state()).nodes.map((node) => node.up), [true, true, true]);
});

test('a way that becomes longer is seen as that long, and nobody is thought dead', { timeout: 60000 }, async () => {
  await dev.type('w 150', 'regions are 150 ms apart');
  await until('n1 knows the round trip', 20000, async () => (await dev.sees('n2')).rtt_us >= 200000); // it is smoothed
  assert.ok(await dev.isUp('n2'));
});

test('promises hold: nothing is lost untold while regions are cut off', { timeout: 90000 }, async () => {
  await dev.type('w 20', 'regions are 20 ms apart');
  const verifying = run(['verify', '--seconds', '12'], { url: dev.url() });
  await sleep(2500); // beside it, as somebody would
  await dev.type('p', 'cut off');
  await sleep(4000);
  await dev.type('h', 'healed');
  const { code, stdout, stderr } = await verifying;
  const text = stdout.toString();
  console.log(text.trim().split('\n').map((line) => `# ${line}`).join('\n'));
  assert.equal(code, 0, stderr);
  for (const way of ['http', 'websocket']) { // RESP has no words for it
    const [, told, untold] = text.match(new RegExp(`${way} +\\d+ +(\\d+) +(\\d+)`)).map(Number);
    assert.equal(untold, 0, way);
    assert.ok(told > 0, way);
  }
  await until('all is whole', 20000, () => dev.isWhole());
});

test('when the parent is killed no process is left behind', { timeout: 30000 }, async () => {
  dev.nodes = (await dev.state()).nodes;
  assert.ok(pids(dev).every(isRunning));
  dev.run.child.kill('SIGKILL');
  await until('all are gone', 10000, () => !pids(dev).some(isRunning));
});

test('q ends all of it', { timeout: 30000 }, async () => {
  const other = await Dev.start(['--nodes', '2']);
  other.keys.write('q\n');
  assert.equal((await other.run.done).code, 0);
  assert.ok(!pids(other).some(isRunning));
});

// A QR code as rows of true (dark) and false: from half blocks, and from runs.
function ofBlocks(text) {
  const lines = text.split('\n').filter((line) => /^[ \u2580\u2584\u2588]{40,}$/.test(line));
  const rows = lines.flatMap((line) => [
    [...line].map((c) => c !== '\u2580' && c !== '\u2588'), [...line].map((c) => c !== '\u2584' && c !== '\u2588')]);
  const side = lines[0].length - 4;
  return rows.slice(2, 2 + side).map((row) => row.slice(2, 2 + side));
}
function ofSvg(svg) {
  const side = Number(svg.match(/viewBox="0 0 (\d+) /)[1]) - 8;
  const rows = Array.from({ length: side }, () => Array(side).fill(false));
  for (const [, x, y, len] of svg.matchAll(/M(\d+) (\d+)h(\d+)v1/g)) {
    for (let i = 0; i < Number(len); i += 1) rows[y - 4][x - 4 + i] = true;
  }
  return rows;
}

test('for a network: keys, two tokens for an hour, and a code to join by', { timeout: 60000 }, async () => {
  const folder = temporaryFolder();
  const lan = await Dev.start(['--lan', '--address', '127.0.0.2'], { env: { TMPDIR: folder } });
  assert.deepEqual(fs.readdirSync(folder), []); // no key lies about
  assert.match(lan.url(), /^http:\/\/127\.0\.0\.2:/);
  assert.equal((await get(`${lan.url()}/console`)).status, 200);
  assert.equal((await get(lan.url().replace('0.2', '0.1'))).status, 0); // bound there only

  const [, guest] = lan.text.match(/STARLING_TOKEN=(\S+)/);
  const drawn = await get(`${lan.url()}/v1/qr`, { method: 'POST', headers: lan.rights(), body: `${lan.url()}/console#t=${guest}` });
  assert.deepEqual(ofBlocks(lan.text), ofSvg(drawn.text));
  const claims = JSON.parse((await run(['token', 'show', guest])).stdout.toString().split('\nexpires')[0]);
  assert.equal(claims.exp - claims.iat, 3600);

  const post = (path, token) => get(lan.url() + path, { method: 'POST', headers: lan.rights(token), body: '{"do":"heal"}' });
  assert.equal((await get(`${lan.url()}/v1/dev`)).status, 401);
  assert.equal((await post('/v1/dev', '')).status, 401);
  assert.equal((await post('/v1/dev', guest)).status, 403);
  assert.equal((await post('/v1/dev')).status, 200);
  assert.equal((await get(`${lan.url()}/v1/dev`, { headers: lan.rights(guest) })).status, 200);
  assert.equal((await post('/topics/demo/chat', guest)).status, 204);
  assert.equal((await post('/topics/demo/chat', '')).status, 401);

  await lan.type('r 2', 'n2 (us) is ready after'); // with the keys of the first start
  assert.equal((await post('/topics/demo/chat', guest)).status, 204);
  lan.keys.write('q\n');
  assert.equal((await lan.run.done).code, 0);
  assert.deepEqual(fs.readdirSync(folder), []);
});

test('an address that is not ours, or none, is refused', { timeout: 30000 }, async () => {
  const cases = [[['--address', 'here'], 2, /no IPv4 address/], [['--address', '127.0.0.300'], 2, /no IPv4 address/],
    [['--address', '192.0.2.77', '--port', '7400'], 73, /no row of free ports from 7400 on 192\.0\.2\.77/],
    [['--wan', '1001'], 2, /--wan cannot be '1001'/], [['--workers', '4'], 2, /--workers cannot be '4'/]];
  for (const [args, code, text] of cases) {
    const ended = await run(['dev', ...args]);
    assert.equal(ended.code, code, ended.stderr);
    assert.match(ended.stderr, text);
  }
});

test('nodes of several workers: all of them are told, and any of them asks', { timeout: 60000 }, async () => {
  const many = await Dev.start(['--nodes', '2', '--workers', '2']);
  assert.match(many.text, /links 12\/12 up/);
  for (let i = 0; i < 8; i += 1) { // each connection may be another worker's
    const headers = { Connection: 'close' };
    assert.equal((await many.ask({ do: 'wan', ms: 5 + i }, headers)).status, 200);
  }
  const events = await Events.of(`${many.url('n2')}/topics/demo/x?barrier=all`);
  const worst = Math.max(...await Promise.all(Array.from({ length: 6 }, async (_, i) => {
    const from = performance.now();
    await until('it crossed', 10000, async () => {
      await many.publish('x', i);
      return events.has(i);
    });
    return performance.now() - from;
  })));
  assert.ok(worst >= 12, 'whichever worker took it, it was far');
  await many.type('r 2', 'n2 (us) is ready after');
  events.end();
  many.keys.write('q\n');
  assert.equal((await many.run.done).code, 0);
});

test('an ordinary node has none of this', { timeout: 30000 }, async () => {
  const node = await Node.start({ name: 'plain' });
  assert.equal((await get(`${node.url}/v1/dev`)).status, 404);
  assert.equal((await get(`${node.url}/v1/dev`, { method: 'POST', body: '{"do":"heal"}' })).status, 404);
  await node.kill();
  for (const fd of ['0', '3', '99', 'x', '']) {
    const ended = await run(['node', '--name', 'x', '--listen', '127.0.0.1:0'], { env: { STARLING_DEV_FD: fd } });
    assert.equal(ended.code, 78, fd);
    assert.match(ended.stderr, /dev-refused/);
  }
});
