// SPDX-License-Identifier: Apache-2.0
//
// A run of tests/bench/run that is interrupted leaves no process behind.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { program, running, temporaryFolder, until } from '../e2e/harness.mjs';

const childrenOf = (pid) => {
  const rows = execFileSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' }).trim().split('\n')
    .map((row) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(row));
  return rows.filter((row) => Number(row[2]) === pid && row[3].startsWith(program)).map((row) => Number(row[1]));
};
const isGone = (pid) => {
  try {
    return / Z /.test(fs.readFileSync(`/proc/${pid}/stat`, 'utf8')); // nobody has asked for its exit code
  } catch {
    return true;
  }
};

for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 130], ['SIGKILL', null]]) {
  test(`all ends after ${signal}`, async () => {
    const env = { ...process.env, RAW: path.join(temporaryFolder(), 'raw') };
    const run = spawn(process.execPath, ['tests/bench/main.mjs', 'doors'], { env, stdio: 'ignore' });
    running.add(run);
    const ended = new Promise((done) => { run.on('exit', done); });
    let children = [];
    await until('a node and the generator run', 20000, () => {
      children = childrenOf(run.pid);
      return children.length >= 2;
    });
    run.kill(signal);
    assert.equal(await ended, code);
    running.delete(run);
    await until('all processes are gone', 5000, () => children.every(isGone));
  });
}
