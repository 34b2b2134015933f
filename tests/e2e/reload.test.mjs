// SPDX-License-Identifier: Apache-2.0
//
// A new configuration for a process that runs: what is hot holds at once on all
// workers, what is not is named, and what is wrong anywhere changes nothing.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import tls from 'node:tls';
import { after, before, test } from 'node:test';
import { Node, get, raw, run, stopAll, temporaryFolder, until } from './harness.mjs';

const folder = temporaryFolder();
const file = (name) => path.join(folder, name);
const configFile = file('starling.yaml');
const keyFile = file('keys');
const base = { keys: keyFile, tls_cert: file('tls/certificate.pem'), tls_key: file('tls/key.pem'), log_level: 'debug' };
const tokenKey = (kid) => `  - {kid: ${kid}, alg: HS256, secret: "${randomBytes(32).toString('hex')}"}\n`;
let head; // of the key file: all but the token keys
let first; // the token key that it begins with
let node;
let ops; // a token of admin:write

const yaml = (value) => (typeof value === 'object' && !Array.isArray(value)
  ? `{${Object.entries(value).map(([name, inner]) => `${name}: ${inner}`).join(', ')}}`
  : Array.isArray(value) ? `[${value.map((one) => (typeof one === 'object' ? yaml(one) : `"${one}"`)).join(', ')}]` : value);
const configure = (changes = {}) => fs.writeFileSync(configFile,
  Object.entries({ ...base, ...changes }).map(([name, value]) => `${name}: ${yaml(value)}\n`).join(''));
const setKeys = (...keys) => {
  fs.writeFileSync(keyFile, head + keys.join(''));
  fs.chmodSync(keyFile, 0o600);
};
const certify = () => execFileSync('deploy/certificate', ['localhost', file('tls')]);
const mint = async (...words) => (await run(['token', 'mint', '--keys', keyFile, ...words])).stdout.toString().trim();
const command = async (token, ...words) => {
  const { code, stdout, stderr } = await run(words, { url: node.url, env: { STARLING_TOKEN: token } });
  return { code, text: stdout.toString() + stderr };
};
const reload = (token = ops) => command(token, 'reload');
const metric = async (name) => Number(new RegExp(`^${name} (\\d+)$`, 'm')
  .exec((await get(`${node.url}/metrics`, { headers: { Authorization: ops } })).text)?.[1]);
const publish = (cache, token, headers = {}) => get(`${node.url}/topics/${cache}/a`,
  { method: 'POST', body: 'x', headers: { Authorization: token, ...headers } });
// Whoever is asked, and every worker is, again and again.
const everyone = async (what, ask) => {
  for (let i = 0; i < 12; i += 1) await until(`${what} (${i})`, 10000, ask);
};
const serial = () => new Promise((done, fail) => {
  const socket = tls.connect({ port: node.port, host: '127.0.0.1', servername: 'localhost', rejectUnauthorized: false },
    () => { done(socket.getPeerCertificate().serialNumber); socket.destroy(); });
  socket.on('error', fail);
});

before(async () => {
  assert.equal((await run(['keygen', keyFile])).code, 0);
  const text = fs.readFileSync(keyFile, 'utf8');
  const at = text.indexOf('\n', text.indexOf('\ntoken_keys:') + 1) + 1;
  head = text.slice(0, at);
  first = text.slice(at);
  certify();
  configure();
  ops = await mint('--sub', 'ops', '--scope', 'admin:write', '--scope', 'admin:read', '--role', 'both',
    '--ttl', '1h');
  node = await Node.start({ name: 'n1', token: ops, args: ['--config', configFile, '--workers', '2',
    '--auto-create-caches', 'false'] });
  await until('both workers', 10000, async () => (await metric('starling_ready')) === 1);
});
after(() => stopAll([node]));

