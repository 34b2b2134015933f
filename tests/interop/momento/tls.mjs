// SPDX-License-Identifier: Apache-2.0
//
// As at the vendor's own service: a domain with the names that the SDKs make of it,
// TLS, HTTP/2 by ALPN, and a key that says where. The certificate is that of
// deploy/certificate; the names lead to this machine.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Node, portRow, run, temporaryFolder } from '../../e2e/harness.mjs';
import { DOMAIN, WebClient, items, same } from './browser.mjs';
import { freshTopic } from './cases.mjs';
import { minter, watched } from './nodes.mjs';

const execute = promisify(execFile);

// A node of the domain and a superuser key of it.
async function nodeOfDomain() {
  const folder = temporaryFolder();
  const keyFile = path.join(folder, 'keys');
  await execute(fileURLToPath(new URL('../../../deploy/certificate', import.meta.url)), [DOMAIN, folder]);
  const made = await run(['keygen', keyFile]);
  assert.equal(made.code, 0, made.stderr);
  const port = await portRow();
  const node = watched(await Node.start({ name: 'tls', port, args: ['--keys', keyFile, '--endpoint', `https://${DOMAIN}:${port}`,
    '--auto-create-caches', 'true', '--tls-cert', path.join(folder, 'certificate.pem'), '--tls-key', path.join(folder, 'key.pem')] }));
  const mint = minter(keyFile);
  const v1 = await mint('--sub', 'app', '--superuser', '--format', 'v1', '--endpoint', `${DOMAIN}:${port}`);
  const v2 = await mint('--sub', 'app', '--format', 'v2');
  return { port, v1, v2, ca: path.join(folder, 'authority.pem'), node };
}

// A program of its own, because the SDK reads the roots once.
async function program(kind, key, { port, ca }) {
  const file = fileURLToPath(new URL('tls_program.mjs', import.meta.url));
  const { stdout } = await execute(process.execPath, [file, kind, key, `${DOMAIN}:${port}`, freshTopic()],
    { env: { ...process.env, GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: ca }, timeout: 30000 });
  return stdout;
}

export function tlsCases(browser) {
  let made;
  const there = () => { made ??= nodeOfDomain(); return made; };
  return {
    'TLS: a v1 key says where, and one program hears itself': async () => {
      const domain = await there();
      assert.equal(await program('v1', domain.v1, domain), 'hello\n');
    },
    'TLS: a v2 key and an endpoint': async () => {
      const domain = await there();
      assert.equal(await program('v2', domain.v2, domain), 'hello\n');
    },
    'TLS: the SDK for browsers, over HTTP/2, more streams than six': async (later) => {
      const domain = await there();
      const client = later(await WebClient.open(await browser(), null, domain.v1));
      const topic = freshTopic();
      const readers = await Promise.all(Array.from({ length: 20 }, () => client.subscribe('demo', topic)));
      await client.publish('demo', topic, 'hello');
      for (const reader of readers) same(await items(reader, 1), ['hello']);
      const token = await client.page.evaluate(([key, name]) => window.mint(null, key, 'demo', name), [domain.v1, topic]);
      assert.equal(typeof token, 'string', JSON.stringify(token));
    },
  };
}
