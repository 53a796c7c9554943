// check-lock.mjs: checks package-lock.json, and ends with status 1 if one of its entries is wrong:
//
//   source       the registry that npm is configured with: no address, no git repository, no folder
//   integrity    each package has the SHA-512 hash of its file
//   complete     each dependency has an entry, those of other platforms too; npm ci refuses the file otherwise
//   scripts      only the package below has an install script; .npmrc keeps npm from running it
//   licences     of what is shipped, all packages but development dependencies: those below
//
// check-lock.mjs installed: names the packages for this platform that are missing in node_modules. npm ci leaves out an
// optional package, without a word, if the registry does not have it or sends another file than the locked one.
import { existsSync, readFileSync } from 'node:fs';

// Its script looks for the compiled part, as the program does again when it is loaded.
const WITH_INSTALL_SCRIPT = ['node_modules/msgpackr-extract'];
const LICENCES = ['MIT', 'ISC', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD'];

const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'));
const { '': project, ...locked } = packages;
const entries = Object.entries(locked);

if (process.argv[2] === 'installed') reportMissing();
else checkLock();

function checkLock() {
  const faults = Object.entries({ 'package.json': project, ...locked }).flatMap(([path, entry]) => [
    ...(path === 'package.json' ? [] : faultsOf(path, entry)),
    ...dependencyFaults(path, entry),
  ]);
  for (const fault of faults) console.error(`package-lock.json: ${fault}`);
  console.log(`${entries.length} locked packages checked, ${faults.length} faults; shipped: ${shippedLicences()}`);
  process.exitCode = faults.length > 0 ? 1 : 0;
}

function faultsOf(path, { version, resolved, link, integrity, hasInstallScript, dev, license }) {
  const faults = [];
  if (resolved !== undefined || link || !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
    faults.push(`${path}: "${resolved ?? version}" is an address: expected only a version`);
  if (!/^sha512-[\w+/]{86}==$/.test(integrity))
    faults.push(
      `${path}: no SHA-512 hash, as if the registry that wrote it lacked the package; remedy: remove the entry, ` +
        'then npm install --package-lock-only --registry=URL-OF-ANOTHER-REGISTRY',
    );
  if (hasInstallScript && !WITH_INSTALL_SCRIPT.includes(path)) faults.push(`${path}: has an install script`);
  if (!dev && !LICENCES.includes(license))
    faults.push(`${path}: licence "${license}" is none of those in .ci/check-lock.mjs`);
  return faults;
}

function dependencyFaults(path, { dependencies, devDependencies, optionalDependencies }) {
  return Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies }).flatMap(([name, range]) => {
    if (/[:/]/.test(range)) return `${path}: dependency ${name} "${range}" is not a range of versions`;
    return isLocked(name, path) ? [] : `${path}: dependency ${name} has no entry`;
  });
}

/** As Node finds it: in the folder of the package, or of one that contains it. */
function isLocked(name, path) {
  const folders = path.split('/node_modules/').map((_, i, parts) => parts.slice(0, i + 1).join('/node_modules/'));
  return [...folders.map((folder) => `${folder}/node_modules/${name}`), `node_modules/${name}`].some(
    (candidate) => candidate in locked,
  );
}

function shippedLicences() {
  const counts = new Map();
  for (const [, { dev, license }] of entries) if (!dev) counts.set(license, (counts.get(license) ?? 0) + 1);
  return [...counts].map(([license, count]) => `${count} ${license}`).join(', ');
}

function reportMissing() {
  for (const [path, { version, os, cpu, libc }] of entries) {
    if ((os ?? cpu) === undefined || existsSync(path)) continue;
    if (!fits(os, process.platform) || !fits(cpu, process.arch) || !fits(libc, libcOfNode())) continue;
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    console.error(
      `npm left out ${name} ${version}, which is made for this platform: the registry does not have it, or sends ` +
        'another file than the locked one. Programs that need it fail; remedy: npm ci --registry=URL-OF-ANOTHER-REGISTRY',
    );
  }
}

function fits(list, value) {
  return list === undefined || list.includes(value) || (list[0].startsWith('!') && !list.includes(`!${value}`));
}

function libcOfNode() {
  return process.report.getReport().header.glibcVersionRuntime === undefined ? 'musl' : 'glibc';
}