test('what is hot holds at once, on every worker', async () => {
  const before = await serial();
  assert.equal((await publish('news', ops)).status, 404);
  assert.equal((await publish('news', ops, { Origin: 'https://app.example' })).status, 403);
  certify();
  configure({ caches: [{ name: 'news', item_len: 10 }], origins: ['https://app.example'],
    limits: { patterns_per_client: 1, drain_ms: 3000 }, log_format: 'json', log_level: 'info' });
  const { code, text } = await reload();
  assert.equal(text, 'reloaded: origins, log_level, log_format, caches, limits, tls_cert\n');
  assert.equal(code, 0);
  await everyone('the cache is there', async () => (await publish('news', ops)).status === 204);
  await everyone('its quota holds', async () => (await get(`${node.url}/topics/news/a`, { method: 'POST',
    body: 'x'.repeat(11), headers: { Authorization: ops } })).status === 429);
  await everyone('the origin is allowed', async () =>
    (await publish('news', ops, { Origin: 'https://app.example' })).status === 204);
  await everyone('the certificate is another', async () => (await serial()) !== before);
  const { text: said } = await raw(node.port, [`AUTH news ${ops}\r\n`, 'PSUBSCRIBE a* b*\r\n', 'QUIT\r\n'], 10000);
  assert.match(said, /-\w*.*limit/);
  assert.match(node.log, / info config-reloaded node=n1\.\d by=ops changed=origins,log_level,/);
  assert.match(node.log, /^\{"at":"[^"]*","level":"info","event":"tls-reloaded","node":"n1\.2",/m);
  assert.equal(await metric('starling_config_reload_success'), 1);
  assert.equal((await reload()).text, 'reloaded: nothing has changed\n');
  configure();
  assert.equal((await reload()).code, 0);
  await everyone('the cache is gone', async () => (await publish('news', ops)).status === 404);
  await everyone('the origin is refused', async () =>
    (await publish('news', ops, { Origin: 'https://app.example' })).status === 403);
});

test('token keys are rotated: who was signed by one that is gone is sent away', async () => {
  configure({ caches: ['demo'] });
  const second = tokenKey('second');
  setKeys(second, first);
  assert.equal((await reload()).text, 'reloaded: caches, keys\n');
  const fresh = await mint('--sub', 'ann', '--cache', 'demo', '--role', 'both', '--ttl', '1h', '--scope', 'admin:write');
  await everyone('both are known', async () => (await publish('demo', fresh)).status === 204 &&
    (await publish('demo', ops)).status === 204);
  const listen = (token) => new Promise((done) => {
    const heard = { text: '' };
    heard.request = http.get(`${node.url}/topics/demo/a`, { agent: false,
      headers: { Accept: 'text/event-stream', Authorization: token } }, (response) => {
      response.on('data', (data) => { heard.text += data; });
      response.on('end', () => { heard.ended = true; });
      response.on('error', () => {});
      done(heard);
    });
  });
  const [old, stays] = [await listen(ops), await listen(fresh)];
  setKeys(second);
  assert.equal((await reload(fresh)).text, 'reloaded: keys\n');
  await everyone('the old one is refused', async () => (await publish('demo', ops)).status === 401);
  await until('its subscription ends', 10000, () => old.ended);
  assert.match(old.text, /event: end\ndata: \{"code":4012,/);
  assert.equal((await publish('demo', fresh)).status, 204);
  await until('the other one hears it', 10000, () => /data: x/.test(stays.text));
  stays.request.destroy();
  setKeys(first, second);
  assert.equal((await reload(fresh)).code, 0);
});

const wrong = {
  'a key that is none': () => { configure({ regoin: 'eu' }); return /starling\.yaml:5:1: unknown key 'regoin'/; },
  'no YAML': () => { fs.writeFileSync(configFile, 'keys: [\n'); return /starling\.yaml:/; },
  'no file': () => { fs.rmSync(configFile); return /starling\.yaml/; },
  'limits that contradict each other': () => { configure({ limits: { ping_ms: 70000, idle_ms: 60000 } }); return /ping_ms must/; },
  'half a certificate': () => {
    const pem = fs.readFileSync(base.tls_cert);
    fs.writeFileSync(base.tls_cert, pem.subarray(0, pem.length / 2));
    return /certificate\.pem/;
  },
  'a key of another certificate': () => {
    execFileSync('deploy/certificate', ['localhost', file('other')]);
    configure({ tls_key: file('other/key.pem') });
    return /other\/key\.pem|do not belong|belong/;
  },
  'a key file that others may read': () => { fs.chmodSync(keyFile, 0o644); return /keys/; },
  'a key file without token keys': () => { fs.writeFileSync(keyFile, head); return /keys/; },
  'keys of another cluster': () => {
    setKeys(first);
    fs.writeFileSync(keyFile, fs.readFileSync(keyFile, 'utf8').replace(/hash_key: "./, (s) => s.slice(0, -1) + (s.endsWith('0') ? '1' : '0')));
    return /another hash_key/;
  },
};

test('whatever is wrong keeps everything, says where, and is a number', async () => {
  for (const [what, spoil] of Object.entries(wrong)) {
    fs.rmSync(folder + '/tls', { recursive: true });
    certify();
    setKeys(first);
    configure({ caches: ['demo'] });
    assert.equal((await reload()).code, 0, what);
    const before = await serial();
    const place = spoil();
    const { code, text } = await reload();
    assert.equal(code, 1, what);
    assert.match(text, /^kept old config: /, what);
    assert.match(text, place, what);
    assert.match(node.log.slice(node.log.lastIndexOf('config-kept')), /^config-kept .*by=ops why=/, what);
    assert.equal(await metric('starling_config_reload_success'), 0, what);
    assert.ok(Math.abs(await metric('starling_config_reload_timestamp_seconds') - Date.now() / 1000) < 5, what);
    assert.equal(await serial(), before, what);
    assert.equal((await publish('demo', ops)).status, 204, what);
    assert.equal((await publish('demo', 'x')).status, 401, what);
  }
  fs.rmSync(folder + '/tls', { recursive: true });
  certify();
  setKeys(first);
  configure();
  assert.equal((await reload()).code, 0);
  assert.equal(await metric('starling_config_reload_success'), 1);
});

test('no free descriptor is no weaker configuration', async () => {
  const limit = (n) => execFileSync('prlimit', ['--pid', node.process.pid, `--nofile=${n}:`]);
  const [, kept] = execFileSync('prlimit', ['--pid', node.process.pid, '--nofile', '--output', 'RESOURCE,SOFT', '--noheadings'])
    .toString().trim().split(/\s+/);
  certify();
  const before = await serial();
  const at = node.log.length;
  const before_s = await metric('starling_config_reload_timestamp_seconds');
  limit(4); // below what is open: nothing can be opened
  node.process.kill('SIGHUP');
  await until('it says so', 10000, () => node.log.slice(at).includes('config-kept'));
  limit(kept);
  assert.match(node.log.slice(at), /config-kept .*by=signal why=.*starling\.yaml/);
  assert.ok(await metric('starling_config_reload_timestamp_seconds') >= before_s);
  assert.equal(await serial(), before);
  assert.equal((await publish('demo', 'x')).status, 401);
  node.process.kill('SIGHUP');
  await until('then it is taken', 10000, async () => (await serial()) !== before);
});

test('what only a start can change is named and left as it is', async () => {
  configure({ log_level: 'info', cluster_name: 'other', join: ['127.0.0.1:1'], limits: { item_len: 2048 } });
  const { code, text } = await reload();
  assert.equal(text, 'reloaded: log_level; ignored: cluster_name, join, limits.item_len (restart)\n');
  assert.equal(code, 0);
  const json = await command(ops, 'reload', '--json');
  assert.deepEqual(JSON.parse(json.text), { reloaded: [], ignored: ['cluster_name', 'join', 'limits.item_len'] });
  // Flags hold over the file, as at the start.
  configure({ region: 'mars' });
  assert.equal((await reload()).text, 'reloaded: log_level\n');
  assert.match((await get(`${node.url}/v1/cluster`, { headers: { Authorization: ops } })).text, /"region":"eu"/);
  const { keys, ...without } = base;
  fs.writeFileSync(configFile, Object.entries(without).map(([name, value]) => `${name}: ${value}\n`).join(''));
  assert.match((await reload()).text, /ignored: keys \(restart\)/);
  assert.equal((await publish('demo', 'x')).status, 401);
  configure();
  assert.equal((await reload()).code, 0);
});

test('only who may write may reload; a signal needs no token', async () => {
  const post = (headers) => get(`${node.url}/v1/admin/reload`, { method: 'POST', headers });
  const reader = await mint('--sub', 'eve', '--scope', 'admin:read', '--ttl', '1h');
  assert.equal((await post({})).status, 401);
  const refused = await post({ Authorization: reader });
  assert.equal(refused.status, 403);
  assert.match(refused.text, /admin:write/);
  assert.equal((await get(`${node.url}/v1/admin/reload`, { headers: { Authorization: ops } })).status, 405);
  assert.equal((await reload(reader)).code, 77);
  const at = node.log.length;
  const { code, text } = await command('', 'reload', '--pid', String(node.process.pid));
  assert.equal(code, 0, text);
  await until('its log says so', 10000, () => /config-reloaded .*by=signal/.test(node.log.slice(at)));
  assert.equal(node.log.slice(at).match(/config-reloaded/g).length, 1, 'once a process');
  assert.equal((await command('', 'reload', '--pid', '999999')).code, 1);
});

test('payloads and tokens are in no line of the log', async () => {
  const canary = `canary-${randomBytes(8).toString('hex')}`;
  configure({ caches: ['demo'] }); // and debug
  assert.equal((await reload()).code, 0);
  await get(`${node.url}/topics/demo/a?token=${canary}-token`, { method: 'POST', body: `${canary}-body` });
  await get(`${node.url}/topics/demo/a`, { method: 'POST', body: `${canary}-value`, headers: { Authorization: ops } });
  await raw(node.port, [`AUTH ${canary}-password\r\n`, `PUBLISH a ${canary}\r\n`, `${canary}\r\n`], 300);
  await raw(node.port, [Buffer.from([0x16, 3, 1, 0, 5]), canary], 300);
  await raw(node.port, [`GET /${canary} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: ${canary}\r\n\r\n`], 300);
  assert.equal((await publish('demo', ops)).status, 204);
  assert.ok(!node.log.includes(canary));
  assert.ok(!node.log.includes(ops.split('.')[2]), 'the signature of a token');
  node.process.kill('SIGTERM'); // with a sanitizer the code says more
  assert.equal(await node.ended, 0);
  const secret = /seed: "?([0-9a-f]{64})/.exec(first)[1];
  assert.ok(!node.log.includes(secret));
});
