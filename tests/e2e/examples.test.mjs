// SPDX-License-Identifier: Apache-2.0
//
// The examples that need no package, as their README starts them.
// (docs/examples/chat is run by tests/interop/momento.)
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { portRow, program } from './harness.mjs';

const script = (name) => fileURLToPath(new URL(`../../docs/examples/${name}/run.mjs`, import.meta.url));

test('microservice: an order posted to a function comes back as an invoice', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [script('microservice'), '--once'],
    { env: { ...process.env, STARLING: path.resolve(program), PORT: await portRow() }, timeout: 30000 });
  assert.match(stdout, /shop: invoice {"order":"A-1","total":7} from invoicing\n/);
});

test('reconnect: a reader whose node is killed goes on at the other, and says what it missed', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [script('reconnect')],
    { env: { ...process.env, STARLING: path.resolve(program), PORT: await portRow(), OTHER_PORT: await portRow() }, timeout: 30000 });
  assert.match(stdout, /^connected to (n[12])\nreconnected to (?!\1)n[12] in \d\.\d s, gap (\d+\.\.\d+|of nothing)\n$/);
});
