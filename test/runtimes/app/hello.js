// What most Node programs load, and a little use of each.
'use strict';
const crypto = require('crypto');
const dns = require('dns');
const fs = require('fs');
const https = require('https');
const os = require('os');
const { Worker, isMainThread, parentPort } = require('worker_threads');

if (!isMainThread) {
  parentPort.postMessage(crypto.createHash('sha256').update('x').digest('hex').slice(0, 8));
} else {
  const said = {
    agent: new https.Agent({ keepAlive: true }) !== null,
    roots: require('tls').rootCertificates.length > 50,
    random: crypto.randomBytes(8).length,
    self: fs.readFileSync(__filename, 'utf8').length > 0,
    cpus: os.cpus().length > 0,
    memory: os.totalmem() > 0 && process.memoryUsage().rss > 0,
    zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  };
  new Worker(__filename).once('message', (hash) => {
    said.worker = hash;
    dns.lookup('127.0.0.1', (err, address) => {
      said.lookup = err ? err.code : address;
      console.log(JSON.stringify(said));
    });
  });
}
