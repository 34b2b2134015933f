// SPDX-License-Identifier: Apache-2.0
//
// The recipes of docs/OPERATIONS.md, as they stand there, on loopback: ssh, scp,
// systemctl and apt-get are stand-ins that act on a folder for each host.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, test } from 'node:test';
import { program, running, temporaryFolder } from './harness.mjs';

const folder = temporaryFolder();
const shims = path.join(folder, 'shims');
const network = `127.20.${process.pid % 250}.`; // of this test's own

const stand = {
  starling: 'case $1 in node) exec "${NODE_PROGRAM:-$STARLING}" "$@" ;; *) exec "$STARLING" "$@" ;; esac',
  ssh: `host=\${1#*@}; shift
mkdir -p "$ROOT/$host/etc/starling"
command=$(printf '%s ' "$@" | sed "s|/etc/starling|$ROOT/$host/etc/starling|g; s|/tmp/starling_next|$ROOT/$host/starling_next|g")
HOST=$host exec sh -ec "$(printf %s "$command" | sed 's|http://eu-1:|http://${network}11:|; s|http://eu-2:|http://${network}12:|; s|http://us-1:|http://${network}21:|')"`,
  scp: `while [ "\${1#-}" != "$1" ]; do shift; done
for last; do :; done
host=\${last%%:*}; host=\${host#*@}; to=\${last#*:}
for file; do
    [ "$file" != "$last" ] || continue
    to=\${last#*:}; case $to in /tmp/) to=/tmp/$(basename "$file") ;; esac
    real=$(printf %s "$to" | sed "s|^/etc/starling|$ROOT/$host/etc/starling|; s|^/tmp/starling_next|$ROOT/$host/starling_next|")
    mkdir -p "$ROOT/$host/etc/starling"
    [ ! -d "$real" ] || real=$real/$(basename "$file")
    case $file in
    *.yaml) sed "s|/etc/starling|$ROOT/$host/etc/starling|g" "$file" >"$real" ;;
    *) cp -p "$file" "$real" ;;
    esac
done`,
  chown: ':',
  systemctl: `cd "$ROOT/$HOST"
url=$(sed -n 's/^endpoint: //p' etc/starling/starling.yaml)
start() {
    if [ -e next ]; then NODE_PROGRAM=$ROOT/starling-next; else NODE_PROGRAM=$STARLING; fi
    export NODE_PROGRAM
    setsid starling node --config etc/starling/starling.yaml >>log 2>&1 </dev/null &
    echo $! >pid
    until starling ready --url $url >/dev/null 2>&1; do kill -0 $(cat pid); sleep 0.05; done
}
stop() { kill -TERM $(cat pid); while kill -0 $(cat pid) 2>/dev/null; do sleep 0.05; done; }
case $* in
'enable --now starling') start ;;
'disable --now starling') stop ;;
'restart starling') stop; start ;;
*) echo "systemctl $*: not played" >&2; exit 1 ;;
esac`,
  'apt-get': `touch "$ROOT/$HOST/next"
systemctl restart starling`,
};

// The blocks of the section, in order, with addresses of loopback.
function recipes() {
  const [, section] = fs.readFileSync('docs/OPERATIONS.md', 'utf8').split('\n## Recipes\n');
  const blocks = section.split('\n## ')[0].matchAll(/\*\*([^*]+)\*\*|```sh\n([^]*?)```/g);
  let name = '';
  const list = [];
  for (const [, title, block] of blocks) {
    if (title) name = title;
    else list.push(`echo '== ${name}'\n${block.replaceAll('10.0.0.', network)}`);
  }
  return list.join('\n');
}

const hosts = ['eu-1', 'eu-2', 'us-1'];
after(() => {
  for (const host of hosts) {
    try { process.kill(Number(fs.readFileSync(path.join(folder, host, 'pid'), 'utf8')), 'SIGKILL'); } catch { /* it has ended */ }
  }
});

const isFree = (host) => new Promise((done) => {
  const server = net.createServer();
  server.once('error', () => done(false));
  server.listen({ port: 7400, host }, () => server.close(() => done(true)));
});

test('each recipe does what it says', { timeout: 120000 }, async (t) => {
  for (const host of ['11', '12', '21']) {
    if (!await isFree(network + host)) return t.skip(`${network}${host}:7400 is taken`);
  }
  fs.mkdirSync(shims);
  for (const [name, text] of Object.entries(stand)) {
    fs.writeFileSync(path.join(shims, name), `#!/bin/sh\nset -e\n${text}\n`, { mode: 0o755 });
  }
  fs.symlinkSync(path.resolve('deploy'), path.join(folder, 'deploy'));
  fs.writeFileSync(path.join(folder, 'starling_next_amd64.deb'), '');
  const bytes = fs.readFileSync(program);
  for (let at = bytes.indexOf('0.1.0'); at >= 0; at = bytes.indexOf('0.1.0', at)) bytes.write('0.1.1', at);
  fs.writeFileSync(path.join(folder, 'starling-next'), bytes, { mode: 0o755 });

  const shell = spawn('bash', ['-euo', 'pipefail', '-c', recipes()], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: `${shims}:${process.env.PATH}`, ROOT: folder, STARLING: path.resolve(program), HOME: folder } });
  running.add(shell);
  let said = '';
  shell.stdout.on('data', (data) => { said += data; });
  shell.stderr.on('data', (data) => { said += data; });
  const code = await new Promise((done) => { shell.on('close', done); });
  running.delete(shell);
  assert.equal(code, 0, said);
  const part = (name) => said.split(`== ${name}\n`).slice(1).join('').split('\n== ')[0];
  // Members and regions stand in the order of ids, which chance gives.
  for (const line of [/^eu-1 .*ready/m, /^eu-2 .*ready/m, /links 1\/1 up/]) assert.match(part('Add a node.'), line);
  for (const line of [/^eu +2 /m, /^us +1 /m]) assert.match(part('One region to two.'), line);
  assert.match(part('Remove a node.'), /eu-2 +eu +left /);
  assert.match(part('Change the cluster key'), /installed on all 3 nodes; seals on all 3 nodes/);
  assert.equal(part('Change the key that signs tokens.').match(/^reloaded: keys(; ignored: join \(restart\))?$/gm).length, 6);
  assert.equal(part('Renew a certificate.').match(/^reloaded: tls_cert(; ignored: join \(restart\))?$/gm).length, 3);
  const upgrade = part('Upgrade without loss');
  assert.ok(upgrade.includes('0.1.0') && upgrade.includes('0.1.1'), 'both versions in one cluster');
  for (const host of hosts) {
    const log = fs.readFileSync(path.join(folder, host, 'log'), 'utf8');
    assert.doesNotMatch(log, / error | member-dead /, host);
  }
  assert.equal(execFileSync(program, ['version']).toString(), 'starling 0.1.0\n');
});
