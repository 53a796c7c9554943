// Checks the files that no compiler reads: YAML has to parse without a warning, shell scripts have to be well-formed,
// Prometheus configurations valid (where promtool is installed). Ends with 1 when one is not.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';

const LEFT_OUT = new Set(['.git', 'node_modules', 'dist', 'data', '.cache', 'coverage']);
const faults = [];
let checked = 0;

for (const file of filesIn('.')) {
  const text = /\.ya?ml$|\.sh$|^\.ci\//.test(file) ? readFileSync(file, 'utf8') : '';
  if (/\.ya?ml$/.test(file)) checkYaml(file, text);
  if (text.startsWith('#!/bin/sh')) checkWith('sh', ['-n', file], file);
  if (text.startsWith('#!/usr/bin/env bash')) checkWith('bash', ['-n', file], file);
  if (file.endsWith('prometheus.yml')) checkWith('promtool', ['check', 'config', '--syntax-only', file], file);
}
for (const fault of faults) console.error(fault);
console.log(`${checked} checks of files, ${faults.length} faults`);
process.exitCode = faults.length > 0 ? 1 : 0;

function filesIn(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (LEFT_OUT.has(entry.name)) return [];
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesIn(path) : [path];
  });
}

function checkYaml(file, text) {
  checked++;
  for (const document of parseAllDocuments(text, { merge: true })) {
    for (const { message } of [...document.errors, ...document.warnings]) faults.push(`${file}: ${message}`);
  }
}

function checkWith(program, args, file) {
  const { error, status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (error?.code === 'ENOENT') return console.log(`skipped: ${file}: ${program} is not installed`);
  checked++;
  if (status !== 0) faults.push(`${file}: ${stdout}${stderr}`.trim());
}
