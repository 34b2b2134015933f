// SPDX-License-Identifier: Apache-2.0
//
// Where and when something was measured, and of what.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';

// What the pattern finds in what a command prints; '' without it.
function said(words, pattern) {
  const { stdout } = spawnSync(words[0], words.slice(1), { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  return pattern.exec(stdout ?? '')?.[1] ?? '';
}
const git = (...words) => ['git', '-c', 'safe.directory=*', ...words];

export function surroundings() {
  const changed = said(git('status', '--porcelain', '--untracked-files=no', '--', 'node', 'cluster', 'proto'), /(.)/);
  return {
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown', cores: os.cpus().length, kernel: os.release(),
    system: /^PRETTY_NAME="(.*)"/m.exec(fs.readFileSync('/etc/os-release', 'utf8'))?.[1] ?? os.type(),
    redis: said(['redis-server', '--version'], /v=([\d.]+)/), nats: said(['nats-server', '--version'], /v([\d.]+)/),
    mosquitto: said(['mosquitto', '-h'], /version ([\d.]+)/),
    commit: said(git('rev-parse', '--short', 'HEAD'), /(\w+)/) + (changed ? ', with changes' : ''),
    // bbr paces even on loopback: latency is another with cubic.
    congestion: fs.readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8').trim(),
    date: new Date().toISOString().slice(0, 10), load: os.loadavg().map((v) => v.toFixed(1)).join(' '),
  };
}

export const sentence = (s) => `\`${s.command}\` at commit ${s.commit}, ${s.date}: ${s.cpu}, ${s.cores} cores, `
  + `${s.system}, Linux ${s.kernel} (TCP ${s.congestion}); redis-server ${s.redis}, nats-server ${s.nats}, mosquitto ${s.mosquitto}; `
  + `load average ${s.load} at the start.`;
