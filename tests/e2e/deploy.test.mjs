// SPDX-License-Identifier: Apache-2.0
//
// What deploy/ gives to other programs agrees with this one: the settings of
// containers are options that exist and make a cluster, the image has the
// libraries that the program wants, and rules and boards ask for numbers that
// a node has.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { after, test } from 'node:test';
import { Node, get, portRow, program, run, stopAll, temporaryFolder, until } from './harness.mjs';

const nodes = [];
after(() => stopAll(nodes));

const output = (command, ...args) => {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  assert.equal(error, undefined);
  assert.equal(status, 0, `${command} ${args.join(' ')}: ${stdout}${stderr}`);
  return stdout;
};
const yaml = (file) => JSON.parse(output('python3', '-c',
  'import json,sys,yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))', file));
const [compose] = yaml('deploy/docker/compose.yaml');
const manifests = yaml('deploy/kubernetes/starling.yaml');
const pod = manifests.find(({ kind }) => kind === 'StatefulSet').spec.template;
const [container] = pod.spec.containers;
const podSettings = Object.fromEntries(container.env.map(({ name, value }) => [name, value ?? '']));

const options = new Set([...output(program, 'help', 'node').matchAll(/^ +--([a-z-]+)/gm)]
  .map(([, name]) => `STARLING_${name.toUpperCase().replaceAll('-', '_')}`));
const tool = (name) => spawnSync(name, ['--version']).error === undefined;

test('every setting of a container is an option', () => {
  const dockerfile = fs.readFileSync('deploy/docker/Dockerfile', 'utf8');
  const named = [...dockerfile.matchAll(/STARLING_\w+/g), ...JSON.stringify(compose).matchAll(/STARLING_\w+/g),
    ...JSON.stringify(podSettings).matchAll(/STARLING_\w+/g)].map(([name]) => name);
  assert.ok(named.length > 10 && options.size > 10);
  for (const name of named) assert.ok(options.has(name), name);
});

test('the image has the libraries that the program wants', { skip: !tool('dpkg') }, () => {
  const dockerfile = fs.readFileSync('deploy/docker/Dockerfile', 'utf8');
  const wanted = [...output('ldd', program).matchAll(/=> (\/\S+)/g)].map(([, file]) => fs.realpathSync(file));
  assert.ok(wanted.length > 5);
  for (const file of wanted) {
    const found = output('dpkg', '-S', `*${file.replace(/^\/usr/, '')}`).split(':')[0];
    assert.ok(found === 'libc6' || found.startsWith('libmbed') || dockerfile.includes(` ${found}`), `${file} is of ${found}`);
  }
});

test('the settings of compose make a cluster of two regions', async () => {
  const keys = `${temporaryFolder()}/cluster`;
  assert.equal((await run(['keygen', keys])).code, 0);
  const services = Object.entries(compose.services).filter(([, service]) => service.environment);
  assert.equal(services.length, 3);
  const ports = await Promise.all(services.map(() => portRow()));
  const join = ports.map((port) => `127.0.0.1:${port + 1}`).join();
  for (const [i, [name, service]] of services.entries()) {
    const node = new Node({ name, port: ports[i] });
    const at = { STARLING_LISTEN: `127.0.0.1:${ports[i]}`, STARLING_CLUSTER: `127.0.0.1:${ports[i] + 1}`,
      STARLING_ADVERTISE: `127.0.0.1:${ports[i] + 1}`, STARLING_JOIN: join, STARLING_KEYS: keys };
    node.options.env = { ...service.environment, ...at };
    node.words = () => [program, 'node'];
    node.url = `http://127.0.0.1:${ports[i]}`;
    nodes.push(node);
    node.spawn();
  }
  await Promise.all(nodes.map((node) => node.ready()));
  const token = (await run(['token', 'mint', '--keys', keys, '--sub', 'ops', '--scope', 'admin:*'])).stdout.toString().trim();
  for (const node of nodes) {
    node.options.token = token;
    await until(`${node.name} sees all`, 15000, () => node.sees(services.map(([name]) => name)));
    assert.equal((await run(['ready'], { url: node.url })).code, 0);
  }
  const regions = new Set((await nodes[0].cluster()).members.map((member) => member.region));
  assert.deepEqual([...regions].sort(), ['eu', 'us']);
  const heard = run(['sub', 'demo', 'chat', '--count', '1', '--barrier=all'], { url: nodes[2].url, env: { STARLING_TOKEN: token } });
  await until('an item crossed', 10000, async () => {
    await run(['pub', 'demo', 'chat', 'hello'], { url: nodes[0].url, env: { STARLING_TOKEN: token } });
    return Promise.race([heard, new Promise((done) => { setTimeout(done, 50); })]);
  });
  assert.match((await heard).stdout.toString(), /hello/);
});

test('ready says so by its exit code', async () => {
  const [node] = nodes;
  assert.equal((await run(['ready'], { url: node.url })).code, 0);
  assert.equal((await run(['ready'], { url: 'http://127.0.0.1:1' })).code, 69);
  assert.equal((await run(['ready', 'now'], { url: node.url })).code, 2);
});

test('a pod is asked what a node answers, and is given the time to drain', async () => {
  for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe']) {
    const { path, port } = container[probe].httpGet;
    assert.equal((await get(`${nodes[0].url}${path}`)).status, 200);
    assert.equal(container.ports.find(({ name }) => name === port).containerPort, 7400);
  }
  const limits = fs.readFileSync('node/config/limits.h', 'utf8');
  const drainMs = Number(limits.match(/X\(drain_ms, (\d+)/)[1]);
  const noticeMs = Number((podSettings.STARLING_LIMITS || '').match(/drain_notice_ms=(\d+)/)?.[1] || 0);
  assert.ok(pod.spec.terminationGracePeriodSeconds * 1000 > drainMs + noticeMs + 2000);
  for (const { spec } of manifests.filter(({ kind }) => kind === 'Service')) {
    for (const { port, protocol } of spec.ports) {
      assert.ok(container.ports.some((one) => one.containerPort === port && (one.protocol || 'TCP') === protocol) ||
        port === 7401, `${port} ${protocol}`);
    }
  }
});

test('the rules hold, and ask for numbers that a node has', { skip: !tool('promtool') && 'no promtool' }, async () => {
  output('promtool', 'check', 'rules', 'deploy/prometheus/alerts.yml');
  output('promtool', 'test', 'rules', 'deploy/prometheus/alerts.test.yml');
  const board = fs.readFileSync('deploy/grafana/starling.json', 'utf8');
  const asked = JSON.parse(board).panels.flatMap((panel) => panel.targets || []).map(({ expr }, i) => ({
    record: `panel_${i}`, expr: expr.replaceAll('$__rate_interval', '1m') }));
  assert.ok(asked.length > 20);
  const asRules = `${temporaryFolder()}/board.yml`;
  fs.writeFileSync(asRules, JSON.stringify({ groups: [{ name: 'board', rules: asked }] }));
  output('promtool', 'check', 'rules', asRules);
  const metrics = (await get(`${nodes[0].url}/metrics`, { headers: { Authorization: nodes[0].options.token } })).text;
  for (const file of ['deploy/prometheus/alerts.yml', 'deploy/grafana/starling.json']) {
    for (const [name] of fs.readFileSync(file, 'utf8').matchAll(/\bstarling_\w+/g)) {
      assert.ok(metrics.includes(`# TYPE ${name.replace(/_(bucket|sum|count)$/, '')} `) ||
        metrics.includes(`# TYPE ${name} `), `${file}: ${name}`);
    }
  }
});
