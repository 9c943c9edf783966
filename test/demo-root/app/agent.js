// A stand-in for an agent: reads its input, writes its output.
'use strict';
const fs = require('node:fs');

const question = fs.readFileSync('/app/data/x', 'utf8');
fs.writeFileSync('/app/output/x', question.toUpperCase());
console.log('main.js: read /app/data/x, wrote /app/output/x');
