// SPDX-License-Identifier: Apache-2.0
//
// TLS on the client port of real nodes, by clients that are not ours: curl,
// Node's tls and https, redis-cli; certificates of deploy/certificate.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { after, before, test } from 'node:test';
import { Node, command, get, run, running, stopAll, temporaryFolder, until } from './harness.mjs';

const DEADLINE_MS = 10000;
const folder = temporaryFolder();
const nodes = [];
const open = [];
const certify = (name) => {
  const dir = path.join(folder, name);
  execFileSync('deploy/certificate', ['localhost', dir]);
  return { dir, cert: `${dir}/certificate.pem`, key: `${dir}/key.pem`, ca: `${dir}/authority.pem` };
};
const files = certify('first');
const ca = fs.readFileSync(files.ca);
const args = ['--tls-cert', files.cert, '--tls-key', files.key];
let node;

before(async () => { node = await start({ name: 'tls' }); });
after(() => { for (const socket of open) socket.destroy(); return stopAll(nodes); });

async function start(options) {
  const started = await Node.start({ args, ...options });
  nodes.push(started);
  return started;
}

const metric = async (of, name) => Number(new RegExp(`^${name} (\\d+)$`, 'm')
  .exec((await get(`${of.url}/metrics`)).text)[1]);

// Any program; its answer.
const say = (program, words, input) => new Promise((resolve) => {
  const child = spawn(program, words, { stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'] });
  running.add(child);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data) => { stdout += data; });
  child.stderr.on('data', (data) => { stderr += data; });
  child.on('close', (code) => { running.delete(child); resolve({ code, stdout, stderr }); });
  if (input !== undefined) child.stdin.end(input);
});
const curl = (of, words, where) => say('curl', ['-sS', '--max-time', '10', '--cacert', files.ca, ...words,
  `https://localhost:${of.port}${where}`]);

// A TLS connection; what it heard is in text.
async function connect(of, options = {}) {
  const user = { text: '', ended: false, closed: false };
  user.socket = tls.connect({ port: of.port, host: '127.0.0.1', servername: 'localhost', ca, ...options });
  open.push(user.socket);
  user.socket.on('data', (data) => { user.text += data.toString('latin1'); });
  user.socket.on('end', () => { user.ended = true; });
  user.socket.on('close', () => { user.closed = true; });
  user.socket.on('error', (error) => { user.error = error; });
  await new Promise((done) => { user.socket.on('secureConnect', done); user.socket.on('close', done); });
  return user;
}

// A request over https, its whole answer.
const ask = (of, where, { body, ...options } = {}) => new Promise((resolve, reject) => {
  const request = https.request(`https://localhost:${of.port}${where}`, { ca, agent: false, timeout: DEADLINE_MS,
    method: body === undefined ? 'GET' : 'POST', ...options }, (response) => {
    const parts = [];
    response.on('data', (data) => parts.push(data));
    response.on('end', () => resolve({ status: response.statusCode, body: Buffer.concat(parts) }));
    response.on('error', reject);
  });
  request.on('error', reject);
  request.on('timeout', () => request.destroy(new Error('timed out')));
  request.end(body);
});

// An event stream over https: its events, whole.
async function events(of, topic) {
  const reader = { events: [], ended: false };
  let text = '';
  await new Promise((resolve, reject) => {
    reader.request = https.get(`https://localhost:${of.port}/topics/default/${topic}`,
      { ca, agent: false, headers: { Accept: 'text/event-stream' } }, (response) => {
        reader.response = response;
        response.setEncoding('utf8');
        response.on('data', (data) => {
          const pieces = (text + data).split('\n\n');
          text = pieces.pop();
          reader.events.push(...pieces);
        });
        response.on('close', () => { reader.ended = true; });
        response.on('error', () => {});
        resolve();
      });
    reader.request.on('error', reject);
  });
  open.push(reader.request);
  reader.data = () => reader.events.map((event) => /^data: (.*)$/m.exec(event)).filter(Boolean).map((match) => match[1]);
  return reader;
}

