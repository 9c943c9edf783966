// A client in Node.
//
// lookup NAME...  the C library's resolver: for each name a line with its addresses, or the error
// cares NAME...   c-ares, IPv4 addresses
// get URL...      for each what is there, or the error
const dns = require('dns').promises;
const https = require('https');

const ways = {
  lookup: async (name) => (await dns.lookup(name, { all: true })).map((a) => a.address).sort().join(' '),
  cares: async (name) => (await dns.resolve4(name)).sort().join(' '),
  get: (url) => new Promise((done, failed) => {
    https.get(url, (r) => {
      let body = '';
      r.on('data', (d) => { body += d; });
      r.on('end', () => done(body.trim()));
    }).on('error', failed);
  }),
};

(async () => {
  for (const what of process.argv.slice(3)) {
    const said = await ways[process.argv[2]](what).catch((e) => `error: ${e.code || e.message}`);
    console.log(`${what}: ${said}`);
  }
})();
