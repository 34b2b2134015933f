// SPDX-License-Identifier: Apache-2.0
//
// Where did my message go? What a trace says is what subscribers of every door
// heard, on every node; who is silent, dead or far away is named.
import assert from 'node:assert/strict';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Node, command, get, portRow, run, startCluster, stopAll, temporaryFolder, until } from './harness.mjs';

const DEADLINE_MS = 20000;
const keyFile = path.join(temporaryFolder(), 'keys');
const readers = [];
const open = [];
let nodes = [];
let token = '';

const mint = async (...args) => {
  const { stdout, stderr } = await run(['token', 'mint', '--keys', keyFile, '--sub', 'ops', ...args]);
  assert.equal(stderr, '');
  return stdout.toString().trim();
};
const post = (node, topic, value, bearer = token) => get(`${node.url}/v1/admin/trace/demo/${topic}`, {
  method: 'POST', body: value, headers: bearer ? { Authorization: bearer } : {}, signal: AbortSignal.timeout(DEADLINE_MS),
});
async function trace(node, topic, value) {
  const { status, text } = await post(node, topic, value);
  assert.equal(status, 200, text);
  return JSON.parse(text);
}
const draw = (node, ...args) => run(['trace', 'demo', ...args], { url: node.url, env: { STARLING_TOKEN: token } });
const nodeOf = (answer, name) => answer.nodes.find((node) => node.name === name);

// --- readers: what each has heard ---

function reader(node, door) {
  const one = { node: node.name, door, text: '' };
  readers.push(one);
  return one;
}

async function native(node, topic) {
  const one = reader(node, 'native');
  const { child } = command(['sub', 'demo', topic], { url: node.url, env: { STARLING_TOKEN: token } });
  open.push(() => child.kill());
  child.stdout.on('data', (data) => { one.text += data; });
  return one;
}

async function redis(node, verb, topic) {
  const one = reader(node, 'resp');
  const socket = net.connect(node.port, '127.0.0.1', () => socket.write(`AUTH demo ${token}\r\n${verb} ${topic}\r\n`));
  open.push(() => socket.destroy());
  socket.on('data', (data) => { one.text += data; });
  return one;
}

async function sse(node, topic) {
  const one = reader(node, 'sse');
  const request = http.get(`${node.url}/topics/demo/${topic}`, { headers: { Accept: 'text/event-stream', Authorization: token } },
    (response) => response.on('data', (data) => { one.text += data; }));
  request.on('error', () => {});
  open.push(() => request.destroy());
  return one;
}

const subscriptions = async (node) => (await node.cluster()).subscriptions;
const heard = (one, value) => one.text.split(value).length - 1;

before(async () => {
  assert.equal((await run(['keygen', keyFile])).code, 0);
  token = await mint('--cache', 'demo', '--role', 'both', '--scope', 'admin:trace', '--scope', 'admin:read');
  nodes = await startCluster(['eu', 'eu', 'us', 'us'], { args: ['--keys', keyFile], token });
  for (const node of nodes.slice(0, 3)) { // n4 wants nothing
    await native(node, 'chat');
    await native(node, 'chat');
    await redis(node, 'SUBSCRIBE', 'chat');
    await sse(node, 'chat');
  }
  await redis(nodes[1], 'PSUBSCRIBE', 'ch*');
  for (const [i, count] of [4, 5, 4].entries()) {
    await until(`n${i + 1} has its readers`, DEADLINE_MS, async () => await subscriptions(nodes[i]) === count);
  }
});
after(() => { for (const end of open) end(); return stopAll(nodes); });

test('a trace counts what every reader heard, wherever it is published', { timeout: 60000 }, async () => {
  for (const from of nodes) {
    const value = `from-${from.name}-`;
    const answer = await trace(from, 'chat', value);
    await until('all have heard it', DEADLINE_MS, () => readers.every((one) => heard(one, value) > 0));
    assert.equal(answer.item.topic, 'chat');
    assert.equal(answer.item.bytes, value.length);
    assert.deepEqual(answer.silent, []);
    assert.equal(answer.nodes[0].name, from.name);
    assert.equal(answer.nodes[0].hop, 'local');
    for (const node of nodes) {
      const mine = readers.filter((one) => one.node === node.name);
      const said = nodeOf(answer, node.name);
      for (const one of mine) assert.equal(heard(one, value), 1);
      if (mine.length === 0 && !said) continue; // nobody needs it there
      const doors = {};
      for (const one of mine) doors[one.door] = (doors[one.door] || 0) + 1;
      assert.deepEqual(said.doors, doors, node.name);
      assert.equal(said.matched, mine.length);
      assert.equal(said.waiting, 0);
      assert.deepEqual(said.dropped, []);
      if (mine.length > 0) assert.ok(said.written_us >= said.at_us, JSON.stringify(said));
    }
    // Each got it from a node that says that it sent it there, and before.
    for (const said of answer.nodes.slice(1)) {
      const sent = nodeOf(answer, said.from).sent.find(({ to }) => to === said.name);
      assert.equal(sent.outcome, 'sent');
      assert.ok(said.at_us >= sent.at_us, JSON.stringify(answer));
      assert.ok(said.error_us < 500000);
    }
  }
});