test('curl speaks 1.2 and 1.3, and nothing older', { timeout: 30000 }, async () => {
  for (const version of ['1.2', '1.3']) {
    const answer = await curl(node, [`--tlsv${version}`, '--tls-max', version, '-w', ' %{http_code}'], '/livez');
    assert.match(answer.stdout, /live.* 200$/s, answer.stderr);
  }
  const old = await curl(node, ['--tlsv1.0', '--tls-max', '1.1', '--ciphers', 'ALL:@SECLEVEL=0'], '/livez');
  assert.notEqual(old.code, 0);
  await assert.rejects(new Promise((resolve, reject) => {
    const socket = tls.connect({ port: node.port, host: '127.0.0.1', servername: 'localhost', ca,
      minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' }, resolve);
    socket.on('error', reject);
  }), /protocol version/);
});

test('of 1.2 only what is forward secret is spoken', { timeout: 30000 }, async () => {
  for (const ciphers of ['AES128-GCM-SHA256', 'ECDHE-ECDSA-AES128-SHA', 'AES256-SHA']) {
    const user = await connect(node, { maxVersion: 'TLSv1.2', ciphers });
    assert.ok(user.error, ciphers);
  }
  const user = await connect(node, { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' });
  assert.equal(user.error, undefined);
  assert.equal(user.socket.getCipher().name, 'ECDHE-ECDSA-AES128-GCM-SHA256');
});

test('ALPN is answered, and who offers something else is served', { timeout: 30000 }, async () => {
  const offers = [[['http/1.1'], 'http/1.1'], [['x/1', 'http/1.1'], 'http/1.1'], [['http/1.1', 'h2'], 'h2'], [['x/1'], false], [undefined, false]];
  for (const [ALPNProtocols, chosen] of offers) {
    const user = await connect(node, { ALPNProtocols });
    assert.equal(user.socket.alpnProtocol, chosen);
    user.socket.write('PING\r\n');
    await until('PONG', DEADLINE_MS, () => user.text === '+PONG\r\n');
    user.socket.destroy();
  }
});

test('HTTP/2 over TLS: curl, and streams of Node beside each other', { timeout: 30000 }, async () => {
  const answer = await curl(node, ['--http2', '-w', ' %{http_version} %{http_code}'], '/livez');
  assert.match(answer.stdout, /live.* 2 200$/s, answer.stderr);
  const session = http2.connect(`https://localhost:${node.port}`, { ca });
  open.push(session);
  const stream = session.request({ ':path': '/topics/default/h2', accept: 'text/event-stream' });
  let heard = '';
  stream.setEncoding('utf8');
  stream.on('data', (data) => { heard += data; });
  await until('the stream begins', DEADLINE_MS, () => heard.includes('id: '));
  const bodies = Array.from({ length: 20 }, (_, i) => `${i}-${'y'.repeat(50000)}`);
  for (const body of bodies) {
    const post = session.request({ ':path': '/topics/default/h2', ':method': 'POST' });
    const status = await new Promise((done) => {
      post.on('response', (headers) => done(headers[':status']));
      post.end(body);
    });
    assert.equal(status, 204);
  }
  await until('all items', DEADLINE_MS, () => bodies.every((body) => heard.includes(`data: ${body}\n`)));
  session.close();
  stream.close();
});

test('no renegotiation', { timeout: 30000 }, async () => {
  const user = await connect(node, { maxVersion: 'TLSv1.2' });
  user.socket.renegotiate({}, () => {});
  await until('it is refused', DEADLINE_MS, () => user.closed || user.error !== undefined);
});

test('plain clients are served beside, by the first byte', { timeout: 30000 }, async () => {
  assert.equal((await get(`${node.url}/livez`)).status, 200);
  const user = await connect(node);
  user.socket.write('SUBSCRIBE beside\r\n');
  await until('subscribed', DEADLINE_MS, () => user.text.endsWith(':1\r\n'));
  assert.equal((await get(`${node.url}/topics/default/beside`, { method: 'POST', body: 'plain' })).status, 204);
  await until('the item', DEADLINE_MS, () => user.text.endsWith('$5\r\nplain\r\n'));
  assert.ok(await metric(node, 'starling_tls_connections') >= 1);
});

test('redis-cli --tls publishes and subscribes', { timeout: 30000 }, async () => {
  const child = spawn('redis-cli', ['--tls', '--cacert', files.ca, '-p', node.port, 'SUBSCRIBE', 'redis'],
    { stdio: ['ignore', 'pipe', 'inherit'] });
  running.add(child);
  let heard = '';
  child.stdout.on('data', (data) => { heard += data; });
  await until('subscribed', DEADLINE_MS, () => /subscribe\nredis/.test(heard));
  const said = await say('redis-cli', ['--tls', '--cacert', files.ca, '-p', node.port, 'PUBLISH', 'redis', 'hello']);
  assert.equal(said.stdout, '1\n', said.stderr);
  await until('heard', DEADLINE_MS, () => heard.endsWith('message\nredis\nhello\n'));
  child.kill();
  running.delete(child);
});

test('WebSocket over TLS', { timeout: 30000 }, async () => {
  const user = await connect(node);
  const key = randomBytes(16).toString('base64');
  user.socket.write(['GET /v1/ws HTTP/1.1', 'Host: localhost', 'Connection: Upgrade', 'Upgrade: websocket',
    'Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${key}`, 'Sec-WebSocket-Protocol: starling.v1.json', '', '']
    .join('\r\n'));
  await until('101', DEADLINE_MS, () => user.text.includes('\r\n\r\n'));
  assert.match(user.text, /^HTTP\/1.1 101 /);
  assert.ok(user.text.includes(createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')));
  const text = Buffer.from('{"op":"subscribe","id":1,"cache":"default","topic":"ws"}');
  user.socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), text]));
  await until('subscribed', DEADLINE_MS, () => user.text.includes('"subscribed"'));
  assert.equal((await ask(node, '/topics/default/ws', { body: 'over wss' })).status, 204);
  await until('the item', DEADLINE_MS, () => user.text.includes('over wss'));
});

test('server-sent events over TLS, 1 MiB each, whole', { timeout: 60000 }, async () => {
  const reader = await events(node, 'big');
  const items = Array.from({ length: 5 }, (_, i) => randomBytes((1 << 19) - i).toString('hex'));
  for (const [i, body] of items.entries()) { // more than one at a time is slow reading
    assert.equal((await ask(node, '/topics/default/big', { body })).status, 204);
    await until('it comes', 20000, () => reader.data().length === i + 1);
  }
  const hash = (text) => createHash('sha256').update(text).digest('hex');
  assert.deepEqual(reader.data().map(hash), items.map(hash));
});

// What crosses the wire comes in single bytes, both ways.
const crumbs = (to) => new Promise((resolve) => {
  const server = net.createServer((near) => {
    const far = net.connect(to, '127.0.0.1');
    for (const [from, into] of [[near, far], [far, near]]) {
      open.push(from);
      into.setNoDelay(true);
      from.on('error', () => {});
      from.on('data', async (data) => {
        from.pause();
        for (const byte of data) {
          into.write(Buffer.from([byte]));
          await new Promise(setImmediate);
        }
        from.resume();
      });
      from.on('end', () => into.end());
    }
  });
  server.listen(0, '127.0.0.1', () => resolve(server));
});

test('records byte by byte', { timeout: 30000 }, async () => {
  const server = await crumbs(node.port);
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3']) {
    const user = await connect({ port: server.address().port }, { maxVersion });
    user.socket.write('PING\r\n');
    await until('PONG', DEADLINE_MS, () => user.text === '+PONG\r\n');
    user.socket.destroy();
  }
  server.close();
});

test('a client that ends its side is still answered, and hears our end', { timeout: 30000 }, async () => {
  const user = await connect(node, { allowHalfOpen: true });
  user.socket.end('GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  await until('the end', DEADLINE_MS, () => user.ended);
  assert.match(user.text, /^HTTP\/1.1 200 [^]*live/);
  assert.equal(user.error, undefined);
});

// Below the TLS of a connection that stands.
function wire(of) {
  const socket = net.connect(of.port, '127.0.0.1');
  open.push(socket);
  return socket;
}

test('garbage after the handshake ends that connection only', { timeout: 30000 }, async () => {
  const other = await connect(node);
  const socket = wire(node);
  const user = await connect(node, { socket });
  const heard = [];
  user.socket.write('PING\r\n');
  await until('PONG', DEADLINE_MS, () => user.text === '+PONG\r\n');
  socket.on('data', (data) => heard.push(data));
  socket.write('GET / HTTP/1.1\r\n\r\n');
  await until('it ends', DEADLINE_MS, () => user.closed);
  other.socket.write('PING\r\n');
  await until('the other goes on', DEADLINE_MS, () => other.text === '+PONG\r\n');
});

test('a handshake that stalls, or never reads, is closed in time', { timeout: 30000 }, async () => {
  const quick = await start({ name: 'quick', args: [...args, '--limits', 'hello_ms=300'] });
  const hello = await new Promise((resolve) => {
    const server = net.createServer((socket) => {
      open.push(socket);
      socket.once('data', resolve);
      socket.on('error', () => {});
    });
    server.listen(0, '127.0.0.1', () => {
      const socket = tls.connect({ port: server.address().port, host: '127.0.0.1', ca });
      socket.on('error', () => {});
      open.push(socket);
      server.unref();
    });
  });
  const failed = await metric(quick, 'starling_tls_handshakes_failed_total');
  const begun = Date.now();
  // One byte; half a hello; a whole one and then nothing.
  const ends = [hello.subarray(0, 1), hello.subarray(0, 100), hello].map((bytes) => new Promise((done) => {
    const socket = wire(quick);
    socket.on('error', () => {});
    socket.on('close', () => done(Date.now() - begun));
    socket.resume();
    socket.write(bytes);
  }));
  for (const took of await Promise.all(ends)) assert.ok(took >= 290 && took < 5000, `${took} ms`);
  await until('they are counted', DEADLINE_MS, async () =>
    await metric(quick, 'starling_tls_handshakes_failed_total') === failed + 3);
});

test('a slow reader over TLS is told what it missed', { timeout: 60000 }, async () => {
  const small = await start({ name: 'small', args: [...args, '--limits', 'out_hard_len=64k,out_soft_len=32k,item_len=64k'] });
  const reader = await events(small, 'slow');
  reader.response.pause();
  const body = 'x'.repeat(60000);
  await until('it is slow', 30000, async () => {
    await ask(small, '/topics/default/slow', { body });
    return await metric(small, 'starling_messages_dropped_slow_total') > 0;
  });
  reader.response.resume();
  assert.equal((await ask(small, '/topics/default/slow', { body: 'last' })).status, 204);
  await until('the last one', 30000, () => reader.data().at(-1) === 'last');
  assert.ok(reader.events.some((event) => event.includes('event: discontinuity')));
  for (const value of reader.data()) assert.ok(value === body || value === 'last' || value.startsWith('{'), value);
  assert.equal(reader.ended, false);
});

for (const workers of [1, 2]) {
  test(`SIGHUP shows a new certificate and loses nothing: ${workers} worker(s)`, { timeout: 60000 }, async () => {
    const own = certify(`reload-${workers}`);
    const trust = fs.readFileSync(own.ca);
    const reloaded = await start({ name: 'reload', args: ['--tls-cert', own.cert, '--tls-key', own.key,
      '--workers', String(workers)] });
    const serial = async () => {
      const user = await connect(reloaded, { ca: trust });
      const { serialNumber } = user.socket.getPeerCertificate();
      user.socket.destroy();
      return serialNumber.toLowerCase();
    };
    const old = await serial();
    const users = await Promise.all(Array.from({ length: 8 }, () => connect(reloaded, { ca: trust })));
    for (const user of users) user.socket.write('SUBSCRIBE reload\r\n');
    await until('subscribed', DEADLINE_MS, () => users.every((user) => user.text.endsWith(':1\r\n')));
    if (workers > 1) await until('linked', DEADLINE_MS, async () => (await reloaded.cluster()).links.up > 0);
    const publisher = await connect(reloaded, { ca: trust });
    let said = 0;
    let going = true;
    const talk = (async () => {
      while (going) {
        publisher.socket.write(`PUBLISH reload ${said}\r\n`);
        said += 1;
        await new Promise((done) => { setTimeout(done, 1); });
      }
    })();
    const reloads = () => reloaded.log.split('tls-reloaded').length - 1;
    for (let i = 1; i <= 5; i += 1) {
      execFileSync('deploy/certificate', ['localhost', own.dir]);
      reloaded.process.kill('SIGHUP');
      await until('every worker has it', DEADLINE_MS, () => reloads() === i * workers);
    }
    assert.notEqual(await serial(), old);
    // Half replaced: the certificate of another key.
    fs.copyFileSync(files.cert, own.cert);
    reloaded.process.kill('SIGHUP');
    await until('the old one is kept', DEADLINE_MS, () => reloaded.log.includes('config-kept'));
    assert.match(reloaded.log, /error config-kept .*not the key of/);
    assert.notEqual(await serial(), old);
    going = false;
    await talk;
    const last = String(said - 1);
    const ending = `$${last.length}\r\n${last}\r\n`;
    await until('the last item is everywhere', DEADLINE_MS, () => users.every((user) => user.text.endsWith(ending)));
    for (const user of users) {
      const got = [...user.text.matchAll(/\$6\r\nreload\r\n\$\d+\r\n(\d+)\r\n/g)].map((match) => Number(match[1]));
      assert.equal(got.length, said);
      got.forEach((value, i) => assert.equal(value, i));
      assert.equal(user.closed, false);
    }
    reloaded.process.kill('SIGTERM');
    assert.equal(await reloaded.ended, 0);
  });
}

test('SIGHUP without a certificate is nothing wrong, and a hundred of them harm nobody', { timeout: 30000 }, async () => {
  const plain = await start({ name: 'plain', args: [] });
  for (let i = 0; i < 100; i += 1) plain.process.kill('SIGHUP');
  await until('it is said', DEADLINE_MS, () => /config-reloaded node=plain by=signal\n/.test(plain.log));
  for (let i = 0; i < 100; i += 1) {
    node.process.kill('SIGHUP');
    await new Promise((done) => { setTimeout(done, 5); });
  }
  assert.equal((await curl(node, [], '/livez')).code, 0);
  assert.equal((await get(`${plain.url}/livez`)).status, 200);
});

test('wrong files end the start with a sentence', { timeout: 30000 }, async () => {
  const other = certify('other');
  const open644 = path.join(folder, 'open.key');
  fs.copyFileSync(files.key, open644);
  fs.chmodSync(open644, 0o644);
  const cases = [
    [['--tls-cert', files.cert], /tls_cert without tls_key/],
    [['--tls-cert', '/nowhere.pem', '--tls-key', files.key], /tls-refused .*nowhere\.pem: No such file/],
    [['--tls-cert', files.cert, '--tls-key', other.key], /tls-refused .*not the key of/],
    [['--tls-cert', files.cert, '--tls-key', open644], /tls-refused .*mode 0644/],
    [['--tls-cert', files.key, '--tls-key', files.key], /tls-refused .*no certificate in PEM/],
    [['--require-tls'], /require_tls without tls_cert/],
  ];
  for (const [words, sentence] of cases) {
    const { code, stderr } = await run(['node', '--listen', '127.0.0.1:0', ...words]);
    assert.equal(code, 78, stderr);
    assert.match(stderr, sentence);
  }
  const config = path.join(folder, 'wrong.yaml');
  fs.writeFileSync(config, `tls_cert: ${files.cert}\ntls_key: ${other.key}\n`);
  const checked = await run(['check', config]);
  assert.equal(checked.code, 78);
  assert.match(checked.stderr, /not the key of/);
});

test('an expired certificate is warned of and shown', { timeout: 30000 }, async () => {
  const old = path.join(folder, 'old');
  execFileSync('openssl', ['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
    '-keyout', `${old}.key`, '-out', `${old}.request`, '-subj', '/CN=localhost'], { stdio: 'ignore' });
  execFileSync('openssl', ['x509', '-req', '-in', `${old}.request`, '-signkey', `${old}.key`, '-days', '-1',
    '-out', `${old}.pem`], { stdio: 'ignore' });
  const expired = await start({ name: 'expired', args: ['--tls-cert', `${old}.pem`, '--tls-key', `${old}.key`] });
  assert.match(expired.log, /warn tls-not-valid /);
  const user = await connect(expired, { rejectUnauthorized: false });
  assert.equal(user.error, undefined);
});

test('our own commands speak https and check whom they ask', { timeout: 60000 }, async () => {
  const own = await start({ name: 'own' }); // nobody else subscribes there
  const url = `https://localhost:${own.port}`;
  const env = { STARLING_CA: files.ca };
  const sub = command(['sub', 'demo', 'own', '--count', '2'], { url, env });
  await until('subscribed', DEADLINE_MS, async () => (await own.cluster()).subscriptions > 0);
  for (const value of ['one', 'two']) {
    assert.deepEqual((await run(['pub', 'demo', 'own', value, '--ca', files.ca], { url })).stderr, '');
  }
  assert.equal((await sub.done).stdout.toString(), 'one\ntwo\n');
  assert.equal((await run(['verify', '--seconds', '1', '--rate', '50'], { url, env })).code, 0);
  for (const where of [`rediss://localhost:${own.port}`, url]) {
    const door = where === url ? 'ws' : 'resp';
    const { code, stderr } = await run(['bench', 'fanout', '--subs', '5', '--seconds', '0.3', '--warmup', '0', '--url', where,
      '--door', door], { env });
    assert.equal(code, 0, stderr);
  }
  const other = certify('stranger');
  const cases = [
    [{}, url, 69, /TLS: unable to get local issuer certificate/],
    [{ STARLING_CA: other.ca }, url, 69, /TLS: /],
    [{ STARLING_CA: '/nowhere.pem' }, url, 1, /nowhere\.pem: no certificates/],
    [env, `https://nobody.invalid:${own.port}`, 69, /input or output failed/],
  ];
  for (const [variables, where, code, sentence] of cases) {
    const failed = await run(['cluster'], { url: where, env: variables });
    assert.equal(failed.code, code, failed.stderr);
    assert.match(failed.stderr, sentence);
  }
  // The right authority, and a certificate that is not for this name.
  const alone = path.join(folder, 'alone');
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '9',
    '-keyout', `${alone}.key`, '-out', `${alone}.pem`, '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:elsewhere.test'],
  { stdio: 'ignore' });
  const elsewhere = await start({ name: 'elsewhere', args: ['--tls-cert', `${alone}.pem`, '--tls-key', `${alone}.key`] });
  const wrong = await run(['cluster', '--ca', `${alone}.pem`], { url: `https://localhost:${elsewhere.port}` });
  assert.equal(wrong.code, 69);
  assert.match(wrong.stderr, /TLS: hostname mismatch/);
});

test('many handshakes at once: all are done, nothing stands still', { timeout: 60000 }, async () => {
  const before = await metric(node, 'starling_tls_handshakes_total');
  const users = await Promise.all(Array.from({ length: 300 }, () => connect(node)));
  for (const user of users) user.socket.write('PING\r\n');
  await until('all are answered', 30000, () => users.every((user) => user.text === '+PONG\r\n'));
  assert.equal(await metric(node, 'starling_tls_handshakes_total') - before, 300);
  for (const user of users) user.socket.destroy();
  await until('all are gone', DEADLINE_MS, async () => await metric(node, 'starling_tls_connections') < 10);
});
