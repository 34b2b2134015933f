// SPDX-License-Identifier: Apache-2.0
//
// What is made from the table of commands: help, hints, and completion in the
// shells that are here.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { program, temporaryFolder } from './harness.mjs';

const folder = temporaryFolder();
const starling = (...words) => {
  const { status, stdout, stderr } = spawnSync(program, words, { encoding: 'utf8', timeout: 10000 });
  return { code: status, stdout, stderr };
};
const shell = (name, words) => spawnSync(name, words, { encoding: 'utf8', timeout: 10000, cwd: folder });
const scripts = {};
for (const name of ['bash', 'zsh', 'fish']) {
  scripts[name] = path.join(folder, name);
  fs.writeFileSync(scripts[name], starling('completion', name).stdout);
}
fs.writeFileSync(path.join(folder, 'a file.yaml'), '');

test('help is asked for in any place, and wrong usage is told', () => {
  for (const words of [['help'], ['--help'], ['-h'], ['help', 'sub'], ['sub', '--help'], ['sub', 'a', 'b', '-h'],
    ['help', 'token'], ['token', '--help'], ['token', 'mint', '--help'], ['help', 'token', 'mint'], ['help', '--all'],
    ['version'], ['--version'], ['node', '--help'], ['dev', '--nodes', '2', '--help'], ['bench', '--help']]) {
    const { code, stdout, stderr } = starling(...words);
    assert.equal(code, 0, words.join(' '));
    assert.match(stdout, /starling/);
    assert.equal(stderr, '', words.join(' '));
  }
  for (const [words, what] of [
    [[], /use a cluster/],
    [['sbu'], /unknown command 'sbu' \(did you mean 'sub'\?\)/],
    [['help', 'sbu'], /did you mean 'sub'/],
    [['token'], /usage: starling token mint[^]*usage: starling token show/],
    [['token', 'mnit'], /usage: starling token mint/],
    [['sub', 'a'], /usage: starling sub CACHE TOPIC/],
    [['sub', 'a', 'b', '--jsno'], /unknown option '--jsno' \(did you mean '--json'\?\)/],
    [['sub', 'a', 'b', '--count=x'], /--count takes a number from 1, not 'x'/],
    [['keys', 'use', 'x', '--key-file', 'y'], /unknown option '--key-file'/],
    [['dev', '--nodes', '0'], /--nodes takes a number/],
    [['dev', '--nodes', '1000'], /--nodes cannot be '1000'/],
    [['token', 'mint', '--role', 'x'], /--role takes pub\|sub\|both, not 'x'/],
    [['completion', 'tcsh'], /usage: starling completion bash\|zsh\|fish/],
    [['version', 'x'], /usage: starling version/],
  ]) {
    const { code, stdout, stderr } = starling(...words);
    assert.match(stderr, what);
    assert.equal(stdout, '');
    assert.equal(code, 2, words.join(' '));
  }
});

test('explain says all of an error, by number, name and status', () => {
  const denied = starling('explain', '4030').stdout;
  assert.match(denied, /^4030 DENIED: the token does not grant this\n {2}means/);
  assert.match(denied, /HTTP {7}403\n.*1008 DENIED\n.*-NOPERM\n.*7 PERMISSION_DENIED/);
  assert.equal(starling('explain', 'denied').stdout, denied);
  assert.match(starling('explain', '403').stdout, /^4030 [^]*\n\n4031 /);
  assert.match(starling('explain', '1012').stdout, /^5032 CLOSING[^]*retry {6}yes, at another node/);
  const all = JSON.parse(starling('explain', '--json').stdout);
  for (const one of all) assert.deepEqual(JSON.parse(starling('explain', one.name, '--json').stdout), one);
  assert.equal(starling('explain').stdout.trim().split('\n').length, all.length);
  const unknown = starling('explain', 'DENEID', '--json');
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /no error is called 'DENEID' \(did you mean 'DENIED'\?\)/);
});

