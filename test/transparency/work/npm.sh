# Packages from local archives, one with an install script and one with a program; no network.
set -e
export HOME=$PWD npm_config_update_notifier=false npm_config_audit=false npm_config_fund=false npm_config_offline=true npm_config_loglevel=error NO_COLOR=1
pack() {
  mkdir -p "pack/$1/package"
  cat > "pack/$1/package/package.json"
  echo "module.exports = '$1'" > "pack/$1/package/index.js"
  echo "require('fs').writeFileSync('built', 'yes')" > "pack/$1/package/install.js"
  printf '#!/usr/bin/env node\nconsole.log("%s runs")\n' "$1" > "pack/$1/package/cli.js"
  chmod +x "pack/$1/package/cli.js"
  tar -czf "$1-1.0.0.tgz" -C "pack/$1" package
}
echo '{"name": "leaf", "version": "1.0.0"}' | pack leaf
echo '{"name": "tool", "version": "1.0.0", "bin": "cli.js"}' | pack tool
echo '{"name": "made", "version": "1.0.0", "scripts": {"install": "node install.js"}}' | pack made
mkdir app
cd app
echo '{"name": "app", "version": "1.0.0", "scripts": {"test": "tool && node test.js"}}' > package.json
echo "console.log(require('leaf'), require('made'))" > test.js
npm install ../leaf-1.0.0.tgz ../tool-1.0.0.tgz ../made-1.0.0.tgz | sed 's/ in .*//'
npm test
cat node_modules/made/built
find . -not -path './node_modules/.package-lock.json' | sort
rm -r node_modules
