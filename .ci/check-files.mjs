// Checks the files that no compiler reads, and ends with status 1 if one of them is wrong:
//
//   YAML                        parses without errors and warnings
//   shell scripts               have no syntax errors
//   Prometheus configurations   are valid, if promtool is installed
//   GitHub workflows            are valid, if actionlint is installed
//   Markdown                    relative links and their anchors exist; lines of text end at 120 columns
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseAllDocuments } from 'yaml';

const SKIPPED = new Set(['.git', 'node_modules', 'dist', 'data', '.cache', 'coverage']);
const MAX_COLUMNS = 120;
const faults = [];
let checked = 0;

for (const file of filesIn('.')) {
  const text = /\.(ya?ml|md|sh)$|^\.ci\//.test(file) ? readFileSync(file, 'utf8') : '';
  if (/\.ya?ml$/.test(file)) checkYaml(file, text);
  if (file.endsWith('.md')) checkMarkdown(file, text);
  if (text.startsWith('#!/bin/sh')) checkWith('sh', ['-n', file], file);
  if (text.startsWith('#!/usr/bin/env bash')) checkWith('bash', ['-n', file], file);
  if (file.endsWith('prometheus.yml')) checkWith('promtool', ['check', 'config', '--syntax-only', file], file);
  if (file.startsWith('.github/workflows/')) checkWith('actionlint', [file], file);
}
for (const fault of faults) console.error(fault);
console.log(`${checked} files checked, ${faults.length} faults`);
process.exitCode = faults.length > 0 ? 1 : 0;

function filesIn(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (SKIPPED.has(entry.name)) return [];
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

function checkMarkdown(file, text) {
  checked++;
  const prose = withoutCodeBlocks(text);
  for (const [i, line] of prose.split('\n').entries()) {
    // Tables, URLs and single long words cannot be broken.
    const isBreakable = !/^\s*\||^\s*<!--|^\s*\S+$/.test(line);
    const columns = line.replaceAll(/https?:\/\/\S+/g, '').length;
    if (isBreakable && columns > MAX_COLUMNS)
      faults.push(`${file}:${i + 1}: ${columns} columns, more than ${MAX_COLUMNS}`);
    for (const [, target] of line.replaceAll(/`[^`]*`/g, '').matchAll(/\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)/g)) {
      const reason = target === undefined ? undefined : whyBroken(file, target);
      if (reason !== undefined) faults.push(`${file}:${i + 1}: cannot follow link "${target}": ${reason}`);
    }
  }
}

/** Undefined for a link that leads somewhere, and for one to another site. */
function whyBroken(file, target) {
  if (/^[a-z][a-z0-9+.-]*:/i.test(target)) return undefined;
  const [path, anchor] = target.split('#');
  const linked = path === '' ? file : join(dirname(file), decodeURIComponent(path));
  if (!existsSync(linked)) return `no file ${linked}`;
  if (anchor === undefined || !linked.endsWith('.md')) return undefined;
  return anchorsOf(readFileSync(linked, 'utf8')).has(anchor) ? undefined : `no heading #${anchor} in ${linked}`;
}

/** As GitHub makes them of headings. */
function anchorsOf(text) {
  const anchors = new Set();
  for (const [, heading] of withoutCodeBlocks(text).matchAll(/^#{1,6} +(.*)$/gm)) {
    const plain = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const slug = plain.replaceAll(/[^\p{L}\p{M}\p{N}_ -]/gu, '').replaceAll(' ', '-');
    let anchor = slug;
    for (let n = 1; anchors.has(anchor); n++) anchor = `${slug}-${n}`;
    anchors.add(anchor);
  }
  return anchors;
}

/** With their lines left empty, so that line numbers stay right. */
function withoutCodeBlocks(text) {
  return text.replaceAll(/^( *)(```|~~~)[^\n]*\n[\s\S]*?^\1\2[^\n]*$|^ {4}.*$/gm, (block) =>
    block.replaceAll(/[^\n]/g, ''),
  );
}

function checkWith(program, args, file) {
  const { error, status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (error?.code === 'ENOENT') return console.log(`skipped: ${file}: ${program} is not installed`);
  checked++;
  if (status !== 0) faults.push(`${file}: ${stdout}${stderr}`.trim());
}