test('one copy crosses to another region, for all of it', { timeout: 30000 }, async () => {
  const answer = await trace(nodes[0], 'chat', 'across');
  const region = (name) => nodes.find((node) => node.name === name).options.region;
  const across = answer.nodes.flatMap((node) => node.sent.map(({ to }) => [node.name, to]))
    .filter(([from, to]) => region(from) !== region(to));
  assert.equal(across.length, 1);
  assert.equal(nodeOf(answer, across[0][1]).hop, 'ingress');
});

test('the tree is what the answer says', { timeout: 30000 }, async () => {
  const { code, stdout, stderr } = await draw(nodes[1], 'chat', 'drawn');
  const text = stdout.toString();
  assert.equal(code, 0, text + stderr);
  assert.match(text, /^demo\/chat, 5 bytes, item [0-9a-f]{16}-\d+$/m);
  assert.match(text, /^n2 \(eu\) {2}published here$/m);
  assert.match(text, /^[├└]─ 5 subscriptions: (native 2|resp 2|sse 1)(, (native 2|resp 2|sse 1)){2}; written after \d+\.\d+ ms$/m);
  assert.match(text, /^[├└]─ n1 \(eu\) {2}after \d+\.\d+ ms \(±\d+\.\d+\)$/m);
  assert.match(text, /^[├└]─ n[34] \(us\) {2}after \d+\.\d+ ms \(±\d+\.\d+\), for its region$/m);
  assert.match(text, /^[34] nodes, 13 subscriptions, last written after \d+\.\d+ ms$/m);
  const piped = await run(['trace', 'demo', 'chat', '-', '--json'], {
    url: nodes[2].url, env: { STARLING_TOKEN: token }, input: 'from standard input',
  });
  assert.equal(piped.code, 0, piped.stderr);
  assert.equal(JSON.parse(piped.stdout.toString()).item.bytes, 19);
});

test('nobody subscribed, and names of any kind', { timeout: 30000 }, async () => {
  const { code, stdout } = await draw(nodes[0], 'räume/100%?', 'x');
  assert.equal(code, 0);
  assert.match(stdout.toString(), /^demo\/räume\/100%\?, 1 byte/);
  assert.match(stdout.toString(), /nobody is subscribed here/); // n2's pattern is another
  assert.match(stdout.toString(), /^1 node, nobody is subscribed$/m);
  const { stderr, code: wrong } = await draw(nodes[0], '');
  assert.equal(wrong, 1);
  assert.match(stderr, /invalid cache or topic name/);
});

test('it takes the scope and the grant to publish', { timeout: 30000 }, async () => {
  const before = readers.map((one) => one.text.length);
  const looker = await mint('--cache', 'demo', '--role', 'both', '--scope', 'admin:read');
  const other = await mint('--cache', 'other', '--role', 'both', '--scope', 'admin:trace');
  const sub = await mint('--cache', 'demo', '--role', 'sub', '--scope', 'admin:trace');
  const cases = [['', 401, /UNAUTH/], [looker, 403, /needs the scope \\"admin:trace\\"/]];
  for (const bearer of [other, sub]) cases.push([bearer, 403, /needs \\"publish\\" on cache \\"demo\\"/]);
  for (const [bearer, status, words] of cases) {
    const answer = await post(nodes[0], 'chat', 'refused', bearer);
    assert.equal(answer.status, status);
    assert.match(answer.text, words);
  }
  const { code, stderr } = await run(['trace', 'demo', 'chat', 'refused'], { url: nodes[0].url, env: { STARLING_TOKEN: sub } });
  assert.equal(code, 77);
  assert.match(stderr, /needs "publish"/);
  assert.deepEqual(readers.map((one) => one.text.length), before);
});