test('--print-config says what holds and where it comes from, as a file', () => {
  const file = path.join(folder, 'some.yaml');
  fs.writeFileSync(file, 'region: eu\nlog_level: warn\nlimits: {item_len: 256k}\ncaches:\n  - name: chat\n    subs: 7\n');
  const { status, stdout, stderr } = spawnSync(program, ['node', '--config', file, '--print-config', '--limits', 'conns=100',
    '--keys', '/etc/keys'], { encoding: 'utf8', timeout: 10000, env: { ...process.env, STARLING_LOG_LEVEL: 'debug' } });
  assert.equal(stderr, '');
  assert.equal(status, 0);
  for (const line of [/^region: eu +# file$/m, /^log_level: debug +# environment, hot$/m, /^keys: \/etc\/keys +# flag, hot$/m,
    /^name: .+ # default$/m, /^ {2}conns: 100 +# flag, connections$/m, /^ {2}item_len: 262144 +# file, bytes$/m,
    /^ {2}linger_ms: 30000 +# default, ms$/m, /^caches: +# file\n {2}- name: chat\n.*\n.*\n {4}subs: 7$/m]) {
    assert.match(stdout, line);
  }
  for (const [, option] of starling('node', '--help').stdout.matchAll(/^ {2}--([a-z-]+)/gm)) {
    if (['config', 'print-config'].includes(option)) continue;
    assert.match(stdout, new RegExp(`^(# )?${option.replaceAll('-', '_')}:`, 'm'));
  }
  fs.writeFileSync(file, stdout.replace('/etc/keys', 'none').replace(/^keys:.*\n/m, ''));
  assert.equal(starling('check', file).stderr, '');
  const again = starling('node', '--config', file, '--print-config').stdout;
  const values = (text) => text.replace(/ +# .*/g, '').replace(/^#.*\n|^keys:.*\n/gm, '');
  assert.equal(values(again), values(stdout));
  assert.equal(starling('node', '--print-config', '--workers', '0').code, 2);
  assert.equal(starling('node', '--print-config', '--listen', '0.0.0.0:1').code, 78);
});

test('the table of errors in docs/PROTOCOLS.md is that of the program', () => {
  const page = fs.readFileSync('docs/PROTOCOLS.md', 'utf8');
  const table = page.slice(page.indexOf('**Errors**: one table'), page.indexOf('## HTTP in general'));
  const rows = [...table.matchAll(/^\| (\d{4}) \| `([A-Z_0-9]+)` \| (.+) \|$/gm)];
  const all = JSON.parse(starling('explain', '--json').stdout);
  assert.deepEqual(rows.map(([, code, name]) => `${code} ${name}`).sort(), all.map(({ code, name }) => `${code} ${name}`).sort());
  for (const [, code, , text] of rows) assert.ok(text.startsWith(all.find((one) => one.code === Number(code)).text), code);
});

// Words of a page as they are read, without the breaks of lines.
const pageOf = (name) => {
  const file = path.resolve(process.env.BUILD || 'build', 'man', name);
  const { stdout, stderr, status } = spawnSync('man', ['--warnings', '-E', 'UTF-8', '-l', file],
    { encoding: 'utf8', timeout: 10000, env: { ...process.env, MANWIDTH: '500', MANPAGER: 'cat', MAN_KEEP_FORMATTING: '' } });
  assert.equal(stderr, '', name);
  assert.equal(status, 0, name);
  return stdout.replaceAll('\u2010', '-');
};

test('the man pages have every command and option, and no warning', () => {
  const commands = pageOf('starling.1');
  const node = pageOf('starling-node.8');
  for (const [, name] of starling('help', '--all').stdout.matchAll(/^starling ([a-z]+(?: [a-z]+)?)(?= |$)/gm)) {
    assert.match(commands, new RegExp(`^ *starling ${name}\\b`, 'm'));
    for (const [, option] of starling('help', ...name.split(' ')).stdout.matchAll(/^ {2}(--[a-z-]+)/gm)) {
      assert.ok((name === 'node' ? node : commands).includes(option), `${name} ${option}`);
    }
  }
  const config = pageOf('starling.conf.5');
  for (const [, option] of starling('node', '--help').stdout.matchAll(/^ {2}--([a-z-]+)/gm)) {
    if (['config', 'print-config'].includes(option)) continue; // not of the file
    assert.match(config, new RegExp(`^ *${option.replaceAll('-', '_')}: .*\n.*(Hot|Needs a restart)\\.`, 'm'));
  }
  assert.match(config, /item_len: 1048576 bytes/);
});

// The words of the line, the last one under completion.
function bashCompletes(...words) {
  const quoted = words.map((word) => `'${word}'`).join(' ');
  const { stdout, stderr } = shell('bash', ['--norc', '-c', `source '${scripts.bash}'
    complete -p starling > /dev/null || exit 1
    COMP_WORDS=(starling ${quoted}) COMP_CWORD=${words.length}
    _starling
    printf '%s\\n' "\${COMPREPLY[@]}"`]);
  assert.equal(stderr, '');
  return stdout.split('\n').filter((line) => line !== '');
}

test('bash completes commands, options, choices and files', () => {
  assert.equal(shell('bash', ['-n', scripts.bash]).status, 0);
  assert.deepEqual(bashCompletes('ver'), ['verify', 'version']);
  assert.deepEqual(bashCompletes('token', ''), ['mint', 'show', 'revoke']);
  assert.deepEqual(bashCompletes('token', 'mint', '--ro'), ['--role']);
  assert.deepEqual(bashCompletes('token', 'mint', '--role', ''), ['pub', 'sub', 'both']);
  assert.deepEqual(bashCompletes('token', 'mint', '--role', '=', 'p'), ['pub']);
  assert.deepEqual(bashCompletes('sub', 'a', '--js'), ['--json']);
  assert.deepEqual(bashCompletes('sub', '--count', ''), []);
  assert.deepEqual(bashCompletes('check', 'a'), ['a file.yaml']);
  assert.deepEqual(bashCompletes('node', '--config', 'a'), ['a file.yaml']);
  assert.deepEqual(bashCompletes('node', '--tls'), ['--tls-cert', '--tls-key']);
  assert.deepEqual(bashCompletes('bench', 'fan'), ['fanout', 'fanin']);
  assert.deepEqual(bashCompletes('help', 'ver'), ['verify', 'version']);
  assert.deepEqual(bashCompletes('pub', 'demo', ''), []);
});

test('bash is offered every option that help lists', () => {
  const names = starling('help', '--all').stdout.match(/^starling [a-z]+( [a-z]+)?(?= |$)/gm)
    .map((line) => line.split(' ').slice(1));
  assert.ok(names.length > 20);
  for (const name of names) {
    const help = starling(...name, '--help').stdout;
    const offered = bashCompletes(...name, '--');
    for (const [, option] of help.matchAll(/^ {2}(--[a-z-]+)/gm)) assert.ok(offered.includes(option), `${name} ${option}`);
    assert.ok(offered.includes('--help'));
  }
});

test('zsh completes by its script', { timeout: 60000 }, () => {
  assert.equal(shell('zsh', ['-f', '-n', scripts.zsh]).status, 0);
  const { status, stderr } = spawnSync('python3', [path.resolve('tests/e2e/zsh_complete.py'), scripts.zsh,
    'starling ver', 'verify   -- check',
    'starling token ', 'mint    -- sign',
    'starling token mint --ro', 'mint --role',
    'starling token mint --role ', 'both  pub',
    'starling check a', 'a\\ file.yaml',
    'starling explain DEN', 'explain DENIED',
    'starling help ver', 'verify   version'], { encoding: 'utf8', timeout: 50000, cwd: folder });
  assert.equal(status, 0, stderr);
});

test('fish completes by its script', () => {
  assert.equal(shell('fish', ['-n', scripts.fish]).status, 0);
  const completes = (line) => {
    const { stdout, stderr } = shell('fish', ['--no-config', '-c', `source '${scripts.fish}'; complete -C '${line}'`]);
    assert.equal(stderr, '');
    return stdout.split('\n').map((row) => row.split('\t')[0]).filter((word) => word !== '');
  };
  assert.deepEqual(completes('starling ver').sort(), ['verify', 'version']);
  assert.deepEqual(completes('starling token '), ['mint', 'revoke', 'show']);
  assert.deepEqual(completes('starling token mint --ro'), ['--role']);
  assert.deepEqual(completes('starling token mint --role ').sort(), ['both', 'pub', 'sub']);
  assert.deepEqual(completes('starling check a'), ['a file.yaml']);
  assert.deepEqual(completes('starling sub --js'), ['--json']);
});
