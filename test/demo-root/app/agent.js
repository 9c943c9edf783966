// A stand-in for an agent: does its work, then what an agent should not do.
// Says what came of each attempt on standard output, one JSON line each: what the program itself got from the kernel.
'use strict';
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');

async function attempt(name, action, more = {}) {
  let result = 'ok';
  try {
    await action();
  } catch (e) {
    result = e.code || String(e);
  }
  console.log(JSON.stringify({ attempt: name, result, ...more }));
}

const read = (path) => fs.readFileSync(path, 'utf8');

// What docker-entrypoint.sh made before it became this program.
function setUp() {
  const st = fs.statSync('/app/output/cache');
  if (st.uid !== 1000 || st.gid !== 1000) throw new Error("/app/output/cache is not the app's");
}

function linkOut() {
  try {
    fs.symlinkSync('/etc/shadow', '/app/output/innocent-node');
  } catch (e) {
    if (e.code !== 'EEXIST') throw e;
  }
  read('/app/output/innocent-node');
}

function shell() {
  const child = spawnSync('/bin/sh', ['-c', ':']);
  if (child.error) throw child.error;
}

const connect = (host, port) =>
  new Promise((resolve, reject) => {
    const s = net.connect({ host, port, timeout: 10000 });
    s.on('connect', () => resolve(s.destroy()));
    s.on('timeout', () => s.destroy(new Error('timeout')));
    s.on('error', reject);
  });

async function main() {
  await attempt('start', setUp, { exe: process.execPath });
  await attempt('data', () => read('/app/data/x'));
  await attempt('output', () => fs.writeFileSync('/app/output/x', read('/app/data/x').toUpperCase()));
  await attempt('shadow', () => read('/etc/shadow'));
  await attempt('secret', () => read('/run/secrets/app/token'));
  await attempt('symlink', linkOut);
  await attempt('overwrite', () => fs.writeFileSync('/app/data/x', 'what the agent would like it to say\n'));
  await attempt('shell', shell);
  await attempt('address', () => connect('192.0.2.1', 443));
  await attempt('node', () => connect('127.0.0.1', 10250));
}

main();