test('workers of one process share one copy', { timeout: 40000 }, async () => {
  const pair = await Node.start({ name: 'w', region: 'eu', join: nodes.slice(0, 1), token, args: ['--keys', keyFile, '--workers', '2'] });
  nodes.push(pair);
  const names = (await pair.cluster()).members.map((member) => member.name).filter((name) => name.startsWith('w'));
  assert.equal(names.length, 2);
  for (const node of nodes.slice(0, 4)) {
    await until(`${node.name} has links to both`, DEADLINE_MS, async () =>
      (await node.cluster()).members.filter((m) => names.includes(m.name) && m.linked).length === 2);
  }
  for (let i = 0; i < 16; i += 1) await redis(pair, 'SUBSCRIBE', 'shared');
  await until('both workers have readers', DEADLINE_MS, async () => {
    const answer = await trace(nodes[0], 'shared', 'x');
    const counts = names.map((name) => nodeOf(answer, name)?.matched || 0);
    return counts[0] + counts[1] === 16;
  });
  const answer = await trace(nodes[0], 'shared', 'for-both');
  const inside = names.map((name) => nodeOf(answer, name)).filter(Boolean);
  const first = inside.find((node) => node.from === 'n1');
  assert.equal(first.hop, 'host');
  for (const other of inside.filter((node) => node !== first)) {
    assert.equal(other.from, first.name);
    assert.equal(other.hop, 'region');
  }
  assert.equal(nodeOf(answer, 'n1').sent.filter(({ to }) => names.includes(to)).length, 1);
  assert.equal(inside.reduce((sum, node) => sum + node.matched, 0), 16);
  await pair.kill('SIGTERM');
  nodes.pop();
});

test('a node that stands still is silent', { timeout: 40000 }, async () => {
  nodes[1].process.kill('SIGSTOP');
  const { code, stdout } = await draw(nodes[0], 'chat', 'stopped');
  nodes[1].process.kill('SIGCONT');
  const text = stdout.toString();
  assert.equal(code, 1, text);
  assert.match(text, /^[├└]─ n2 .*(SILENT|DROPPED)/m);
  assert.match(text, /^\d nodes, .*(silent: n2|dropped: n2)/m);
  for (const one of readers.filter(({ node, door }) => node === 'n3' && door !== 'resp')) {
    assert.equal(heard(one, 'stopped'), 1);
  }
  await until('all is well again', DEADLINE_MS, async () => (await draw(nodes[0], 'chat', 'again')).code === 0);
});

test('a node that is gone is named as long as it may only be cut off', { timeout: 40000 }, async () => {
  const [n1, , n3, n4] = nodes;
  await Promise.all([n3.kill(), n4.kill()]);
  const answer = await trace(n1, 'chat', 'to-the-dead');
  const fate = answer.nodes[0].sent.find(({ to }) => to === 'n3' || to === 'n4');
  assert.ok(!fate || fate.outcome === 'dropped' || answer.silent.includes(fate.to), JSON.stringify(answer));
  assert.equal((await draw(n1, 'chat', 'x')).code, 1);
  await until('n1 has given it up', DEADLINE_MS, async () => (await n1.cluster()).members
    .filter(({ state }) => state === 'dead').length === 2);
  const { code, stdout } = await draw(n1, 'chat', 'x');
  assert.equal(code, 1);
  assert.match(stdout.toString(), /^2 nodes, 9 subscriptions, .*; silent: n[34], n[34]$/m);
});

// `starling dev` puts the way between regions through itself.
test('over a long way, and over one that is cut', { timeout: 60000 }, async () => {
  const port = await portRow();
  const dev = command(['dev', '--nodes', '2', '--regions', 'eu,us', '--port', String(port)]);
  open.push(() => dev.child.kill('SIGINT'));
  let said = '';
  dev.child.stdout.on('data', (data) => { said += data; });
  await until('the cluster stands', DEADLINE_MS, () => said.includes('ready in'));
  const [here, there] = [...said.matchAll(/^ {2}n\d .* (http:\S+) /gm)].map(([, url]) => url);
  const make = (what) => get(`${here}/v1/dev`, { method: 'POST', body: JSON.stringify(what) });
  const follow = async (value) => JSON.parse((await run(['trace', 'demo', 'far', value, '--json'],
    { url: here })).stdout.toString());
  const reading = command(['sub', 'demo', 'far'], { url: there });
  open.push(() => reading.child.kill());
  await until('n2 has it', DEADLINE_MS, async () => nodeOf(await follow('first'), 'n2')?.matched === 1);

  assert.equal((await make({ do: 'wan', ms: 100 })).status, 200);
  const far = nodeOf(await follow('slowly'), 'n2');
  assert.ok(far.at_us + far.error_us >= 100000, JSON.stringify(far));
  assert.ok(far.at_us - far.error_us <= 400000, JSON.stringify(far));
  await make({ do: 'wan', ms: 0 });

  assert.equal((await make({ do: 'partition', regions: ['eu', 'us'] })).status, 200);
  const cut = await follow('cut');
  assert.deepEqual(cut.silent, ['n2']);
  await until('it is dropped', DEADLINE_MS, async () => {
    const { sent } = (await follow('dropped')).nodes[0];
    return sent.length === 0 || sent.some(({ outcome, why }) => outcome === 'dropped' && why !== '');
  });
  await make({ do: 'heal' });
  await until('it is whole again', DEADLINE_MS, async () => nodeOf(await follow('healed'), 'n2')?.matched === 1);
  dev.child.kill('SIGINT');
  await dev.done;
});
