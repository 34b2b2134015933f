// SPDX-License-Identifier: Apache-2.0
//
// starling sub --exec and --post: functions that cannot hold a subscription are
// called for each item, bounded, once, and never in the way of the subscription.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { command, get, run, startCluster, stopAll, temporaryFolder, until } from './harness.mjs';

let nodes = [];
const servers = [];
before(async () => { nodes = await startCluster(['eu', 'eu']); });
after(async () => {
  for (const server of servers) { server.closeAllConnections(); server.close(); }
  await stopAll(nodes);
});

// `starling sub` with jobs, once it is subscribed.
const sub = (topic, ...args) => subWith({}, topic, ...args);
async function subWith(env, topic, ...args) {
  const sub = command(['sub', 'jobs', topic, ...args], { url: nodes[0].url, env });
  await until('subscribed', 10000, () => sub.stderr.includes('subscribed\n'));
  return sub;
}

const publish = async (topic, body, headers = {}) => {
  const { status } = await get(`${nodes[1].url}/topics/jobs/${encodeURIComponent(topic)}`,
    { method: 'POST', body, headers });
  assert.equal(status, 204);
};

// A server that keeps what is posted and answers by `answer`.
async function server(answer = (request, response) => response.end(), tls = null) {
  const got = [];
  const listening = (tls ? https : http).createServer(tls ?? {}, (request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      got.push({ url: request.url, method: request.method, headers: request.headers, body: Buffer.concat(chunks) });
      answer(request, response);
    });
  });
  servers.push(listening);
  await new Promise((done) => { listening.listen(0, '127.0.0.1', done); });
  return { got, url: `http${tls ? 's' : ''}://127.0.0.1:${listening.address().port}` };
}

const totals = (stderr) => {
  const [, done, failed, late, dropped] =
    /(\d+) done, (\d+) failed, (\d+) timed out, (\d+) dropped/.exec(stderr).map(Number);
  return { done, failed, late, dropped };
};

test('a command gets the value on its input and the attributes as variables', async () => {
  const folder = temporaryFolder();
  const script = `cat > "${folder}/$STARLING_SEQUENCE.value"; env > "${folder}/$STARLING_SEQUENCE.env"`;
  const topic = '$(touch pwned) `touch pwned` "ü';
  const running = await sub(topic, '--count', '3', '--at-once', '1', '--exec', script);
  await publish(topic, 'plain; rm -rf $HOME\n', { 'Starling-Event': 'greeting', 'Starling-Id': '42' });
  await publish(topic, Buffer.from([0, 255, 10]), { 'Content-Type': 'application/octet-stream' });
  await publish(topic, '');
  const { code, stderr } = await running.done;
  assert.equal(code, 0, stderr);
  assert.deepEqual(totals(stderr), { done: 3, failed: 0, late: 0, dropped: 0 });
  const values = fs.readdirSync(folder).filter((name) => name.endsWith('.value')).sort()
    .map((name) => fs.readFileSync(path.join(folder, name)));
  assert.deepEqual(values, [Buffer.from('plain; rm -rf $HOME\n'), Buffer.from([0, 255, 10]), Buffer.alloc(0)]);
  const [first, second] = fs.readdirSync(folder).filter((name) => name.endsWith('.env')).sort()
    .map((name) => fs.readFileSync(path.join(folder, name), 'utf8'));
  for (const line of ['STARLING_CACHE=jobs', `STARLING_TOPIC=${topic}`, 'STARLING_EVENT=greeting', 'STARLING_ID=42']) {
    assert.ok(first.includes(`${line}\n`), line);
  }
  assert.match(first, /^STARLING_PAGE=\d+$/m);
  assert.ok(!second.includes('STARLING_EVENT='));
  assert.ok(!fs.existsSync('pwned'));
});

test('with --json the command reads the whole item', async () => {
  const running = await sub('object', '--json', '--count', '1', '--exec', 'cat');
  await publish('object', 'hello', { 'Starling-Event': 'greeting' });
  const { stdout } = await running.done;
  const item = JSON.parse(stdout);
  assert.equal(item.text, 'hello');
  assert.equal(item.event, 'greeting');
});

