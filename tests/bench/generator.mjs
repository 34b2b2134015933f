// SPDX-License-Identifier: Apache-2.0
//
// One measurement: a generator runs against a server and prints a line of JSON.
import { spawn } from 'node:child_process';
import { program, running } from '../e2e/harness.mjs';
import { bound } from './servers.mjs';

const START_AND_END_MS = 120000; // a million subscribes, ten thousand connections

// { line, code, stderr }: line is the first line of JSON on standard output, null
// without one.
export function runLine(words, ms) {
  const [first, ...rest] = bound(words.map(String));
  const child = spawn(first, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data) => { stdout += data; });
  child.stderr.on('data', (data) => { stderr = (stderr + data).slice(-2000); });
  return new Promise((done) => {
    const timer = setTimeout(() => { stderr += `\nnot within ${ms} ms`; child.kill('SIGKILL'); }, ms);
    child.on('error', (error) => { stderr += error.message; });
    child.on('close', (code) => {
      clearTimeout(timer);
      running.delete(child);
      const text = stdout.split('\n').find((l) => l.startsWith('{'));
      let line = null;
      try { line = text ? JSON.parse(text) : null; } catch { /* cut short */ }
      done({ line, code, stderr: stderr.trim() });
    });
  });
}

// The figures, or an error with what it said.
export async function figures(words, ms) {
  const { line, code, stderr } = await runLine(words, ms);
  if (!line) throw new Error(`${words.slice(0, 3).join(' ')} ended with ${code}: ${stderr}`);
  return line;
}

// { mode, args } of the row, changed by the contender's, to the words after
// `starling bench`. A key of args is an option; null leaves it out.
export function benchWords(server, row, contender, seconds) {
  const args = { ...row.args, ...contender.args };
  const { times = 1, ...options } = args;
  const all = { url: server.url, 'publish-url': server.publishUrl, ...options,
    seconds: seconds * times, pid: server.pids.join(',') };
  const words = Object.entries(all).filter(([, v]) => v !== null && v !== undefined)
    .flatMap(([k, v]) => [`--${k}`, v]);
  return ['bench', contender.mode ?? row.mode, ...words, '--json'];
}

// The bench of measure() in rounds.mjs.
export const benchFor = (seconds) => (server, row, contender) => figures(
  [program, ...benchWords(server, row, contender, seconds)],
  START_AND_END_MS + seconds * 1000 * 4);