test('what overflows is dropped and counted, and the subscription goes on', async () => {
  const folder = temporaryFolder();
  const gate = path.join(folder, 'gate');
  const running = await sub('busy', '--count', '20', '--at-once', '2', '--queue', '3', '--timeout', '60',
    '--exec', `while [ ! -e ${gate} ]; do sleep 0.05; done; cat >> ${folder}/all`);
  const start = Date.now();
  for (let i = 0; i < 20; i += 1) await publish('busy', `${i},`);
  await until('drops are said', 10000, () => running.stderr.includes('dropped, too many wait'));
  fs.writeFileSync(gate, '');
  const { code, stderr } = await running.done;
  assert.equal(code, 1);
  assert.deepEqual(totals(stderr), { done: 5, failed: 0, late: 0, dropped: 15 });
  const all = fs.readFileSync(path.join(folder, 'all'), 'utf8').split(',').filter(Boolean).map(Number);
  assert.deepEqual(all.sort(), [0, 1, 2, 3, 4]);
  const said = stderr.split('\n').filter((line) => line.includes('so far')).length;
  assert.ok(said <= 1 + (Date.now() - start) / 1000, `said once a second, not ${said} times`);
});

test('a command that hangs is ended with all that it began', async () => {
  const folder = temporaryFolder();
  const running = await sub('hang', '--count', '2', '--timeout', '1',
    '--exec', `if read -r first && [ "$first" = hang ]; then sh -c 'echo $$ > ${folder}/pid; exec sleep 600'; else exit 3; fi`);
  await publish('hang', 'hang\n');
  await publish('hang', 'fail\n');
  const { code, stderr } = await running.done;
  assert.equal(code, 1);
  assert.deepEqual(totals(stderr), { done: 0, failed: 1, late: 1, dropped: 0 });
  assert.match(stderr, /hang \d+: exit code 3/);
  const pid = Number(fs.readFileSync(path.join(folder, 'pid'), 'utf8'));
  await until('the grandchild is gone', 5000, () => {
    try { process.kill(pid, 0); return fs.readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z '); } catch { return true; }
  });
});

test('a post carries value, names and a signature with its time', async () => {
  const { got, url } = await server();
  const secret = path.join(temporaryFolder(), 'secret');
  fs.writeFileSync(secret, 'a secret of some length\n', { mode: 0o600 });
  const topic = 'news/ü 100%';
  const running = await sub(topic, '--count', '2', '--at-once', '1', '--post', `${url}/hook?key=1#no`,
    '--secret-file', secret);
  await publish(topic, 'gr\u00fcn', { 'Starling-Event': 'e' });
  await publish(topic, Buffer.from([1, 0, 2]), { 'Content-Type': 'application/octet-stream' });
  const { code, stderr } = await running.done;
  assert.equal(code, 0, stderr);
  const [text, binary] = got;
  assert.equal(`${text.method} ${text.url}`, 'POST /hook?key=1');
  assert.equal(text.body.toString(), 'gr\u00fcn');
  assert.equal(text.headers['content-type'], 'text/plain; charset=utf-8');
  assert.equal(text.headers['starling-cache'], 'jobs');
  assert.equal(decodeURIComponent(text.headers['starling-topic']), topic);
  assert.equal(text.headers['starling-event'], 'e');
  assert.equal(Number(binary.headers['starling-sequence']), Number(text.headers['starling-sequence']) + 1);
  assert.equal(binary.headers['content-type'], 'application/octet-stream');
  assert.deepEqual(binary.body, Buffer.from([1, 0, 2]));
  for (const { headers, body } of got) {
    const time = headers['starling-time'];
    assert.ok(Math.abs(Date.now() / 1000 - Number(time)) < 60);
    const mac = crypto.createHmac('sha256', 'a secret of some length').update(`${time}.`).update(body).digest('hex');
    assert.equal(headers['starling-signature'], mac);
  }
});

test('with --json the item itself is posted', async () => {
  const { got, url } = await server();
  const running = await sub('object', '--json', '--count', '1', '--post', url);
  await publish('object', 'hello');
  await running.done;
  assert.equal(got[0].url, '/');
  assert.equal(got[0].headers['content-type'], 'application/json');
  assert.equal(got[0].headers['starling-signature'], undefined);
  assert.equal(JSON.parse(got[0].body).text, 'hello');
});

test('an https target is posted to if its certificate is trusted', async () => {
  const folder = temporaryFolder();
  execFileSync('deploy/certificate', ['localhost', folder], { stdio: 'ignore' });
  const { got, url } = await server(undefined,
    { cert: fs.readFileSync(`${folder}/certificate.pem`), key: fs.readFileSync(`${folder}/key.pem`) });
  const ca = { STARLING_CA: `${folder}/authority.pem` };
  const trusts = await subWith(ca, 'tls', '--count', '1', '--post', `${url}/a`);
  const doubts = await sub('tls', '--count', '1', '--post', `${url}/b`);
  await publish('tls', 'hello');
  assert.deepEqual(totals((await trusts.done).stderr), { done: 1, failed: 0, late: 0, dropped: 0 });
  const { stderr } = await doubts.done;
  assert.deepEqual(totals(stderr), { done: 0, failed: 1, late: 0, dropped: 0 });
  assert.match(stderr, /tls \d+: .*certificate/);
  assert.deepEqual(got.map((one) => [one.url, String(one.body)]), [['/a', 'hello']]);
});

test('a post that fails is counted, said and not tried again', async () => {
  const { got, url } = await server((request, response) => {
    if (request.url === '/hang') return;
    response.statusCode = 503;
    response.end('no');
  });
  const refused = await sub('fails', '--count', '1', '--post', `${url}/x`);
  const hangs = await sub('fails', '--count', '1', '--post', `${url}/hang`, '--timeout', '1');
  const nobody = await sub('fails', '--count', '1', '--post', 'http://127.0.0.1:1/');
  await publish('fails', 'x');
  const ends = await Promise.all([refused, hangs, nobody].map((running) => running.done));
  assert.deepEqual(ends.map((end) => end.code), [1, 1, 1]);
  assert.match(ends[0].stderr, /answered 503/);
  assert.match(ends[1].stderr, /timed out/);
  assert.match(ends[2].stderr, /input or output failed/);
  assert.deepEqual(ends.map((end) => totals(end.stderr)), [
    { done: 0, failed: 1, late: 0, dropped: 0 },
    { done: 0, failed: 0, late: 1, dropped: 0 },
    { done: 0, failed: 1, late: 0, dropped: 0 }]);
  assert.equal(got.length, 2);
});

test('a stop lets what runs end, and drops what waits', async () => {
  const folder = temporaryFolder();
  const running = await sub('stop', '--at-once', '1', '--exec', `echo > ${folder}/began; sleep 1; echo > ${folder}/ended`);
  await publish('stop', '1');
  await publish('stop', '2');
  await until('one runs', 5000, () => fs.existsSync(`${folder}/began`));
  running.child.kill('SIGTERM');
  const { code, stderr } = await running.done;
  assert.ok(fs.existsSync(`${folder}/ended`));
  const { done, failed, late, dropped } = totals(stderr);
  assert.deepEqual([done, failed, late], [1, 0, 0]);
  assert.ok(dropped <= 1); // the second may not have arrived
  assert.equal(code, dropped);
});

test('a lost node is come back to, with jobs as without', async () => {
  const came = path.join(temporaryFolder(), 'came');
  const running = await sub('back', '--count', '2', '--at-once', '1', '--exec', `cat; echo > ${came}`);
  await publish('back', 'one,');
  await until('the first came', 10000, () => fs.existsSync(came));
  const url = `${nodes[0].url}/topics/jobs/back`;
  await nodes[0].kill();
  nodes[0].spawn();
  await nodes[0].ready();
  let over = false;
  running.done.then(() => { over = true; });
  await until('it came back', 15000, async () => {
    await get(url, { method: 'POST', body: 'two,' });
    return over;
  });
  const { stdout } = await running.done;
  assert.match(String(stdout), /^one,two,$/);
});

test('what makes no sense is refused with a sentence', async () => {
  const wide = path.join(temporaryFolder(), 'wide');
  fs.writeFileSync(wide, 'a secret of some length\n', { mode: 0o644 });
  const short = path.join(temporaryFolder(), 'short');
  fs.writeFileSync(short, 'short\n', { mode: 0o600 });
  const cases = [
    [['--exec', 'cat', '--post', 'http://127.0.0.1:1'], 2, /exclude each other/],
    [['--post', 'ftp://127.0.0.1/'], 2, /--post needs a URL/],
    [['--post', 'http://127.0.0.1/a b'], 2, /--post needs a URL/],
    [['--exec', 'cat', '--secret-file', wide], 2, /signs what --post sends/],
    [['--post', 'http://127.0.0.1:1', '--secret-file', wide], 78, /lets others read it/],
    [['--post', 'http://127.0.0.1:1', '--secret-file', short], 78, /must be 16 to 1024 bytes/],
    [['--exec', 'cat', '--at-once', '257'], 2, /at most --at-once 256/],
    [['--queue', '5'], 2, /only with --exec or --post/],
  ];
  for (const [args, exit, text] of cases) {
    const { code, stderr } = await run(['sub', 'jobs', 'x', ...args], { url: nodes[0].url });
    assert.equal(code, exit, args.join(' '));
    assert.match(stderr, text);
  }
});
